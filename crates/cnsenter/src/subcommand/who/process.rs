//! Whose a process or thread is: by its cgroup, its ancestors, its namespaces.

use resolve::Evidence;
use survey::{Cgroup, Process};

use super::found::{Found, Owner};
use super::host::Host;

/// The container of a process, or the process itself.
pub(super) fn find(pid: i32, host: &Host<'_>) -> Vec<Found> {
    let Ok(process) = Process::read(pid) else { return Vec::new() };
    let name = match process.pid {
        own if own == pid => process.name.clone(),
        own => format!("thread of {} (pid {own})", process.name),
    };
    let kind = "process";
    let owners = host.of_processes(&[pid]).pop().map(|(_, owners)| owners).unwrap_or_default();
    let found = |(owner, evidence): (Owner, Evidence)| Found { owner, how: by(&name, &evidence), kind };
    let mut all: Vec<_> = owners.into_iter().map(found).collect();
    if all.is_empty() {
        let thread = if process.pid == pid { String::new() } else { format!("{pid} is a thread of it, ") };
        let how = format!("{thread}{}", of_host(process.pid));
        all.push(Found { owner: Owner::Process(process), how, kind });
    }
    all
}

/// Why a process is believed to be a container's.
fn by(name: &str, evidence: &Evidence) -> String {
    match evidence {
        Evidence::Init => format!("{name}, its init process"),
        Evidence::Cgroup(_) => format!("{name}, in its cgroup"),
        Evidence::Ancestor => format!("{name}, its init process is an ancestor"),
        Evidence::Namespace(kind) => format!("{name}, in its {kind} namespace and in no container's cgroup"),
    }
}

/// A process by its name and number.
pub(super) fn called(pid: i32) -> String {
    Process::read(pid).map_or_else(|_| format!("pid {pid}"), |process| format!("{} (pid {pid})", process.name))
}

/// Why a process is none's.
pub(super) fn of_host(pid: i32) -> String {
    match cgroup(pid).as_deref() {
        None | Some("/") => "in no container's cgroup".to_owned(),
        Some(path) => format!("in the cgroup {path}"),
    }
}

/// The cgroup of a process.
pub(super) fn cgroup(pid: i32) -> Option<String> {
    Some(Cgroup::path_of(pid).ok()?.to_string_lossy().into_owned()).filter(|path| !path.is_empty())
}
