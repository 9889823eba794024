//! What `/proc` says of a process that a runtime's state names, and the search of all processes for a container: the
//! last resort, since it costs the more the busier the host is, and finds IDs, not names.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::oci::DEFAULT_PATH;
use super::{Runtime, cgroup};
use crate::container::{Container, Files, Network, Source, State, is_made_up};
use crate::file;

/// A file of `/proc/PID` larger than this has been made up, in bytes.
const LARGEST: u64 = 1 << 20;

/// Shorter beginnings of IDs are not searched for: they fit too many processes.
const SHORTEST: usize = 12;

/// When the process started, in clock ticks since boot: field 22 of `/proc/PID/stat`, proc_pid_stat(5).
pub(crate) fn start_time(pid: i32) -> Option<u64> {
    let stat = read(pid, "stat").ok()?;
    start_field(&String::from_utf8_lossy(&stat))
}

pub(crate) fn start_field(stat: &str) -> Option<u64> {
    // The second field is the program's name in parentheses, and may hold anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    // A zombie has nothing left to enter.
    let running = !fields.starts_with(['Z', 'X']);
    fields.split_ascii_whitespace().nth(19)?.parse().ok().filter(|_| running)
}

/// When the process started, provided that it is in a cgroup of this container.
pub(crate) fn start_in_cgroup(pid: i32, id: &str) -> Option<u64> {
    let before = start_time(pid)?;
    let own = cgroup(std::process::id().cast_signed());
    let in_it = cgroup_paths(&cgroup(pid)).any(|path| is_in(path, &own, id) && cgroup::is_made_by_us(path, id));
    // The same process before and after, or what was read in between may be another's.
    (in_it && start_time(pid) == Some(before)).then_some(before)
}

/// The lines of cgroups(7) of the process; none where it cannot be read.
pub(crate) fn cgroup(pid: i32) -> String {
    let bytes = read(pid, "cgroup").unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The paths in the lines of cgroups(7), `HIERARCHY:CONTROLLERS:PATH`.
pub(crate) fn cgroup_paths(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.splitn(3, ':').nth(2))
}

/// Whether the process is in a container's cgroup, other than ours.
pub(crate) fn is_in_container(pid: i32) -> bool {
    let own = cgroup(std::process::id().cast_signed());
    let text = cgroup(pid);
    cgroup_paths(&text).any(|path| owner(path, "").is_some() && cgroup_paths(&own).all(|own| own != path))
}

/// Whether this cgroup is the container's. Of IDs that engines make up the first on the way down counts, or the first
/// below ours: a container can make cgroups below its own and name them as it likes.
fn is_in(path: &str, own: &str, id: &str) -> bool {
    if !is_made_up(id) {
        return path.split('/').any(|unit| is_unit_of(unit, id));
    }
    let below = cgroup_paths(own).filter(|own| own.len() > 1).filter_map(|own| path.strip_prefix(own));
    std::iter::once(path).chain(below).any(|path| owner(path, id).is_some())
}

/// Whether a cgroup of this name is the container's: `ID`, `docker-ID.scope`, `:youki:ID`, `lxc.payload.ID`.
fn is_unit_of(unit: &str, id: &str) -> bool {
    let unit = unit.strip_suffix(".scope").unwrap_or(unit);
    unit.strip_suffix(id).is_some_and(|before| before.is_empty() || before.ends_with(['-', ':', '.']))
}

/// The first process of a pid namespace directly below ours: not that of a container within a container.
pub(crate) fn is_first_below(pid: i32) -> bool {
    let depth = |pid: &str| Some(status(pid, "NSpid:")?.split_ascii_whitespace().count());
    let pid = pid.to_string();
    let last = status(&pid, "NSpid:").is_some_and(|numbers| numbers.split_ascii_whitespace().last() == Some("1"));
    last && depth("self").is_some_and(|own| depth(&pid) == Some(own + 1))
}

/// One of the process's namespaces, by its kind and number, namespaces(7).
pub(crate) fn namespace(pid: &str, kind: &str) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok()
}

/// The process's parent.
pub(crate) fn parent(pid: i32) -> Option<i32> {
    status(&pid.to_string(), "PPid:")?.trim().parse().ok().filter(|parent| *parent > 0)
}

/// A line of `/proc/PID/status`, proc_pid_status(5).
pub(crate) fn status(pid: &str, key: &str) -> Option<String> {
    let status = file::read(&Path::new("/proc").join(pid).join("status"), LARGEST).ok()?;
    line_of(&String::from_utf8_lossy(&status), key).map(str::to_owned)
}

/// What follows a key at the beginning of a line.
pub(crate) fn line_of<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(key))
}

/// A file of the process, of at most a bound that no real one reaches.
pub(crate) fn read(pid: i32, name: &str) -> io::Result<Vec<u8>> {
    file::read(&of(pid, name), LARGEST)
}

