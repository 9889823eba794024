//! Opening and reading what lies beneath a container's root, which the container may change meanwhile: no link leads out
//! of the root or through a procfs, nothing hangs, and nothing is read without end. What is in the files does not belong
//! here.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path};

use rustix::fs::{
    FileType, Mode, OFlags, ResolveFlags, Stat, fstat, fstatfs, makedev, open as open_path, openat, openat2, readlinkat,
};
use rustix::io::Errno;

use crate::target::PROC_SUPER_MAGIC;

/// As many links as the kernel follows, path_resolution(7).
const MOST_LINKS: usize = 40;
/// openat2(2) gives up where something is renamed or mounted while it walks through `..`.
const MOST_TRIES: usize = 64;

/// Opens `path` as a process whose root is `root` would, but follows no link of a procfs that is none of the file system,
/// and never waits.
pub(crate) fn open(root: BorrowedFd<'_>, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = flags | OFlags::CLOEXEC;
    // openat2(2) refuses what O_PATH would ignore.
    let flags = if flags.contains(OFlags::PATH) { flags } else { flags | OFlags::NONBLOCK | OFlags::NOCTTY };
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    for _ in 0..MOST_TRIES {
        match openat2(root, path, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            // Before Linux 5.6, or forbidden by a seccomp filter that does not know it.
            Err(Errno::NOSYS) => return walk(root, path, flags),
            other => return other,
        }
    }
    Err(Errno::AGAIN)
}

/// Reads a regular file of at most `largest` bytes; a larger one is an error (EFBIG), and so is what is no file (EINVAL).
pub(crate) fn read(root: BorrowedFd<'_>, path: &Path, largest: u64) -> io::Result<Vec<u8>> {
    // Opening a device may do something: first a handle, which does not open it, then that very file.
    let handle = open(root, path, OFlags::PATH)?;
    let found = fstat(&handle)?;
    // Nor is a file of a procfs one of the container's: to read the kernel's log there takes it from whoever else does.
    let is_file = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
    if !is_file || fstatfs(&handle)?.f_type == PROC_SUPER_MAGIC {
        return Err(Errno::INVAL.into());
    }
    let file = match reopen(&handle, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY) {
        Some(file) => file,
        None => open(root, path, OFlags::RDONLY)?,
    };
    let opened = fstat(&file)?;
    if (opened.st_dev, opened.st_ino) != (found.st_dev, found.st_ino) {
        return Err(Errno::STALE.into());
    }
    let size = u64::try_from(opened.st_size).unwrap_or(u64::MAX);
    if size > largest {
        return Err(Errno::FBIG.into());
    }
    contents(file.into(), size as usize, largest)
}

/// What is in an open file, of about `size` bytes and at most `largest`; more is an error (EFBIG). It may grow meanwhile, or
/// have said nothing of its size.
pub(crate) fn contents(file: File, size: usize, largest: u64) -> io::Result<Vec<u8>> {
    // With room for the read that finds the end.
    let mut bytes = Vec::with_capacity(size + 1);
    file.take(largest + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > largest {
        true => Err(Errno::FBIG.into()),
        false => Ok(bytes),
    }
}

/// A handle of the container's own `/dev/null`, where it is that device.
pub(crate) fn null(root: BorrowedFd<'_>) -> Option<OwnedFd> {
    let handle = open(root, Path::new("dev/null"), OFlags::PATH).ok()?;
    is_null(&fstat(&handle).ok()?).then_some(handle)
}

/// Whether it is null(4).
pub(crate) fn is_null(found: &Stat) -> bool {
    FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice && found.st_rdev == makedev(1, 3)
}

/// The file behind a handle. Nothing where `/proc` is none, as it may be inside.
pub(crate) fn reopen(handle: &OwnedFd, access: OFlags) -> Option<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = open_path("/proc/self/fd", flags, Mode::empty()).ok()?;
    if fstatfs(&folder).ok()?.f_type != PROC_SUPER_MAGIC {
        return None;
    }
    openat(&folder, handle.as_raw_fd().to_string(), access | OFlags::CLOEXEC, Mode::empty()).ok()
}

