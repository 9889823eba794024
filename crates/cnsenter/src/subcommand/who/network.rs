//! The networks of this host, and whose each is. What is in one is asked by whoever looks for it.
//!
//! A host with hundreds of containers has thousands of processes. So the networks of the containers' init processes are
//! asked before all others, and these only if none of those is what is looked for.

use std::collections::BTreeMap;
use std::net::IpAddr;

use resolve::Evidence;
use survey::{Depth, Held, Home, Inode, Kind, Outside, Process, Visit};

use super::found::{Found, Owner};
use super::host::Host;

/// How far to look.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Into the networks of containers' init processes.
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

    /// The networks, but for the host's own, that have this address.
    pub(super) fn having(&self, ip: IpAddr, reach: Reach) -> Vec<Held> {
        let mut outside = Outside::here();
        let mut told = BTreeMap::new();
        let mut has = |number| *told.entry(number).or_insert_with(|| outside.as_mut()?.has(number, ip));
        let mut may_have = |number: Option<i32>| number.and_then(&mut has) != Some(false);
        let pids: Vec<_> = self.numbers().iter().filter(|(number, _)| may_have(*number)).map(|(_, pid)| *pid).collect();
        self.networks_of(&pids, reach, |visit| visit.has(ip))
    }

    /// The networks, but for the host's own, in which an interface has this hardware address.
    pub(super) fn having_mac(&self, mac: [u8; 6], reach: Reach) -> Vec<Held> {
        let mut outside = Outside::here();
        let ends = self.links().iter().filter_map(|link| Some((link.peer_network?, link.peer?)));
        let mut is_it =
            |(number, index): &(i32, u32)| outside.as_mut().and_then(|it| it.mac(*number, *index)) == Some(mac);
        let numbers: Vec<_> = ends.filter(&mut is_it).map(|(number, _)| number).collect();
        let has = |(number, _): &&(Option<i32>, i32)| number.is_some_and(|number| numbers.contains(&number));
        let mut pids: Vec<_> = self.numbers().iter().filter(has).map(|(_, pid)| *pid).collect();
        if pids.is_empty() {
            pids = self.init_processes().to_vec();
        }
        self.networks_of(&pids, reach, |visit| visit.has_mac(mac))
    }

    /// The networks, but for the host's own, of which `fits` is true.
    pub(super) fn networks(&self, reach: Reach, fits: impl Fn(&Visit<'_>) -> bool) -> Vec<Held> {
        self.networks_of(self.init_processes(), reach, fits)
    }

    /// The same; of the containers, only those are looked into whose init processes these are.
    fn networks_of(&self, pids: &[i32], reach: Reach, fits: impl Fn(&Visit<'_>) -> bool) -> Vec<Held> {
        let own = self.inode(Kind::Net);
        let homes: Vec<_> = pids.iter().map(|pid| Home::Process(*pid)).collect();
        let ask = |visit: &Visit<'_>| (visit.inode(), Some(visit.inode()) != own && fits(visit));
        let answers = survey::visit_each(&homes, ask);
        let mut near: BTreeMap<Inode, (bool, Vec<i32>)> = BTreeMap::new();
        for (pid, (inode, does_fit)) in pids.iter().zip(answers).filter_map(|(pid, it)| Some((pid, it?))) {
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

    /// The containers' init processes, each after the number by which this network knows its.
    fn numbers(&self) -> &[(Option<i32>, i32)] {
        self.numbers.get_or_init(|| {
            let pids = self.init_processes();
            let homes: Vec<_> = pids.iter().map(|pid| Home::Process(*pid)).collect();
            survey::numbers(&homes).into_iter().zip(pids.iter().copied()).collect()
        })
    }

    /// The network that this one knows by a number.
    pub(super) fn numbered(&self, number: i32) -> Option<Held> {
        let near = self.numbers().iter().filter(|(of, _)| *of == Some(number));
        let pids: Vec<_> = near.map(|(_, pid)| *pid).collect();
        let inode = pids.iter().find_map(|pid| survey::Namespaces::of_process(*pid).ok()?.get(Kind::Net));
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
