//! The one reader of what OCI runtimes leave on disk: runc's `state.json`, crun's `status`, youki's `state.json`, and the
//! bundle's `config.json` (runtime-spec). Every engine that runs one of them reads through here; containers that were
//! run by hand are found here as well.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Runtime, process};
use crate::container::{Container, Files, Network, Pod, Service, Source, State, is_made_up};
use crate::file;
use crate::listed::{Listed, seconds};
use crate::report::Report;
use crate::roots::Roots;
use crate::wanted::Wanted;

/// What programs get where nothing sets PATH.
pub(crate) const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How much of runc's record says who the process is, in bytes.
const HEAD: usize = 512;

/// A runtime's record of a container: runc's, crun's and youki's words for the same things.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Record {
    #[serde(alias = "init_process_pid")]
    pid: Option<i32>,
    #[serde(alias = "init_process_start", alias = "process-start-time")]
    start: Option<u64>,
    bundle: Option<PathBuf>,
    /// youki's alone.
    status: Option<String>,
    created: Option<String>,
    config: Option<RuncConfig>,
    /// The record's folder.
    #[serde(skip)]
    folder: PathBuf,
}

#[derive(Debug, Deserialize)]
struct RuncConfig {
    rootfs: Option<PathBuf>,
    labels: Option<Vec<String>>,
}

/// What is known of a container's init process.
#[derive(Debug)]
pub(crate) struct Init {
    pub(crate) state: State,
    pub(crate) pid: Option<i32>,
    pub(crate) start: Option<u64>,
}

/// The part of `config.json` that says how the container looks from inside, and whose it is.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Bundle {
    process: Option<BundleProcess>,
    pub(crate) hostname: Option<String>,
    pub(crate) annotations: Option<BTreeMap<String, String>>,
    linux: Option<Linux>,
    mounts: Option<Vec<Mount>>,
    root: Option<BundleRoot>,
}

