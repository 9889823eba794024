//! What containerd keeps of the tasks that it runs: plain containers, nerdctl's and those of Kubernetes' CRI, in all its
//! namespaces. Docker's, in the namespace `moby`, have a name with Docker and are left to it.

use std::path::{Path, PathBuf};

use super::oci::Bundle;
use super::record::{Init, Record};
use super::{Runtime, oci, storage};
use crate::container::{Container, State};
use crate::file;
use crate::listed::Listed;
use crate::report::Report;
use crate::roots::Roots;
use crate::specification::is_bundle;
use crate::wanted::Wanted;

/// The folder of the tasks' bundles: `NAMESPACE/ID/{config.json,init.pid}`.
const TASKS: &str = "io.containerd.runtime.v2.task";

/// What a shim notes in a bundle.
const PID_FILE: &str = "init.pid";

/// Where its runc keeps records, whatever containerd's own folder is: `NAMESPACE/ID/state.json`.
const RUNC: &str = "/run/containerd/runc";

/// The namespace in which Docker's containers are.
pub(crate) const DOCKERS: &str = "moby";

/// Every task that may be what is wanted.
pub(crate) fn state(roots: &Roots, wanted: &Wanted<'_>) -> Option<Report> {
    let mut report = Report::default();
    for root in &roots.containerd {
        let tasks = root.join(TASKS);
        if file::is_forbidden(&tasks) {
            report.forbidden(root);
            continue;
        }
        if !tasks.is_dir() {
            continue;
        }
        report.looked_in(root);
        for namespace in file::names(&tasks) {
            if !wanted.namespace().map_or(namespace != DOCKERS, |wanted| wanted == namespace) {
                continue;
            }
            for id in wanted.folders(&tasks.join(&namespace)) {
                let bundle = tasks.join(&namespace).join(&id);
                let config = bundle.join("config.json");
                let Ok(bytes) = file::read(&config, file::LARGEST).inspect_err(|error| file::skipped(&config, error))
                else {
                    continue;
                };
                report.passed();
                if wanted.may_be(&id, &bytes) {
                    let config = serde_json::from_slice(&bytes).unwrap_or_default();
                    report.add(listed(root, namespace.clone(), id, config, &bundle));
                }
            }
        }
    }
    report.if_anything()
}

fn listed(root: &Path, namespace: String, id: String, bundle: Bundle, lies: &Path) -> Listed {
    let folders = records(root, &namespace, &id);
    let record = folders.iter().find_map(|folder| Record::head(folder));
    let created = record.as_ref().and_then(Record::created);
    // Not every runtime that a shim runs is runc, or keeps its records there.
    let noted = || storage::noted(&root.join(TASKS).join(&namespace).join(&id).join(PID_FILE), &id);
    let init = record.map(|record| record.init(&id)).or_else(noted);
    let init = init.unwrap_or(Init::none(State::Stopped));
    let name = name(&bundle).unwrap_or_else(|| id.clone());
    let image = bundle.annotation("io.kubernetes.cri.image-name").map(str::to_owned);
    let listed = oci::listed(Runtime::Containerd, id, init, bundle, root, lies);
    Listed { container: Container { namespace: Some(namespace), name, ..listed.container }, image, created, ..listed }
}

/// The init processes of the tasks below this folder, as their shims noted them; of Docker's as well.
pub(crate) fn noted(root: &Path) -> Vec<i32> {
    let tasks = root.join(TASKS);
    let namespaces = file::names(&tasks).into_iter().map(|namespace| tasks.join(namespace));
    namespaces.flat_map(|tasks| file::of_each(&tasks, PID_FILE)).filter_map(|bytes| storage::pid_in(&bytes)).collect()
}

/// Where its OCI runtime may have its record of a task.
pub(crate) fn records(root: &Path, namespace: &str, id: &str) -> [PathBuf; 2] {
    [root.join("runc"), PathBuf::from(RUNC)].map(|runc| runc.join(namespace).join(id))
}

/// Where the bundle of a task lies, in the first of these folders that has it.
pub(crate) fn bundle<'a>(mut roots: impl Iterator<Item = &'a Path>, namespace: &str, id: &str) -> Option<PathBuf> {
    roots.find_map(|root| Some(root.join(TASKS).join(namespace).join(id)).filter(|bundle| is_bundle(bundle)))
}

/// What a container's annotations call it: its name in its pod, the pod's where it is the sandbox, nerdctl's.
pub(crate) fn name(bundle: &Bundle) -> Option<String> {
    let in_pod = bundle.pod().map(|pod| pod.container.unwrap_or(pod.name));
    in_pod.or_else(|| bundle.annotation("nerdctl/name").map(str::to_owned))
}
