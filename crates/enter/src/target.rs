//! The target process: held by a pidfd, and checked against its proof before anything of it is believed.
//! What is opened of it belongs in `opened.rs`.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use nix::errno::Errno;
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::error::Failure;
use crate::plan::{Proof, Target};
use crate::{Error, Namespace};

/// statfs(2) magic of the file system that gives pidfds inode numbers of their own, Linux 6.9.
const PIDFS_MAGIC: i64 = 0x5049_4446;

/// A list of cgroups larger than this, in bytes, has been made up.
const LARGEST_CGROUP: u64 = 1 << 20;

/// A process that is held, so that its pid cannot come to mean another one unnoticed.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    /// Nothing for a thread ID, or on a kernel before 5.3; the start time stands in for it then.
    pub(crate) pidfd: Option<OwnedFd>,
    start: Option<u64>,
}

impl Process {
    /// Holds the process first, then checks that it is the one that was meant.
    pub(crate) fn open(target: &Target) -> Result<Self, Error> {
        let pid = target.pid;
        let raw = Pid::from_raw(pid).ok_or(Error::NoProcess(pid))?;
        let process = match pidfd_open(raw, PidfdFlags::empty()) {
            Ok(pidfd) => Self { pid, pidfd: Some(pidfd), start: None },
            Err(rustix::io::Errno::SRCH) => return Err(Error::NoProcess(pid)),
            // A thread that leads no process, or a kernel without pidfds.
            Err(_) => Self { pid, pidfd: None, start: Some(start_time(pid)?) },
        };
        log::info!("holding process {pid}{}", if process.pidfd.is_some() { " by a pidfd" } else { "" });
        process.check(&target.proof)?;
        Ok(process)
    }

    fn check(&self, proof: &Proof) -> Result<(), Error> {
        match proof {
            Proof::Nothing => Ok(()),
            Proof::PidfdInode(inode) => self.check_inode(*inode),
            Proof::Cgroup(id) => {
                // Read by path: good only if the process that is held is still there when all has been read.
                let text = self.read("cgroup", LARGEST_CGROUP)?;
                let text = String::from_utf8_lossy(&text);
                if mentions(&text, id) {
                    return Ok(());
                }
                self.still_there()?;
                Err(Error::Impostor { pid: self.pid, reason: format!("its cgroup is {}", first_path(&text)) })
            }
        }
    }

    fn check_inode(&self, wanted: u64) -> Result<(), Error> {
        let unknown = || Error::NoPidfdInodes { pid: self.pid, inode: wanted };
        let pidfd = self.pidfd.as_ref().ok_or_else(unknown)?;
        let system = rustix::fs::fstatfs(pidfd).map_err(Error::system("cannot look at a pidfd"))?;
        if system.f_type != PIDFS_MAGIC {
            return Err(unknown());
        }
        let found = rustix::fs::fstat(pidfd).map_err(Error::system("cannot look at a pidfd"))?.st_ino;
        match found == wanted {
            true => Ok(()),
            false => Err(Error::Impostor {
                pid: self.pid,
                reason: format!("the inode of its pidfd is {found}, not {wanted}"),
            }),
        }
    }

    /// Fails once the process has ended. What was read by path before a success belongs to the process that is held.
    pub(crate) fn still_there(&self) -> Result<(), Error> {
        let there = match (&self.pidfd, self.start) {
            (Some(pidfd), _) => !has_ended(pidfd),
            (None, start) => start == start_time(self.pid).ok(),
        };
        if there { Ok(()) } else { Err(Error::NoProcess(self.pid)) }
    }

    /// A file of the process under `/proc`.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.pid))
    }

    /// Reads a small file of the process, of at most `largest` bytes.
    pub(crate) fn read(&self, file: &str, largest: u64) -> Result<Vec<u8>, Error> {
        // With room to spare: such files are made anew for each read.
        let mut bytes = Vec::with_capacity(4096);
        File::open(self.path(file))
            .and_then(|open| open.take(largest).read_to_end(&mut bytes))
            .map_err(|error| self.unreadable(file, &error))?;
        Ok(bytes)
    }

    /// The error for a file of the process that could not be opened.
    pub(crate) fn unreadable(&self, file: &str, error: &std::io::Error) -> Error {
        let errno = Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
        match errno {
            Errno::ENOENT | Errno::ESRCH if !PathBuf::from(format!("/proc/{}", self.pid)).exists() => {
                Error::NoProcess(self.pid)
            }
            _ => Error::Open { path: self.path(file), errno },
        }
    }
}

