//! Which network namespaces there are, and what keeps each: processes, threads, files, descriptors. What is in one belongs
//! in `network.rs`.

use std::path::PathBuf;

use crate::{Error, Inode};

/// How far to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Processes, and what is mounted: quick.
    Names,
    /// Threads and descriptors as well: reads every descriptor of this host.
    Everything,
}

/// A descriptor of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// The process.
    pub pid: i32,
    /// The number.
    pub fd: i32,
}

/// A network namespace, and what keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its number.
    pub inode: Inode,
    /// The processes whose network it is.
    pub processes: Vec<i32>,
    /// The threads whose network it is though it is not their process's.
    pub threads: Vec<i32>,
    /// Where it is mounted, in this mount namespace or (as seen through `/proc/PID/root`) in the engine's.
    pub files: Vec<PathBuf>,
    /// Open descriptors of it: of its file, or of a socket in it that no process of it has.
    pub descriptors: Vec<Descriptor>,
}

/// A way to a network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Home {
    /// A process's.
    Process(i32),
    /// A file.
    File(PathBuf),
    /// A descriptor of another process.
    Descriptor(Descriptor),
}

impl Held {
    /// The best way to it.
    pub fn home(&self) -> Option<Home> {
        let process = self.processes.first().or(self.threads.first()).map(|pid| Home::Process(*pid));
        let file = || self.files.first().cloned().map(Home::File);
        process.or_else(file).or_else(|| self.descriptors.first().copied().map(Home::Descriptor))
    }
}

/// Every network namespace of this host that something keeps, the host's own first.
///
/// # Errors
/// [`Error::Read`] where `/proc` cannot be read at all.
pub fn networks(_depth: Depth) -> Result<Vec<Held>, Error> {
    Ok(Vec::new())
}
