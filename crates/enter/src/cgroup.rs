//! The target's cgroups, of v1, v2 and both, opened before joining, and joined before the namespaces. What the kernel's
//! lists of them say is read in `cgroup/list.rs`. nsenter's `-c`, which is for v2 alone, is opened in `opened.rs`.

mod list;

use std::fs::{self, File};
use std::io::BufReader;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};

pub(crate) use self::list::path_in_v2;
use self::list::{Mount, Place, mounts, places};
use crate::Error;
use crate::error::Failure;
use crate::target::Process;

/// A list of cgroups larger than this, in bytes, has been made up.
const LARGEST_LIST: u64 = 1 << 20;

/// The controllers without which the program would have more than the container may.
const REQUIRED: [&str; 3] = ["memory", "pids", "devices"];

/// The cgroups of a target, held open. Those that we are in ourselves are left out.
#[derive(Debug, Default)]
pub(crate) struct Cgroups {
    v1: Vec<V1>,
    v2: Option<V2>,
}

/// A cgroup of one of v1's hierarchies.
#[derive(Debug)]
struct V1 {
    /// `tasks`: a write of one's own number there takes no lock of the whole machine, and one to `cgroup.procs` does,
    /// for milliseconds.
    tasks: OwnedFd,
    folder: PathBuf,
    required: bool,
}

/// A cgroup of v2.
#[derive(Debug)]
struct V2 {
    directory: OwnedFd,
    folder: PathBuf,
}

impl Cgroups {
    /// Opens those of every hierarchy that is mounted here. What cannot be joined is a notice, and no reason to fail.
    /// Good only if the process that is held is still there after.
    pub(crate) fn open(process: &Process, notices: &mut Vec<String>) -> Result<Self, Error> {
        let theirs = process.read("cgroup", LARGEST_LIST)?;
        let ours = fs::read("/proc/self/cgroup").unwrap_or_default();
        let (theirs, ours) = (String::from_utf8_lossy(&theirs), String::from_utf8_lossy(&ours));
        let ours: Vec<_> = places(&ours).collect();
        let mut wanted: Vec<_> = places(&theirs).filter(|place| !ours.contains(place)).collect();
        let mut opened = Self::default();
        if wanted.is_empty() {
            return Ok(opened);
        }
        let all = wanted.len();
        let mut frozen = false;
        if let Ok(file) = File::open("/proc/self/mountinfo") {
            // Read as far as needed: the list of a busy host is long, and cgroups come early.
            for mount in mounts(BufReader::with_capacity(4096, file)) {
                // One that another mount lies over does not open, and a later one may.
                wanted.retain(|place| !mount.holds(place) || opened.hold(place, &mount, &mut frozen).is_none());
                if wanted.is_empty() {
                    break;
                }
            }
        }
        if frozen {
            notices
                .push("the container is paused: the program is not in its freezer cgroup, or it would wait".to_owned());
        }
        // A mark of v1 without controllers limits nothing.
        wanted.retain(|place| !place.is_named());
        if wanted.len() == all {
            notices.push("the container's cgroups are not within reach here: its limits do not apply".to_owned());
        } else if !wanted.is_empty() {
            let names: Vec<_> = wanted.iter().map(Place::name).collect();
            notices.push(format!("the container's cgroup of {} is not within reach here", names.join(", ")));
        }
        Ok(opened)
    }

    /// Opens a place on a mount of its hierarchy. `None` where it is not there.
    fn hold(&mut self, place: &Place<'_>, mount: &Mount, frozen: &mut bool) -> Option<()> {
        let folder = mount.folder(place)?;
        let file = match place.is_v2() {
            true => open(&folder, OFlags::PATH | OFlags::DIRECTORY)?,
            false => open(&folder.join("tasks"), OFlags::WRONLY)?,
        };
        if rustix::fs::fstat(&file).ok()?.st_dev != mount.device {
            return None;
        }
        let would_freeze = match place.is_v2() {
            true => is_frozen(&folder) || says(&folder.join("cgroup.freeze"), &["1"]),
            false => place.has("freezer") && says(&folder.join("freezer.state"), &["FROZEN", "FREEZING"]),
        };
        match would_freeze {
            true => *frozen = true,
            false if place.is_v2() => self.v2 = Some(V2 { directory: file, folder }),
            false => {
                let required = REQUIRED.iter().any(|controller| place.has(controller));
                self.v1.push(V1 { tasks: file, folder, required });
            }
        }
        Some(())
    }

