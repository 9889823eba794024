//! The commands of each runtime's own client, for hints. What a hint says with them belongs in `hint.rs`.

use std::path::Path;

use resolve::{Container, Runtime, Source};

/// Docker, or what takes its words.
pub(super) fn program(runtime: Runtime) -> &'static str {
    match runtime {
        Runtime::Podman => "podman",
        _ => "docker",
    }
}

/// Starts a container.
pub(super) fn start(container: &Container) -> String {
    let Container { name, id, .. } = container;
    match container.runtime {
        Runtime::Docker => format!("docker start {name}"),
        Runtime::Podman => format!("podman start {name}"),
        Runtime::Containerd => {
            let namespace = container.namespace.as_deref().unwrap_or("default");
            format!("ctr -n {namespace} task start -d {id}")
        }
        Runtime::Crio => format!("crictl start {}", container.short_id()),
        Runtime::Oci => match folder(container) {
            Some(folder) if !folder.starts_with("/run") => format!("runc --root {} start {id}", folder.display()),
            _ => format!("{} start {id}", by_hand(container)),
        },
        Runtime::Lxc => match folder(container) {
            Some(folder) if folder.join(name).is_dir() && folder != Path::new("/var/lib/lxc") => {
                format!("lxc-start -P {} {name}", folder.display())
            }
            _ => format!("lxc-start {name}"),
        },
        Runtime::Nspawn => format!("machinectl start {name}"),
    }
}

/// Where its state is.
fn folder(container: &Container) -> Option<&Path> {
    match &container.source {
        Source::State { folder, .. } => Some(folder),
        Source::Engine { .. } => None,
    }
}

/// The runtime whose folder it is in; runc where that says nothing.
fn by_hand(container: &Container) -> &str {
    let folder = folder(container).and_then(|folder| folder.file_name()?.to_str());
    folder.filter(|name| matches!(*name, "crun" | "youki")).unwrap_or("runc")
}

/// Shows the last of what it said, where the runtime keeps that.
pub(super) fn logs(runtime: Runtime, name: &str) -> Option<String> {
    match runtime {
        Runtime::Docker => Some(format!("docker logs --tail 20 {name}")),
        Runtime::Podman => Some(format!("podman logs --tail 20 {name}")),
        _ => None,
    }
}
