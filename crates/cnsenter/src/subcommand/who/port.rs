//! Whose a port is: who publishes it on the host, and who listens on it, on the host and inside each container.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use resolve::{Listed, Published};
use survey::{Held, Home, Kind, Listener, Process, Visit};

use super::found::{Found, Owner};
use super::host::Host;
use super::network::Reach;
use super::process;

const KIND: &str = "port";

/// A port as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Port {
    /// The address that it is on; any, where none is given.
    pub(super) host: Option<IpAddr>,
    pub(super) number: u16,
    /// `tcp`, `udp` or `sctp`; any, where none is given.
    pub(super) protocol: Option<&'static str>,
}

impl Port {
    fn is_on(&self, ip: IpAddr) -> bool {
        // A socket that takes IPv6 for any address takes IPv4 as well, unless it was told not to.
        self.host.is_none_or(|host| host == ip || ip.is_unspecified() && (ip.is_ipv6() || host.is_ipv4()))
    }

    fn is_of(&self, protocol: &str) -> bool {
        self.protocol.is_none_or(|wanted| wanted == protocol)
    }

    fn fits(&self, listener: &Listener) -> bool {
        self.is_on(listener.address.ip()) && self.is_of(listener.protocol.name())
    }

    fn is_published_by(&self, published: &Published) -> bool {
        published.host_port == self.number && self.is_on(published.host_ip) && self.is_of(&published.protocol)
    }
}

/// Everybody who has that port on the host; who listens on it inside, where it is nobody's there.
pub(super) fn find(port: &Port, host: &Host<'_>) -> Vec<Found> {
    let mut all = Vec::new();
    if port.host.is_none_or(|ip| ip.is_loopback() || survey::has(ip)) {
        let mut through = Vec::new();
        for found in host.records.publishing(port.number) {
            let ports: Vec<_> = found.ports.iter().filter(|it| port.is_published_by(it)).cloned().collect();
            if let Some(first) = ports.first() {
                let how = publication(&found, first);
                all.push(Found { how, owner: found.into(), kind: KIND });
                through.extend(ports);
            }
        }
        // At an address that an engine publishes, it has the socket open itself, or a proxy of its own has.
        let is_engines =
            |of: &Listener| through.iter().any(|it| it.host_ip == of.address.ip() && it.protocol == of.protocol.name());
        let mut listeners = listeners(port, None);
        listeners.retain(|listener| !is_engines(listener));
        all.extend(of_listeners(listeners, None, host));
    }
    if all.is_empty() { inside(port, host) } else { all }
}

/// Who listens on it inside.
fn inside(port: &Port, host: &Host<'_>) -> Vec<Found> {
    let is_there = |visit: &Visit<'_>| port.host.is_none_or(|ip| ip.is_loopback() || visit.has(ip));
    let fits = |all: Vec<Listener>| all.iter().any(|listener| port.fits(listener));
    let addresses = |visit: &Visit<'_>| port.host.map_or_else(|| visit.addresses(), |ip| vec![ip]);
    let mut networks =
        host.networks(Reach::Near, |visit| fits(visit.listening_at(&addresses(visit), port.number)) && is_there(visit));
    if networks.is_empty() {
        // At an address that no interface has, as the resolver does that Docker puts into its networks.
        networks = host.networks(Reach::Everywhere, |visit| fits(visit.listening(port.number)) && is_there(visit));
    }
    let found = |held: Held| of_listeners(listeners(port, held.home().as_ref()), Some(&held), host);
    networks.into_iter().flat_map(found).collect()
}

/// E.g. `published by Docker: 0.0.0.0:8080 to its port 80/tcp`.
fn publication(found: &Listed, published: &Published) -> String {
    let Published { host_ip, host_port, port, protocol } = published;
    let at = SocketAddr::new(*host_ip, *host_port);
    format!("published by {}: {at} to its port {port}/{protocol}", found.container.runtime.name())
}

/// Who listens, as far as it is asked for.
fn listeners(port: &Port, home: Option<&Home>) -> Vec<Listener> {
    let mut all = Listener::of(home, Some(port.number)).unwrap_or_default();
    all.retain(|listener| port.fits(listener));
    all
}

/// Whose sockets are, each by the first process that has it open. `held` is their network, unless that is the host's.
fn of_listeners(mut listeners: Vec<Listener>, held: Option<&Held>, host: &Host<'_>) -> Vec<Found> {
    let holders = holders(&listeners, held, host);
    // One process may listen many times in one place (SO_REUSEPORT).
    let place = |listener: &Listener| (listener.protocol, listener.address, holders.get(&listener.inode).copied());
    listeners.sort_unstable_by_key(place);
    listeners.dedup_by_key(|listener| place(listener));
    let sees_all = rustix::process::geteuid().is_root();
    let nobody = if sees_all { "somebody outside" } else { "a process that you may not look at" };
    let mut owners = BTreeMap::new();
    let found = |listener: &Listener| {
        let at = format!("listens on {}/{}", listener.address, listener.protocol.name());
        let pid = holders.get(&listener.inode).copied();
        let (name, all) = owners.entry(pid).or_insert_with(|| match pid {
            Some(pid) => (process::called(pid), of_process(pid, host)),
            // It is the kernel's, or of a process that is in another network by now.
            None => (nobody.to_owned(), held.map_or(vec![Owner::Host], |held| host.holders(held))),
        });
        let how = format!("{name} {at}{}", if pid.is_none() { " in its network" } else { "" });
        all.iter().map(|owner| Found { owner: owner.clone(), how: how.clone(), kind: KIND }).collect::<Vec<_>>()
    };
    listeners.iter().flat_map(found).collect()
}

/// The containers that a process is of, or itself.
fn of_process(pid: i32, host: &Host<'_>) -> Vec<Owner> {
    let owners = host.of_processes(&[pid]).into_iter().flat_map(|(_, owners)| owners);
    let mut all: Vec<_> = owners.map(|(owner, _)| owner).collect();
    if all.is_empty() {
        all.extend(Process::read(pid).ok().map(Owner::Process));
    }
    all
}

/// The processes that have sockets open: init processes of containers, others of their cgroups, any in the network.
fn holders(listeners: &[Listener], held: Option<&Held>, host: &Host<'_>) -> BTreeMap<u64, i32> {
    let init_processes = held.map(|held| &held.processes[..]).unwrap_or_default();
    let beside = init_processes.iter().filter_map(|pid| host.records.folder(Path::new(&process::cgroup(*pid)?)));
    let near = std::iter::once(init_processes.to_vec()).chain(beside.map(|folder| folder.processes));
    let inode = held.map(|held| held.inode).or_else(|| host.inode(Kind::Net));
    let all = std::iter::once_with(|| inode.map(|inode| survey::members(Kind::Net, inode)).unwrap_or_default());
    let mut missing: Vec<_> = listeners.iter().map(|listener| listener.inode).collect();
    let mut found = BTreeMap::new();
    for pids in near.chain(all) {
        found.extend(survey::holders(&missing, &pids));
        missing.retain(|socket| !found.contains_key(socket));
        if missing.is_empty() {
            break;
        }
    }
    found
}
