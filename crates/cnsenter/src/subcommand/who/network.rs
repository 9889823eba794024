//! The networks of this host, and whose each is. What is in one is asked by whoever looks for it.

use std::net::IpAddr;

use resolve::Evidence;
use survey::{Held, Home, Kind, Process};

use super::found::Owner;
use super::host::Host;

impl Host<'_> {
    /// The host's own.
    pub(super) fn own(&self) -> Option<&Held> {
        let own = self.inode(Kind::Net);
        self.held().iter().find(|held| Some(held.inode) == own)
    }

    /// Whether the host has this address.
    pub(super) fn has(&self, ip: IpAddr) -> bool {
        self.links().iter().flat_map(|link| &link.addresses).any(|address| address.ip == ip)
    }

    /// Every network but the host's own, with a way to it.
    pub(super) fn networks(&self) -> impl Iterator<Item = (&Held, Home)> {
        let own = self.inode(Kind::Net);
        self.held().iter().filter(move |held| Some(held.inode) != own).filter_map(|held| Some((held, held.home()?)))
    }

    /// The network that this one knows by a number.
    pub(super) fn numbered(&self, number: i32) -> Option<(&Held, Home)> {
        let numbers = self.numbers.get_or_init(|| {
            let (inodes, homes): (Vec<_>, Vec<_>) = self.networks().map(|(held, home)| (held.inode, home)).unzip();
            survey::numbers(&homes)
                .into_iter()
                .zip(inodes)
                .filter_map(|(number, inode)| Some((number?, inode)))
                .collect()
        });
        let inode = numbers.get(&number)?;
        self.networks().find(|(held, _)| held.inode == *inode)
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
