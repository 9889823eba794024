//! The program to become, as plain data. Finding it and executing it belongs in `program.rs`.

use std::ffi::OsString;

/// A program and its environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// What to execute.
    pub program: Program,
    /// With which environment.
    pub environment: Environment,
    /// What is set on top of it, `NAME=VALUE` each, or taken out of it, `NAME`.
    pub variables: Vec<OsString>,
    /// Whether `HOME` is the one of the user in the target's passwd file, where nothing sets it.
    pub home_of_user: bool,
}

/// What to execute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// Program and arguments, searched for in the `PATH` of the new environment.
    Words(Vec<OsString>),
    /// A login shell: `$SHELL` of the new environment, the user's in the new root's passwd file, `/bin/sh`, the first
    /// of them that is there.
    Shell,
}

/// The environment of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Environment {
    /// Ours.
    Inherited,
    /// The one that the target was started with.
    Target,
    /// These, `NAME=VALUE` each.
    Exactly(Vec<OsString>),
}
