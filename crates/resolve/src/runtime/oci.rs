//! The one reader of bundles, whose `config.json` (runtime-spec) says what an OCI runtime is to run. Every engine that runs
//! one of them reads through here; containers that were run by hand are found here as well. What the runtimes note
//! themselves is read in `record.rs`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Runtime;
use super::record::{Init, Record};
use crate::container::{Container, Files, Network, Pod, Service, Source, is_made_up};
use crate::file;
use crate::listed::Listed;
use crate::report::Report;
use crate::roots::Roots;
use crate::wanted::Wanted;

/// What programs get where nothing sets PATH.
pub(crate) const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

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
        health: None,
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

/// The bundle of a container that was run by hand, from the record where it was found.
pub(crate) fn bundle(root: &Path, id: &str) -> Option<PathBuf> {
    Record::read(&root.join(id))?.bundle()
}

/// The init processes of the containers in this folder, an engine's among them, as their runtime noted them.
pub(crate) fn noted(root: &Path) -> Vec<i32> {
    let records = file::names(root).into_iter().filter_map(|id| Record::head(&root.join(id)));
    records.filter_map(|record| record.pid()).collect()
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
