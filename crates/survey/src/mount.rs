//! The lists of mounts, proc_pid_mountinfo(5): what a process has mounted, where cgroups and namespaces are.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD};
use rustix::mount::OpenTreeFlags;

use crate::{Error, files};

/// A longer list, in bytes, is not read to its end: a container may mount what it likes.
const LARGEST: u64 = 64 << 20;

/// File systems that a process serves, here or elsewhere: one with nobody behind it keeps whoever goes there for good.
const SERVED: [&str; 9] = ["fuse", "fuseblk", "nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "autofs"];

/// A line of the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mount {
    /// The device, `MAJOR:MINOR`: the same for all mounts of a file system.
    pub device: String,
    /// What of the file system is mounted: of a namespace `net:[4026532633]`.
    pub root: PathBuf,
    /// Where.
    pub point: PathBuf,
    /// The file system: `ext4`, `cgroup2`, `nsfs`.
    pub kind: String,
    /// Nothing can be written to it: here, or anywhere.
    pub read_only: bool,
    /// Of the file system; a cgroup's controllers among others.
    pub options: String,
}

/// All that a process has mounted, below its root, in the order in which it was mounted.
///
/// # Errors
/// [`Error::Read`] where there is no such process, or it is not ours to look at.
pub fn mounts_of(pid: i32) -> Result<Vec<Mount>, Error> {
    let process = Path::new("/proc").join(pid.to_string());
    match mounts(&process, &[]) {
        Ok(mounts) => Ok(mounts.collect()),
        Err(cause) => Err(Error::read(&process.join("mountinfo"), cause)),
    }
}

/// The mounts of these kinds that a process sees, in the list's order; of all kinds where none is named.
pub(crate) fn mounts(process: &Path, kinds: &[&str]) -> io::Result<impl Iterator<Item = Mount>> {
    let lines = files::lines(&process.join("mountinfo"), LARGEST)?;
    Ok(lines.filter_map(|line| Mount::parse(&line, kinds)))
}

impl Mount {
    pub(crate) fn parse(line: &[u8], kinds: &[&str]) -> Option<Self> {
        let mut fields = line.split(|byte| *byte == b' ');
        let (device, root, point, own_options) = (fields.nth(2)?, fields.next()?, fields.next()?, fields.next()?);
        // Optional fields end with a dash.
        fields.find(|field| *field == b"-")?;
        // What follows the dot says who serves it: `fuse.sshfs`.
        let wanted = |kind: &&str| kinds.is_empty() || kinds.contains(&kind.split('.').next().unwrap_or_default());
        let kind = std::str::from_utf8(fields.next()?).ok().filter(wanted)?.to_owned();
        let text = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
        let options = text(fields.nth(1)?);
        let read_only = |options: &[u8]| options.split(|byte| *byte == b',').any(|option| option == b"ro");
        Some(Self {
            device: text(device),
            root: unescape(root),
            point: unescape(point),
            kind,
            read_only: read_only(own_options) || read_only(options.as_bytes()),
            options,
        })
    }
}

/// Where in another mount namespace nobody may go who has something else to do. `process` is one that is in it.
pub(crate) fn served(process: &Path) -> Vec<PathBuf> {
    mounts(process, &SERVED).into_iter().flatten().map(|mount| mount.point).collect()
}

/// Whether a path leads there, through the root folder of another process, `/proc/PID/root`.
pub(crate) fn leads_to_served(path: &Path) -> bool {
    let Ok(below) = path.strip_prefix("/proc") else { return false };
    let mut parts = below.components();
    let (Some(pid), Some(root)) = (parts.next(), parts.next()) else { return false };
    let below = Path::new("/").join(parts.as_path());
    let is_below = |point: &PathBuf| below.starts_with(point);
    root.as_os_str() == "root" && served(&Path::new("/proc").join(pid)).iter().any(is_below)
}

/// When the file was written on which something is mounted: of a namespace, when somebody began to keep it. `None` where
/// that is not ours to see, before Linux 5.2, and in another mount namespace.
pub fn mounted_over(file: &Path) -> Option<SystemTime> {
    // A copy of the folder's mount without those in it shows what they cover.
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let folder = rustix::mount::open_tree(CWD, file.parent()?, flags).ok()?;
    let found = rustix::fs::statat(folder, file.file_name()?, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(found.st_mtime).ok()?))
}

/// Undoes the list's `\040` for a space and its like.
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, after @ ..] = rest {
        let octal = after.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = &after[if byte.is_some() { 3 } else { 0 }..];
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart() {
        let line = br"64 25 0:4 net:[4026532633] /run/a\040b rw shared:9 master:3 - nsfs nsfs rw";
        let parsed = Mount::parse(line, &["nsfs"]).unwrap();
        assert_eq!(parsed.root, Path::new("net:[4026532633]"));
        assert_eq!(parsed.point, Path::new("/run/a b"));
        assert_eq!((parsed.kind.as_str(), parsed.options.as_str()), ("nsfs", "rw"));
        assert_eq!(Mount::parse(line, &["cgroup"]), None);
        let line = b"64 25 0:4 / /a rw - fuse.sshfs x rw";
        assert!(Mount::parse(line, &SERVED).is_some() && Mount::parse(line, &["nsfs"]).is_none());
    }

    #[test]
    fn what_is_no_line_is_left_out() {
        for line in [&b""[..], b"1 2 3", b"32 31 0:29 / /x rw - nsfs", b"32 31 0:29 / /x rw nsfs nsfs rw", b"\xff\n"] {
            assert_eq!(Mount::parse(line, &["nsfs"]), None);
        }
        assert_eq!(unescape(br"/a\134b\\40\9"), PathBuf::from(r"/a\b\\40\9"));
        assert_eq!(unescape(br"\"), PathBuf::from(r"\"));
    }
}
