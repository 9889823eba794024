//! Where cgroups are mounted, and who made one. What a process's cgroup says of it belongs in `process.rs`.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::file;

/// The cgroup hierarchies that are mounted here; all of version 1 have the same folders.
pub(crate) fn hierarchies() -> Vec<PathBuf> {
    let text = file::read(Path::new("/proc/self/mountinfo"), file::LARGEST).unwrap_or_default();
    mounts(&String::from_utf8_lossy(&text))
}

/// The mount points of cgroup file systems, proc_pid_mountinfo(5).
pub(crate) fn mounts(mountinfo: &str) -> Vec<PathBuf> {
    let mount = |line: &str| {
        let (before, after) = line.split_once(" - ")?;
        let kind = after.split(' ').next()?;
        let point = before.split(' ').nth(4)?;
        matches!(kind, "cgroup" | "cgroup2").then(|| PathBuf::from(unescaped(point)))
    };
    mountinfo.lines().filter_map(mount).collect()
}

/// A path as mountinfo writes it: blanks, newlines and backslashes are `\` and three octal digits.
pub(crate) fn unescaped(path: &str) -> std::ffi::OsString {
    use std::os::unix::ffi::OsStringExt;
    let (mut bytes, mut rest) = (Vec::with_capacity(path.len()), path.as_bytes());
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let code = digits.filter(|_| first == b'\\').and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    std::ffi::OsString::from_vec(bytes)
}

/// Whether all folders above this container's cgroup are root's, or ours. A user may be given a part of the tree,
/// in which he makes cgroups of any name and puts processes of his.
pub(crate) fn is_made_by_us(path: &str, id: &str) -> bool {
    let above = path.rfind(id).and_then(|at| path[..at].rfind('/')).map(|at| path[..at].trim_start_matches('/'));
    let Some(above) = above else { return false };
    let own = rustix::process::geteuid().as_raw();
    let above = || Path::new(above).ancestors();
    let mounts = hierarchies();
    let mut folders =
        mounts.iter().flat_map(|mount| above().filter_map(|folder| std::fs::metadata(mount.join(folder)).ok()));
    // Where no such folder can be seen, its name is not from here, and nothing says who made it.
    folders.all(|folder| [0, own].contains(&folder.uid()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cgroup_file_systems_are_found_among_the_mounts() {
        let text = "26 21 0:23 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro\n\
                    27 26 0:24 / /sys/fs/cgroup/unified rw shared:10 - cgroup2 cgroup2 rw,nsdelegate\n\
                    28 26 0:25 / /odd\\040place/pids rw - cgroup cgroup rw,pids\nnonsense\n";
        let expected = ["/sys/fs/cgroup/unified", "/odd place/pids"].map(PathBuf::from);
        assert_eq!(mounts(text), expected);
    }
}
