//! What the kernel lists of cgroups: a process's places in them, and where they are mounted. Nothing is opened here.

use std::ffi::OsString;
use std::io::BufRead;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

/// A line of `/proc/PID/cgroup`, cgroups(7): where a process is in one hierarchy, as our cgroup namespace has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place<'a> {
    /// `memory`, `cpu,cpuacct`, `name=systemd`; nothing for v2.
    controllers: &'a str,
    path: &'a str,
}

impl<'a> Place<'a> {
    pub(super) fn is_v2(&self) -> bool {
        self.controllers.is_empty()
    }

    /// Whether it is of a hierarchy without controllers, for marking only.
    pub(super) fn is_named(&self) -> bool {
        self.controllers.starts_with("name=")
    }

    fn controllers(&self) -> impl Iterator<Item = &'a str> {
        self.controllers.split(',')
    }

    pub(super) fn has(&self, controller: &str) -> bool {
        self.controllers().any(|name| name == controller)
    }

    /// For messages.
    pub(super) fn name(&self) -> &'a str {
        if self.is_v2() { "v2" } else { self.controllers }
    }
}

/// All places.
pub(super) fn places(text: &str) -> impl Iterator<Item = Place<'_>> {
    text.lines().filter_map(|line| {
        let (_, line) = line.split_once(':')?;
        let (controllers, path) = line.split_once(':')?;
        Some(Place { controllers, path })
    })
}

/// The place in v2, from its root.
pub(crate) fn path_in_v2(text: &str) -> Option<&Path> {
    places(text).find(Place::is_v2).and_then(|place| Path::new(place.path).strip_prefix("/").ok())
}

/// A mount of a hierarchy, from `/proc/self/mountinfo`, proc_pid_mountinfo(5).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// The number of its file system.
    pub(super) device: u64,
    v2: bool,
    /// The cgroup that is mounted, as our cgroup namespace has it.
    root: PathBuf,
    point: PathBuf,
    /// Controllers among others.
    options: String,
}

impl Mount {
    /// Whether it is of the place's hierarchy.
    pub(super) fn holds(&self, place: &Place<'_>) -> bool {
        match self.v2 {
            true => place.is_v2(),
            false => {
                !place.is_v2() && place.controllers().all(|name| self.options.split(',').any(|option| option == name))
            }
        }
    }

    /// The folder of the place; `None` where it lies outside of what is mounted.
    pub(super) fn folder(&self, place: &Place<'_>) -> Option<PathBuf> {
        let below = Path::new(place.path).strip_prefix(&self.root).ok()?;
        let plain = below.components().all(|component| matches!(component, Component::Normal(_)));
        plain.then(|| self.point.join(below))
    }

    fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = line.split(|byte| *byte == b' ');
        let device = std::str::from_utf8(fields.nth(2)?).ok()?;
        let (major, minor) = device.split_once(':')?;
        let (root, point) = (unescape(fields.next()?), unescape(fields.next()?));
        // Optional fields end with a dash.
        fields.find(|field| *field == b"-")?;
        let v2 = match fields.next()? {
            b"cgroup2" => true,
            b"cgroup" => false,
            _ => return None,
        };
        let options = String::from_utf8_lossy(fields.nth(1)?).into_owned();
        let device = rustix::fs::makedev(major.parse().ok()?, minor.parse().ok()?);
        Some(Self { device, v2, root, point, options })
    }
}

/// All mounts of hierarchies, in the list's order.
pub(super) fn mounts(list: impl BufRead) -> impl Iterator<Item = Mount> {
    list.split(b'\n').map_while(Result::ok).filter_map(|line| Mount::parse(&line))
}

/// Undoes the list's `\040` for a space and its like.
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let octal = after.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
24 1 0:22 / /proc rw - proc proc rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 master:3 - cgroup cgroup rw,cpu,cpuacct
33 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
34 31 0:38 / /mnt/with\\040space rw - cgroup2 cgroup2 rw,nsdelegate
35 31 0:30 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
";

    fn found(place: &str) -> Option<PathBuf> {
        let place = places(place).next().unwrap();
        mounts(HYBRID.as_bytes()).filter(|mount| mount.holds(&place)).find_map(|mount| mount.folder(&place))
    }

    #[test]
    fn each_hierarchy_is_found_where_it_is_mounted() {
        assert_eq!(mounts(HYBRID.as_bytes()).count(), 4);
        for (place, folder) in [
            ("4:cpu,cpuacct:/docker/x", Some("/sys/fs/cgroup/cpu,cpuacct/docker/x")),
            ("4:cpuacct,cpu:/", Some("/sys/fs/cgroup/cpu,cpuacct/")),
            ("1:name=systemd:/a/b", Some("/sys/fs/cgroup/systemd/a/b")),
            ("0::/a:b", Some("/mnt/with space/a:b")),
            ("9:cpu,cpuset:/docker/x", None),
            ("9:pids:/docker/x", None),
        ] {
            assert_eq!(found(place), folder.map(PathBuf::from), "{place}");
        }
    }

    #[test]
    fn what_lies_outside_of_the_mount_is_not_there() {
        assert_eq!(found("5:memory:/docker/abc"), Some("/sys/fs/cgroup/memory".into()));
        assert_eq!(found("5:memory:/docker/abc/deeper"), Some("/sys/fs/cgroup/memory/deeper".into()));
        for outside in ["5:memory:/docker/abcd", "5:memory:/", "5:memory:/docker/abc/../other", "0::/../sibling"] {
            assert_eq!(found(outside), None, "{outside}");
        }
    }

    #[test]
    fn lines_that_are_no_lines_are_left_out() {
        assert_eq!(places("\n0:\nnonsense\n0::/\n").count(), 1);
        assert_eq!(mounts(&b"32 31 0:29 / /x rw - cgroup\n32 31 x:y / /x rw - cgroup c rw\n\n"[..]).count(), 0);
        assert_eq!(unescape(br"/a\134b\\40\9"), PathBuf::from(r"/a\b\\40\9"));
    }

    #[test]
    fn the_place_in_v2() {
        assert_eq!(path_in_v2("3:cpu:/x\n0::/docker/x\n"), Some(Path::new("docker/x")));
        assert_eq!(path_in_v2("3:cpu:/x\n"), None);
    }
}
