//! The mounts of a view, all by mount(2), which every kernel has. They lie in a mount namespace of our own, from which
//! nothing propagates. What the files say doesn't belong here.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use nix::sched::CloneFlags;
use rustix::fs::{Access, AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

use super::names::{Host, Shown};
use crate::Error;
use crate::error::Failure;

const SYS: &str = "/sys";
/// What a sysfs shows of one network namespace lies in these alone. What the host has mounted lies beside them (cgroup, bpf,
/// tracing, efivars), and stays where it is.
const OF_NETWORK: [&str; 2] = ["devices", "class"];
/// The last of them.
const CLASS: &str = "/sys/class";
const ETC: &str = "/etc";
/// An empty folder of the staging's, which is no name of a file there.
const NOTHING: &str = "nothing";
/// A copy of the host's `/etc`, where something is missing in it.
const COPY: &str = "etc";

/// Leaves the host's mount namespace for a copy. What is mounted on the host later still arrives, nothing goes back.
pub(super) fn unshare() -> Result<(), Error> {
    nix::sched::unshare(CloneFlags::CLONE_NEWNS).map_err(Error::Private)?;
    // EINVAL where our root is no mount point, as in a chroot: what is above it is out of reach.
    rustix::mount::mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::DOWNSTREAM)
        .map_err(|errno| Error::Private(Failure::from(errno).0))
}

/// A fresh `/proc` over the host's.
pub(super) fn show_processes() -> Result<(), Error> {
    rustix::mount::mount("proc", "/proc", "proc", inert(), None).map_err(over("/proc"))
}

/// A small file system in memory from which files are laid over the host's. It lies on a folder that is covered by the
/// network's own in the end, for want of a place that would not be missed.
#[derive(Debug)]
pub(super) struct Staging {
    folder: OwnedFd,
    place: &'static str,
}

impl Staging {
    /// Makes it, with these files, never to be written to again.
    pub(super) fn fill(files: &[&Shown]) -> Result<Self, Error> {
        // A host without a sysfs has none to be careful with.
        let place = if rustix::fs::access(CLASS, Access::EXISTS).is_ok() { CLASS } else { SYS };
        let options = c"mode=755,uid=0,gid=0,size=8m";
        rustix::mount::mount("tmpfs", place, "tmpfs", inert(), options).map_err(over(place))?;
        let staging = Self { folder: folder(place).map_err(over(place))?, place };
        let before = rustix::process::umask(Mode::empty());
        let filled = staging.write(files).or_else(|error| match error {
            // Whoever is nobody in a user namespace can own nothing there. Its root can; exec(2) undoes this.
            Error::Show { errno: nix::errno::Errno::EOVERFLOW, .. } => {
                nix::unistd::setfsgid(nix::unistd::Gid::from_raw(0));
                nix::unistd::setfsuid(nix::unistd::Uid::from_raw(0));
                staging.write(files)
            }
            error => Err(error),
        });
        rustix::process::umask(before);
        filled?;
        // This mount, and so what is bound from it; a whole file system would have to be waited for.
        let read_only = inert() | MountFlags::BIND | MountFlags::RDONLY;
        rustix::mount::mount_remount(place, read_only, c"").map_err(over(place))?;
        if files.iter().any(|file| file.is_missing()) {
            staging.lay_copy_of_etc()?;
        }
        Ok(staging)
    }

    fn write(&self, files: &[&Shown]) -> Result<(), Error> {
        let folder = |name: &str| rustix::fs::mkdirat(&self.folder, name, Mode::from_raw_mode(0o755));
        folder(NOTHING).map_err(over(self.place))?;
        if files.iter().any(|file| file.is_missing()) {
            folder(COPY).map_err(over(ETC))?;
            self.outline_etc().map_err(over(ETC))?;
        }
        for file in files {
            let path = match file.host {
                Host::Missing => format!("{COPY}/{}", file.name()),
                Host::File | Host::Link => file.name().to_owned(),
            };
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
            let made = rustix::fs::openat(&self.folder, path, flags, Mode::from_raw_mode(0o444));
            let mut made = File::from(made.map_err(over(&file.path))?);
            made.write_all(&file.content)
                .map_err(|error| Error::Show { path: file.path.clone().into(), errno: Failure::from(error).0 })?;
        }
        Ok(())
    }

