//! What podman and CRI-O keep in containers/storage, which they share: names in `containers.json`, the bundle beside
//! them, and the OCI runtime's record elsewhere.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::oci::Bundle;
use super::record::{Init, Record};
use super::{Runtime, oci, process};
use crate::container::{Container, Pod, State};
use crate::file;
use crate::listed::{Listed, seconds};
use crate::report::Report;
use crate::roots::Roots;
use crate::specification::is_bundle;
use crate::wanted::Wanted;

/// The lists of containers in a folder.
const LISTS: [&str; 2] = ["containers.json", "volatile-containers.json"];

/// Lists of names may be longer than the record of one container, in bytes.
const LARGEST_LIST: u64 = 8 << 20;

/// podman calls the container whose namespaces a pod shares by the beginning of the pod's ID and this.
pub(crate) const INFRA: &str = "-infra";

/// A line of `containers.json`.
#[derive(Deserialize)]
pub(crate) struct Entry {
    id: String,
    names: Option<Vec<String>>,
    layer: Option<String>,
    created: Option<String>,
    /// JSON of the engine's own, as text.
    metadata: Option<String>,
}

/// What the engines note beside a container.
#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(rename = "image-name")]
    image: Option<String>,
}

/// Every container of `runtime` that may be what is wanted.
pub(crate) fn state(runtime: Runtime, roots: &Roots, wanted: &Wanted<'_>) -> Option<Report> {
    let mut report = Report::default();
    let folders = folders(roots);
    for root in roots.storage.iter().filter(|root| file::is_forbidden(root)) {
        report.forbidden(root);
    }
    let mut seen = Vec::new();
    for folder in &folders {
        let lists = LISTS.map(|name| folder.join(name));
        for list in lists.iter().filter(|list| list.is_file()) {
            let bytes = file::read(list, LARGEST_LIST).inspect_err(|error| file::skipped(list, error));
            for entry in bytes.map(|bytes| entries(&bytes)).unwrap_or_default() {
                let Entry { id, names, .. } = &entry;
                let names = names.as_deref().unwrap_or_default();
                let of_kubernetes = names.iter().any(|name| name.starts_with("k8s_"));
                if of_kubernetes != (runtime == Runtime::Crio) || seen.contains(id) {
                    continue;
                }
                report.looked_in(folder);
                report.passed();
                if names.iter().any(|name| is_infra(name)) || wanted.may_be(id, names.join("\n").as_bytes()) {
                    seen.push(id.clone());
                    report.add(listed(runtime, entry, folder, &folders, roots));
                }
            }
        }
    }
    report.if_anything()
}

/// The IDs of the containers whose own layer has this ID.
pub(crate) fn of_layer(roots: &Roots, layer: &str) -> Vec<String> {
    let lists = folders(roots).into_iter().flat_map(|folder| LISTS.map(|name| folder.join(name)));
    let all = lists.filter_map(|list| file::read(&list, LARGEST_LIST).ok()).flat_map(|bytes| entries(&bytes));
    all.filter(|entry| entry.layer.as_deref() == Some(layer)).map(|entry| entry.id).collect()
}

/// overlay-containers, vfs-containers, … in each root.
fn folders(roots: &Roots) -> Vec<PathBuf> {
    roots.storage.iter().flat_map(|root| file::ending(root, "-containers")).collect()
}

/// The bundle of a container, whichever of the folders it lies in.
pub(crate) fn bundle(id: &str, roots: &Roots) -> Option<PathBuf> {
    folders(roots).into_iter().map(|folder| folder.join(id).join("userdata")).find(|bundle| is_bundle(bundle))
}

