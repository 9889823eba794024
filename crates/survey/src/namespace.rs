//! Namespaces by number: namespaces(7). Who holds them belongs in `holder.rs`.

use std::io;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Inode(pub u64);

impl Inode {
    /// Of `net:[4026532633]`; `None` where it is of another kind, or something else.
    pub(crate) fn of_link(link: &[u8], kind: Kind) -> Option<Self> {
        let number = link.strip_prefix(kind.name().as_bytes())?.strip_prefix(b":[")?.strip_suffix(b"]")?;
        std::str::from_utf8(number).ok()?.parse().ok().map(Self)
    }

    /// Of a link such as `/proc/PID/ns/net`.
    pub(crate) fn read(link: &Path, kind: Kind) -> io::Result<Self> {
        let target = std::fs::read_link(link)?;
        Self::of_link(target.as_os_str().as_encoded_bytes(), kind).ok_or(io::ErrorKind::InvalidData.into())
    }
}

/// A link is no longer, in bytes: `cgroup:[18446744073709551615]`.
const LONGEST: usize = 32;

/// The namespaces of a process, as far as the kernel has and shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespaces([Option<Inode>; Kind::ALL.len()]);

impl Namespaces {
    /// Those of a process or thread.
    ///
    /// # Errors
    /// [`Error::Read`] where there is no such process, or it is not ours to look at.
    pub fn of_process(pid: i32) -> Result<Self, Error> {
        Self::read(&Path::new("/proc").join(pid.to_string()).join("ns"))
    }

    /// The host's: those of process 1, or of this one where that may not be looked at.
    pub fn of_host() -> Self {
        Self::of_process(1).or_else(|_| Self::read(Path::new("/proc/thread-self/ns"))).unwrap_or_default()
    }

    fn read(folder: &Path) -> Result<Self, Error> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::open(folder, flags, Mode::empty()).map_err(|cause| Error::read(folder, cause))?;
        let mut found = Self::default();
        let mut failed = None;
        let mut buffer = [0; LONGEST];
        for kind in Kind::ALL {
            // Older kernels lack some, and a zombie most.
            match rustix::fs::readlinkat_raw(&opened, kind.name(), &mut buffer) {
                Ok(length) => found.0[kind as usize] = Inode::of_link(&buffer[..length], kind),
                Err(cause) => failed = Some(cause),
            }
        }
        match failed {
            Some(cause) if found == Self::default() => Err(Error::read(folder, cause)),
            _ => Ok(found),
        }
    }

    /// The one of that kind.
    pub fn get(&self, kind: Kind) -> Option<Inode> {
        self.0[kind as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_of_one_kind() {
        let of = |link: &str, kind| Inode::of_link(link.as_bytes(), kind);
        assert_eq!(of("net:[4026532633]", Kind::Net), Some(Inode(4_026_532_633)));
        assert_eq!(of("mnt:[7]", Kind::Mount), Some(Inode(7)));
        for link in ["mnt:[7]", "net:[]", "net:[7", "net:[-7]", "net:[18446744073709551616]", "pipe:[7]", ""] {
            assert_eq!(of(link, Kind::Net), None, "{link}");
        }
    }

    #[test]
    fn ours_are_there_and_those_of_nobody_are_not() {
        let ours = Namespaces::of_process(std::process::id().cast_signed()).unwrap();
        assert!(ours.get(Kind::Net).is_some() && ours.get(Kind::Mount).is_some());
        assert_ne!(Namespaces::of_host(), Namespaces::default());
        let error = Namespaces::of_process(i32::MAX).unwrap_err();
        assert_eq!(error.to_string(), "cannot read /proc/2147483647/ns: no such file or directory");
    }
}
