//! Whose an address is, of IP or of hardware: by a look into every network of this host.

use std::net::IpAddr;

use survey::{Extent, Held, Home, Link};

use super::found::{Found, Owner};
use super::host::Host;
use super::interface;
use super::network::Reach;

/// Everybody who has this IP address. The loopback's are everybody's, and so the host's.
pub(super) fn of_ip(ip: IpAddr, host: &Host<'_>) -> Vec<Found> {
    let kind = "address";
    let mut all = Vec::new();
    if survey::has(ip) {
        all.push(Found { owner: Owner::Host, how: format!("{}'s address", called(None, |link| link.has(ip))), kind });
    }
    if !ip.is_loopback() {
        let networks = host.having(ip, Reach::beyond(&all));
        all.extend(of_networks(&networks, |link| link.has(ip), kind, host));
    }
    all
}

/// Everybody who has an interface with this hardware address.
pub(super) fn of_mac(mac: [u8; 6], host: &Host<'_>) -> Vec<Found> {
    let kind = "mac";
    let mut all = Vec::new();
    for link in host.links().iter().filter(|link| link.mac == Some(mac)) {
        let found = interface::of(link, host).into_iter();
        let how = |how: String| format!("{} of the host: {how}", link.name);
        all.extend(found.map(|found| Found { how: how(found.how), kind, ..found }));
    }
    let networks = host.having_mac(mac, Reach::beyond(&all));
    all.extend(of_networks(&networks, |link| link.mac == Some(mac), kind, host));
    all
}

/// Whoever holds these networks, by an interface of each.
fn of_networks(networks: &[Held], is_it: impl Fn(&Link) -> bool, kind: &'static str, host: &Host<'_>) -> Vec<Found> {
    let found = |held: &Held| {
        let how = format!("{}'s address", called(held.home().as_ref(), &is_it));
        host.holders(held).into_iter().map(move |owner| Found { owner, how: how.clone(), kind })
    };
    networks.iter().flat_map(found).collect()
}

/// The name of an interface of a network.
fn called(home: Option<&Home>, is_it: impl Fn(&Link) -> bool) -> String {
    let links = survey::network(home, Extent::Interfaces).unwrap_or_default().links;
    links.into_iter().find(is_it).map_or("an interface".to_owned(), |link| link.name)
}
