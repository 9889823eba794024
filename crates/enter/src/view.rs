//! What host tools are shown of the target in place of the host's: private mounts, made after joining and gone with the
//! program. Nothing is written to the host or the container.

use std::os::fd::{BorrowedFd, RawFd};
use std::path::PathBuf;

use crate::Error;
use crate::target::Process;

/// What is shown. All of it only where the target's mount namespace is not entered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// The target's network: resolv.conf, hosts, a fresh /sys.
    pub network: bool,
    /// The target's pid namespace: a fresh /proc.
    pub processes: bool,
    /// The target's host name: /etc/hostname.
    pub host_name: bool,
    /// The runtime's own copies, on the host, of what the container sees.
    pub files: ViewFiles,
}

/// Where a runtime keeps what the container sees under `/etc`. What is not named is read beneath the target's root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ViewFiles {
    /// `/etc/resolv.conf`.
    pub resolv_conf: Option<PathBuf>,
    /// `/etc/hosts`.
    pub hosts: Option<PathBuf>,
    /// `/etc/hostname`.
    pub hostname: Option<PathBuf>,
}

/// A view whose every file has been read and every mount opened.
#[derive(Debug)]
pub(crate) struct Prepared {}

impl Prepared {
    /// Reads what is to be shown. `root` is the target's root folder.
    pub(crate) fn new(
        _view: &View,
        _process: &Process,
        _root: BorrowedFd<'_>,
        _notices: &mut Vec<String>,
    ) -> Result<Self, Error> {
        Ok(Self {})
    }

    /// What it holds open.
    pub(crate) fn descriptors(&self) -> Vec<RawFd> {
        Vec::new()
    }

    /// Shows it: after joining, in a process that is to become the program or its parent.
    pub(crate) fn show(self) -> Result<(), Error> {
        Ok(())
    }
}
