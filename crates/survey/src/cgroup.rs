//! What a process's cgroup allows and uses, cgroups(7): v1, v2 and both side by side.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use crate::mount::{self, Mount};
use crate::{Error, files};

/// The largest list of a process's cgroups that is taken, and the largest file of one.
const LARGEST_LIST: u64 = 1 << 20;
const LARGEST: u64 = 64 << 10;
/// v1 writes "no limit" as the most pages that it can count, in bytes.
const UNLIMITED: u64 = i64::MAX as u64 - 0xffff;

/// Where a process is among the cgroups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cgroup {
    /// Its path below the root of the hierarchy, as `/proc/PID/cgroup` has it: that of v2 where it has controllers, else
    /// that of v1's memory controller.
    pub path: PathBuf,
    /// Whether that is called by the ID of the container that was asked for, and so is nobody else's.
    pub is_its_own: bool,
    memory: Option<Folder>,
    pids: Option<Folder>,
    cpu: Option<Folder>,
    cpuacct: Option<Folder>,
}

/// Where a cgroup is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Folder {
    path: PathBuf,
    /// The mount above it, where limits end.
    top: PathBuf,
    v2: bool,
}

/// Limits and present use. What is not limited, or not told, is `None`. Limits are the tightest of the cgroup and those
/// above it; what is used is the cgroup's own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// Bytes used, with the page cache.
    pub memory: Option<u64>,
    /// Bytes used without the file cache that can be given back: what docker stats shows.
    pub working_set: Option<u64>,
    /// Bytes.
    pub memory_limit: Option<u64>,
    /// How often the kernel killed a process for want of memory.
    pub oom_kills: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    #[allow(missing_docs)]
    pub pids_limit: Option<u64>,
    /// CPUs' worth of time that it may take: quota over period.
    pub cpu_limit: Option<f64>,
    /// CPU time used, in microseconds.
    pub cpu_used: Option<u64>,
    /// Periods in which it was throttled, of how many.
    pub throttled: Option<(u64, u64)>,
}

impl Cgroup {
    /// Where a process is.
    ///
    /// # Errors
    /// [`Error::Read`] where there is no such process.
    pub fn of_process(pid: i32) -> Result<Self, Error> {
        Self::of_container(pid, "")
    }

    /// Where the container of this ID is that a process is in: the process itself may be further down, as systemd is, and
    /// whoever rules there.
    ///
    /// # Errors
    /// As of [`Cgroup::of_process`].
    pub fn of_container(pid: i32, id: &str) -> Result<Self, Error> {
        let list = down_to(&list(pid)?, id);
        let mounts: Vec<_> =
            mount::mounts(Path::new("/proc/thread-self"), &["cgroup", "cgroup2"]).into_iter().flatten().collect();
        let path = main_path(&list);
        let is_its_own = path.file_name().is_some_and(|unit| is_called(unit.as_bytes(), id));
        Ok(Self { is_its_own, ..Self::of_list(&list, &mounts) })
    }

    /// The [`Cgroup::path`] of a process alone: where cgroups are mounted is not looked at, which takes its time where very
    /// much is.
    ///
    /// # Errors
    /// As of [`Cgroup::of_process`].
    pub fn path_of(pid: i32) -> Result<PathBuf, Error> {
        list(pid).map(|list| main_path(&list))
    }

    fn of_list(list: &[u8], mounts: &[Mount]) -> Self {
        let folder = |controller| mounts.iter().rev().find_map(|mount| Folder::of(place(list, controller)?, mount));
        Self {
            path: main_path(list),
            is_its_own: false,
            memory: folder("memory"),
            pids: folder("pids"),
            cpu: folder("cpu"),
            cpuacct: folder("cpuacct"),
        }
    }

