//! The runtimes, and the one match that dispatches to them. What a runtime is asked, and how, belongs in its own file
//! under `runtime/`; a new one is a variant here, a line in each match, and a file there.

mod docker;

use crate::endpoint::Settings;
use crate::error::Error;
use crate::reference::Reference;

pub(crate) use docker::Engine;

/// Who runs a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// The Docker engine, through its API.
    Docker,
}

impl Runtime {
    /// What stands before `://` in a reference.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Docker => "docker",
        }
    }

    /// The runtime with that scheme.
    pub(crate) fn from_scheme(scheme: &str) -> Option<Self> {
        [Self::Docker].into_iter().find(|runtime| runtime.scheme() == scheme)
    }
}

/// The engine of the runtime that `reference` allows.
pub(crate) fn open(reference: &Reference, settings: &Settings) -> Result<Engine, Error> {
    match reference.runtime.unwrap_or(Runtime::Docker) {
        Runtime::Docker => Engine::open(settings),
    }
}
