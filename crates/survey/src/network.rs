//! What is in a network namespace, by rtnetlink(7). How a socket gets there belongs in `visit.rs`, which namespaces there
//! are in `holder.rs`.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};

use crate::link::{self, Address, IFLA_IFNAME, LINK_HEADER};
use crate::netlink::{Next, Protocol, Socket, attribute};
use crate::visit::{self, Visitor};
use crate::{Error, Home, Inode, Link, Route};

/// `include/uapi/linux/rtnetlink.h`: RTM_….
pub(crate) const RTM_NEWLINK: u16 = 16;
pub(crate) const RTM_GETLINK: u16 = 18;
pub(crate) const RTM_NEWADDR: u16 = 20;
pub(crate) const RTM_GETADDR: u16 = 22;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
/// `include/uapi/linux/if_link.h` and `rtnetlink.h`: which parts of an interface are told.
const IFLA_EXT_MASK: u16 = 29;
const RTEXT_FILTER_SKIP_STATS: u32 = 1 << 3;
/// So many interfaces, addresses or routes are not looked at: a container may make as many as it likes.
const MOST: usize = 100_000;

/// A network's interfaces and routes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// The namespace that was looked into: the one that was meant, unless a pid or path changed hands.
    pub inode: Inode,
    /// The number by which it knows the network of the thread that looked; none where it does not, and where it is that.
    pub number_of_own: Option<i32>,
    /// By their numbers.
    pub links: Vec<Link>,
    /// Those of the main tables, but for what exceeds 100 000; none where they were not asked for.
    pub routes: Vec<Route>,
}

/// How much of a network is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Its interfaces and their addresses, but no counts of bytes and packets, and no routes.
    Interfaces,
    /// All of it, which takes the kernel twice as long.
    Everything,
}

/// Looks into a network; `None` is that of this thread. The thread steps into the network for the moment that opening a
/// socket takes; should it not come back, the process ends.
///
/// # Errors
/// [`Error::Network`] where it may not be looked into, is gone, or has more interfaces than a network has.
pub fn network(home: Option<&Home>, extent: Extent) -> Result<Network, Error> {
    look(home, extent).map_err(|cause| Error::Network { what: name(home), cause })
}

pub(crate) fn name(home: Option<&Home>) -> String {
    match home {
        None => "of this host".to_owned(),
        Some(Home::Process(pid)) => format!("of process {pid}"),
        Some(Home::File(path)) => path.display().to_string(),
        Some(Home::Descriptor(descriptor)) => format!("of descriptor {} of process {}", descriptor.fd, descriptor.pid),
    }
}

/// The interfaces of this thread's network, without addresses and counts.
pub fn bare_links() -> Vec<Link> {
    Socket::open(Protocol::Route).and_then(|mut socket| bare_links_by(&mut socket)).unwrap_or_default()
}

/// The interface of this thread's network with that name, without addresses and counts; `None` where it has none.
pub fn link_named(of: &str) -> Option<Link> {
    // The attribute's text ends in a zero byte.
    let text = [of.as_bytes(), &[0]].concat();
    let question = [&[0; LINK_HEADER][..], &attribute(IFLA_IFNAME, &text), &without_counts()].concat();
    let answer = Socket::open(Protocol::Route).ok()?.get(RTM_GETLINK, &question, RTM_NEWLINK, Link::parse);
    // The kernel may take one of its other names.
    answer.filter(|link| link.name == of)
}

/// Whether this thread's network has this address.
pub fn has(ip: IpAddr) -> bool {
    Socket::open(Protocol::Route).is_ok_and(|mut socket| has_by(&mut socket, ip))
}

/// The same of the network of a socket; not where that does not tell.
pub(crate) fn has_by(socket: &mut Socket, ip: IpAddr) -> bool {
    addresses_by(socket, Some(ip)).is_ok_and(|all| all.iter().any(|(_, address)| address.ip == ip))
}

fn look(home: Option<&Home>, extent: Extent) -> io::Result<Network> {
    let Some(home) = home else {
        return tell(visit::inode(&visit::own()?)?, &mut Socket::open(Protocol::Route)?, None, extent);
    };
    let visitor = Visitor::here()?;
    let visit = visitor.visit(home)?;
    tell(visit.inode(), &mut visit.socket(Protocol::Route)?, Some(&visitor.own), extent)
}