/// A pidfd can be read from once its process is a zombie, or gone.
pub(crate) fn has_ended(pidfd: &OwnedFd) -> bool {
    let mut descriptors = [PollFd::new(pidfd, PollFlags::IN)];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    rustix::event::poll(&mut descriptors, Some(&now)).is_ok_and(|ready| ready > 0)
}

/// When the process started, in clock ticks since boot: field 22 of `/proc/PID/stat`, proc_pid_stat(5).
fn start_time(pid: i32) -> Result<u64, Error> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).map_err(|_| Error::NoProcess(pid))?;
    // The second field is the program's name in parentheses, and may hold anything.
    let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    after_name.split_ascii_whitespace().nth(19).and_then(|field| field.parse().ok()).ok_or(Error::NoProcess(pid))
}

/// Whether a line of `/proc/PID/cgroup` has the container's ID as a component (`/docker/ID`), or inside one between
/// a prefix and a suffix (`docker-ID.scope`).
fn mentions(cgroups: &str, id: &str) -> bool {
    let names = |component: &str| {
        let unit = component.strip_suffix(".scope").unwrap_or(component);
        unit == id || unit.rsplit_once('-').is_some_and(|(_, last)| last == id)
    };
    !id.is_empty()
        && cgroups.lines().any(|line| line.splitn(3, ':').nth(2).is_some_and(|path| path.split('/').any(names)))
}

fn first_path(cgroups: &str) -> &str {
    let paths = || cgroups.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    paths().find(|path| *path != "/").or_else(|| paths().next()).unwrap_or("unknown")
}

/// Each kind of namespace that both the kernel and the target have, and whether the target's is ours.
///
/// # Errors
/// [`Error::NoProcess`], or [`Error::Open`] for a process that we may not look at.
pub fn namespaces_of(pid: i32) -> Result<Vec<(Namespace, bool)>, Error> {
    let mut found = Vec::with_capacity(Namespace::ALL.len());
    for namespace in Namespace::ALL {
        let Ok(ours) = fs::metadata(format!("/proc/self/ns/{}", namespace.own_file())) else { continue };
        let path = PathBuf::from(format!("/proc/{pid}/ns/{}", namespace.file()));
        match fs::metadata(&path) {
            Ok(theirs) => found.push((namespace, (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()))),
            Err(_) if !PathBuf::from(format!("/proc/{pid}")).exists() => return Err(Error::NoProcess(pid)),
            Err(error) => {
                let errno = Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
                return Err(Error::Open { path, errno });
            }
        }
    }
    Ok(found)
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self(Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "bc5db459d0771d0a3d1d1a0e3a2d1c4b5e6f708192a3b4c5d6e7f8091a2b3c4d";

    #[test]
    fn the_id_is_looked_for_in_whole_components() {
        for path in [
            format!("/docker/{ID}"),
            format!("/system.slice/docker-{ID}.scope"),
            format!("/machine.slice/libpod-{ID}.scope/container"),
            format!("/kubepods/besteffort/pod12/{ID}"),
            format!("/docker/{ID}/init.scope"),
        ] {
            assert!(mentions(&format!("12:pids:/\n0::{path}\n"), ID), "{path}");
            assert!(mentions(&format!("9:name=systemd:{path}\n0::/\n"), ID), "{path}");
        }
        for path in
            ["/".to_owned(), format!("/docker/x{ID}"), format!("/docker/{ID}x"), format!("/docker/{}", &ID[..12])]
        {
            assert!(!mentions(&format!("0::{path}\n"), ID), "{path}");
        }
        assert!(!mentions("0::/docker/\n", ""));
        assert!(!mentions("", ID));
    }

    #[test]
    fn the_start_time_survives_a_hostile_name() {
        let mine = start_time(std::process::id().cast_signed()).unwrap();
        assert!(mine > 0);
    }

    #[test]
    fn our_own_namespaces_are_ours() {
        let all = namespaces_of(std::process::id().cast_signed()).unwrap();
        assert!(all.len() >= 6);
        assert!(all.iter().all(|(_, same)| *same), "{all:?}");
    }
}