    /// What it allows and uses now.
    pub fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        if let Some(memory) = &self.memory {
            let [used, limit, inactive, events] = match memory.v2 {
                true => ["memory.current", "memory.max", "inactive_file", "memory.events"],
                false => {
                    ["memory.usage_in_bytes", "memory.limit_in_bytes", "total_inactive_file", "memory.oom_control"]
                }
            };
            usage.memory = memory.number(used);
            let inactive = memory.key("memory.stat", inactive).unwrap_or_default();
            usage.working_set = usage.memory.map(|used| used.saturating_sub(inactive));
            usage.memory_limit =
                memory.tightest(|folder| number::<u64>(&folder.join(limit)).filter(|it| *it < UNLIMITED));
            usage.oom_kills = memory.key(events, "oom_kill");
        }
        if let Some(pids) = &self.pids {
            usage.pids = pids.number("pids.current");
            usage.pids_limit = pids.tightest(|folder| number(&folder.join("pids.max")));
        }
        if let Some(cpu) = &self.cpu {
            usage.cpu_limit = cpu.tightest(if cpu.v2 { cpu_max } else { cfs_quota });
            usage.throttled = cpu.key("cpu.stat", "nr_throttled").zip(cpu.key("cpu.stat", "nr_periods"));
        }
        usage.cpu_used = self.cpuacct.as_ref().and_then(|cpu| match cpu.v2 {
            true => cpu.key("cpu.stat", "usage_usec"),
            false => cpu.number("cpuacct.usage").map(|nanoseconds| nanoseconds / 1000),
        });
        usage
    }
}

/// The lines of cgroups(7) of a process.
fn list(pid: i32) -> Result<Vec<u8>, Error> {
    let file = Path::new("/proc").join(pid.to_string()).join("cgroup");
    files::read(&file, LARGEST_LIST).map_err(|cause| Error::read(&file, cause))
}

/// Whether a cgroup is called by an ID: `ID`, `docker-ID.scope`, `:youki:ID`, `lxc.payload.ID`.
fn is_called(unit: &[u8], id: &str) -> bool {
    let before = unit.strip_suffix(b".scope").unwrap_or(unit).strip_suffix(id.as_bytes());
    !id.is_empty() && before.is_some_and(|before| matches!(before.last(), None | Some(b'-' | b':' | b'.')))
}

/// The same lines, each path no further down than the first cgroup that is called by an ID.
pub(crate) fn down_to(list: &[u8], id: &str) -> Vec<u8> {
    let cut = |line: &'_ [u8]| {
        let units: Vec<_> = line.split(|byte| *byte == b'/').collect();
        let last = units.iter().position(|unit| is_called(unit, id)).unwrap_or(units.len());
        units[..units.len().min(last + 1)].join(&b'/')
    };
    list.split(|byte| *byte == b'\n').map(cut).collect::<Vec<_>>().join(&b'\n')
}

pub(crate) fn main_path(list: &[u8]) -> PathBuf {
    place(list, "memory").map(|place| path(place.path)).unwrap_or_default()
}

/// A process's place in one hierarchy.
#[derive(Clone, Copy)]
struct Place<'a> {
    /// As it was looked for; nothing of v2.
    controller: &'static str,
    path: &'a [u8],
}

/// The place where a controller is in force: v1's, else v2's.
fn place<'a>(list: &'a [u8], controller: &'static str) -> Option<Place<'a>> {
    let places = || {
        list.split(|byte| *byte == b'\n').filter_map(|line| {
            let mut fields = line.splitn(3, |byte| *byte == b':').skip(1);
            Some((fields.next()?, fields.next()?))
        })
    };
    let v1 =
        places().find(|(controllers, _)| controllers.split(|byte| *byte == b',').any(|it| it == controller.as_bytes()));
    let v2 =
        || places().find(|(controllers, _)| controllers.is_empty()).map(|(_, path)| Place { controller: "", path });
    v1.map(|(_, path)| Place { controller, path }).or_else(v2)
}

/// The path of a place, which may hold anything.
fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

impl Folder {
    /// Of a place, on a mount of its hierarchy; `None` where it lies outside of what is mounted.
    fn of(place: Place<'_>, mount: &Mount) -> Option<Self> {
        let v2 = mount.kind == "cgroup2";
        let fits = match v2 {
            true => place.controller.is_empty(),
            false => mount.options.split(',').any(|option| option == place.controller),
        };
        let path = path(place.path);
        let below = path.strip_prefix(&mount.root).ok().filter(|_| fits)?;
        let plain = below.components().all(|component| matches!(component, Component::Normal(_)));
        plain.then(|| Self { path: mount.point.join(below), top: mount.point.clone(), v2 })
    }

