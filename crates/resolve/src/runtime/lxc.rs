//! LXC, and LXD and Incus, which run on it: names are folders, the cgroup `lxc.payload.NAME` has the processes, and the
//! monitor, the parent of the first of them, says whose folder it is.

use std::path::{Path, PathBuf};

use super::{Runtime, cgroup, process, supervisor};
use crate::file;
use crate::listed::Listed;
use crate::report::Report;
use crate::roots::Roots;
use crate::wanted::Wanted;

/// What the cgroup of a container's processes is called: `lxc.payload.NAME`, before LXC 4 `lxc.payload/NAME`, before 3
/// `lxc/NAME`. A number follows where that name was taken: by a container of another folder, or by one that is gone.
const PAYLOADS: [&str; 3] = ["lxc.payload.", "lxc.payload/", "lxc/"];

/// How many folders of a cgroup are looked through for its first process: an init that is systemd moves itself.
const MOST_CGROUPS: usize = 64;

/// What the monitor of a container that runs in the background calls itself, before its folder and its name.
const MONITOR: &str = "[lxc monitor] ";

/// A container that runs.
struct Running {
    name: String,
    /// The folder in which its own one is, where its monitor says so.
    path: Option<PathBuf>,
    init: (i32, u64),
    hierarchy: PathBuf,
}

/// Every container that may be what is wanted. One name may be in several folders: the first folder has the word,
/// whether or not its container runs, as with LXC's own tools.
pub(crate) fn state(roots: &Roots, wanted: &Wanted<'_>) -> Option<Report> {
    let mut report = Report::default();
    let mut cgroups = Vec::new();
    let mut running = running(wanted, &mut report, &mut cgroups);
    for root in &roots.lxc {
        if file::is_forbidden(root) {
            report.forbidden(root);
        }
        for name in file::names(root) {
            if !root.join(&name).join("config").is_file() {
                continue;
            }
            report.looked_in(root);
            if !cgroups.contains(&name) {
                report.passed();
            }
            if !wanted.may_be(&name, b"") {
                continue;
            }
            let is_it = |found: &Running| {
                found.name == name && found.path.as_ref().is_none_or(|path| is_same_folder(path, root))
            };
            let init = match running.iter().position(is_it) {
                Some(at) => Some(running.swap_remove(at).init),
                None => by_monitor(root, &name, wanted),
            };
            report.add(Listed { root: root_of(&root.join(&name)), ..listed(&name, init, root) });
        }
    }
    // In folders that nobody named, one name may stand for several.
    let is_one = |name: &str| running.iter().filter(|other| other.name == name).count() == 1;
    for Running { name, init, hierarchy, .. } in &running {
        if is_one(name) {
            report.add(listed(name, Some(*init), hierarchy));
        } else {
            log::info!("passing over {name}: several run, and --state-root says which");
        }
    }
    report.if_anything()
}

/// The containers that cgroups tell of; the cgroups' own names go into `cgroups`.
fn running(wanted: &Wanted<'_>, report: &mut Report, cgroups: &mut Vec<String>) -> Vec<Running> {
    let mut found = Vec::new();
    for hierarchy in cgroup::hierarchies() {
        for payload in payloads(&hierarchy) {
            let Some(name) = name(&hierarchy, &payload) else { continue };
            if cgroups.contains(&name) {
                continue;
            }
            report.looked_in(&hierarchy);
            report.passed();
            if wanted.may_be(&name, b"")
                && let Some(init) = first_process(&payload, &name)
            {
                let (path, name) = monitor_of(init.0).map_or((None, name.clone()), |(path, name)| (Some(path), name));
                found.push(Running { name, path, init, hierarchy: hierarchy.clone() });
            }
            cgroups.push(name);
        }
    }
    found
}

/// The folder and the name that the container's monitor says.
fn monitor_of(init: i32) -> Option<(PathBuf, String)> {
    let monitor = process::parent(init)?;
    let (path, name) = title(monitor)?;
    supervisor::is_trusted(monitor).then_some((path, name))
}

/// The first process of a container whose cgroup is called otherwise (`lxc.cgroup.dir`, `lxc.cgroup.relative`): only a
/// look at all processes finds it, and only for the one that is wanted.
fn by_monitor(root: &Path, name: &str, wanted: &Wanted<'_>) -> Option<(i32, u64)> {
    if !matches!(wanted, Wanted::Name { name: wanted, .. } if *wanted == name) {
        return None;
    }
    // A path is not looked at before whoever says it is trusted: it may lead to a file server that is gone.
    let is_its = |pid: &i32| {
        title(*pid).is_some_and(|(path, of)| of == name && supervisor::is_trusted(*pid) && is_same_folder(&path, root))
    };
    process::all().find(is_its).and_then(supervisor::first_child)
}

/// What a process calls itself, if it is a monitor.
fn title(pid: i32) -> Option<(PathBuf, String)> {
    let line = process::read(pid, "cmdline").ok()?;
    title_in(&line)
}

