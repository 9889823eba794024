//! Which engines are asked, and where: flags and environment together, for `resolve`, which reads neither.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use resolve::{Context, Settings};

/// The options that say it.
#[derive(Clone, Debug)]
pub(crate) struct Engines {
    /// `-H`.
    pub(crate) host: Option<String>,
    /// `--context`.
    pub(crate) context: Option<String>,
    /// `--state-root`, each.
    pub(crate) state_roots: Vec<PathBuf>,
    /// `--timeout`.
    pub(crate) timeout: Duration,
}

impl Engines {
    /// The words that say the same of where they are, for lines to be pasted.
    pub(crate) fn words(&self) -> Vec<OsString> {
        let text = |name, text: &Option<String>| text.as_ref().map(|text| (name, OsString::from(text)));
        let roots = self.state_roots.iter().map(|root| ("--state-root", root.clone().into_os_string()));
        let all = text("--host", &self.host).into_iter().chain(text("--context", &self.context)).chain(roots);
        all.flat_map(|(name, value)| [name.into(), value]).collect()
    }
}

/// Flags and environment, for `resolve`, which reads neither.
pub(crate) fn settings(engines: Engines) -> Settings {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let flag = engines.context.map(|name| Context { name, said_by: "--context" });
    let context = flag.or_else(|| variable("DOCKER_CONTEXT").map(|name| Context { name, said_by: "DOCKER_CONTEXT" }));
    let home = |folder| variable("HOME").map(|home| Path::new(&home).join(folder));
    Settings {
        host: engines.host,
        docker_host: variable("DOCKER_HOST"),
        context,
        config_folder: variable("DOCKER_CONFIG").map(PathBuf::from).or_else(|| home(".docker")),
        container_host: variable("CONTAINER_HOST"),
        runtime_folder: variable("XDG_RUNTIME_DIR").map(PathBuf::from).filter(is_own),
        data_folder: variable("XDG_DATA_HOME").map(PathBuf::from).or_else(|| home(".local/share")).filter(is_own),
        state_roots: engines.state_roots,
        timeout: engines.timeout,
    }
}

/// Whether a folder is the caller's. su and sudo may leave a user's to root, who must not go by what is written there.
fn is_own(folder: &PathBuf) -> bool {
    let own = rustix::process::geteuid().as_raw();
    std::fs::metadata(folder).is_ok_and(|found| found.uid() == own && found.mode() & 0o022 == 0)
}
