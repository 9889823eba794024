//! Containers joined with what the kernel knows of them: namespaces, interfaces, the host's ends of their veths. What
//! runtimes say belongs in `resolve`, what the kernel says in `survey`; how it is shown, to the subcommands.

#![allow(dead_code)]

use std::net::IpAddr;
use std::time::SystemTime;

use resolve::{Asking, Listed, Settings, Unasked};
use survey::{Inode, Kind, Namespaces};

use crate::exit::Failure;

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
    /// Empty where it does not run.
    pub(super) namespaces: Namespaces,
    /// When its init process started.
    pub(super) started: Option<SystemTime>,
    /// The interfaces of its network but the loopback; none where the network is the host's.
    pub(super) interfaces: Vec<Interface>,
}

/// An interface of a container's network.
#[derive(Clone, Debug)]
pub(super) struct Interface {
    pub(super) name: String,
    pub(super) mac: Option<[u8; 6]>,
    pub(super) addresses: Vec<IpAddr>,
    /// The host's end of it, and the bridge that is a port of.
    pub(super) host_end: Option<String>,
    pub(super) bridge: Option<String>,
}

impl Item {
    /// The namespace of that kind is the host's.
    pub(super) fn shares_with_host(&self, host: &Namespaces, kind: Kind) -> bool {
        self.namespaces.get(kind).is_some_and(|inode| host.get(kind) == Some(inode))
    }

    pub(super) fn network(&self) -> Option<Inode> {
        self.namespaces.get(Kind::Net)
    }
}

/// Takes it.
pub(super) fn take(settings: &Settings, asking: Asking) -> Result<Inventory, Failure> {
    let listing = resolve::list(settings, asking)?;
    let item = |listed: Listed| {
        let namespaces = listed.container.pid.and_then(|pid| Namespaces::of_process(pid).ok()).unwrap_or_default();
        Item { listed, namespaces, started: None, interfaces: Vec::new() }
    };
    Ok(Inventory {
        items: listing.containers.into_iter().map(item).collect(),
        unasked: listing.unasked,
        host: Namespaces::of_host(),
    })
}