fn title_in(line: &[u8]) -> Option<(PathBuf, String)> {
    let line = std::str::from_utf8(line).ok()?.trim_end_matches(['\0', ' ']);
    let (path, name) = line.strip_prefix(MONITOR)?.rsplit_once(' ')?;
    Some((PathBuf::from(path), name.to_owned()))
}

fn is_same_folder(one: &Path, other: &Path) -> bool {
    one == other || one.canonicalize().is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

/// The folders of payloads in a hierarchy.
fn payloads(hierarchy: &Path) -> Vec<PathBuf> {
    let at_top = file::names(hierarchy).into_iter().filter(|name| name.starts_with("lxc.payload."));
    let mut found: Vec<_> = at_top.map(|name| hierarchy.join(name)).collect();
    for folder in ["lxc.payload", "lxc"] {
        let folder = hierarchy.join(folder);
        let below = file::names(&folder).into_iter().map(|name| folder.join(name));
        found.extend(below.filter(|path| path.join("cgroup.procs").is_file()));
    }
    found
}

fn name(hierarchy: &Path, payload: &Path) -> Option<String> {
    let path = payload.strip_prefix(hierarchy).ok()?.to_str()?;
    PAYLOADS.iter().find_map(|before| path.strip_prefix(before)).map(str::to_owned)
}

/// The init process among those of a cgroup and of those below it.
fn first_process(payload: &Path, name: &str) -> Option<(i32, u64)> {
    let mut open = vec![payload.to_owned()];
    for _ in 0..MOST_CGROUPS {
        let folder = open.pop()?;
        let procs = file::read(&folder.join("cgroup.procs"), file::LARGEST).unwrap_or_default();
        let pids = String::from_utf8_lossy(&procs).into_owned();
        let pids = pids.lines().filter_map(|pid| pid.parse::<i32>().ok()).filter(|pid| *pid > 0);
        if let Some(found) = pids
            .filter(|pid| process::is_first_below(*pid))
            .find_map(|pid| Some((pid, process::start_in_cgroup(pid, name)?)))
        {
            return Some(found);
        }
        let below = file::names(&folder).into_iter().map(|name| folder.join(name));
        // init.scope, where systemd goes, before the services.
        open.extend(below.filter(|path| path.is_dir()).collect::<Vec<_>>().into_iter().rev());
        open.sort_by_key(|path| path.ends_with("init.scope"));
    }
    None
}

fn listed(name: &str, init: Option<(i32, u64)>, folder: &Path) -> Listed {
    let mut container = process::container(Runtime::Lxc, name, init, folder);
    container.env.push("container=lxc".to_owned());
    Listed::from(container)
}

/// The root file system by the container's configuration, where it is a folder; else the one beside it, which is LXD's.
fn root_of(folder: &Path) -> Option<PathBuf> {
    let config = file::read(&folder.join("config"), file::LARGEST).unwrap_or_default();
    let said = rootfs_in(&String::from_utf8_lossy(&config));
    said.or_else(|| Some(folder.join("rootfs"))).filter(|root| root.is_dir())
}

/// The folder in lxc.container.conf(5): `lxc.rootfs.path`, before LXC 3 `lxc.rootfs`. Of several the last counts.
pub(crate) fn rootfs_in(config: &str) -> Option<PathBuf> {
    let mut values = config.lines().filter_map(|line| {
        let (key, value) = line.split_once('=')?;
        matches!(key.trim(), "lxc.rootfs.path" | "lxc.rootfs").then_some(value.trim())
    });
    let value = values.next_back()?;
    let path = value.strip_prefix("dir:").unwrap_or(value);
    path.starts_with('/').then(|| PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_monitor_says_the_folder_and_the_name() {
        let of = |line: &str| title_in(line.as_bytes());
        let expected = Some((PathBuf::from("/srv/my lxc"), "c1".to_owned()));
        assert_eq!(of("[lxc monitor] /srv/my lxc c1\0\0"), expected);
        for line in ["", "lxc-start\0-n\0c1\0", "[lxc monitor] c1"] {
            assert_eq!(of(line), None, "{line}");
        }
    }

    #[test]
    fn the_last_root_in_the_configuration_counts() {
        let of = |text: &str| rootfs_in(text);
        assert_eq!(of("lxc.rootfs.path = dir:/a\nlxc.rootfs.path=/b\n# lxc.rootfs.path = /c\n"), Some("/b".into()));
        assert_eq!(of("lxc.rootfs.path = overlay:/lower:/upper"), None);
        assert_eq!(of("lxc.rootfs.backend = dir\n"), None);
    }

    #[test]
    fn names_are_found_in_the_folders_of_every_version() {
        let of = |path: &str| name(Path::new("/c"), &Path::new("/c").join(path));
        for path in ["lxc.payload.c1", "lxc.payload/c1", "lxc/c1"] {
            assert_eq!(of(path).as_deref(), Some("c1"), "{path}");
        }
        assert_eq!(of("lxc.monitor.c1"), None);
    }
}
