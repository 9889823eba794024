//! Containers joined with what the kernel knows of them: namespaces, interfaces, the host's ends of their veths. What
//! runtimes say belongs in `resolve`, what the kernel says in `survey`; how it is shown, to the subcommands.

mod json;
mod sharing;

use std::collections::BTreeMap;
use std::time::SystemTime;

use resolve::{Asking, Listed, Settings, State, Unasked};
use survey::{Extent, Home, Inode, Kind, Link, Namespaces, Network};

use crate::exit::Failure;

pub(super) use json::{FIELDS, created, hardware, interface, json, state, time};
pub(super) use sharing::{Shared, seniority};

/// The number that the kernel gives the loopback of every network.
const LOOPBACK: u32 = 1;

/// Everything on this host.
#[derive(Debug)]
pub(super) struct Inventory {
    pub(super) items: Vec<Item>,
    /// Who could not be asked.
    pub(super) unasked: Vec<Unasked>,
    /// The host's own namespaces.
    pub(super) host: Namespaces,
}

/// A container.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) listed: Listed,
    /// Empty where it does not run, or is not ours to look at.
    pub(super) namespaces: Namespaces,
    /// When its init process started.
    pub(super) started: Option<SystemTime>,
    /// The interfaces of its network but the loopback; none where the network is the host's, or is not ours to look at.
    pub(super) interfaces: Vec<Interface>,
}

/// An interface of a network, and what the host has of it.
#[derive(Clone, Debug)]
pub(super) struct Interface {
    pub(super) link: Link,
    /// The host's end of a veth, and the bridge that this is a port of.
    pub(super) host_end: Option<String>,
    pub(super) bridge: Option<String>,
    /// The host's interface that a macvlan, an ipvlan or a VLAN is on.
    pub(super) parent: Option<String>,
}

impl Item {
    /// The namespace of that kind is the host's.
    pub(super) fn shares_with_host(&self, host: &Namespaces, kind: Kind) -> bool {
        self.namespaces.get(kind).is_some_and(|inode| host.get(kind) == Some(inode))
    }

    pub(super) fn network(&self) -> Option<Inode> {
        self.namespaces.get(Kind::Net)
    }

    /// A container that may not be looked at: its namespaces are not known though it runs.
    pub(super) fn is_unseen(&self) -> bool {
        self.listed.container.pid.is_some() && self.namespaces == Namespaces::default()
    }
}

/// Takes it: every container, with its interfaces.
pub(super) fn take(settings: &Settings, asking: Asking) -> Result<Inventory, Failure> {
    let mut inventory = take_namespaces(settings, asking)?;
    inventory.look_into_networks();
    Ok(inventory)
}

/// As [`take`], without looking into a network, which takes longer than all the rest.
pub(super) fn take_namespaces(settings: &Settings, asking: Asking) -> Result<Inventory, Failure> {
    let listing = crate::without_sigpipe(|| resolve::list(settings, asking))?;
    Ok(Inventory {
        items: listing.containers.into_iter().map(item).collect(),
        unasked: listing.unasked,
        host: Namespaces::of_host(),
    })
}

/// Joins a container with its namespaces.
pub(super) fn item(mut listed: Listed) -> Item {
    let container = &mut listed.container;
    let namespaces = container.pid.and_then(|pid| Namespaces::of_process(pid).ok()).unwrap_or_default();
    // Asked last: a process that is the container's now was so when the rest was read.
    let start = container.running_since();
    if let (Some(pid), None) = (container.pid, start) {
        container.pid = None;
        container.state = State::Gone { pid };
        return Item { listed, namespaces: Namespaces::default(), started: None, interfaces: Vec::new() };
    }
    Item { listed, namespaces, started: start.map(survey::moment), interfaces: Vec::new() }
}

impl Inventory {
    /// Finds the interfaces of its containers, and their other ends in the network of this process, each network once.
    pub(super) fn look_into_networks(&mut self) {
        let Ok(here) = survey::network(None, Extent::Interfaces) else { return };
        let mut seen: BTreeMap<Inode, Vec<Interface>> = BTreeMap::new();
        for item in &mut self.items {
            let (Some(inode), Some(pid)) = (item.network(), item.listed.container.pid) else { continue };
            if inode == here.inode || item.shares_with_host(&self.host, Kind::Net) {
                continue;
            }
            item.interfaces.clone_from(seen.entry(inode).or_insert_with(|| {
                match survey::network(Some(&Home::Process(pid)), Extent::Interfaces) {
                    // A pid that another took over meanwhile leads elsewhere.
                    Ok(network) if network.inode == inode => {
                        let all = interfaces(&network, &here).into_iter();
                        all.filter(|interface| !is_loopback(&interface.link)).collect()
                    }
                    _ => Vec::new(),
                }
            }));
        }
    }
}

/// The interfaces of a network, each with what this process's own, the host's, has of it.
pub(super) fn interfaces(network: &Network, here: &Network) -> Vec<Interface> {
    let with_ends = |link: &Link| {
        let end = here.other_end(network, link);
        let is_below = |other: &&Link| link.peer_network == network.number_of_own && link.peer == Some(other.index);
        let below = here.links.iter().filter(|_| link.peer_network.is_some() && end.is_none()).find(is_below);
        Interface {
            link: link.clone(),
            host_end: end.map(|end| end.name.clone()),
            bridge: end.and_then(|end| here.master(end)).map(|bridge| bridge.name.clone()),
            parent: below.map(|below| below.name.clone()),
        }
    };
    network.links.iter().map(with_ends).collect()
}

pub(super) fn is_loopback(link: &Link) -> bool {
    link.index == LOOPBACK
}
