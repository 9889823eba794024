//! The runtimes, and the one match that dispatches to them. What a runtime is asked, and how, belongs in its own file
//! under `runtime/`; a new one is a variant here, a line in each match, and a file there.

mod docker;

use crate::container::Container;
use crate::endpoint::Settings;
use crate::error::Error;
use crate::reference::Reference;

pub(crate) use docker::transport::while_idle;

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

/// Asks the runtimes that `reference` allows.
pub(crate) async fn inspect(reference: &Reference, settings: &Settings) -> Result<Container, Error> {
    match reference.runtime.unwrap_or(Runtime::Docker) {
        Runtime::Docker => docker::inspect(reference, settings).await,
    }
}
