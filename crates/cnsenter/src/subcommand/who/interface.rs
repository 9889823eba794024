//! Whose an interface of the host's is: the other end of a veth, and who is attached to a bridge.

use survey::Link;

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
    let mut all = link.map(|link| ends(link, "", host)).unwrap_or_default();
    all.retain(|found| found.how == end_of(name));
    all
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

fn end_of(name: &str) -> String {
    format!("{name}'s other end")
}

/// Who has the other end of an interface, where that is in another network.
fn ends(link: &Link, how: &str, host: &Host<'_>) -> Vec<Found> {
    let (Some(number), Some(index)) = (link.peer_network, link.peer) else { return Vec::new() };
    let Some(held) = host.numbered(number) else { return Vec::new() };
    let links = survey::links(held.home().as_ref()).unwrap_or_default();
    let end = links.iter().find(|end| end.index == index).map_or("an interface", |end| &end.name);
    let how = if how.is_empty() { end_of(end) } else { format!("{end}, {how}") };
    let found = |owner| Found { owner, how: how.clone(), kind: KIND };
    host.holders(&held).into_iter().map(found).collect()
}
