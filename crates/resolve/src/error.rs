//! What can go wrong between a name and a container. The words say what is the matter; what to do about it is said by
//! the binary, which knows the command line.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::Runtime;
use crate::container::Container;
use crate::endpoint::Origin;
use crate::reference::Reference;

/// Why a reference gave no container and no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody on this machine knows that name.
    #[error("no such container: {}", .0.reference)]
    NoSuchContainer(Box<Unknown>),
    /// The runtime that was named has nothing on this machine.
    #[error("{} has nothing on this machine", .0.name())]
    Absent(Runtime),
    /// The word stands for more than one thing.
    #[error("{word} is ambiguous")]
    Ambiguous {
        /// What was asked for.
        word: String,
        /// Each thing that it stands for.
        candidates: Vec<Candidate>,
    },
    /// The engine could not be asked.
    #[error("cannot ask {} at {origin}: {failure}", .runtime.name())]
    Engine {
        /// Whose engine.
        runtime: Runtime,
        /// Which engine, and who said so.
        origin: Origin,
        /// What happened.
        failure: Failure,
    },
    /// The engine runs on another machine, or in a virtual one: its pids and paths mean nothing here.
    #[error("the engine at {origin} is on another machine, where its processes are too")]
    Remote {
        /// Which engine, and who said so.
        origin: Origin,
    },
    /// `DOCKER_HOST` or `-H` cannot be understood.
    #[error("{origin} is not the address of an engine")]
    Address {
        /// The address, and who said so.
        origin: Origin,
    },
    /// `--context`, `DOCKER_CONTEXT` or the Docker client's configuration names a context that is not there.
    #[error("no such Docker context: {name} ({said_by})")]
    NoSuchContext {
        /// The context.
        name: String,
        /// Who named it.
        said_by: &'static str,
    },
    /// A file of the Docker client cannot be used.
    #[error("cannot read {}: {reason}", .file.display())]
    Configuration {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// The container is not in a state that has a network to join.
    #[error("container {} is not running", .0.name)]
    NotRunning(Box<Container>),
    /// It was waited for, and did not run in time.
    #[error("{reference} did not run within {}", seconds(.waited))]
    WaitedInVain {
        /// What was waited for.
        reference: Reference,
        /// How long.
        waited: Duration,
        /// As it was last seen.
        last: Option<Box<Container>>,
    },
    /// The container runs, and the engine keeps no file for its network.
    #[error("the engine names no sandbox file for container {0}")]
    NoSandbox(String),
    /// The netns folder cannot be read.
    #[error("cannot read {}: permission denied", .0.display())]
    Folder(PathBuf),
    /// The netns folder has a chain of `--network container:…` that does not end.
    #[error("the network of container {0} refers to itself")]
    NetworkLoop(String),
    /// What the runtime recorded of a container's programs cannot be read.
    #[error("cannot read {}: {reason}", .file.display())]
    Specification {
        /// The record.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// The executor could not be made.
    #[error("cannot make an executor")]
    Executor(#[source] io::Error),
}

/// A name that nobody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// What was asked for.
    pub reference: Reference,
    /// The names that are nearest to it, best first.
    pub similar: Vec<String>,
    /// The netns folder that was searched as well, with `--sandbox`.
    pub folder: Option<PathBuf>,
    /// Who was asked, and why each said no.
    pub asked: Vec<Asked>,
    /// Why Docker did not answer, and its state was looked through in its place.
    pub unasked: Option<String>,
}

/// A runtime that does not know a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Which one.
    pub runtime: Runtime,
    /// What it said, or what was looked through in its place.
    pub said: String,
    /// Whether something could not be looked at for want of permission.
    pub forbidden: bool,
}

/// One reading of an ambiguous word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Candidate {
    /// A container.
    Container {
        /// How to name it without a doubt: the full ID's first characters, with the runtime before.
        reference: String,
        /// Its name.
        name: String,
        /// Who runs it.
        runtime: Runtime,
    },
    /// A file in the netns folder.
    File(PathBuf),
}

/// What happened when the engine was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// There is no socket.
    #[error("there is no socket")]
    NoSocket,
    /// The socket belongs to somebody else.
    #[error("permission denied on the socket")]
    Forbidden,
    /// There is a socket, and nobody listens.
    #[error("nobody listens on the socket")]
    Refused,
    /// It took the connection and did not answer in time.
    #[error("no answer in {}", seconds(.0))]
    Silent(Duration),
    /// It answered with an error of its own.
    #[error("it answered {status}: {message}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// The engine's own words.
        message: String,
    },
    /// It answered with something that is not Docker's API.
    #[error("it answered with something else than Docker's API ({0})")]
    Garbage(String),
    /// Anything else that the system reports.
    #[error("{0}")]
    Other(String),
}

fn seconds(duration: &Duration) -> String {
    format!("{} s", (duration.as_secs_f64() * 10.0).round() / 10.0)
}