    fn number(&self, file: &str) -> Option<u64> {
        number(&self.path.join(file))
    }

    /// The number of a key in a file of lines `KEY NUMBER`.
    fn key(&self, file: &str, key: &str) -> Option<u64> {
        let text = text(&self.path.join(file))?;
        let mut pairs = text.lines().filter_map(|line| line.split_once(' '));
        pairs.find(|(name, _)| *name == key)?.1.trim().parse().ok()
    }

    /// The least of what the cgroup and those above it allow.
    fn tightest<T: PartialOrd>(&self, limit: impl Fn(&Path) -> Option<T>) -> Option<T> {
        let all = self.path.ancestors().take_while(|folder| folder.starts_with(&self.top));
        all.filter_map(limit).reduce(|least, other| if other < least { other } else { least })
    }
}

fn text(path: &Path) -> Option<String> {
    String::from_utf8(files::read(path, LARGEST).ok()?).ok()
}

/// The first word of a file; `max` is no number.
fn number<T: FromStr>(path: &Path) -> Option<T> {
    text(path)?.split_ascii_whitespace().next()?.parse().ok()
}

/// v2: `QUOTA PERIOD` in microseconds.
fn cpu_max(folder: &Path) -> Option<f64> {
    let text = text(&folder.join("cpu.max"))?;
    let (quota, period) = text.trim().split_once(' ')?;
    share(quota.parse().ok()?, period.parse().ok()?)
}

/// v1: the same in two files.
fn cfs_quota(folder: &Path) -> Option<f64> {
    share(number(&folder.join("cpu.cfs_quota_us"))?, number(&folder.join("cpu.cfs_period_us"))?)
}

