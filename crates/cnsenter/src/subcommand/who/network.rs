//! The networks of this host, and whose each is. What is in one is asked by whoever looks for it.
//!
//! A host with hundreds of containers has thousands of processes. So the networks of the containers' first processes are
//! asked before all others, and these only if none of those is what is looked for.

use std::collections::BTreeMap;
use std::net::IpAddr;

use resolve::Evidence;
use survey::{Depth, Held, Home, Inode, Kind, Process, Visit};

use super::found::{Found, Owner};
use super::host::Host;

/// How far to look.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Into the networks of containers' first processes.
    Containers,
    /// Into all others as well, if it is in none of those.
    Everywhere,
}

impl Reach {
    /// What is on the host needs no owner elsewhere, though a container may have the same.
    pub(super) fn beyond(found: &[Found]) -> Self {
        if found.is_empty() { Self::Everywhere } else { Self::Containers }
    }
}

impl Host<'_> {
    /// Whether the host has this address.
    pub(super) fn has(&self, ip: IpAddr) -> bool {
        survey::addresses(None).is_ok_and(|all| all.iter().any(|(_, address)| address.ip == ip))
    }

    /// The networks, but for the host's own, of which `fits` is true.
    pub(super) fn networks(&self, reach: Reach, fits: impl Fn(&Visit<'_>) -> bool + Sync) -> Vec<Held> {
        let own = self.inode(Kind::Net);
        let ask = |visit: &Visit<'_>| (visit.inode(), Some(visit.inode()) != own && fits(visit));
        let homes: Vec<_> = self.init_processes().iter().map(|pid| Home::Process(*pid)).collect();
        let answers = survey::visit_each(&homes, ask);
        let mut near: BTreeMap<Inode, (bool, Vec<i32>)> = BTreeMap::new();
        for (pid, (inode, does_fit)) in
            self.init_processes().iter().zip(answers).filter_map(|(pid, it)| Some((pid, it?)))
        {
            let (fits, pids) = near.entry(inode).or_default();
            *fits |= does_fit;
            pids.push(*pid);
        }
        let fitting = near.iter().filter(|(_, (fits, _))| *fits);
        let found: Vec<_> = fitting.map(|(inode, (_, pids))| Held::by_processes(*inode, pids.clone())).collect();
        if !found.is_empty() || reach == Reach::Containers {
            return found;
        }
        let others = self.held().iter().filter(|held| Some(held.inode) != own && !near.contains_key(&held.inode));
        let (others, homes): (Vec<_>, Vec<_>) = others.filter_map(|held| Some((held, held.home()?))).unzip();
        let answers = survey::visit_each(&homes, |visit| fits(visit));
        others.into_iter().zip(answers).filter(|(_, fits)| *fits == Some(true)).map(|(held, _)| held.clone()).collect()
    }

    /// The network that this one knows by a number.
    pub(super) fn numbered(&self, number: i32) -> Option<Held> {
        let near = self.numbers.get_or_init(|| {
            let pids = self.init_processes();
            let homes: Vec<_> = pids.iter().map(|pid| Home::Process(*pid)).collect();
            let numbers = survey::numbers(&homes).into_iter().zip(pids);
            numbers.filter_map(|(number, pid)| Some((number?, *pid))).collect()
        });
        let pids: Vec<_> = near.iter().filter(|(of, _)| *of == number).map(|(_, pid)| *pid).collect();
        let inode = pids.first().and_then(|pid| survey::Namespaces::of_process(*pid).ok()?.get(Kind::Net));
        if let Some(inode) = inode {
            return Some(Held::by_processes(inode, pids));
        }
        let (others, homes): (Vec<_>, Vec<_>) =
            self.held().iter().filter_map(|held| Some((held, held.home()?))).unzip();
        let at = survey::numbers(&homes).into_iter().position(|of| of == Some(number))?;
        others.get(at).map(|held| (*held).clone())
    }

    /// Every network, the host's own first: a look at every process.
    fn held(&self) -> &[Held] {
        self.held.get_or_init(|| survey::networks(Depth::Names).map(|networks| networks.held).unwrap_or_default())
    }

    /// Whose a network is: the containers', else the processes' in it, else nobody's but its file's.
    pub(super) fn holders(&self, held: &Held) -> Vec<Owner> {
        let pids: Vec<_> = held.processes.iter().chain(&held.threads).copied().collect();
        let mut containers = Vec::new();
        let mut processes = Vec::new();
        for (pid, owners) in self.of_processes(&pids) {
            // What has only come to visit owns nothing.
            let owners = owners.into_iter().filter(|(_, evidence)| !matches!(evidence, Evidence::Namespace(_)));
            let before = containers.len();
            containers.extend(owners.map(|(owner, _)| owner));
            if containers.len() == before {
                processes.push(pid);
            }
        }
        if !containers.is_empty() {
            return containers;
        }
        let process = processes.into_iter().find_map(|pid| Process::read(pid).ok());
        let file = || Some(Owner::Network { inode: held.inode, file: held.files.first()?.clone() });
        process.map(Owner::Process).or_else(file).into_iter().collect()
    }
}