    /// Lays one of the files over the host's.
    pub(super) fn lay(&self, file: &Shown) -> Result<(), Error> {
        let laid = match file.host {
            // It's in the copy already.
            Host::Missing => Ok(()),
            Host::File => rustix::mount::mount_bind(self.path(file.name()), &file.path),
            // On the link itself, wherever it leads. A kernel that lays nothing on links lays it on what it leads to.
            Host::Link => {
                let link = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                rustix::fs::open(&file.path, link, Mode::empty())
                    .and_then(|link| rustix::mount::mount_bind(self.path(file.name()), of_descriptor(&link)))
                    .or_else(|_| rustix::mount::mount_bind(self.path(file.name()), &file.path))
            }
        };
        laid.map_err(over(&file.path))
    }

    /// Lays an empty folder over one of the host's.
    pub(super) fn lay_nothing(&self, path: &str) -> Result<(), Error> {
        rustix::mount::mount_bind(self.path(NOTHING), path).map_err(over(path))
    }

    /// Ends in the network's own devices, or in the host's.
    pub(super) fn cover(self, network: bool) -> Result<(), Error> {
        let place = self.place;
        let uncover = || rustix::mount::unmount(place, UnmountFlags::DETACH).map_err(over(place));
        if !network {
            return uncover();
        }
        let found = rustix::fs::statvfs(SYS).map_err(over(SYS))?;
        let is_read_only = found.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY);
        let read_only = if is_read_only { MountFlags::RDONLY } else { MountFlags::empty() };
        match rustix::mount::mount("sysfs", place, "sysfs", inert() | read_only, None) {
            Ok(()) => {}
            // The user namespace has no say over it.
            Err(Errno::PERM) => {
                log::warn!("/sys still is the host's: this user namespace may not mount the container's");
                return uncover();
            }
            Err(errno) => return Err(over(SYS)(errno)),
        }
        if place == CLASS {
            let fresh = folder(place).map_err(over(place))?;
            for name in OF_NETWORK {
                let to = Path::new(SYS).join(name);
                rustix::mount::mount_bind(format!("{}/{name}", of_descriptor(&fresh)), &to).map_err(over(&to))?;
            }
        }
        Ok(())
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", of_descriptor(&self.folder))
    }

    /// Everything in `/etc`, as places for mounts; links as they are.
    fn outline_etc(&self) -> Result<(), Errno> {
        let copy = rustix::fs::openat(&self.folder, COPY, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let etc = rustix::fs::open(ETC, flags, Mode::empty())?;
        for entry in Dir::read_from(&etc)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            match kind(&etc, &entry) {
                FileType::Directory => rustix::fs::mkdirat(&copy, name, Mode::from_raw_mode(0o755))?,
                FileType::Symlink => {
                    let target = rustix::fs::readlinkat(&etc, name, Vec::new())?;
                    rustix::fs::symlinkat(target, &copy, name)?;
                }
                _ => drop(rustix::fs::openat(
                    &copy,
                    name,
                    OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC,
                    Mode::from_raw_mode(0o444),
                )?),
            }
        }
        Ok(())
    }

    /// Fills the outline with what is in `/etc`, and puts it there: a file can be laid over a file only.
    fn lay_copy_of_etc(&self) -> Result<(), Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let etc = rustix::fs::open(ETC, flags, Mode::empty()).map_err(over(ETC))?;
        for entry in Dir::read_from(&etc).map_err(over(ETC))? {
            let entry = entry.map_err(over(ETC))?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") || kind(&etc, &entry) == FileType::Symlink {
                continue;
            }
            let name = OsString::from_vec(name.to_bytes().to_vec());
            let to = Path::new(&self.path(COPY)).join(&name);
            match rustix::mount::mount_bind_recursive(Path::new(&of_descriptor(&etc)).join(&name), &to) {
                // It came or went meanwhile.
                Ok(()) | Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(errno) => return Err(over(&Path::new(ETC).join(&name))(errno)),
            }
        }
        rustix::mount::mount_bind_recursive(self.path(COPY), ETC).map_err(over(ETC))
    }
}

fn kind(folder: &OwnedFd, entry: &rustix::fs::DirEntry) -> FileType {
    match entry.file_type() {
        FileType::Unknown => rustix::fs::statat(folder, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)
            .map_or(FileType::Unknown, |found| FileType::from_raw_mode(found.st_mode)),
        known => known,
    }
}

fn folder(path: &str) -> Result<OwnedFd, Errno> {
    rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// What an open descriptor leads to, whatever is mounted over its name.
fn of_descriptor(open: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", open.as_raw_fd())
}

fn inert() -> MountFlags {
    MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC
}

/// For [`Result::map_err`]: names what was to be shown.
fn over(path: impl AsRef<Path>) -> impl Fn(Errno) -> Error {
    move |errno| Error::Show { path: path.as_ref().to_owned(), errno: Failure::from(errno).0 }
}
