//! The target process: held by a pidfd, and checked against its proof before anything of it is believed.
//! What is opened of it belongs in `opened.rs`.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use nix::errno::Errno;
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::error::Failure;
use crate::plan::{Plan, Proof, Target};
use crate::{Error, Namespace};

/// statfs(2) magic of the file system that gives pidfds inode numbers of their own, Linux 6.9.
const PIDFS_MAGIC: i64 = 0x5049_4446;

/// statfs(2) magic of procfs.
pub(crate) const PROC_SUPER_MAGIC: i64 = 0x9fa0;

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
        // A container may have the host's /proc mounted: its numbers are the host's, and pidfd_open's are ours.
        let pidfd =
            if numbers_are_ours() { pidfd_open(raw, PidfdFlags::empty()) } else { Err(rustix::io::Errno::NOSYS) };
        let process = match pidfd {
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
            Proof::Start(wanted) => {
                // Read by path, as below.
                let found = start_time(self.pid)?;
                self.still_there()?;
                match found == *wanted {
                    true => Ok(()),
                    false => Err(Error::Impostor {
                        pid: self.pid,
                        reason: format!("it started {found} ticks after boot, not {wanted}"),
                    }),
                }
            }
            Proof::Cgroup(id) => {
                // Read by path: good only if the process that is held is still there when all has been read.
                let text = self.read("cgroup", LARGEST_CGROUP)?;
                let text = String::from_utf8_lossy(&text);
                let own = || fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
                if is_of_container(&text, own, id) {
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
        unreadable(self.pid, self.path(file), error)
    }
}

fn unreadable(pid: i32, path: PathBuf, error: &std::io::Error) -> Error {
    let errno = Failure::from(error).0;
    let missing = matches!(errno, Errno::ENOENT | Errno::ESRCH);
    match rustix::fs::statfs("/proc") {
        Ok(found) if found.f_type == PROC_SUPER_MAGIC => {}
        _ if missing => return Error::NoProc,
        _ => {}
    }
    // A process that is ending loses its folders and namespaces first.
    let of_process = path.strip_prefix(format!("/proc/{pid}"));
    let ending = of_process.is_ok_and(|file| ["root", "cwd", "ns"].iter().any(|first| file.starts_with(first)));
    match missing && (ending || is_gone(pid)) {
        true => Error::NoProcess(pid),
        false => Error::Open { path, errno },
    }
}

/// Whether the numbers in `/proc` are those of our own pid namespace. Where there is no `/proc`, nothing says otherwise.
fn numbers_are_ours() -> bool {
    let own = std::process::id().to_string();
    fs::read_link("/proc/self").map_or(true, |link| link.as_os_str() == own.as_str())
}

/// A pidfd can be read from once its process is a zombie, or gone.
pub(crate) fn has_ended(pidfd: &OwnedFd) -> bool {
    let mut descriptors = [PollFd::new(pidfd, PollFlags::IN)];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    rustix::event::poll(&mut descriptors, Some(&now)).is_ok_and(|ready| ready > 0)
}

/// When the process started, in clock ticks since boot: field 22 of `/proc/PID/stat`, proc_pid_stat(5).
fn start_time(pid: i32) -> Result<u64, Error> {
    let field = stat_from_state(pid).and_then(|fields| fields.split_ascii_whitespace().nth(19)?.parse().ok());
    field.ok_or(Error::NoProcess(pid))
}

/// `/proc/PID/stat` from its third field on. The second is the program's name in parentheses, and may hold anything.
fn stat_from_state(pid: i32) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(") ").map(|(_, fields)| fields.to_owned())
}

/// Whether a process with these lines in `/proc/PID/cgroup` is of the container with this ID. A container can make
/// cgroups below its own and name them as it likes, so it is the first container on the way down that counts. Where we
/// are in a container ourselves, that is the first below ours.
fn is_of_container(theirs: &str, own: impl FnOnce() -> String, id: &str) -> bool {
    let named = |path: &str| path.split('/').find_map(container_of_unit).is_some_and(|found| found == id);
    if id.is_empty() || !theirs.contains(id) {
        return false;
    }
    if cgroups(theirs).any(|(_, path)| named(path)) {
        return true;
    }
    let own = own();
    let below = |(hierarchy, path): (&str, &str)| {
        let (_, ours) = cgroups(&own).find(|(other, _)| *other == hierarchy)?;
        path.strip_prefix(ours).map(named)
    };
    cgroups(theirs).filter_map(below).any(|named| named)
}

