//! The lists of mounts, proc_pid_mountinfo(5): where cgroups and namespaces are mounted.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::files;

/// A longer list, in bytes, is not read to its end: a container may mount what it likes.
const LARGEST: u64 = 64 << 20;

/// A line of the list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// What of the file system is mounted: of a namespace `net:[4026532633]`.
    pub(crate) root: PathBuf,
    /// Where.
    pub(crate) point: PathBuf,
    /// The file system: `cgroup2`, `nsfs`.
    pub(crate) kind: String,
    /// Of the file system; a cgroup's controllers among others.
    pub(crate) options: String,
}

/// The mounts of these kinds that a process sees, in the list's order.
pub(crate) fn mounts(process: &Path, kinds: &[&str]) -> io::Result<impl Iterator<Item = Mount>> {
    let lines = files::lines(&process.join("mountinfo"), LARGEST)?;
    Ok(lines.filter_map(|line| Mount::parse(&line, kinds)))
}

impl Mount {
    fn parse(line: &[u8], kinds: &[&str]) -> Option<Self> {
        let mut fields = line.split(|byte| *byte == b' ');
        let (root, point) = (fields.nth(3)?, fields.next()?);
        // Optional fields end with a dash.
        fields.find(|field| *field == b"-")?;
        let kind = std::str::from_utf8(fields.next()?).ok().filter(|kind| kinds.contains(kind))?.to_owned();
        let options = String::from_utf8_lossy(fields.nth(1)?).into_owned();
        Some(Self { root: unescape(root), point: unescape(point), kind, options })
    }
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