    /// What it holds open.
    pub(crate) fn descriptors(&self) -> Vec<RawFd> {
        let v2 = self.v2.iter().map(|v2| v2.directory.as_raw_fd());
        self.v1.iter().map(|v1| v1.tasks.as_raw_fd()).chain(v2).collect()
    }

    /// Moves this process, of one thread, into all of them.
    pub(crate) fn join(&self) -> Result<(), Error> {
        self.join_v1()?;
        self.join_v2()
    }

    /// Moves this process, of one thread, into those of v1.
    pub(crate) fn join_v1(&self) -> Result<(), Error> {
        // 0 is whoever writes, whatever its pid is in whichever namespace.
        self.write_v1(b"0")
    }

    /// The folder of that of v2, for CLONE_INTO_CGROUP.
    pub(crate) fn v2(&self) -> Option<BorrowedFd<'_>> {
        self.v2.as_ref().map(|v2| v2.directory.as_fd())
    }

    /// Moves this process into that of v2, where it could not be made there.
    pub(crate) fn join_v2(&self) -> Result<(), Error> {
        self.write_v2(b"0")
    }

    /// Moves another process, of one thread, into all of them: it may be made where a limit forbids new ones inside.
    pub(crate) fn move_pid(&self, pid: rustix::process::Pid) -> Result<(), Error> {
        let pid = pid.as_raw_nonzero().to_string();
        self.write_v1(pid.as_bytes())?;
        self.write_v2(pid.as_bytes())
    }

    fn write_v1(&self, who: &[u8]) -> Result<(), Error> {
        for cgroup in &self.v1 {
            match rustix::io::write(&cgroup.tasks, who) {
                Ok(_) => log::info!("joined the cgroup {}", cgroup.folder.display()),
                Err(errno) if cgroup.required => return Err(refused(&cgroup.folder, errno)),
                // A cpuset without processors, say.
                Err(errno) => log::info!("the cgroup {} refuses: {errno}", cgroup.folder.display()),
            }
        }
        Ok(())
    }

    fn write_v2(&self, who: &[u8]) -> Result<(), Error> {
        let Some(V2 { directory, folder }) = &self.v2 else { return Ok(()) };
        let write = |file| {
            let file = rustix::fs::openat(directory, file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
            rustix::io::write(&file, who).map(drop)
        };
        let written = match write("cgroup.procs") {
            // One whose processes have threads in several: it takes threads.
            Err(rustix::io::Errno::OPNOTSUPP) => write("cgroup.threads"),
            other => other,
        };
        match written {
            Ok(()) => log::info!("joined the cgroup {}", folder.display()),
            // Beside v1 it has no controllers, as a rule: it names, and does not limit.
            Err(errno) if !self.v1.is_empty() => log::info!("the cgroup {} refuses: {errno}", folder.display()),
            Err(errno) => return Err(refused(folder, errno)),
        }
        Ok(())
    }
}

/// Whether whoever joins the cgroup of v2 in this folder is frozen.
pub(crate) fn is_frozen(folder: &Path) -> bool {
    says(&folder.join("cgroup.events"), &["frozen 1"])
}

fn says(file: &Path, lines: &[&str]) -> bool {
    fs::read_to_string(file).is_ok_and(|text| text.lines().any(|line| lines.contains(&line)))
}

fn refused(folder: &Path, errno: rustix::io::Errno) -> Error {
    Error::Cgroup { path: folder.to_owned(), errno: Failure::from(errno).0 }
}

/// Without following a link: there is none in the kernel's own file systems, and mount points are listed resolved.
fn open(path: &Path, flags: OFlags) -> Option<OwnedFd> {
    let flags = flags | OFlags::CLOEXEC;
    match rustix::fs::openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
        // Before 5.6.
        Err(errno) if Failure::from(errno).0 == Errno::ENOSYS => {
            rustix::fs::open(path, flags | OFlags::NOFOLLOW, Mode::empty()).ok()
        }
        other => other.ok(),
    }
}