/// A quota of -1 is none.
fn share(quota: i64, period: i64) -> Option<f64> {
    (quota > 0 && period > 0).then(|| quota as f64 / period as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(kind: &str, root: &str, point: &str, options: &str) -> Mount {
        Mount {
            root: root.into(),
            point: point.into(),
            kind: kind.to_owned(),
            options: options.to_owned(),
            ..Mount::default()
        }
    }

    fn hybrid() -> Vec<Mount> {
        vec![
            mount("cgroup", "/", "/sys/fs/cgroup/cpu,cpuacct", "rw,cpu,cpuacct"),
            mount("cgroup", "/docker/abc", "/sys/fs/cgroup/memory", "rw,memory"),
            mount("cgroup2", "/", "/sys/fs/cgroup/unified", "rw"),
        ]
    }

    fn at(folder: &Option<Folder>) -> Option<&Path> {
        folder.as_ref().map(|folder| folder.path.as_path())
    }

    #[test]
    fn each_controller_is_where_it_is_in_force() {
        let list = b"4:cpu,cpuacct:/docker/x\n3:memory:/docker/abc/d:e\n1:name=systemd:/y\n0::/docker/z\n";
        let found = Cgroup::of_list(list, &hybrid());
        assert_eq!(found.path, Path::new("/docker/abc/d:e"));
        assert_eq!(at(&found.memory), Some(Path::new("/sys/fs/cgroup/memory/d:e")));
        assert_eq!(at(&found.cpu), Some(Path::new("/sys/fs/cgroup/cpu,cpuacct/docker/x")));
        assert_eq!(at(&found.cpuacct), at(&found.cpu));
        // v1 has none, so that v2's is in force.
        assert_eq!(at(&found.pids), Some(Path::new("/sys/fs/cgroup/unified/docker/z")));
        let pure = Cgroup::of_list(b"0::/a\xff b\n", &[mount("cgroup2", "/", "/sys/fs/cgroup", "rw")]);
        let path = PathBuf::from(OsStr::from_bytes(b"/sys/fs/cgroup/a\xff b"));
        assert_eq!(at(&pure.memory), Some(path.as_path()));
    }

    #[test]
    fn a_containers_is_the_first_that_is_called_so() {
        let of = |id: &str, path: &str| {
            let list = down_to(format!("4:memory:{path}\n0::/x\n").as_bytes(), id);
            String::from_utf8(list).unwrap().strip_suffix("\n0::/x\n").unwrap().replace("4:memory:", "")
        };
        assert_eq!(of("abc", "/docker/abc/init.scope"), "/docker/abc");
        assert_eq!(of("abc", "/system.slice/docker-abc.scope/a/abc"), "/system.slice/docker-abc.scope");
        assert_eq!(of("c1", "/lxc.payload.c1/init.scope"), "/lxc.payload.c1");
        for path in ["/", "/docker/xabc/d", "/a/ab/c"] {
            assert_eq!([of("abc", path), of("", path)], [path, path]);
        }
    }

    #[test]
    fn what_lies_outside_of_the_mount_is_not_there() {
        for outside in ["/docker/abcd", "/", "/docker/abc/../other", "/../sibling", ""] {
            let found = Cgroup::of_list(format!("3:memory:{outside}\nnonsense\n5\n").as_bytes(), &hybrid());
            assert_eq!((at(&found.memory), at(&found.pids)), (None, None), "{outside}");
            assert_eq!(found.usage(), Usage::default());
        }
    }

    /// A tree of files as v2 has them, removed when dropped.
    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let top = std::env::temp_dir().join(format!("survey-cgroup-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&top);
            for (file, text) in files {
                let path = top.join(file);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            Self(top)
        }

        fn usage(&self, kind: &str) -> Usage {
            let mount = mount(kind, "/", self.0.to_str().unwrap(), "rw,memory,pids,cpu,cpuacct");
            let list = if kind == "cgroup" { "1:memory,pids,cpu,cpuacct:/a/b" } else { "0::/a/b" };
            Cgroup::of_list(list.as_bytes(), &[mount]).usage()
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn v2_is_read_with_the_limits_above() {
        let tree = Tree::new(
            "v2",
            &[
                ("a/memory.max", "1000000\n"),
                ("a/pids.max", "max\n"),
                ("a/cpu.max", "150000 100000\n"),
                ("a/b/memory.current", "5000\n"),
                ("a/b/memory.max", "max\n"),
                ("a/b/memory.stat", "anon 1\ninactive_file 2000\n"),
                ("a/b/memory.events", "oom 9\noom_kill 3\noom_group_kill 0\n"),
                ("a/b/pids.current", "7\n"),
                ("a/b/pids.max", "100\n"),
                ("a/b/cpu.max", "max 100000\n"),
                ("a/b/cpu.stat", "usage_usec 1234\nnr_periods 10\nnr_throttled 4\n"),
            ],
        );
        let usage = Usage {
            memory: Some(5000),
            working_set: Some(3000),
            memory_limit: Some(1_000_000),
            oom_kills: Some(3),
            pids: Some(7),
            pids_limit: Some(100),
            cpu_limit: Some(1.5),
            cpu_used: Some(1234),
            throttled: Some((4, 10)),
        };
        assert_eq!(tree.usage("cgroup2"), usage);
    }

    #[test]
    fn v1_writes_no_limit_as_a_large_one() {
        let tree = Tree::new(
            "v1",
            &[
                ("a/b/memory.usage_in_bytes", "5000\n"),
                ("a/b/memory.limit_in_bytes", "9223372036854771712\n"),
                ("a/b/memory.stat", "inactive_file 1\ntotal_inactive_file 9000\n"),
                ("a/b/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"),
                ("a/b/cpu.cfs_quota_us", "-1\n"),
                ("a/b/cpu.cfs_period_us", "100000\n"),
                ("a/b/cpuacct.usage", "1234567\n"),
            ],
        );
        let usage = Usage {
            memory: Some(5000),
            working_set: Some(0),
            oom_kills: Some(2),
            cpu_used: Some(1234),
            ..Usage::default()
        };
        assert_eq!(tree.usage("cgroup"), usage);
    }
}
