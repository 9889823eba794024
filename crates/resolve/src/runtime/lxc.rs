//! LXC, and LXD and Incus, which run on it: names are folders, and the cgroup `lxc.payload.NAME` has the processes.

use std::path::{Path, PathBuf};

use super::oci::DEFAULT_PATH;
use super::{Runtime, process};
use crate::container::{Container, Network, Source, State};
use crate::file;
use crate::report::Report;
use crate::roots::Roots;
use crate::wanted::Wanted;

/// What the cgroup of a container's processes is called: `lxc.payload.NAME`, before LXC 4 `lxc.payload/NAME`, before 3
/// `lxc/NAME`.
const PAYLOADS: [&str; 3] = ["lxc.payload.", "lxc.payload/", "lxc/"];

/// How many folders of a cgroup are looked through for its first process: an init that is systemd moves itself.
const MOST_CGROUPS: usize = 64;

/// Every container that may be what is wanted: those that run, then those that only have a folder.
pub(crate) fn state(roots: &Roots, wanted: &Wanted<'_>) -> Option<Report> {
    let mut report = Report::default();
    let mut running = Vec::new();
    for hierarchy in hierarchies() {
        for payload in payloads(&hierarchy) {
            let Some(name) = name(&hierarchy, &payload) else { continue };
            if running.contains(&name) {
                continue;
            }
            report.looked_in(&hierarchy);
            report.passed();
            if wanted.may_be(&name, b"")
                && let Some((pid, start)) = first_process(&payload, &name)
            {
                report.add(container(&name, Some((pid, start)), &hierarchy));
            }
            running.push(name);
        }
    }
    for root in &roots.lxc {
        for name in file::names(root) {
            if running.contains(&name) || !root.join(&name).join("config").is_file() {
                continue;
            }
            report.looked_in(root);
            report.passed();
            if wanted.may_be(&name, b"") {
                report.add(container(&name, None, root));
            }
        }
    }
    report.if_anything()
}

/// The cgroup hierarchies that are mounted here; all of version 1 have the same folders.
fn hierarchies() -> Vec<PathBuf> {
    let text = file::read(Path::new("/proc/self/mountinfo"), file::LARGEST).unwrap_or_default();
    cgroup_mounts(&String::from_utf8_lossy(&text))
}

/// The mount points of cgroup file systems, proc_pid_mountinfo(5).
pub(crate) fn cgroup_mounts(mountinfo: &str) -> Vec<PathBuf> {
    let mount = |line: &str| {
        let (before, after) = line.split_once(" - ")?;
        let kind = after.split(' ').next()?;
        let point = before.split(' ').nth(4)?;
        matches!(kind, "cgroup" | "cgroup2").then(|| PathBuf::from(unescaped(point)))
    };
    mountinfo.lines().filter_map(mount).collect()
}

/// A path as mountinfo writes it: blanks, newlines and backslashes are `\` and three octal digits.
fn unescaped(path: &str) -> std::ffi::OsString {
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
        if let Some(found) =
            pids.filter(|pid| process::is_init(*pid)).find_map(|pid| Some((pid, process::start_in_cgroup(pid, name)?)))
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

fn container(name: &str, init: Option<(i32, u64)>, folder: &Path) -> Container {
    Container {
        runtime: Runtime::Lxc,
        namespace: None,
        id: name.to_owned(),
        name: name.to_owned(),
        pid: init.map(|(pid, _)| pid),
        start: init.map(|(_, start)| start),
        state: if init.is_some() { State::Running } else { State::Stopped },
        network: Network::None,
        env: [DEFAULT_PATH, "HOME=/root", "container=lxc"].map(str::to_owned).to_vec(),
        pod: None,
        service: None,
        source: Source::State { folder: folder.to_owned(), instead_of: None },
    }
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
        assert_eq!(cgroup_mounts(text), expected);
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