/// The path of a file of the process.
pub(crate) fn of(pid: i32, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{name}"))
}

/// All processes that can be seen.
pub(crate) fn all() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Whether the numbers in `/proc` are those of our own pid namespace. A container may have the host's mounted.
pub(crate) fn numbers_are_ours() -> bool {
    fs::read_link("/proc/self").is_ok_and(|link| link == Path::new(&std::process::id().to_string()))
}

/// The containers whose ID begins with `word`, by their processes' cgroups alone: one for each ID.
pub(crate) fn search(word: &str) -> Vec<Container> {
    if word.len() < SHORTEST || !word.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Vec::new();
    }
    log::info!("searching the cgroups of all processes for {word}");
    let mut found: Vec<Container> = Vec::new();
    for pid in all() {
        let text = cgroup(pid);
        if !file::holds(text.as_bytes(), word) {
            continue;
        }
        let owned = |path: &str| owner(path, word).filter(|(_, id)| cgroup::is_made_by_us(path, id));
        let Some((runtime, id)) = cgroup_paths(&text).find_map(owned) else { continue };
        let known = found.iter().find(|container| container.id == id);
        // Of all processes in the cgroup the one that was first, and not in a container within the container.
        if known.is_none() && is_first_below(pid) {
            // One that is not believed does not stand before one that is.
            found.extend(start_in_cgroup(pid, &id).map(|start| {
                let container = container(runtime, &id, Some((pid, start)), Path::new("/proc"));
                Container { name: container.short_id().to_owned(), ..container }
            }));
        }
    }
    found
}

/// The first container on the way down: a container can make cgroups below its own and name them as it likes.
pub(crate) fn owner(path: &str, word: &str) -> Option<(Runtime, String)> {
    let (unit, id) = path.split('/').find_map(|unit| {
        let bare = unit.strip_suffix(".scope").unwrap_or(unit);
        let id = bare.rsplit_once('-').map_or(bare, |(_, last)| last);
        is_made_up(id).then_some((unit, id))
    })?;
    let runtime = match unit {
        _ if path.contains("/libpod") => Runtime::Podman,
        _ if unit.starts_with("crio-") => Runtime::Crio,
        _ if unit.starts_with("cri-containerd-") || path.starts_with("/kubepods") || path.starts_with("/k8s.io/") => {
            Runtime::Containerd
        }
        _ => Runtime::Docker,
    };
    id.starts_with(word).then(|| (runtime, id.to_owned()))
}

/// A container of which nothing is known but its first process, if that.
pub(crate) fn container(runtime: Runtime, id: &str, init: Option<(i32, u64)>, folder: &Path) -> Container {
    Container {
        runtime,
        namespace: None,
        id: id.to_owned(),
        name: id.to_owned(),
        pid: init.map(|(pid, _)| pid),
        start: init.map(|(_, start)| start),
        state: if init.is_some() { State::Running } else { State::Stopped },
        network: Network::None,
        env: vec![DEFAULT_PATH.to_owned()],
        added_groups: Vec::new(),
        files: Files::default(),
        pod: None,
        service: None,
        source: Source::State { folder: folder.to_owned(), instead_of: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_is_the_twenty_second_field_whatever_the_program_is_called() {
        let tail = "S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 1090050 5 6";
        assert_eq!(start_field(&format!("7 (a) b) {tail}")), Some(1_090_050));
        assert_eq!(start_field(&format!("7 (x) {}", tail.replacen('S', "Z", 1))), None);
        assert_eq!(start_field("7 (x"), None);
        assert_eq!(start_field(""), None);
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(start_time(own).is_some() && !is_first_below(own));
    }

    #[test]
    fn a_unit_is_of_the_container_whose_id_ends_it() {
        for unit in ["web", "docker-web.scope", ":youki:web", "lxc.payload.web", "libpod-web"] {
            assert!(is_unit_of(unit, "web"), "{unit}");
        }
        for unit in ["cobweb", "web2", "", "web.service"] {
            assert!(!is_unit_of(unit, "web"), "{unit}");
        }
    }

    #[test]
    fn the_first_container_on_the_way_down_owns_a_cgroup() {
        let (outer, inner) = ("a".repeat(64), "b".repeat(64));
        let of = |path: &str, word: &str| owner(path, word).map(|(runtime, _)| runtime);
        assert_eq!(of(&format!("/docker/{outer}"), "aaaaaaaaaaaa"), Some(Runtime::Docker));
        assert_eq!(of(&format!("/docker/{outer}/{inner}"), "bbbbbbbbbbbb"), None);
        assert_eq!(of(&format!("/machine.slice/libpod-{outer}.scope/x"), "aaaa"), Some(Runtime::Podman));
        assert_eq!(of(&format!("/kubepods/pod1/{outer}"), "aaaa"), Some(Runtime::Containerd));
        assert_eq!(of("/system.slice/x.service", "aaaa"), None);
    }
}