/// What [`open`] does, one component at a time.
fn walk(root: BorrowedFd<'_>, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    // Folders above the one that is reached; `..` goes back to one of these, never to what the kernel thinks is above.
    let mut above: Vec<OwnedFd> = Vec::new();
    let mut left = components(path);
    if left.is_empty() && path.as_os_str().is_empty() {
        return Err(Errno::NOENT);
    }
    let mut links = 0;
    while let Some(name) = left.pop() {
        if name == "/" {
            above.clear();
            continue;
        }
        if name == ".." {
            above.pop();
            continue;
        }
        let here = above.last().map_or(root, AsFd::as_fd);
        let handle = openat(here, &name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        let kind = FileType::from_raw_mode(fstat(&handle)?.st_mode);
        if kind == FileType::Symlink && !(left.is_empty() && flags.contains(OFlags::NOFOLLOW)) {
            links += 1;
            if links > MOST_LINKS || fstatfs(&handle)?.f_type == PROC_SUPER_MAGIC {
                return Err(Errno::LOOP);
            }
            let target = OsString::from_vec(readlinkat(&handle, "", Vec::new())?.into_bytes());
            left.extend(components(Path::new(&target)));
        } else if !left.is_empty() {
            above.push(handle);
        } else {
            return openat(here, &name, flags | OFlags::NOFOLLOW, Mode::empty());
        }
    }
    openat(above.last().map_or(root, AsFd::as_fd), ".", flags, Mode::empty())
}

/// The last one first.
fn components(path: &Path) -> Vec<OsString> {
    let named = path.components().filter(|component| *component != Component::CurDir);
    named.rev().map(Component::as_os_str).map(OsStr::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;

    /// A folder that is gone in the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("cnsenter-inside-{name}-{}", std::process::id()));
            fs::create_dir_all(path.join("root/etc")).unwrap();
            fs::write(path.join("secret"), "host").unwrap();
            Self(path)
        }

        fn root(&self) -> OwnedFd {
            open_path(self.0.join("root"), OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    /// Both ways: openat2(2), and what stands in for it.
    fn text_of(root: &OwnedFd, path: &str) -> [Result<String, Errno>; 2] {
        let (root, path, flags) = (root.as_fd(), Path::new(path), OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK);
        let text = |file| io::read_to_string(File::from(file)).unwrap();
        [open(root, path, flags).map(text), walk(root, path, flags).map(text)]
    }

    #[test]
    fn links_stay_beneath_the_root() {
        let folder = Folder::new("links");
        let within = |path: &str| folder.0.join("root").join(path);
        fs::write(within("etc/real"), "container").unwrap();
        symlink("/etc/real", within("etc/absolute")).unwrap();
        symlink("../../../../etc/real", within("etc/upwards")).unwrap();
        symlink("/etc", within("folder")).unwrap();
        symlink("../../secret", within("etc/out")).unwrap();
        symlink(folder.0.join("secret"), within("etc/far")).unwrap();
        symlink("loop", within("loop")).unwrap();
        let root = folder.root();
        for path in ["etc/real", "/etc/real", "etc/absolute", "etc/upwards", "folder/../folder/./real", "../etc/real"] {
            assert_eq!(text_of(&root, path), [Ok("container".into()), Ok("container".into())], "{path}");
        }
        for path in ["etc/out", "etc/far", "../secret", "no/where", ""] {
            assert_eq!(text_of(&root, path), [Err(Errno::NOENT), Err(Errno::NOENT)], "{path}");
        }
        assert_eq!(text_of(&root, "loop"), [Err(Errno::LOOP), Err(Errno::LOOP)]);
    }

    #[test]
    fn no_link_of_a_procfs_is_followed() {
        let root = open_path("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        assert_eq!(text_of(&root, "proc/thread-self/root/etc/passwd"), [Err(Errno::LOOP), Err(Errno::LOOP)]);
    }

    #[test]
    fn only_files_are_read_and_only_so_far() {
        let folder = Folder::new("read");
        let within = |path: &str| folder.0.join("root/etc").join(path);
        fs::write(within("file"), "12345").unwrap();
        nix::unistd::mkfifo(&within("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(within("socket")).unwrap();
        let root = folder.root();
        let read = |path: &str, largest| {
            super::read(root.as_fd(), Path::new(path), largest).map_err(|error| error.raw_os_error().unwrap_or(0))
        };
        assert_eq!(read("etc/file", 5).unwrap(), b"12345");
        assert_eq!(read("etc/file", 4), Err(Errno::FBIG.raw_os_error()));
        for path in ["etc", "etc/fifo", "etc/socket"] {
            assert_eq!(read(path, 5), Err(Errno::INVAL.raw_os_error()), "{path}");
        }
        assert_eq!(read("etc/none", 5), Err(Errno::NOENT.raw_os_error()));
        // A link to it leads there as well.
        let root = open_path("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let uptime = super::read(root.as_fd(), Path::new("proc/uptime"), 1 << 20).unwrap_err();
        assert_eq!(uptime.raw_os_error(), Some(Errno::INVAL.raw_os_error()));
    }
}
