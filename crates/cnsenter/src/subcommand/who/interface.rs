//! Whose an interface of the host's is: the other end of a veth, and who is attached to a bridge.

use survey::{Extent, Held, Link};

use super::found::{Found, Owner};
use super::host::Host;

const KIND: &str = "interface";

/// Whoever has the interface of this name, or its other end, which has this number.
pub(super) fn find(name: &str, end: Option<u32>, host: &Host<'_>) -> Vec<Found> {
    if let Some(link) = survey::link_named(name).filter(|link| end.is_none() || link.peer == end) {
        return of(&link, host);
    }
    // As ip(8) prints it inside, where the number is the host's.
    let link = end.and_then(|end| host.links().iter().find(|link| link.index == end));
    let found = link.and_then(|link| other_end(link, host)).filter(|(_, end)| end == name);
    found.map(|(held, end)| holders(&held, format!("{end}'s other end"), host)).unwrap_or_default()
}

/// Whose one of the host's interfaces is.
pub(super) fn of(link: &Link, host: &Host<'_>) -> Vec<Found> {
    let is_bridge = link.kind.as_deref() == Some("bridge");
    let ports = || host.links().iter().filter(|port| port.master == Some(link.index));
    let mut all: Vec<_> = match is_bridge {
        true => ports().flat_map(|port| ends(port, &format!("attached to it by {}", port.name), host)).collect(),
        false => ends(link, "", host),
    };
    if all.is_empty() {
        let kind = link.kind.as_ref().map(|kind| format!(", of the kind {kind}")).unwrap_or_default();
        let peer = host.links().iter().find(|peer| link.peer_network.is_none() && link.peer == Some(peer.index));
        let peer = peer.map(|peer| format!(", beside {}", peer.name)).unwrap_or_default();
        all.push(Found { owner: Owner::Host, how: format!("its own interface{kind}{peer}"), kind: KIND });
    }
    all
}

/// Who has the other end of an interface, where that is in another network.
fn ends(link: &Link, how: &str, host: &Host<'_>) -> Vec<Found> {
    let Some((held, end)) = other_end(link, host) else { return Vec::new() };
    let how = if how.is_empty() { format!("{end}'s other end") } else { format!("{end}, {how}") };
    holders(&held, how, host)
}

/// The network where the other end of an interface is, if that is another one, and its name there.
fn other_end(link: &Link, host: &Host<'_>) -> Option<(Held, String)> {
    let (number, index) = (link.peer_network?, link.peer?);
    let held = host.numbered(number)?;
    let links = survey::network(held.home().as_ref(), Extent::Interfaces).unwrap_or_default().links;
    let end = links.into_iter().find(|end| end.index == index);
    Some((held, end.map_or("an interface".to_owned(), |end| end.name)))
}

fn holders(held: &Held, how: String, host: &Host<'_>) -> Vec<Found> {
    host.holders(held).into_iter().map(|owner| Found { owner, how: how.clone(), kind: KIND }).collect()
}
