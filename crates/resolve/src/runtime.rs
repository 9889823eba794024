//! The runtimes, and the one match that dispatches to them. What a runtime is asked, and how, belongs in its own file
//! under `runtime/`; a new one is a variant here, a line in each match, and a file there.

pub(crate) mod cgroup;
pub(crate) mod containerd;
pub(crate) mod docker;
pub(crate) mod lxc;
pub(crate) mod nspawn;
pub(crate) mod oci;
pub(crate) mod process;
pub(crate) mod record;
pub(crate) mod storage;
pub(crate) mod supervisor;

use std::path::PathBuf;

use crate::container::Container;
use crate::report::Report;
use crate::roots::Roots;
use crate::wanted::Wanted;

/// Who runs a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Runtime {
    /// The Docker engine, through its API or by its state.
    Docker,
    /// podman, through its API or by its state.
    Podman,
    /// containerd, and what is built on it: nerdctl, Kubernetes. By its state.
    Containerd,
    /// CRI-O, by its state.
    Crio,
    /// runc, crun or youki by hand.
    Oci,
    /// LXC, LXD and Incus.
    Lxc,
    /// systemd-nspawn.
    Nspawn,
}

impl Runtime {
    /// All of them, in the order in which they are asked.
    pub const ALL: [Self; 7] =
        [Self::Docker, Self::Podman, Self::Containerd, Self::Crio, Self::Oci, Self::Lxc, Self::Nspawn];

    /// What stands before `://` in a reference.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Containerd => "containerd",
            Self::Crio => "cri-o",
            Self::Oci => "oci",
            Self::Lxc => "lxc",
            Self::Nspawn => "nspawn",
        }
    }

    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "Docker",
            Self::Podman => "podman",
            Self::Containerd => "containerd",
            Self::Crio => "CRI-O",
            Self::Oci => "runc/crun",
            Self::Lxc => "LXC",
            Self::Nspawn => "nspawn",
        }
    }

    /// The runtime with that scheme.
    pub fn from_scheme(scheme: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|runtime| runtime.scheme() == scheme)
    }
}

/// The bundle of a container that runs: the folder of its `config.json` (runtime-spec). `None` where there is none.
pub(crate) fn bundle(container: &Container, roots: &Roots) -> Option<PathBuf> {
    let found_in = container.folder();
    let bundle = match container.runtime {
        Runtime::Docker => docker::bundle(&container.id, roots),
        Runtime::Podman | Runtime::Crio => storage::bundle(&container.id, roots),
        Runtime::Containerd => {
            let all = found_in.into_iter().chain(roots.containerd.iter().map(PathBuf::as_path));
            container.namespace.as_ref().and_then(|namespace| containerd::bundle(all, namespace, &container.id))
        }
        Runtime::Oci => found_in.and_then(|root| oci::bundle(root, &container.id)),
        Runtime::Lxc | Runtime::Nspawn => return None,
    };
    bundle.or_else(|| supervisor::bundle(container))
}

/// Where the OCI runtime may have its own record of a container.
pub(crate) fn records(container: &Container, roots: &Roots) -> Vec<PathBuf> {
    let id = &container.id;
    match container.runtime {
        Runtime::Docker => roots.docker_exec.iter().flat_map(|exec| docker::records(exec, id)).collect(),
        Runtime::Podman | Runtime::Crio | Runtime::Oci => roots.oci.iter().map(|root| root.join(id)).collect(),
        Runtime::Containerd => {
            let of_root = |root| containerd::records(root, container.namespace.as_deref().unwrap_or_default(), id);
            container
                .folder()
                .into_iter()
                .chain(roots.containerd.iter().map(PathBuf::as_path))
                .flat_map(of_root)
                .collect()
        }
        Runtime::Lxc | Runtime::Nspawn => Vec::new(),
    }
}

/// What a runtime left on this machine's disks of the containers that are wanted; `None` where it left nothing at all.
pub(crate) fn state(runtime: Runtime, roots: &Roots, wanted: &Wanted<'_>) -> Option<Report> {
    match runtime {
        Runtime::Docker => docker::state(roots, wanted),
        Runtime::Podman | Runtime::Crio => storage::state(runtime, roots, wanted),
        Runtime::Containerd => containerd::state(roots, wanted),
        Runtime::Oci => oci::state(roots, wanted),
        Runtime::Lxc => lxc::state(roots, wanted),
        Runtime::Nspawn => nspawn::state(wanted),
    }
}

/// The init process of each container as it was noted, where that is quick to read: it may be another by now, and some may
/// be missing.
pub(crate) fn noted(roots: &Roots) -> Vec<i32> {
    let of_containerd = docker::own_containerd(roots).chain(roots.containerd.iter().cloned());
    let of_oci = roots.oci.iter().flat_map(|root| oci::noted(root));
    let others = [lxc::state(roots, &Wanted::All), nspawn::state(&Wanted::All)].into_iter().flatten();
    let others = others.flat_map(|report| report.listed).filter_map(|listed| listed.container.pid);
    let mut all: Vec<_> = of_containerd.flat_map(|root| containerd::noted(&root)).chain(of_oci).chain(others).collect();
    all.sort_unstable();
    all.dedup();
    all
}