/// What is in the network of a socket, to which `own` is another one.
fn tell(inode: Inode, socket: &mut Socket, own: Option<&OwnedFd>, extent: Extent) -> io::Result<Network> {
    let (links, routes) = match extent {
        Extent::Interfaces => (bare_links_by(socket)?, Vec::new()),
        Extent::Everything => {
            let links = bounded(socket, RTM_GETLINK, &[0; LINK_HEADER], RTM_NEWLINK, Link::parse)?;
            let routes = socket.list(RTM_GETROUTE, RTM_NEWROUTE, |routes: &mut Vec<Route>, payload| {
                routes.extend(Route::parse(payload));
                if routes.len() < MOST { Next::More } else { Next::Enough }
            })?;
            (links, routes)
        }
    };
    let links = with_addresses(links, socket)?;
    // Not before its interfaces were told, which gives a number to each network where one has its other end.
    let number_of_own = own.and_then(|own| socket.number_of(own.as_fd()));
    Ok(Network { inode, number_of_own, links, routes })
}

/// A socket in a network.
pub(crate) fn socket_in(home: Option<&Home>, protocol: Protocol) -> io::Result<Socket> {
    match home {
        None => Socket::open(protocol),
        Some(home) => Visitor::here()?.visit(home)?.socket(protocol),
    }
}

impl Network {
    /// The other end of one of another network's interfaces, where it is in this one, from which the other was looked into.
    pub fn other_end(&self, of: &Network, link: &Link) -> Option<&Link> {
        let is_here = link.peer_network.is_some() && link.peer_network == of.number_of_own;
        let is_end = |end: &&Link| link.peer == Some(end.index) && end.peer == Some(link.index);
        self.links.iter().filter(|_| is_here).find(is_end)
    }

    /// The bridge, or whatever else it is, that an interface of this network is a port of.
    pub fn master(&self, link: &Link) -> Option<&Link> {
        self.links.iter().find(|master| link.master == Some(master.index))
    }
}

fn with_addresses(mut links: Vec<Link>, socket: &mut Socket) -> io::Result<Vec<Link>> {
    links.sort_unstable_by_key(|link| link.index);
    for (index, address) in addresses_by(socket, None)? {
        if let Ok(at) = links.binary_search_by_key(&index, |link| link.index) {
            links[at].addresses.push(address);
        }
    }
    Ok(links)
}

/// The attribute of a question that asks for no counts.
pub(crate) fn without_counts() -> Vec<u8> {
    attribute(IFLA_EXT_MASK, &RTEXT_FILTER_SKIP_STATS.to_ne_bytes())
}

/// The interfaces without their addresses and counts.
pub(crate) fn bare_links_by(socket: &mut Socket) -> io::Result<Vec<Link>> {
    let question = [&[0; LINK_HEADER][..], &without_counts()].concat();
    bounded(socket, RTM_GETLINK, &question, RTM_NEWLINK, Link::parse)
}

/// The addresses, each with the number of its interface; of the family of one alone, where that is given.
pub(crate) fn addresses_by(socket: &mut Socket, like: Option<IpAddr>) -> io::Result<Vec<(u32, Address)>> {
    let mut question = [0; LINK_HEADER];
    question[0] = like.map_or(0, link::family);
    bounded(socket, RTM_GETADDR, &question, RTM_NEWADDR, Address::parse)
}

fn bounded<T>(
    socket: &mut Socket,
    question: u16,
    body: &[u8],
    answer: u16,
    parse: fn(&[u8]) -> Option<T>,
) -> io::Result<Vec<T>> {
    let list = socket.list_of(question, body, answer, |list: &mut Vec<T>, payload| {
        list.extend(parse(payload));
        if list.len() < MOST { Next::More } else { Next::Enough }
    })?;
    if list.len() < MOST { Ok(list) } else { Err(io::Error::other("it has more interfaces than can be looked at")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    #[test]
    fn the_own_network_has_a_loopback() {
        let network = network(None, Extent::Everything).unwrap();
        let own = crate::Namespaces::of_process(std::process::id().cast_signed()).unwrap();
        assert_eq!(Some(network.inode), own.get(Kind::Net));
        assert!(network.links.iter().any(|link| link.name == "lo" && link.index == 1), "{network:?}");
        assert!(network.links.is_sorted_by_key(|link| link.index));
    }

    #[test]
    fn what_is_no_network_is_said_to_be_none() {
        let of = |path: &str| network(Some(&Home::File(path.into())), Extent::Interfaces).unwrap_err().to_string();
        assert_eq!(of("/dev/null"), "cannot look into the network /dev/null: it is not a namespace");
        assert_eq!(of("/nonexistent"), "cannot look into the network /nonexistent: no such file or directory");
        let gone = network(Some(&Home::Process(i32::MAX)), Extent::Everything).unwrap_err().to_string();
        assert_eq!(gone, "cannot look into the network of process 2147483647: no such file or directory");
    }
}
