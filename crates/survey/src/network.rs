//! What is in a network namespace, by rtnetlink(7): step in, open a socket, step back, ask. Which namespaces there are
//! belongs in `holder.rs`.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::net::Protocol;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::link::Address;
use crate::netlink::{Next, Socket};
use crate::{Error, Home, Inode, Link, Route};

/// `include/uapi/linux/rtnetlink.h`: RTM_….
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
/// The file system of namespaces, statfs(2).
const NSFS_MAGIC: i64 = 0x6e73_6673;
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
    /// Those of the main tables, but for what exceeds 100 000.
    pub routes: Vec<Route>,
}

/// Looks into a network; `None` is that of this thread. The thread steps into the network for the moment that opening a
/// socket takes; should it not come back, the process ends.
///
/// # Errors
/// [`Error::Network`] where it may not be looked into, is gone, or has more interfaces than a network has.
pub fn network(home: Option<&Home>) -> Result<Network, Error> {
    look(home).map_err(|cause| Error::Network { what: name(home), cause })
}

pub(crate) fn name(home: Option<&Home>) -> String {
    match home {
        None => "of this host".to_owned(),
        Some(Home::Process(pid)) => format!("of process {pid}"),
        Some(Home::File(path)) => path.display().to_string(),
        Some(Home::Descriptor(descriptor)) => format!("of descriptor {} of process {}", descriptor.fd, descriptor.pid),
    }
}

/// The interfaces of a network with their addresses, as [`network`] tells them, and nothing else.
///
/// # Errors
/// As of [`network`].
pub fn links(home: Option<&Home>) -> Result<Vec<Link>, Error> {
    let look = || links_by(&mut socket_in(home, None)?);
    look().map_err(|cause| Error::Network { what: name(home), cause })
}

/// The addresses of a network, each with the number of its interface: for a look at many networks.
///
/// # Errors
/// As of [`network`].
pub fn addresses(home: Option<&Home>) -> Result<Vec<(u32, Address)>, Error> {
    let look = || bounded(&mut socket_in(home, None)?, RTM_GETADDR, RTM_NEWADDR, Address::parse);
    look().map_err(|cause| Error::Network { what: name(home), cause })
}

/// The number by which this thread's network knows each of these, as [`Link::peer_network`] has it; none for what it does
/// not know, or may not be looked into.
pub fn numbers(homes: &[Home]) -> Vec<Option<i32>> {
    let mut socket = Socket::open(None).ok();
    let mut number = |home: &Home| socket.as_mut()?.number_of(open_home(home).ok()?.as_fd()).ok()?;
    homes.iter().map(&mut number).collect()
}

fn look(home: Option<&Home>) -> io::Result<Network> {
    let own = own()?;
    let theirs = home.map(open_home).transpose()?;
    let inode = Inode(rustix::fs::fstat(theirs.as_ref().unwrap_or(&own))?.st_ino);
    let mut socket = match &theirs {
        None => Socket::open(None)?,
        Some(theirs) => open_in(theirs, &own, None)?,
    };
    let links = links_by(&mut socket)?;
    let routes = socket.list(RTM_GETROUTE, RTM_NEWROUTE, |routes: &mut Vec<Route>, payload| {
        routes.extend(Route::parse(payload));
        if routes.len() < MOST { Next::More } else { Next::Enough }
    })?;
    // Not before its interfaces were told, which gives a number to each network where one has its other end.
    let number_of_own = if theirs.is_some() { socket.number_of(own.as_fd())? } else { None };
    Ok(Network { inode, number_of_own, links, routes })
}

/// A socket in a network.
pub(crate) fn socket_in(home: Option<&Home>, protocol: Option<Protocol>) -> io::Result<Socket> {
    match home {
        None => Socket::open(protocol),
        Some(home) => open_in(&open_home(home)?, &own()?, protocol),
    }
}

fn own() -> io::Result<OwnedFd> {
    open(Path::new("/proc/thread-self/ns/net"))
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

fn links_by(socket: &mut Socket) -> io::Result<Vec<Link>> {
    let mut links = bounded(socket, RTM_GETLINK, RTM_NEWLINK, Link::parse)?;
    for (index, address) in bounded(socket, RTM_GETADDR, RTM_NEWADDR, Address::parse)? {
        if let Some(link) = links.iter_mut().find(|link| link.index == index) {
            link.addresses.push(address);
        }
    }
    links.sort_by_key(|link| link.index);
    Ok(links)
}

fn bounded<T>(socket: &mut Socket, question: u16, answer: u16, parse: fn(&[u8]) -> Option<T>) -> io::Result<Vec<T>> {
    let list = socket.list(question, answer, |list: &mut Vec<T>, payload| {
        list.extend(parse(payload));
        if list.len() < MOST { Next::More } else { Next::Enough }
    })?;
    if list.len() < MOST { Ok(list) } else { Err(io::Error::other("it has more interfaces than can be looked at")) }
}

/// Opens a socket in another network.
fn open_in(theirs: &OwnedFd, own: &OwnedFd, protocol: Option<Protocol>) -> io::Result<Socket> {
    let step = |network: &OwnedFd| move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network));
    // In a user namespace of our own we could go there, and not come back.
    step(own)?;
    step(theirs)?;
    let socket = Socket::open(protocol);
    if step(own).is_err() {
        // Whatever is done from here on would be done in another's network.
        std::process::abort();
    }
    socket
}

fn open_home(home: &Home) -> io::Result<OwnedFd> {
    let process = |pid: i32| Path::new("/proc").join(pid.to_string());
    match home {
        Home::Process(pid) => open(&process(*pid).join("ns/net")),
        Home::Descriptor(held) => open_file(&process(held.pid).join("fd").join(held.fd.to_string())),
        Home::File(path) => open_file(path),
    }
}

/// A file that may turn out to be anything is opened for good once it is known to be a namespace: opening a device, say,
/// has effects.
fn open_file(path: &Path) -> io::Result<OwnedFd> {
    let file = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    if rustix::fs::fstatfs(&file)?.f_type != NSFS_MAGIC {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a namespace"));
    }
    open(&PathBuf::from(format!("/proc/thread-self/fd/{}", file.as_raw_fd())))
}

fn open(path: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    #[test]
    fn the_own_network_has_a_loopback() {
        let network = network(None).unwrap();
        let own = crate::Namespaces::of_process(std::process::id().cast_signed()).unwrap();
        assert_eq!(Some(network.inode), own.get(Kind::Net));
        assert!(network.links.iter().any(|link| link.name == "lo" && link.index == 1), "{network:?}");
        assert!(network.links.is_sorted_by_key(|link| link.index));
    }

    #[test]
    fn what_is_no_network_is_said_to_be_none() {
        let of = |path: &str| network(Some(&Home::File(path.into()))).unwrap_err().to_string();
        assert_eq!(of("/dev/null"), "cannot look into the network /dev/null: it is not a namespace");
        assert_eq!(of("/nonexistent"), "cannot look into the network /nonexistent: no such file or directory");
        let gone = network(Some(&Home::Process(i32::MAX))).unwrap_err().to_string();
        assert_eq!(gone, "cannot look into the network of process 2147483647: no such file or directory");
    }
}
