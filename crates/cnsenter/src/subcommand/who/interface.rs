//! Whose an interface of the host's is: the other end of a veth, and who is attached to a bridge.

use rustix::net::{AddressFamily, SocketFlags, SocketType};
use survey::Link;

use super::found::{Found, Owner};
use super::host::Host;

const KIND: &str = "interface";

/// Whoever has the interface of this name, or its other end.
pub(super) fn find(name: &str, host: &Host<'_>) -> Vec<Found> {
    if !is_there(name) {
        return Vec::new();
    }
    let here = host.links();
    let Some(link) = here.iter().find(|link| link.name == name) else { return Vec::new() };
    of(link, host)
}

/// Whether this network has an interface of that name, which takes less time to be told than all of them.
fn is_there(name: &str) -> bool {
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None);
    socket.is_ok_and(|socket| rustix::net::netdevice::name_to_index(&socket, name).is_ok())
}

/// Whose one of the host's interfaces is.
pub(super) fn of(link: &Link, host: &Host<'_>) -> Vec<Found> {
    let is_bridge = link.kind.as_deref() == Some("bridge");
    let ports = host.links().iter().filter(|port| is_bridge && port.master == Some(link.index));
    let mut all: Vec<_> = match is_bridge {
        true => ports.flat_map(|port| ends(port, &format!("attached to it by {}", port.name), host)).collect(),
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
    let (Some(number), Some(index)) = (link.peer_network, link.peer) else { return Vec::new() };
    let Some((held, home)) = host.numbered(number) else { return Vec::new() };
    let links = survey::links(Some(&home)).unwrap_or_default();
    let end = links.iter().find(|end| end.index == index).map_or("an interface", |end| &end.name);
    let how = if how.is_empty() { format!("{end}'s other end") } else { format!("{end}, {how}") };
    let found = |owner| Found { owner, how: how.clone(), kind: KIND };
    host.holders(held).into_iter().map(found).collect()
}
