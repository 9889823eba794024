//! What a runtime reports of a container, as plain data. How engines are asked belongs in `api.rs`, what they left on disk
//! in `runtime/`.

use std::path::{Path, PathBuf};

use crate::runtime::process;
use crate::{Reference, Runtime};

/// A container, as its runtime reported it at one moment. A pid may have been reused since: whoever joins it checks
/// the process against [`Container::start`] or [`Container::id`] first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Who runs it.
    pub runtime: Runtime,
    /// containerd's namespace.
    pub namespace: Option<String>,
    /// The full ID.
    pub id: String,
    /// The name, without the slash that Docker puts before it; the ID where the runtime has no names.
    pub name: String,
    /// The init process, in the pid namespace of the engine. `None` unless there is one.
    pub pid: Option<i32>,
    /// When the init process started, in clock ticks since boot, where the runtime's state says so.
    pub start: Option<u64>,
    /// What the container is doing.
    pub state: State,
    /// Where its network namespace is kept.
    pub network: Network,
    /// The environment of its programs, `NAME=VALUE` each, with what the engine adds but for `HOME`.
    pub env: Vec<String>,
    /// The groups that Docker puts every program of it into, whoever it runs as, as they were written: `--group-add`.
    pub added_groups: Vec<String>,
    /// What it finds under `/etc`, as files of this host.
    pub files: Files,
    /// The pod that it is part of.
    pub pod: Option<Pod>,
    /// The service of Compose that it runs.
    pub service: Option<Service>,
    /// Who said all this.
    pub source: Source,
}

/// Where a runtime keeps what it mounts into a container's `/etc`, in the mount namespace of the runtime. What somebody
/// mounted in its place is not named: it is seen through the container's root alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// `/etc/resolv.conf`.
    pub resolv_conf: Option<PathBuf>,
    /// `/etc/hosts`.
    pub hosts: Option<PathBuf>,
    /// `/etc/hostname`.
    pub hostname: Option<PathBuf>,
}

impl Files {
    /// What a runtime recorded, but for the destinations that a mount of somebody's own covers.
    pub(crate) fn recorded<'a>(
        [resolv_conf, hosts, hostname]: [Option<PathBuf>; 3],
        covered: impl Iterator<Item = &'a str> + Clone,
    ) -> Self {
        let own = |path: Option<PathBuf>, destination| {
            let is_covered = || covered.clone().any(|covered| covered == destination || covered == "/etc");
            path.filter(|path| path.is_absolute() && !is_covered())
        };
        Self {
            resolv_conf: own(resolv_conf, "/etc/resolv.conf"),
            hosts: own(hosts, "/etc/hosts"),
            hostname: own(hostname, "/etc/hostname"),
        }
    }
}

/// A container's place in a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// The Kubernetes namespace; none for podman's own pods.
    pub namespace: Option<String>,
    /// The pod's name.
    pub name: String,
    /// The container's name in it; `None` for the sandbox ("pause", "infra") whose namespaces the others share.
    pub container: Option<String>,
}

/// A container's place in a Compose project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The project.
    pub project: String,
    /// The service.
    pub service: String,
    /// Which of the service's containers, from 1.
    pub number: u32,
}

/// Who said what is known of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The engine, asked through its API.
    Engine {
        /// The process that listens on its socket, where that can be told.
        listener: Option<i32>,
        /// Why its pids mean nothing here.
        elsewhere: Option<Elsewhere>,
    },
    /// What the runtime left on disk.
    State {
        /// Where it was read.
        folder: PathBuf,
        /// Why the engine, which goes first, did not answer.
        instead_of: Option<String>,
    },
}

/// Where an engine is whose processes are not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elsewhere {
    /// In a pid namespace above or beside ours: we are in a container, or the engine is.
    OtherPidNamespace,
    /// In a virtual machine, Docker Desktop's.
    VirtualMachine,
}

/// The states of a container, in Docker's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Never started.
    Created,
    /// There is a process to enter.
    Running,
    /// As running, with all its processes frozen.
    Paused,
    /// Between two runs.
    Restarting {
        /// The exit status of the run before.
        code: i64,
    },
    /// Being stopped or removed.
    Removing,
    /// Ran, and ended.
    Exited {
        /// The exit status of its init process.
        code: i64,
        /// When, in RFC 3339 as the engine gives it; empty where it doesn't say.
        finished: String,
    },
    /// Could not be removed, or its record is broken.
    Dead,
    /// Not running, and nobody noted how it ended.
    Stopped,
    /// Running by its record, and the process of that record is gone.
    Gone {
        /// The pid that is recorded.
        pid: i32,
    },
}

/// Where a container's network namespace is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// A file of its own: Docker's SandboxKey.
    Sandbox(PathBuf),
    /// `--network host`: the host's own network. Docker keeps a file for it, too.
    Host(Option<PathBuf>),
    /// `--network container:ID`: that container's.
    Container(String),
    /// The engine names none: the container has not been started, or its processes alone hold it.
    None,
}

impl Container {
    /// Whether there is a process to enter.
    pub fn runs(&self) -> bool {
        matches!(self.state, State::Running | State::Paused) && self.pid.is_some()
    }

    /// When its process started, in clock ticks since boot: only if that process is there, and still is the container's.
    pub fn running_since(&self) -> Option<u64> {
        let pid = self.pid?;
        match self.start {
            Some(start) => process::start_time(pid).filter(|found| *found == start),
            None => process::start_in_cgroup(pid, &self.id),
        }
    }

    /// Whether it only holds the namespaces of a Kubernetes pod.
    pub fn is_sandbox(&self) -> bool {
        self.pod.as_ref().is_some_and(|pod| pod.namespace.is_some() && pod.container.is_none())
    }

    /// The process that listens on its engine's socket, where that can be told.
    pub(crate) fn listener(&self) -> Option<i32> {
        match self.source {
            Source::Engine { listener, .. } => listener,
            Source::State { .. } => None,
        }
    }

    /// The root folder of the state where it was found.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match &self.source {
            Source::State { folder, .. } => Some(folder),
            Source::Engine { .. } => None,
        }
    }

    /// How to name it without a doubt.
    pub fn reference(&self) -> Reference {
        if let Some(Pod { namespace: Some(namespace), name, container }) = &self.pod {
            let container = container.clone();
            let pod = Reference::Pod { namespace: namespace.clone(), pod: name.clone(), container };
            // Annotations may hold anything. A word that is shown for pasting must be one.
            if pod.to_string().parse().as_ref() == Ok(&pod) {
                return pod;
            }
        }
        let name = self.short_id().to_owned();
        Reference::Name { runtime: Some(self.runtime), namespace: self.namespace.clone(), name }
    }

    /// The ID as Docker prints it, where it is one that a machine made; all of it otherwise.
    pub fn short_id(&self) -> &str {
        self.id.get(..12).filter(|_| is_made_up(&self.id)).unwrap_or(&self.id)
    }
}

/// Whether an ID is one that engines make up: 64 hexadecimal digits.
pub(crate) fn is_made_up(id: &str) -> bool {
    id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}