#[derive(Debug, Deserialize)]
struct BundleRoot {
    path: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Mount {
    destination: String,
    source: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct BundleProcess {
    env: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
struct Linux {
    namespaces: Option<Vec<Namespace>>,
}

#[derive(Debug, Deserialize)]
struct Namespace {
    #[serde(rename = "type")]
    kind: String,
    path: Option<PathBuf>,
}

impl Init {
    /// There is no process to enter.
    pub(crate) fn none(state: State) -> Self {
        Self { state, pid: None, start: None }
    }
}

impl Record {
    /// The record of a container in `folder`; `None` where there is none.
    pub(crate) fn read(folder: &Path) -> Option<Self> {
        ["state.json", "status"].into_iter().find_map(|name| {
            let record: Self = file::json(&folder.join(name), file::LARGEST)?;
            Some(Self { folder: folder.to_owned(), ..record })
        })
    }

    /// As [`Record::read`], and of runc's record no more than its beginning, which says who the process is, when the
    /// container was made, and where its root is. All of it is thirty thousand bytes.
    pub(crate) fn head(folder: &Path) -> Option<Self> {
        let head = file::beginning(&folder.join("state.json"), HEAD).ok();
        match head.and_then(|head| Self::in_head(&String::from_utf8_lossy(&head))) {
            Some(record) => Some(Self { folder: folder.to_owned(), ..record }),
            None => Self::read(folder),
        }
    }

    /// Go writes the fields of a structure in their order, and without blanks. Whatever is written otherwise is for the
    /// parser.
    fn in_head(text: &str) -> Option<Self> {
        let text = text.strip_prefix(r#"{"id":""#)?;
        let after = |key: &str| text.split_once(key).map(|(_, after)| after);
        let number = |key: &str| after(key)?.split_once(',')?.0.parse::<u64>().ok();
        // What had to be escaped is for the parser as well.
        let word = |key: &str| Some(after(key)?.split_once('"')?.0).filter(|word| !word.contains('\\'));
        let pid = i32::try_from(number(r#","init_process_pid":"#)?).ok()?;
        let start = Some(number(r#","init_process_start":"#)?);
        let created = word(r#","created":""#).map(str::to_owned);
        let rootfs = word(r#","rootfs":""#)?.into();
        let config = RuncConfig { rootfs: Some(rootfs), labels: None };
        Some(Self { pid: Some(pid), start, created, config: Some(config), ..Self::default() })
    }

    /// The container's root file system, which runc alone notes.
    pub(crate) fn root(&self) -> Option<PathBuf> {
        self.config.as_ref()?.rootfs.clone().filter(|root| root.is_absolute())
    }

    /// When the container was made, in seconds since 1970.
    pub(crate) fn created(&self) -> Option<i64> {
        self.created.as_deref().and_then(seconds)
    }

    /// The bundle's folder.
    pub(crate) fn bundle(&self) -> Option<PathBuf> {
        let labels = self.config.iter().flat_map(|config| config.labels.iter().flatten());
        let label = labels.filter_map(|label| label.strip_prefix("bundle=")).map(PathBuf::from).next();
        self.bundle.clone().or(label)
    }

    /// The init process, checked against `/proc`: what is recorded may have ended since.
    pub(crate) fn init(&self, id: &str) -> Init {
        let pid = self.pid.filter(|pid| *pid > 0);
        // Made and not started: the runtime itself waits in there for the word to go on.
        let waits = self.folder.join("exec.fifo").exists() || self.status.as_deref() == Some("created");
        let Some(pid) = pid else {
            return Init::none(if waits { State::Created } else { State::Stopped });
        };
        let start = self.start.filter(|start| *start > 0);
        let alive = match start {
            Some(start) => process::start_time(pid).filter(|found| *found == start),
            // youki notes none: the cgroup stands in for it.
            None => process::start_in_cgroup(pid, id),
        };
        match alive {
            Some(_) if waits => Init::none(State::Created),
            Some(start) => Init { state: State::Running, pid: Some(pid), start: Some(start) },
            None => Init { state: State::Gone { pid }, pid: None, start },
        }
    }
}

impl Bundle {
    /// The bundle in this folder; an empty one where it cannot be read.
    pub(crate) fn read(folder: &Path) -> Self {
        file::json(&folder.join("config.json"), file::LARGEST).unwrap_or_default()
    }

    /// An annotation.
    pub(crate) fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The environment of the container's programs.
    pub(crate) fn env(&self) -> Vec<String> {
        let env = self.process.as_ref().and_then(|process| process.env.clone());
        environment(env.unwrap_or_default(), self.hostname.clone().unwrap_or_default())
    }

    /// What is mounted into its `/etc`. Of several mounts in one place the last is seen.
    fn files(&self) -> Files {
        let mounts = || self.mounts.iter().flatten();
        let source = |destination: &str| {
            let mount = mounts().rfind(|mount| mount.destination == destination)?;
            mount.source.clone()
        };
        let own = ["/etc/resolv.conf", "/etc/hosts", "/etc/hostname"].map(source);
        Files::recorded(own, std::iter::empty())
    }

    /// Where its network is kept: a path under `/proc` is no file of its own.
    pub(crate) fn network(&self) -> Network {
        let Some(namespaces) = self.linux.as_ref().and_then(|linux| linux.namespaces.as_ref()) else {
            return Network::None;
        };
        match namespaces.iter().find(|namespace| namespace.kind == "network") {
            None => Network::Host(None),
            Some(Namespace { path: Some(path), .. }) if path.is_absolute() && !path.starts_with("/proc") => {
                Network::Sandbox(path.clone())
            }
            Some(_) => Network::None,
        }
    }

    /// The pod that Kubernetes' runtimes note in annotations: containerd's words and CRI-O's.
    pub(crate) fn pod(&self) -> Option<Pod> {
        let first = |names: [&str; 2]| names.into_iter().find_map(|name| self.annotation(name)).map(str::to_owned);
        let name = first(["io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name"])?;
        let namespace = first(["io.kubernetes.cri.sandbox-namespace", "io.kubernetes.pod.namespace"])?;
        let kind = first(["io.kubernetes.cri.container-type", "io.kubernetes.cri-o.ContainerType"])?;
        let container = match kind.as_str() {
            "sandbox" => None,
            _ => Some(first(["io.kubernetes.cri.container-name", "io.kubernetes.container.name"])?),
        };
        Some(Pod { namespace: Some(namespace), name, container })
    }

    /// The service of Compose.
    pub(crate) fn service(&self) -> Option<Service> {
        service(|name| self.annotation(name))
    }
}

/// The service that Compose's labels name. What `compose run` starts is not part of one.
pub(crate) fn service<'a>(label: impl Fn(&str) -> Option<&'a str>) -> Option<Service> {
    let project = label("com.docker.compose.project")?.to_owned();
    let service = label("com.docker.compose.service")?.to_owned();
    let alone = label("com.docker.compose.oneoff").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    // Only containers that Compose made have a number: the images that it builds have project and service as well.
    let number = label("com.docker.compose.container-number")?.parse().ok()?;
    (!alone).then_some(Service { project, service, number })
}

/// The environment of the image and of the command line, with what engines put before. `HOME`, where nothing sets it, is
/// that of the user whom the program gets.
pub(crate) fn environment(configured: Vec<String>, hostname: String) -> Vec<String> {
    let sets = |name: &str| configured.iter().any(|entry| entry.starts_with(name));
    let mut all = Vec::with_capacity(configured.len() + 3);
    if !sets("PATH=") {
        all.push(DEFAULT_PATH.to_owned());
    }
    if !sets("HOSTNAME=") && !hostname.is_empty() {
        all.push(format!("HOSTNAME={hostname}"));
    }
    all.extend(configured);
    all
}

/// Whether a bundle in this folder is that of an engine with a reader of its own.
fn is_of_engine(bundle: &Path) -> bool {
    let parts = || bundle.iter().filter_map(|part| part.to_str());
    parts().any(|part| part.ends_with("-containers") || part.starts_with("io.containerd.runtime"))
}

/// A container by its process and its bundle. Of names nothing is said but the ID.
pub(super) fn listed(runtime: Runtime, id: String, init: Init, bundle: Bundle, folder: &Path, lies: &Path) -> Listed {
    Listed {
        root: bundle.root.as_ref().map(|root| lies.join(&root.path)).filter(|root| root.is_absolute()),
        container: container(runtime, id, init, &bundle, folder),
        image: None,
        labels: bundle.annotations.unwrap_or_default(),
        networks: Vec::new(),
        ports: Vec::new(),
        created: None,
    }
}

fn container(runtime: Runtime, id: String, init: Init, bundle: &Bundle, folder: &Path) -> Container {
    let Init { state, pid, start } = init;
    Container {
        runtime,
        namespace: None,
        name: id.clone(),
        id,
        pid,
        start,
        state,
        network: bundle.network(),
        env: bundle.env(),
        added_groups: Vec::new(),
        files: bundle.files(),
        pod: bundle.pod(),
        service: bundle.service(),
        source: Source::State { folder: folder.to_owned(), instead_of: None },
    }
}

/// Whether the record in this folder, if there is one, is crun's: it alone has a file of that name.
pub(crate) fn is_of_crun(folder: &Path) -> bool {
    folder.join("status").is_file()
}

/// The bundle of a container that was run by hand, from the record where it was found.
pub(crate) fn bundle(root: &Path, id: &str) -> Option<PathBuf> {
    Record::read(&root.join(id))?.bundle()
}

/// Containers that were run by hand, or by a tool that nobody told us of.
pub(crate) fn state(roots: &Roots, wanted: &Wanted<'_>) -> Option<Report> {
    let mut report = Report::default();
    for root in &roots.oci {
        if file::is_forbidden(root) {
            report.forbidden(root);
        }
        for id in wanted.folders(root) {
            // Nothing but the ID names them.
            if !wanted.may_be(&id, b"") {
                // Engines that keep their records here make up their IDs; people do not.
                if !is_made_up(&id) {
                    report.looked_in(root);
                    report.passed();
                }
                continue;
            }
            let Some(record) = Record::read(&root.join(&id)) else { continue };
            let bundle = record.bundle().unwrap_or_default();
            if is_of_engine(&bundle) {
                continue;
            }
            report.looked_in(root);
            report.passed();
            let (init, created) = (record.init(&id), record.created());
            let image = Some(bundle.display().to_string()).filter(|bundle| !bundle.is_empty());
            let listed = listed(Runtime::Oci, id, init, Bundle::read(&bundle), root, &bundle);
            report.add(Listed { created, image, ..listed });
        }
    }
    report.if_anything()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_runtimes_say_the_same_in_their_own_words() {
        let runc = r#"{"id":"w","init_process_pid":7,"init_process_start":9,"config":{"labels":["a=b","bundle=/b"]}}"#;
        let crun = r#"{"pid":7,"process-start-time":9,"bundle":"/b","cgroup-path":"/w","external":[]}"#;
        let youki = r#"{"ociVersion":"1","id":"w","status":"running","pid":7,"bundle":"/b"}"#;
        for (text, start) in [(runc, Some(9)), (crun, Some(9)), (youki, None)] {
            let record: Record = serde_json::from_str(text).unwrap();
            assert_eq!((record.pid, record.start, record.bundle()), (Some(7), start, Some("/b".into())), "{text}");
        }
    }

    #[test]
    fn the_beginning_of_a_record_says_as_much_as_all_of_it() {
        let text = r#"{"id":"w","init_process_pid":7,"init_process_start":9,"created":"2026-01-02T03:04:05.6Z","config":{
            "no_pivot_root":false,"parent_death_signal":0,"rootfs":"/b/rootfs","umask":null,"labels":[]}}"#;
        let text = text.replace("\n            ", "");
        let whole: Record = serde_json::from_str(&text).unwrap();
        let head = Record::in_head(&text[..text.find("umask").unwrap()]).unwrap();
        assert_eq!(
            (head.pid, head.start, head.root(), head.created()),
            (Some(7), Some(9), whole.root(), whole.created())
        );
        assert_eq!((whole.root(), whole.created()), (Some("/b/rootfs".into()), Some(1_767_323_045)));
        // Whatever is not as runc writes it is parsed.
        for (from, to) in
            [("\"id\":", "\"ID\":"), (":7,", ": 7,"), (":9,", ":9"), ("/b/", "/\\u0062/"), ("\"rootfs\"", "x")]
        {
            assert!(Record::in_head(&text.replacen(from, to, 1)).is_none(), "{to}");
        }
    }

    #[test]
    fn a_pod_is_named_in_the_words_of_either_runtime() {
        let bundle = |text: &str| serde_json::from_str::<Bundle>(text).unwrap().pod();
        let containerd = r#"{"annotations":{"io.kubernetes.cri.sandbox-name":"p","io.kubernetes.cri.sandbox-namespace":"n",
            "io.kubernetes.cri.container-type":"container","io.kubernetes.cri.container-name":"c"}}"#;
        let crio = r#"{"annotations":{"io.kubernetes.pod.name":"p","io.kubernetes.pod.namespace":"n",
            "io.kubernetes.cri-o.ContainerType":"sandbox"}}"#;
        let pod = |container: Option<&str>| {
            let container = container.map(str::to_owned);
            Some(Pod { namespace: Some("n".to_owned()), name: "p".to_owned(), container })
        };
        assert_eq!(bundle(containerd), pod(Some("c")));
        assert_eq!(bundle(crio), pod(None));
        assert_eq!(bundle(r#"{"annotations":null}"#), None);
    }

    #[test]
    fn a_network_has_a_file_a_process_or_is_the_hosts() {
        let network = |namespaces: &str| {
            serde_json::from_str::<Bundle>(&format!(r#"{{"linux":{{"namespaces":{namespaces}}}}}"#)).unwrap().network()
        };
        assert_eq!(network(r#"[{"type":"pid"}]"#), Network::Host(None));
        assert_eq!(network(r#"[{"type":"network"}]"#), Network::None);
        assert_eq!(network(r#"[{"type":"network","path":"/proc/7/ns/net"}]"#), Network::None);
        assert_eq!(network(r#"[{"type":"network","path":"/run/netns/x"}]"#), Network::Sandbox("/run/netns/x".into()));
    }

    #[test]
    fn what_the_image_sets_wins_over_what_the_engine_adds() {
        let set = |list: &[&str]| list.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>();
        assert_eq!(environment(set(&["PATH=/x", "A=1"]), "web".to_owned()), ["HOSTNAME=web", "PATH=/x", "A=1"]);
        assert_eq!(
            environment(set(&["HOME=/h", "HOSTNAME=x"]), "web".to_owned()),
            [DEFAULT_PATH, "HOME=/h", "HOSTNAME=x"]
        );
    }
}
