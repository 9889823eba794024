//! What a process's cgroup allows and uses, cgroups(7): v1, v2 and both side by side.

use std::path::PathBuf;

use crate::Error;

/// Where a process is among the cgroups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cgroup {
    /// Its path below the root of the hierarchy, as `/proc/PID/cgroup` has it: that of v2 where it has controllers, else
    /// that of v1's memory controller.
    pub path: PathBuf,
}

/// Limits and present use. What is not limited, or not told, is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// Bytes used, with the page cache.
    pub memory: Option<u64>,
    /// Bytes used without the file cache that can be given back: what docker stats shows.
    pub working_set: Option<u64>,
    /// Bytes.
    pub memory_limit: Option<u64>,
    /// How often the kernel killed a process for want of memory.
    pub oom_kills: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    #[allow(missing_docs)]
    pub pids_limit: Option<u64>,
    /// CPUs' worth of time that it may take: quota over period.
    pub cpu_limit: Option<f64>,
    /// CPU time used, in microseconds.
    pub cpu_used: Option<u64>,
    /// Periods in which it was throttled, of how many.
    pub throttled: Option<(u64, u64)>,
}

impl Cgroup {
    /// Where a process is.
    ///
    /// # Errors
    /// [`Error::Read`] where there is no such process.
    pub fn of_process(_pid: i32) -> Result<Self, Error> {
        Ok(Self::default())
    }

    /// What it allows and uses now.
    pub fn usage(&self) -> Usage {
        Usage::default()
    }
}
