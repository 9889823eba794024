//! Who is in a namespace, by its number.

use resolve::Evidence;
use survey::{Depth, Inode, Kind, Namespaces, Process};

use super::found::{Found, Owner};
use super::host::Host;
use super::process;

/// The kinds, those first that are asked for most.
const KINDS: [Kind; 8] =
    [Kind::Net, Kind::Mount, Kind::Pid, Kind::Ipc, Kind::Uts, Kind::User, Kind::Cgroup, Kind::Time];

/// How many processes of the host's are named in one namespace.
const MOST_PROCESSES: usize = 8;

/// The containers in a namespace; everybody in it, where it is no container's own.
pub(super) fn find(kind: Option<Kind>, inode: Inode, host: &Host<'_>) -> Vec<Found> {
    let kinds = kind.map_or(KINDS.to_vec(), |kind| vec![kind]);
    if let Some(kind) = kinds.iter().find(|kind| host.inode(**kind) == Some(inode)) {
        return of_host(*kind, inode, host);
    }
    // A host with hundreds of containers has thousands of processes: the init processes of containers are looked at first.
    let first = |kind| host.init_processes().iter().copied().filter(|pid| survey::is_in(*pid, kind, inode)).collect();
    let near = kinds.iter().map(|kind| (*kind, first(*kind)));
    let all = kinds.iter().map(|kind| (*kind, survey::members(*kind, inode)));
    match near.chain(all).find(|(_, pids): &(Kind, Vec<i32>)| !pids.is_empty()) {
        Some((kind, pids)) => of_members(&pids, kind.name(), host),
        None if kind.is_none_or(|kind| kind == Kind::Net) => of_keeper(inode, host),
        None => Vec::new(),
    }
}

/// What keeps a network in which no process is: a thread, a file, a descriptor.
fn of_keeper(inode: Inode, host: &Host<'_>) -> Vec<Found> {
    let networks = survey::networks(Depth::Everything).unwrap_or_default();
    // Of a process that may not be looked at, nobody knows what it is in.
    let alone = if networks.unseen.is_empty() { ", no process is in it" } else { "" };
    let Some(held) = networks.held.into_iter().find(|held| held.inode == inode) else { return Vec::new() };
    let found = |owner, how| Found { owner, how, kind: "namespace" };
    if !held.threads.is_empty() {
        return host.holders(&held).into_iter().map(|owner| found(owner, "a thread is in it".to_owned())).collect();
    }
    if let Some(file) = held.files.first() {
        let how = format!("its file keeps it{alone}");
        return vec![found(Owner::Network { inode, file: file.clone() }, how)];
    }
    let mut pids: Vec<_> = held.descriptors.iter().map(|descriptor| descriptor.pid).collect();
    pids.dedup();
    let mut all = of_members(&pids, "net", host);
    all.iter_mut().for_each(|found| found.how = format!("an open descriptor keeps it{alone}"));
    all
}

/// Whose the processes in a namespace are.
pub(super) fn of_members(pids: &[i32], name: &str, host: &Host<'_>) -> Vec<Found> {
    let kind = "namespace";
    let mut all = Vec::new();
    let mut of_host = Vec::new();
    for (pid, owners) in host.of_processes(pids) {
        if owners.is_empty() {
            of_host.push(pid);
        }
        for (owner, evidence) in owners {
            let how = match evidence {
                Evidence::Init => format!("its {name} namespace"),
                _ => format!("{} is in it", process::called(pid)),
            };
            all.push(Found { owner, how, kind });
        }
    }
    let more = of_host.len().saturating_sub(MOST_PROCESSES);
    let processes = of_host.into_iter().filter_map(|pid| Process::read(pid).ok()).take(MOST_PROCESSES);
    all.extend(processes.map(|process| {
        let how = format!("its {name} namespace, {}", process::of_host(process.pid));
        Found { owner: Owner::Process(process), how, kind }
    }));
    if let Some(last) = all.last_mut().filter(|_| more > 0) {
        last.how = format!("{}; {more} more processes are in it", last.how);
    }
    all
}

/// The host's own, and the containers that are in it.
fn of_host(kind: Kind, inode: Inode, host: &Host<'_>) -> Vec<Found> {
    let name = kind.name();
    let found = |owner, how| Found { owner, how, kind: "namespace" };
    let shares = |pid: i32| Namespaces::of_process(pid).is_ok_and(|its| its.get(kind) == Some(inode));
    let containers = host.records.everything().iter().filter(|found| found.container.pid.is_some_and(shares));
    let containers = containers.map(|of| found(of.clone().into(), format!("has the host's {name} namespace")));
    std::iter::once(found(Owner::Host, format!("its own {name} namespace"))).chain(containers).collect()
}