/// The lines of cgroups(7): hierarchy with controllers, and path.
fn cgroups(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| line.split_once(":/"))
}

/// The container ID in `ID`, `docker-ID.scope` and their like.
fn container_of_unit(unit: &str) -> Option<&str> {
    let unit = unit.strip_suffix(".scope").unwrap_or(unit);
    let id = unit.rsplit_once('-').map_or(unit, |(_, last)| last);
    (id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}

fn first_path(cgroups: &str) -> &str {
    let paths = || cgroups.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    paths().find(|path| *path != "/").or_else(|| paths().next()).unwrap_or("unknown")
}

/// What `all` adds to the namespaces that a plan names: those of the process that are not ours, and whether each is. The
/// mount namespace is among them even so, since joining it resets root and working directory, as nsenter has it.
///
/// # Errors
/// [`Error::NoProcess`], or [`Error::Open`] for a process that we may not look at.
pub fn added_by_all(plan: &Plan, pid: i32) -> Result<Vec<(Namespace, bool)>, Error> {
    let mut all = namespaces_of(pid)?;
    all.retain(|(namespace, ours)| {
        let named = plan.joins.iter().any(|join| join.namespace == *namespace);
        !named && (!ours || *namespace == Namespace::Mount)
    });
    Ok(all)
}

/// Each kind of namespace that both the kernel and the target have, and whether the target's is ours.
fn namespaces_of(pid: i32) -> Result<Vec<(Namespace, bool)>, Error> {
    let mut found = Vec::with_capacity(Namespace::ALL.len());
    for namespace in Namespace::ALL {
        let own = |file: &str| fs::metadata(format!("/proc/self/ns/{file}"));
        if own(namespace.file()).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            // The kernel lacks it.
            continue;
        }
        let path = PathBuf::from(format!("/proc/{pid}/ns/{}", namespace.file()));
        match fs::metadata(&path) {
            // After unshare(2), the pid namespace of our children is nowhere until there is one.
            Ok(theirs) => found.push((namespace, own(namespace.own_file()).is_ok_and(|ours| same(&ours, &theirs)))),
            Err(error) => return Err(unreadable(pid, path, &error)),
        }
    }
    Ok(found)
}

pub(crate) fn same(a: &fs::Metadata, b: &fs::Metadata) -> bool {
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// Nothing, or a zombie: it has no namespaces any more.
fn is_gone(pid: i32) -> bool {
    stat_from_state(pid).is_none_or(|fields| fields.starts_with(['Z', 'X']))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "bc5db459d0771d0a3d1d1a0e3a2d1c4b5e6f708192a3b4c5d6e7f8091a2b3c4d";

    #[test]
    fn the_first_container_on_the_way_down_counts() {
        let other = "f".repeat(64);
        let proven = |path: &str, own: &str| is_of_container(&format!("12:pids:/\n0::{path}\n"), || own.to_owned(), ID);
        for path in [
            format!("/docker/{ID}"),
            format!("/system.slice/docker-{ID}.scope"),
            format!("/machine.slice/libpod-{ID}.scope/container"),
            format!("/kubepods/besteffort/pod12/{ID}"),
            format!("/docker/{ID}/init.scope"),
            format!("/docker/{ID}/docker/{other}"),
        ] {
            assert!(proven(&path, ""), "{path}");
        }
        for path in [
            "/".to_owned(),
            format!("/docker/x{ID}"),
            format!("/docker/{}", &ID[..12]),
            format!("/docker/{other}/A-{ID}"),
        ] {
            assert!(!proven(&path, ""), "{path}");
        }
        // Inside of a container that runs an engine of its own.
        let nested = format!("/docker/{other}/docker/{ID}");
        assert!(proven(&nested, &format!("0::/docker/{other}\n")));
        assert!(!proven(&nested, "0::/system.slice\n"));
        assert!(!is_of_container("", String::new, ID));
        assert!(!is_of_container("0::/docker/\n", String::new, ""));
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
