//! Whose an address is, of IP or of hardware: by a look into every network of this host.

use std::net::IpAddr;

use survey::{Held, Home, Link};

use super::found::{Found, Owner};
use super::host::Host;
use super::interface;

/// Everybody who has this IP address. The loopback's are everybody's, and so the host's.
pub(super) fn of_ip(ip: IpAddr, host: &Host<'_>) -> Vec<Found> {
    let has = |link: &&Link| link.addresses.iter().any(|address| address.ip == ip);
    let own = |link: &Link| Found { owner: Owner::Host, how: format!("{}'s address", link.name), kind: "address" };
    let mut all: Vec<_> = host.links().iter().find(has).map(own).into_iter().collect();
    if ip.is_loopback() {
        return all;
    }
    let theirs = |home: &Home| {
        let addresses = survey::addresses(Some(home)).unwrap_or_default();
        addresses.into_iter().find(|(_, address)| address.ip == ip).map(|(index, _)| index)
    };
    for (held, home) in host.networks() {
        if let Some(index) = theirs(&home) {
            let links = survey::links(Some(&home)).unwrap_or_default();
            let name = links.iter().find(|link| link.index == index).map_or("an interface", |link| &link.name);
            all.extend(holders(held, &format!("{name}'s address"), "address", host));
        }
    }
    all
}

/// Everybody who has an interface with this hardware address.
pub(super) fn of_mac(mac: [u8; 6], host: &Host<'_>) -> Vec<Found> {
    let is_it = |link: &&Link| link.mac == Some(mac);
    let mut all = Vec::new();
    for link in host.links().iter().filter(is_it) {
        let found = interface::of(link, host).into_iter();
        let how = |how: String| format!("{} of the host: {how}", link.name);
        all.extend(found.map(|found| Found { how: how(found.how), kind: "mac", ..found }));
    }
    for (held, home) in host.networks() {
        let links = survey::links(Some(&home)).unwrap_or_default();
        for link in links.iter().filter(is_it) {
            all.extend(holders(held, &format!("{}'s address", link.name), "mac", host));
        }
    }
    all
}

fn holders(held: &Held, how: &str, kind: &'static str, host: &Host<'_>) -> Vec<Found> {
    let found = |owner| Found { owner, how: how.to_owned(), kind };
    host.holders(held).into_iter().map(found).collect()
}
