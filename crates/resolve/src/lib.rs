//! `resolve` turns what a person calls a container into what the kernel knows of it: the process, and the file
//! that keeps its network namespace.
//!
//! Here belongs: how references are spelled, where each engine is, what it answers. Does not belong here: joining
//! a namespace, printing, reading flags or the process's environment (the caller hands over [`Settings`]).

mod container;
mod endpoint;
mod error;
mod reference;
mod runtime;
mod sandbox;

pub use container::{Container, Network, State};
pub use endpoint::{Context, Origin, Settings};
pub use error::{Candidate, Error, Failure};
pub use reference::{Reference, ReferenceError};
pub use runtime::Runtime;
pub use sandbox::{Sandbox, SandboxFile};

/// Finds the container that `reference` names: exact name, else full ID, else unique ID prefix.
///
/// # Errors
/// [`Error::NoSuchContainer`], [`Error::Ambiguous`], or [`Error::Engine`] when the engine could not be asked.
pub fn resolve(reference: &Reference, settings: &Settings) -> Result<Container, Error> {
    runtime::open(reference, settings)?.inspect(reference)
}

/// Finds the network sandbox that `reference` names: that of a container, or a file of the engine's netns folder by
/// its name, a sandbox ID or a unique prefix of one.
///
/// # Errors
/// As [`resolve`], and those that say why a container has no sandbox file to join.
pub fn resolve_sandbox(reference: &Reference, settings: &Settings) -> Result<Sandbox, Error> {
    sandbox::find(reference, settings)
}
