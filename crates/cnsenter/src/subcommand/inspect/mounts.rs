//! What is mounted in a container: its root file system, its volumes and bound folders, proc_pid_mountinfo(5). What every
//! container has of kernel's file systems is left out.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// A longer table, in bytes, is not read to its end: a container may make mounts without end.
const LARGEST: u64 = 1 << 20;

/// Where every container has mounts that say nothing of it.
const USUAL: [&str; 6] = ["/proc", "/sys", "/dev", "/etc/resolv.conf", "/etc/hosts", "/etc/hostname"];

/// What is mounted.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    pub(super) root: Option<Mount>,
    /// Volumes and bound folders, in the order of the table.
    pub(super) others: Vec<Mount>,
}

/// A mount.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// Where, in the container.
    pub(super) target: PathBuf,
    /// What, as the host has it; nothing where the host does not see it.
    pub(super) source: Option<PathBuf>,
    /// `ext4`, `overlay`.
    pub(super) kind: String,
    pub(super) read_only: bool,
    /// The layer of an overlay that is written to.
    pub(super) upper: Option<PathBuf>,
}

/// A line of the table.
struct Line<'a> {
    device: &'a str,
    /// The folder of the file system that is mounted.
    root: PathBuf,
    target: PathBuf,
    options: &'a str,
    kind: &'a str,
    system_options: &'a str,
}

/// Those of a process.
pub(super) fn of_process(pid: i32) -> io::Result<Mounts> {
    let (theirs, ours) =
        (table(Path::new(&format!("/proc/{pid}/mountinfo")))?, table(Path::new("/proc/self/mountinfo"))?);
    Ok(told(&theirs, &ours))
}

fn table(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST).read_to_end(&mut bytes)?;
    // The last line may have been cut.
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    Ok(String::from_utf8_lossy(&bytes[..whole]).into_owned())
}

fn told(theirs: &str, ours: &str) -> Mounts {
    let host: Vec<_> = ours.lines().filter_map(parse).collect();
    let mut mounts = Mounts::default();
    for line in theirs.lines().filter_map(parse) {
        let is_usual = USUAL.iter().any(|usual| line.target.starts_with(usual));
        match line.target.parent() {
            // The last one on top of it counts.
            None => mounts.root = Some(mount(line, &host)),
            Some(_) if !is_usual => mounts.others.push(mount(line, &host)),
            Some(_) => {}
        }
    }
    mounts
}

fn mount(line: Line<'_>, host: &[Line<'_>]) -> Mount {
    let has = |options: &str, word: &str| options.split(',').any(|option| option == word);
    let upper = line.system_options.split(',').find_map(|option| option.strip_prefix("upperdir="));
    Mount {
        source: seen_by_host(&line, host),
        kind: line.kind.to_owned(),
        read_only: has(line.options, "ro") || has(line.system_options, "ro"),
        upper: upper.map(unescaped),
        target: line.target,
    }
}

/// Where the host has that folder of that file system, by the mount of it that is nearest.
fn seen_by_host(line: &Line<'_>, host: &[Line<'_>]) -> Option<PathBuf> {
    let same = host.iter().filter(|mount| mount.device == line.device && line.root.starts_with(&mount.root));
    let nearest = same.max_by_key(|mount| mount.root.as_os_str().len())?;
    let below = line.root.strip_prefix(&nearest.root).ok()?;
    Some(if below.as_os_str().is_empty() { nearest.target.clone() } else { nearest.target.join(below) })
}

fn parse(line: &str) -> Option<Line<'_>> {
    let (first, second) = line.split_once(" - ")?;
    let mut first = first.split(' ').skip(2);
    let (device, root, target, options) = (first.next()?, first.next()?, first.next()?, first.next()?);
    let mut second = second.split(' ');
    let kind = second.next()?;
    let system_options = second.nth(1).unwrap_or_default();
    Some(Line { device, root: unescaped(root), target: unescaped(target), options, kind, system_options })
}

/// Blanks, line breaks and backslashes are written as three octal digits.
fn unescaped(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        let number = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.push(number.unwrap_or(*first));
        rest = &after[if number.is_some() { 3 } else { 0 }..];
    }
    OsString::from_vec(bytes).into()
}

impl Mount {
    /// A volume by its name, a folder by its path, a file system of its own by its kind.
    pub(super) fn from(&self) -> String {
        let path =
            self.source.as_ref().map(|source| String::from_utf8_lossy(source.as_os_str().as_bytes()).into_owned());
        path.unwrap_or_else(|| self.kind.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "22 1 254:1 / / rw - ext4 /dev/root rw\n23 22 254:2 /vol /srv rw shared:1 - ext4 /dev/b rw\n\
        24 22 254:1 /var/lib /other rw - ext4 /dev/root rw\n";

    #[test]
    fn what_is_mounted_is_told_as_the_host_has_it() {
        let theirs = "1 0 0:60 / / ro,relatime - overlay overlay rw,lowerdir=/l,upperdir=/var/lib/u\\0401,workdir=/w\n\
            2 1 0:61 / /proc rw - proc proc rw\n3 1 0:62 / /dev/shm rw - tmpfs shm rw\n\
            4 1 254:1 /home/a\\134b /data ro - ext4 /dev/root rw\n5 1 254:2 /vol/x /x rw master:1 - ext4 /dev/b rw\n\
            6 1 0:63 / /tmp rw - tmpfs tmpfs rw\n7 1 254:1 /var/lib/d/resolv.conf /etc/resolv.conf rw - ext4 /dev/root rw\n\
            8 1 254:1 /var/lib/volumes/v /v rw - ext4 /dev/root rw\nnonsense\n9 1 254:2 /hidden /h rw - ext4 /dev/b rw\n";
        let mounts = told(theirs, HOST);
        let root = mounts.root.unwrap();
        assert_eq!((root.kind.as_str(), root.read_only), ("overlay", true));
        assert_eq!(root.upper, Some("/var/lib/u 1".into()));
        let seen: Vec<_> =
            mounts.others.iter().map(|it| (it.target.to_str().unwrap(), it.from(), it.read_only)).collect();
        let expected = [
            ("/data", "/home/a\\b", true),
            ("/x", "/srv/x", false),
            ("/tmp", "tmpfs", false),
            ("/v", "/other/volumes/v", false),
            ("/h", "ext4", false),
        ];
        assert_eq!(seen, expected.map(|(target, from, read_only)| (target, from.to_owned(), read_only)));
    }

    #[test]
    fn escapes_are_undone_and_nothing_else() {
        for (text, path) in
            [("/a\\040b", "/a b"), ("/a\\", "/a\\"), ("\\134", "\\"), ("/\\9", "/\\9"), ("/\\777", "/\\777")]
        {
            assert_eq!(unescaped(text), PathBuf::from(path), "{text}");
        }
    }
}
