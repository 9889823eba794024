//! What a runtime reports of a container, as plain data. How it is asked belongs in `runtime/`.

use std::path::PathBuf;

use crate::Runtime;

/// A container, as its runtime reported it at one moment. A pid may have been reused since: whoever joins it checks
/// the process against [`Container::id`] first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Who reported it.
    pub runtime: Runtime,
    /// The full ID.
    pub id: String,
    /// The name, without the slash that Docker puts before it.
    pub name: String,
    /// The init process, in the pid namespace of the engine. `None` unless there is one.
    pub pid: Option<i32>,
    /// What the container is doing.
    pub state: State,
    /// Where its network namespace is kept.
    pub network: Network,
    /// The environment of its programs, `NAME=VALUE` each, with what the engine adds (`PATH`, `HOSTNAME`, `HOME`).
    pub env: Vec<String>,
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
}

/// Where a container's network namespace is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// A file of its own: Docker's SandboxKey.
    Sandbox(PathBuf),
    /// `--network host`: the host's own network. The engine keeps a file for it, too.
    Host(PathBuf),
    /// `--network container:ID`: that container's.
    Container(String),
    /// The engine names none: the container has not been started.
    None,
}
