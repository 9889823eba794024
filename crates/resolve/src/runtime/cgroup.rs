//! Where cgroups are mounted, and who made one. What a process's cgroup says of it belongs in `process.rs`.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType};

use super::process;
use crate::file;

/// Where everybody mounts them: the only one of version 2 itself, those of version 1 in folders.
const USUAL: &str = "/sys/fs/cgroup";

/// The file systems, statfs(2).
const CGROUP_SUPER_MAGIC: i64 = 0x0027_e0eb;
const CGROUP2_SUPER_MAGIC: i64 = 0x6367_7270;

/// The cgroup hierarchies that are mounted here; all of version 1 have the same folders.
pub(crate) fn hierarchies() -> Vec<PathBuf> {
    let count = process::cgroup(std::process::id().cast_signed()).lines().count();
    let usual = usual();
    // The kernel takes milliseconds to list the mounts of a host with hundreds of containers.
    if usual.len() == count {
        return usual;
    }
    let text = file::read(Path::new("/proc/self/mountinfo"), file::LARGEST).unwrap_or_default();
    mounts(&String::from_utf8_lossy(&text))
}

/// Those that are mounted where everybody does.
fn usual() -> Vec<PathBuf> {
    let is_mounted = |path: &Path| {
        let kind = rustix::fs::statfs(path).map_or(0, |found| found.f_type);
        [CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC].contains(&kind)
    };
    let top = Path::new(USUAL);
    if is_mounted(top) {
        return vec![top.to_owned()];
    }
    // One of several controllers has links by the name of each.
    let is_folder = |path: &PathBuf| {
        let found = rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW);
        found.is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Directory)
    };
    let folders = file::names(top).into_iter().map(|name| top.join(name));
    folders.filter(is_folder).filter(|folder| is_mounted(folder)).collect()
}

/// The mount points of cgroup file systems, proc_pid_mountinfo(5).
pub(crate) fn mounts(mountinfo: &str) -> Vec<PathBuf> {
    mounted(mountinfo).map(|(_, _, point)| point).collect()
}

/// The cgroup file systems: their type, their options, where they are mounted.
fn mounted(mountinfo: &str) -> impl Iterator<Item = (&str, &str, PathBuf)> {
    mountinfo.lines().filter_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let mut after = after.split(' ');
        let (kind, options) = (after.next()?, after.nth(1).unwrap_or_default());
        let point = before.split(' ').nth(4)?;
        matches!(kind, "cgroup" | "cgroup2").then(|| (kind, options, PathBuf::from(unescaped(point))))
    })
}

/// Where the kernel says which cgroups are frozen: version 1 in a hierarchy of its own, version 2 in its only one.
#[derive(Debug, Default)]
pub(crate) struct Freezers {
    v1: Option<PathBuf>,
    v2: Option<PathBuf>,
}

impl Freezers {
    /// Those of this machine.
    pub(crate) fn here() -> Self {
        let text = file::read(Path::new("/proc/self/mountinfo"), file::LARGEST).unwrap_or_default();
        Self::among(&String::from_utf8_lossy(&text))
    }

    fn among(mountinfo: &str) -> Self {
        let mut freezers = Self::default();
        for (kind, options, point) in mounted(mountinfo) {
            match kind {
                "cgroup2" => freezers.v2 = Some(point),
                _ if options.split(',').any(|option| option == "freezer") => freezers.v1 = Some(point),
                _ => {}
            }
        }
        freezers
    }

    /// Whether a process with these lines of cgroups(7) is frozen, with its own cgroup or one above.
    pub(crate) fn holds(&self, cgroups: &str) -> bool {
        cgroups.lines().any(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { return false };
            let is_v1 = controllers.split(',').any(|controller| controller == "freezer");
            let (mount, name, word) = match (is_v1, controllers) {
                (true, _) => (&self.v1, "freezer.state", "FROZEN"),
                (_, "") => (&self.v2, "cgroup.events", "frozen 1"),
                _ => return false,
            };
            let file = mount.as_ref().map(|mount| mount.join(path.trim_start_matches('/')).join(name));
            let text = file.and_then(|file| file::read(&file, 4096).ok()).unwrap_or_default();
            String::from_utf8_lossy(&text).lines().any(|line| line == word)
        })
    }
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
    fn those_that_are_mounted_where_everybody_does_are_mounted() {
        let text = file::read(Path::new("/proc/self/mountinfo"), file::LARGEST).unwrap();
        let mut all = mounts(&String::from_utf8_lossy(&text));
        all.retain(|point| point.starts_with(USUAL));
        all.sort();
        assert_eq!(usual(), all);
        assert!(usual().iter().all(|point| hierarchies().contains(point)));
    }

    #[test]
    fn cgroup_file_systems_are_found_among_the_mounts() {
        let text = "26 21 0:23 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro\n\
                    27 26 0:24 / /sys/fs/cgroup/unified rw shared:10 - cgroup2 cgroup2 rw,nsdelegate\n\
                    28 26 0:25 / /odd\\040place/pids rw - cgroup cgroup rw,pids\nnonsense\n";
        let expected = ["/sys/fs/cgroup/unified", "/odd place/pids"].map(PathBuf::from);
        assert_eq!(mounts(text), expected);
        let Freezers { v1, v2 } = Freezers::among(&text.replace("rw,pids", "rw,xattr,freezer"));
        assert_eq!([v2, v1].map(Option::unwrap), expected);
        assert!(!Freezers::among(text).holds("7:freezer:/x\n0::/y\nnonsense\n"));
    }
}