/// Whether podman gave this name to the container whose namespaces a pod shares.
fn is_infra(name: &str) -> bool {
    let pod = name.strip_suffix(INFRA).unwrap_or_default();
    pod.len() == 12 && pod.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `containers.json`; nothing where it is something else.
pub(crate) fn entries(bytes: &[u8]) -> Vec<Entry> {
    serde_json::from_slice(bytes).unwrap_or_default()
}

/// A container by its line in the list of `home`, and what is in the folders of its ID.
fn listed(runtime: Runtime, entry: Entry, home: &Path, folders: &[PathBuf], roots: &Roots) -> Listed {
    let Entry { id, names, layer, created, metadata } = entry;
    let metadata: Metadata = serde_json::from_str(&metadata.unwrap_or_default()).unwrap_or_default();
    // overlay-containers lies beside overlay, whose layers are by ID.
    let driver = home.to_str().and_then(|home| home.strip_suffix("-containers")).map(PathBuf::from);
    let layer = layer.filter(|layer| layer.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let merged = driver.zip(layer).map(|(driver, layer)| driver.join(layer).join("merged"));
    let userdata = || folders.iter().map(|folder| folder.join(&id).join("userdata"));
    let bundle = userdata().find(|folder| is_bundle(folder));
    let mut init = init(&id, roots, userdata());
    // podman and CRI-O write one before the first start.
    if bundle.is_none() && init.state == State::Stopped {
        init.state = State::Created;
    }
    let lies = bundle.unwrap_or_default();
    let bundle = Bundle::read(&lies);
    let name = names.unwrap_or_default().into_iter().next().unwrap_or_else(|| id.clone());
    let folder = folders.first().map(PathBuf::as_path).unwrap_or(Path::new(""));
    let host_name = bundle.hostname.clone();
    let listed = oci::listed(runtime, id, init, bundle, folder, &lies);
    let container = match (runtime, listed.container.pod.clone()) {
        (Runtime::Crio, Some(pod)) => Container { name: pod.container.unwrap_or(pod.name), ..listed.container },
        (Runtime::Crio, None) => Container { name, ..listed.container },
        _ => {
            // Only the pod's host name says in files what it is called; podman keeps pods in a database.
            let infra = is_infra(&name).then_some(host_name).flatten();
            let pod = infra.map(|name| Pod { namespace: None, name, container: None });
            Container { name, pod, ..listed.container }
        }
    };
    Listed {
        container,
        image: metadata.image,
        created: created.as_deref().and_then(seconds),
        root: listed.root.or(merged),
        ..listed
    }
}

/// The OCI runtime's record.
fn record(id: &str, roots: &Roots) -> Option<Record> {
    roots.oci.iter().find_map(|root| Record::read(&root.join(id)))
}

/// The init process, by the OCI runtime's record; by the engine's own pid file where there is none.
fn init(id: &str, roots: &Roots, userdata: impl Iterator<Item = PathBuf>) -> Init {
    if let Some(record) = record(id, roots) {
        return record.init(id);
    }
    // podman leaves the file behind a container that ended.
    let mut noted = userdata.filter_map(|folder| noted(&folder.join("pidfile"), id));
    noted.find(|init| init.state == State::Running).unwrap_or(Init::none(State::Stopped))
}

/// The process that an engine noted in a file of nothing else, provided that it is in a cgroup of this container.
pub(super) fn noted(file: &Path, id: &str) -> Option<Init> {
    let pid = pid_in(&file::read(file, 64).ok()?)?;
    let start = process::start_in_cgroup(pid, id);
    let state = if start.is_some() { State::Running } else { State::Gone { pid } };
    Some(Init { state, pid: start.map(|_| pid), start })
}

/// The number in a file of nothing else.
pub(super) fn pid_in(bytes: &[u8]) -> Option<i32> {
    std::str::from_utf8(bytes).ok()?.trim().parse().ok().filter(|pid| *pid > 0)
}

/// The record of podman's or CRI-O's container that an engine reported, for the start time that its API leaves out.
pub(crate) fn start_of(id: &str, pid: i32, roots: &Roots) -> Option<u64> {
    let init = record(id, roots)?.init(id);
    init.start.filter(|_| init.pid == Some(pid))
}
