//! The process of this host that runs one container, where no daemon does: systemd-nspawn, LXC's monitor. Whether it can
//! be believed, since anybody may call a process so, and which of its children is the container's first. How such a
//! process is found, and what it says of itself, belongs to its runtime.

use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxFlags};

use super::process;
use crate::container::Container;
use crate::specification::is_bundle;

/// Whether the process is root's on this host, rather than a user's, or one of a container: in our own pid and user
/// namespaces, below our own root. A container may share the former with the host.
pub(crate) fn is_trusted(pid: i32) -> bool {
    let Some(before) = process::start_time(pid) else { return false };
    let trusted = is_of_host(pid) && has_our_root(pid);
    trusted && process::start_time(pid) == Some(before)
}

/// The container's first process, among the children of its supervisor, and when it started.
pub(crate) fn first_child(supervisor: i32) -> Option<(i32, u64)> {
    let before = process::start_time(supervisor)?;
    let children = process::read(supervisor, &format!("task/{supervisor}/children")).ok()?;
    let children = String::from_utf8_lossy(&children);
    let mut pids = children.split_ascii_whitespace().filter_map(|pid| pid.parse().ok());
    let found =
        pids.find(|pid| process::is_first_below(*pid)).and_then(|pid| Some((pid, process::start_time(pid)?)))?;
    // Still the same supervisor, and so its children.
    (process::start_time(supervisor) == Some(before)).then_some(found)
}

/// The bundle of a container that one of containerd's shims runs, wherever its folders are: the shim's working directory,
/// or beside it, since one shim may run all of a pod.
pub(crate) fn bundle(container: &Container) -> Option<PathBuf> {
    let shim = process::parent(container.pid?).filter(|shim| is_of_host(*shim))?;
    process::read(shim, "comm").ok()?.starts_with(b"containerd-shim").then_some(())?;
    let cwd = process::of(shim, "cwd");
    let named = std::fs::read_link(&cwd).ok().filter(|_| has_our_root(shim));
    // An engine in a root of its own, a snap's say, has its folders where no path of ours leads.
    let held = cwd.join("..").join(&container.id);
    named.map(|folder| folder.with_file_name(&container.id)).into_iter().chain([held]).find(|bundle| is_bundle(bundle))
}

/// Whether it is root's, in our own pid and user namespaces.
fn is_of_host(pid: i32) -> bool {
    is_root(pid) && ["pid", "user"].iter().all(|kind| shares(pid, kind))
}

fn is_root(pid: i32) -> bool {
    // The real, effective, saved and file system's user.
    process::status(&pid.to_string(), "Uid:")
        .is_some_and(|users| users.split_ascii_whitespace().all(|user| user == "0"))
}

/// Whether the process is in the same namespace of this kind as we are.
fn shares(pid: i32, kind: &str) -> bool {
    let [own, its] = ["self", &pid.to_string()].map(|pid| process::namespace(pid, kind));
    own.is_some() && own == its
}

fn has_our_root(pid: i32) -> bool {
    let root = |pid: &str| identity(&Path::new("/proc").join(pid).join("root"));
    root("self").is_some_and(|own| root(&pid.to_string()) == Some(own))
}

/// What tells a folder from all others; a file system of somebody's own is not asked, so that it cannot keep us waiting.
fn identity(path: &Path) -> Option<(u32, u32, u64)> {
    let found = rustix::fs::statx(CWD, path, AtFlags::STATX_DONT_SYNC, StatxFlags::INO).ok()?;
    Some((found.stx_dev_major, found.stx_dev_minor, found.stx_ino))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_are_no_container_and_have_a_parent() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(!process::is_first_below(own) && process::parent(own).is_some());
        assert_eq!(is_trusted(own), rustix::process::geteuid().is_root());
        assert!(!is_trusted(0) && first_child(own).is_none());
    }
}
