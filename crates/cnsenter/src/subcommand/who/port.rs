//! Whose a port is: who publishes it on the host, and who listens on it, on the host and inside each container.

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
    if port.host.is_none_or(|ip| ip.is_loopback() || host.has(ip)) {
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
        let listeners = listeners(port, None).into_iter().filter(|listener| !is_engines(listener));
        all.extend(listeners.flat_map(|listener| of_listener(&listener, None, host)));
    }
    if all.is_empty() { inside(port, host) } else { all }
}

/// Who listens on it inside.
fn inside(port: &Port, host: &Host<'_>) -> Vec<Found> {
    let is_there = |visit: &Visit<'_>| port.host.is_none_or(|ip| ip.is_loopback() || visit.has(ip));
    let fits = |all: Vec<Listener>| all.iter().any(|listener| port.fits(listener));
    let addresses = |visit: &Visit<'_>| port.host.map_or_else(|| visit.addresses(), |ip| vec![ip]);
    let mut networks = host.networks(Reach::Containers, |visit| {
        fits(visit.listening_at(&addresses(visit), port.number)) && is_there(visit)
    });
    if networks.is_empty() {
        // At an address that no interface has, as the resolver does that Docker puts into its networks.
        networks = host.networks(Reach::Everywhere, |visit| fits(visit.listening(port.number)) && is_there(visit));
    }
    let found = |held: Held| {
        let listeners = listeners(port, held.home().as_ref()).into_iter();
        listeners.flat_map(|listener| of_listener(&listener, Some(&held), host)).collect::<Vec<_>>()
    };
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

/// Whose a socket is, by the first process that has it open. `held` is its network, unless that is the host's.
fn of_listener(listener: &Listener, held: Option<&Held>, host: &Host<'_>) -> Vec<Found> {
    let at = format!("listens on {}/{}", listener.address, listener.protocol.name());
    let Some(pid) = holder(listener, held, host) else {
        // It is the kernel's, or of a process that is in another network by now.
        let owners = held.map_or(vec![Owner::Host], |held| host.holders(held));
        let found = |owner| Found { owner, how: format!("somebody outside {at} in its network"), kind: KIND };
        return owners.into_iter().map(found).collect();
    };
    let owners = host.of_processes(&[pid]).into_iter().flat_map(|(_, owners)| owners);
    let how = format!("{} {at}", process::called(pid));
    let found = |owner| Found { owner, how: how.clone(), kind: KIND };
    let mut all: Vec<_> = owners.map(|(owner, _)| found(owner)).collect();
    if all.is_empty() {
        all.extend(Process::read(pid).ok().map(|process| found(Owner::Process(process))));
    }
    all
}

/// The process that has a socket open: first of a container, one of its cgroup, any in the network.
fn holder(listener: &Listener, held: Option<&Held>, host: &Host<'_>) -> Option<i32> {
    let first = held.map(|held| &held.processes[..]).unwrap_or_default();
    let beside = first.iter().filter_map(|pid| host.records.folder(Path::new(&process::cgroup(*pid)?)));
    let near = std::iter::once(first.to_vec()).chain(beside.map(|folder| folder.processes));
    let inode = held.map(|held| held.inode).or_else(|| host.inode(Kind::Net))?;
    let all = std::iter::once_with(|| survey::members(Kind::Net, inode));
    near.chain(all).find_map(|pids| survey::holder(listener.inode, &pids))
}
