//! The networks of this host, and whose each is. What is in one is asked by whoever looks for it.
//!
//! A host with hundreds of containers has thousands of processes. So the networks of the containers' init processes and
//! those that have a file are asked before all others, and these only if none of those is what is looked for.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use resolve::Evidence;
use survey::{Depth, Held, Home, Inode, Kind, Outside, Process, Visit};

use super::super::{NETNS_FOLDERS, SANDBOXES};
use super::found::{Found, Owner};
use super::host::Host;

/// How far to look.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Into the networks of containers' init processes, and those that have a file where files of networks are.
    Near,
    /// Into all others as well, if it is in none of those.
    Everywhere,
}

impl Reach {
    /// What is on the host needs no owner elsewhere, though a container may have the same.
    pub(super) fn beyond(found: &[Found]) -> Self {
        if found.is_empty() { Self::Everywhere } else { Self::Near }
    }
}

impl Host<'_> {
    /// The networks, but for the host's own, that have this address.
    pub(super) fn having(&self, ip: IpAddr, reach: Reach) -> Vec<Held> {
        let mut outside = Outside::here();
        let mut told = BTreeMap::new();
        let mut has = |number| *told.entry(number).or_insert_with(|| outside.as_mut()?.has(number, ip));
        let near =
            self.numbers().iter().zip(self.near()).filter(|(number, _)| number.and_then(&mut has) != Some(false));
        let near: Vec<_> = near.map(|(_, home)| home.clone()).collect();
        self.networks_of(&near, reach, |visit| visit.has(ip))
    }

    /// The networks, but for the host's own, in which an interface has this hardware address. Where the end of one of this
    /// network's interfaces has it, no others are looked for beside such ends.
    pub(super) fn having_mac(&self, mac: [u8; 6], reach: Reach) -> Vec<Held> {
        let ends = self.links().iter().filter_map(|link| Some((link.peer_network?, link.peer?)));
        let ends: Vec<_> = ends.collect();
        let macs = Outside::here().map(|mut outside| outside.macs(&ends)).unwrap_or_default();
        let told: Vec<_> = ends.iter().zip(macs).map(|((number, _), of)| (*number, of)).collect();
        let is_known = told.iter().any(|(_, of)| *of == Some(mac));
        // A network that was given an interface of this one's, and not the end of one, has a number and no end.
        let is_of = |number| {
            let mut ends = told.iter().filter(|(its, _)| *its == number).peekable();
            ends.peek().is_none() || ends.any(|(_, of)| of.is_none_or(|of| of == mac))
        };
        let may_have = |number: Option<i32>| !is_known || number.is_none_or(is_of);
        let near = self.numbers().iter().zip(self.near()).filter(|(number, _)| may_have(**number));
        let near: Vec<_> = near.map(|(_, home)| home.clone()).collect();
        self.networks_of(&near, reach, |visit| visit.has_mac(mac))
    }

    /// The networks, but for the host's own, of which `fits` is true.
    pub(super) fn networks(&self, reach: Reach, fits: impl Fn(&Visit<'_>) -> bool) -> Vec<Held> {
        self.networks_of(self.near(), reach, fits)
    }

    /// The same; of those that are near, these alone are looked into.
    fn networks_of(&self, near: &[Home], reach: Reach, fits: impl Fn(&Visit<'_>) -> bool) -> Vec<Held> {
        let own = self.inode(Kind::Net);
        let ask = |visit: &Visit<'_>| (visit.inode(), Some(visit.inode()) != own && fits(visit));
        let answers = survey::visit_each(near, ask);
        let mut seen: BTreeMap<Inode, (bool, Held)> = BTreeMap::new();
        for (home, (inode, does_fit)) in near.iter().zip(answers).filter_map(|(home, it)| Some((home, it?))) {
            let (fits, held) = seen.entry(inode).or_insert_with(|| (false, Held::new(inode)));
            *fits |= does_fit;
            held.add(home.clone());
        }
        let found: Vec<_> = seen.values().filter(|(fits, _)| *fits).map(|(_, held)| held.clone()).collect();
        if !found.is_empty() || reach == Reach::Near {
            return found;
        }
        let mut known = BTreeSet::new();
        known.extend(seen.into_keys().chain(own));
        // What nothing but a thread or a descriptor keeps takes a look at every descriptor of this host.
        for depth in [Depth::Names, Depth::Everything] {
            let others = networks(depth).into_iter().filter(|held| known.insert(held.inode));
            let asked = others.filter_map(|held| Some((held.home()?, held)));
            let (homes, others): (Vec<_>, Vec<_>) = asked.unzip();
            let answers = survey::visit_each(&homes, |visit| fits(visit));
            let found = others.into_iter().zip(answers).filter(|(_, fits)| *fits == Some(true));
            let found: Vec<_> = found.map(|(held, _)| held).collect();
            if !found.is_empty() {
                return found;
            }
        }
        Vec::new()
    }

    /// The networks of the containers' init processes, and those that have a file.
    fn near(&self) -> &[Home] {
        self.near.get_or_init(|| {
            let init_processes = self.init_processes().iter().map(|pid| Home::Process(*pid));
            init_processes.chain(files_of_networks().map(Home::File)).collect()
        })
    }

    /// The number by which this network knows each of [`Host::near`].
    fn numbers(&self) -> &[Option<i32>] {
        self.numbers.get_or_init(|| survey::numbers(self.near()))
    }

    /// The network that this one knows by a number.
    pub(super) fn numbered(&self, number: i32) -> Option<Held> {
        let near = self.numbers().iter().zip(self.near()).filter(|(of, _)| **of == Some(number));
        let near: Vec<_> = near.map(|(_, home)| home.clone()).collect();
        if let Some(held) = self.networks_of(&near, Reach::Near, |_| true).pop() {
            return Some(held);
        }
        [Depth::Names, Depth::Everything].into_iter().find_map(|depth| {
            let asked = networks(depth).into_iter().filter_map(|held| Some((held.home()?, held)));
            let (homes, others): (Vec<_>, Vec<_>) = asked.unzip();
            let at = survey::numbers(&homes).into_iter().position(|of| of == Some(number))?;
            others.into_iter().nth(at)
        })
    }

    /// Whose a network is: the containers', else the processes' in it, else nobody's but its file's, or whose descriptor
    /// alone keeps it.
    pub(super) fn holders(&self, held: &Held) -> Vec<Owner> {
        let mut pids: Vec<_> = held.processes.iter().chain(&held.threads).copied().collect();
        if pids.is_empty() && held.files.is_empty() {
            pids.extend(held.descriptors.iter().map(|descriptor| descriptor.pid));
            pids.dedup();
        }
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

/// Every network, by a look at every process.
fn networks(depth: Depth) -> Vec<Held> {
    survey::networks(depth).map(|networks| networks.held).unwrap_or_default()
}

/// Where ip-netns(8), CNI and engines keep networks; not Docker's sandboxes of containers, which are called by hexadecimal
/// digits alone.
fn files_of_networks() -> impl Iterator<Item = PathBuf> {
    let is_sandbox = |name: &str| name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    NETNS_FOLDERS.into_iter().flat_map(move |folder| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let others = names.filter(move |name| folder != SANDBOXES || !is_sandbox(name));
        others.map(move |name| Path::new(folder).join(name))
    })
}
