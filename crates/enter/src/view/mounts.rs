//! The mounts of a view, all by mount(2), which every kernel has. They lie in a mount namespace of our own, from which
//! nothing propagates. What the files say doesn't belong here.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use nix::sched::CloneFlags;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

use super::names::{Host, Shown};
use crate::Error;
use crate::error::Failure;

const SYS: &str = "/sys";
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

/// The host's `/sys`, and what is mounted in it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct System {
    read_only: bool,
    /// Below `/sys`, without those that lie in others.
    mounts: Vec<PathBuf>,
}

impl System {
    pub(super) fn read() -> Result<Self, Error> {
        let path = "/proc/self/mountinfo";
        // Read in pages: with room to spare, it's not made anew for each.
        let mut text = Vec::with_capacity(64 << 10);
        File::open(path)
            .and_then(|mut file| file.read_to_end(&mut text))
            .map_err(|error| Error::Open { path: path.into(), errno: Failure::from(error).0 })?;
        Ok(Self::parse(&text))
    }

    /// proc_pid_mountinfo(5): ID, parent's ID, device, root, mount point, options, …
    fn parse(text: &[u8]) -> Self {
        let mut system = Self::default();
        let mut own: &[u8] = b"";
        for line in text.split(|byte| *byte == b'\n') {
            let mut words = line.split(|byte| *byte == b' ');
            let (Some(id), Some(parent)) = (words.next(), words.next()) else { continue };
            let (Some(point), Some(options)) = (words.nth(2), words.next()) else { continue };
            if point == SYS.as_bytes() {
                // One that lies on another hides what is in that.
                (own, system.mounts) = (id, Vec::new());
                system.read_only = options.split(|byte| *byte == b',').any(|option| option == b"ro");
            } else if parent == own
                && let Some(below) = point.strip_prefix(b"/sys/")
            {
                system.mounts.push(PathBuf::from(OsString::from_vec(unescape(below))));
            }
        }
        system
    }
}

/// What is not printed as it is, is `\` and three octal digits.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..3).filter(|_| *first == b'\\');
        let code = code.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        plain.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    plain
}

/// A small file system in memory from which files are laid over the host's. It lies on `/sys`, for want of a place that
/// would not be missed, until it's covered there.
#[derive(Debug)]
pub(super) struct Staging {
    folder: OwnedFd,
    /// The host's `/sys`.
    below: OwnedFd,
}

impl Staging {
    /// Makes it, with these files, never to be written to again.
    pub(super) fn fill(files: &[&Shown]) -> Result<Self, Error> {
        let below = folder(SYS).map_err(over(SYS))?;
        rustix::mount::mount("tmpfs", SYS, "tmpfs", inert(), c"mode=755,uid=0,gid=0,size=8m").map_err(over(SYS))?;
        let staging = Self { folder: folder(SYS).map_err(over(SYS))?, below };
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
        rustix::mount::mount_remount(SYS, read_only, c"").map_err(over(SYS))?;
        if files.iter().any(|file| file.is_missing()) {
            staging.lay_copy_of_etc()?;
        }
        Ok(staging)
    }

    fn write(&self, files: &[&Shown]) -> Result<(), Error> {
        let folder = |name: &str| rustix::fs::mkdirat(&self.folder, name, Mode::from_raw_mode(0o755));
        folder(NOTHING).map_err(over(SYS))?;
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

    /// Ends in the namespaces' own `/sys` with the host's mounts in it, or in the host's where there is to be none.
    pub(super) fn cover(self, system: Option<&System>) -> Result<(), Error> {
        let uncover = || rustix::mount::unmount(SYS, UnmountFlags::DETACH).map_err(over(SYS));
        let Some(system) = system else { return uncover() };
        let read_only = if system.read_only { MountFlags::RDONLY } else { MountFlags::empty() };
        match rustix::mount::mount("sysfs", SYS, "sysfs", inert() | read_only, None) {
            Ok(()) => {}
            // The user namespace has no say over it.
            Err(Errno::PERM) => {
                log::warn!("/sys still is the host's: this user namespace may not mount the container's");
                return uncover();
            }
            Err(errno) => return Err(over(SYS)(errno)),
        }
        for mount in &system.mounts {
            let from = Path::new(&of_descriptor(&self.below)).join(mount);
            let to = Path::new(SYS).join(mount);
            // A user namespace may not move what it was given, and sees it twice.
            let moved = rustix::mount::mount_move(&from, &to);
            match moved.or_else(|_| rustix::mount::mount_bind_recursive(&from, &to)) {
                // Of the host's network, or gone meanwhile.
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(over(&to)(errno)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mounts_of_the_topmost_sys() {
        let text = b"\
22 27 0:21 / /proc rw - proc proc rw
23 27 0:22 / /sys rw,nosuid - sysfs sysfs rw
31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw
32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu
33 23 0:29 / /sys/a\\040b\\134c rw shared:1 - tmpfs tmpfs rw
34 33 0:29 / /sys/a\\040b\\134c rw - tmpfs tmpfs rw
35 27 0:22 / /system rw - tmpfs tmpfs rw
";
        let mounts = vec![PathBuf::from("fs/cgroup"), PathBuf::from("a b\\c")];
        assert_eq!(System::parse(text), System { read_only: false, mounts });
        let covered = [text, &b"40 23 0:22 / /sys ro,nosuid - sysfs sysfs rw\n41 40 0:2 / /sys/x rw - a a rw\n"[..]];
        let mounts = vec![PathBuf::from("x")];
        assert_eq!(System::parse(&covered.concat()), System { read_only: true, mounts });
        assert_eq!(System::parse(b"\n1\nx y z\n"), System::default());
    }
}
