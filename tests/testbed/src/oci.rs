//! runc and crun by hand: a bundle, a record, a process, and nobody who manages them. Installing them is `xtask`'s.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};

use crate::guard::{Scratch, unique_name};
use crate::{PREFIX, containerd, output, rootfs};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// runc, with its records in `/run/runc`.
    Runc,
    /// crun, with its records in `/run/crun`.
    Crun,
}

impl Runtime {
    /// Its program.
    pub fn program(self) -> &'static str {
        match self {
            Self::Runc => "runc",
            Self::Crun => "crun",
        }
    }

    /// Where it keeps its records unless it is told another folder.
    fn usual_root(self) -> PathBuf {
        Path::new("/run").join(self.program())
    }

    /// A command of it. crun refuses a machine with cgroups of both versions, unless it does not see the second.
    fn command(self, root: Option<&Path>) -> Command {
        let mut command = Command::new("unshare");
        let hide = if self == Self::Crun { "umount /sys/fs/cgroup/unified 2>/dev/null; " } else { "" };
        command.args(["--mount", "sh", "-c", &format!("{hide}exec \"$@\""), "sh", self.program()]);
        command.args(root.iter().flat_map(|root| ["--root".as_ref(), root.as_os_str()]));
        command
    }

    /// Its version.
    pub fn version(self) -> Result<String> {
        let text = output::stdout(Command::new(self.program()).arg("--version"))?;
        Ok(text.lines().next().unwrap_or_default().to_owned())
    }
}

/// A container, deleted when dropped.
#[derive(Debug)]
pub struct Container {
    runtime: Runtime,
    root: Option<PathBuf>,
    id: String,
    bundle: Scratch,
}

impl Container {
    /// Creates and starts a container that is called by a name which is made up. `root` is the runtime's own folder,
    /// where it is not the usual one.
    pub fn run(
        runtime: Runtime,
        root: Option<&Path>,
        annotations: &[(&str, &str)],
        program: &[&str],
    ) -> Result<Container> {
        let container = Self::create_as(runtime, root, &unique_name(), annotations, program)?;
        container.start()?;
        Ok(container)
    }

    /// The same at the usual place, of a bundle whose configuration was changed; it sleeps.
    pub fn run_with(runtime: Runtime, change: impl FnOnce(&mut Value) -> Result<()>) -> Result<Container> {
        let container = Self::create(runtime, None, &unique_name(), &[], &["sleep", "100000"], change)?;
        container.start()?;
        Ok(container)
    }

    /// Creates one under this ID, with these annotations, and does not start it.
    pub fn create_as(
        runtime: Runtime,
        root: Option<&Path>,
        id: &str,
        annotations: &[(&str, &str)],
        program: &[&str],
    ) -> Result<Container> {
        Self::create(runtime, root, id, annotations, program, |_| Ok(()))
    }

    fn create(
        runtime: Runtime,
        root: Option<&Path>,
        id: &str,
        annotations: &[(&str, &str)],
        program: &[&str],
        change: impl FnOnce(&mut Value) -> Result<()>,
    ) -> Result<Container> {
        let bundle = Scratch::new()?;
        let namespaces: Vec<_> =
            ["pid", "network", "ipc", "uts", "mount"].iter().map(|kind| json!({ "type": kind })).collect();
        let mount = |kind: &str, at: &str, options: &[&str]| json!({ "destination": at, "type": kind, "source": kind, "options": options });
        let mut config = json!({
            "ociVersion": "1.0.2",
            "hostname": id,
            "annotations": annotations.iter().copied().collect::<BTreeMap<_, _>>(),
            "root": { "path": rootfs::busybox()?, "readonly": true },
            "process": {
                "user": { "uid": 0, "gid": 0 },
                "args": program,
                "cwd": "/",
                "env": ["PATH=/bin:/sbin:/usr/bin:/usr/sbin", "OF=the bundle"],
            },
            "mounts": [
                mount("proc", "/proc", &[]),
                mount("tmpfs", "/dev", &["nosuid", "mode=755"]),
                mount("sysfs", "/sys", &["nosuid", "noexec", "nodev", "ro"]),
            ],
            "linux": { "namespaces": namespaces, "cgroupsPath": format!("/{id}") },
        });
        change(&mut config)?;
        std::fs::write(bundle.path().join("config.json"), config.to_string())?;
        // The guard would take the one that is there with it.
        let record = root.map_or_else(|| runtime.usual_root(), Path::to_owned).join(id);
        ensure!(!record.exists(), "{} is there already", record.display());
        let container = Container { runtime, root: root.map(Path::to_owned), id: id.to_owned(), bundle };
        let mut create = container.command();
        create.args(["create", "--bundle"]).arg(container.bundle.path()).arg(id);
        // The container keeps what it is given: a pipe that we wait on would never end.
        let log = container.bundle.path().join("log");
        let status = create.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?).status()?;
        if !status.success() {
            let said = output::last_lines(&log, 5);
            bail!("{} create failed ({status}): {said}", runtime.program());
        }
        Ok(container)
    }

    fn command(&self) -> Command {
        self.runtime.command(self.root.as_deref())
    }

    /// Its ID, which is its only name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The folder of its `config.json`, the test's to change.
    pub fn bundle(&self) -> &Path {
        self.bundle.path()
    }

    /// The pid of its first process; 0 when it isn't running.
    pub fn pid(&self) -> Result<u32> {
        let state: serde_json::Value = serde_json::from_str(&self.words(&["state"])?)?;
        Ok(state["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).unwrap_or_default())
    }

    /// Starts what was created.
    pub fn start(&self) -> Result<()> {
        self.words(&["start"]).map(drop)
    }

    /// Kills its first process.
    pub fn kill(&self) -> Result<()> {
        output::stdout(self.command().args(["kill", &self.id, "KILL"])).map(drop)
    }

    /// Runs a command of the runtime's on it, such as `start` or `pause`.
    pub fn words(&self, words: &[&str]) -> Result<String> {
        output::stdout(self.command().args(words).arg(&self.id))
    }

    /// Runs a program inside.
    pub fn exec(&self, program: &[&str]) -> Result<String> {
        output::stdout(self.command().arg("exec").arg(&self.id).args(program))
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        delete(self.command(), &self.id);
    }
}

fn delete(mut command: Command, id: &str) {
    let _ = output::run(command.args(["delete", "--force", id]));
    containerd::remove_cgroup(&format!("/{id}"));
}

/// Removes what killed tests left in the runtimes' usual folders; how many containers it was.
pub fn remove_all() -> Result<usize> {
    let mut count = 0;
    for runtime in [Runtime::Runc, Runtime::Crun] {
        let entries = std::fs::read_dir(runtime.usual_root()).into_iter().flatten().flatten();
        let ids = entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|id| id.starts_with(PREFIX));
        count += ids.map(|id| delete(runtime.command(None), &id)).count();
    }
    Ok(count)
}
