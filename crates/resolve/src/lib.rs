//! `resolve` turns what a person calls a container into what the kernel knows of it: the process, and the file
//! that keeps its network namespace.
//!
//! Here belongs: how references are spelled, where each engine is, what it answers. Does not belong here: joining
//! a namespace, printing, reading flags or the process's environment (the caller hands over [`Settings`]).

mod api;
mod container;
mod endpoint;
mod error;
mod file;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod foreign;
mod history;
mod list;
mod listed;
mod records;
mod reference;
mod report;
mod roots;
mod runtime;
mod sandbox;
mod search;
mod specification;
mod wait;
mod wanted;

use std::time::Instant;

pub use container::{Container, Elsewhere, Files, Network, Pod, Service, Source, State};
pub use endpoint::{Context, Origin, Settings};
pub use error::{Asked, Candidate, Error, Failure, Unknown};
pub use history::{Health, History};
pub use list::{Asking, Listing, Unasked};
pub use listed::{Attached, Listed, Published};
pub use records::{Evidence, Folder, Owner, Records};
pub use reference::{Reference, ReferenceError};
pub use runtime::Runtime;
pub use runtime::docker::HEALTH;
pub use sandbox::{Sandbox, SandboxFile};
pub use specification::{
    Capabilities, IoPriority, Limit, OciRuntime, Scheduler, Seccomp, SeccompArgument, SeccompRule, Specification, User,
};
pub use wait::Waiting;

/// Finds the container that `reference` names: exact name, else full ID, else unique ID prefix. Docker is asked first,
/// the other runtimes of this machine when it does not know the name; what does not answer is looked for on disk.
///
/// # Errors
/// [`Error::NoSuchContainer`], [`Error::Absent`], [`Error::Ambiguous`]; [`Error::Engine`] when an engine could not be
/// asked and left nothing on disk; [`Error::Remote`], [`Error::Address`], [`Error::NoSuchContext`] and
/// [`Error::Configuration`] for what flags and environment say of engines.
pub fn resolve(reference: &Reference, settings: &Settings) -> Result<Container, Error> {
    search::find(reference, settings)
}

/// As [`resolve`], and waits for the container to run: for its first start, or its next. Taken up again with the same
/// `waiting` where that run was over too soon.
///
/// # Errors
/// As [`resolve`], and [`Error::WaitedInVain`]. A container that a runtime named by the reference does not know is
/// waited for where that runtime keeps no record of what does not run.
pub fn wait(reference: &Reference, settings: &Settings, waiting: &Waiting) -> Result<Container, Error> {
    wait::wait(reference, settings, waiting)
}

/// Finds the network sandbox that `reference` names: that of a container, or a file of the engine's netns folder by
/// its name, a sandbox ID or a unique prefix of one.
///
/// # Errors
/// As [`resolve`], and those that say why a container has no sandbox file to join.
pub fn resolve_sandbox(reference: &Reference, settings: &Settings) -> Result<Sandbox, Error> {
    sandbox::find(reference, settings)
}

/// What the runtime's record says that the own programs of a container are and may do. Read only here, since only who
/// runs a program as the container's own needs it. `None` where the runtime keeps no such record (LXC, nspawn), or keeps
/// it where it cannot be found from here.
///
/// # Errors
/// [`Error::Specification`] where there is a record, and it cannot be read or understood.
pub fn specification(container: &Container, settings: &Settings) -> Result<Option<Specification>, Error> {
    specification::read(container, settings)
}

/// The network sandbox of a container that `reference` led to, without asking for it again.
///
/// # Errors
/// As [`resolve_sandbox`].
pub fn sandbox_of(reference: &Reference, container: Container, settings: &Settings) -> Result<Sandbox, Error> {
    sandbox::of_named(reference, container, settings, Instant::now())
}

/// Every container of every runtime on this host, running or not.
///
/// # Errors
/// For what flags and environment say of engines, as [`resolve`]. An engine that does not answer is no error: it is
/// among [`Listing::unasked`].
pub fn list(settings: &Settings, asking: Asking) -> Result<Listing, Error> {
    list::list(settings, asking)
}

/// ID and name of every network of the Docker engine: swarm's sandboxes are named by the beginning of the ID.
///
/// # Errors
/// [`Error::Engine`] where it does not answer, and for what flags and environment say of engines, as [`resolve`].
pub fn networks(settings: &Settings) -> Result<Vec<(String, String)>, Error> {
    api::networks(settings)
}

/// What lists show, of one container that [`resolve`] found.
pub fn describe(container: Container, settings: &Settings) -> Listed {
    list::describe(container, settings)
}

/// How the runs of a container went, and why the last one ended; `None` where nobody noted it.
pub fn history(container: &Container, settings: &Settings) -> Option<History> {
    history::read(container, settings)
}
