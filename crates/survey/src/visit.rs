//! Steps into networks, each for the moment that opening a socket takes, and comes back. What is asked over the socket
//! belongs in `network.rs` and `socket.rs`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::netlink::{Protocol, Socket};
use crate::{Home, Inode, mount, network};

/// The file system of namespaces, statfs(2).
const NSFS_MAGIC: i64 = 0x6e73_6673;

/// A thread that goes from its own network into others. Should it not come back, the process ends.
pub(crate) struct Visitor {
    pub(crate) own: OwnedFd,
}

/// A network that can be asked from outside.
pub struct Visit<'a> {
    visitor: &'a Visitor,
    network: OwnedFd,
    inode: Inode,
}

impl Visitor {
    pub(crate) fn here() -> io::Result<Self> {
        let visitor = Self { own: own()? };
        // In a user namespace of our own we could go elsewhere, and not come back.
        step(&visitor.own)?;
        Ok(visitor)
    }

    pub(crate) fn visit(&self, home: &Home) -> io::Result<Visit<'_>> {
        let network = open_home(home)?;
        let inode = inode(&network)?;
        Ok(Visit { visitor: self, network, inode })
    }
}

impl Visit<'_> {
    /// The namespace that it is: the one that was meant, unless a pid or path changed hands.
    pub fn inode(&self) -> Inode {
        self.inode
    }

    /// Whether it has this address.
    pub fn has(&self, ip: IpAddr) -> bool {
        self.socket(Protocol::Route).is_ok_and(|mut socket| network::has_by(&mut socket, ip))
    }

    /// Its addresses, and the loopback's, which a network has that is not up.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let told = || network::addresses_by(&mut self.socket(Protocol::Route)?, None);
        let mut all = vec![IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
        all.extend(told().into_iter().flatten().map(|(_, address)| address.ip).filter(|ip| !ip.is_loopback()));
        all
    }

    /// Whether one of its interfaces has this hardware address.
    pub fn has_mac(&self, mac: [u8; 6]) -> bool {
        let links = || network::bare_links_by(&mut self.socket(Protocol::Route)?);
        links().is_ok_and(|all| all.iter().any(|link| link.mac == Some(mac)))
    }

    /// A socket in there.
    pub(crate) fn socket(&self, protocol: Protocol) -> io::Result<Socket> {
        step(&self.network)?;
        let socket = Socket::open(protocol);
        if step(&self.visitor.own).is_err() {
            // Whatever is done from here on would be done in another's network.
            std::process::abort();
        }
        socket
    }
}

/// Asks the same of each network; `None` of those that may not be looked into, or are gone.
pub fn visit_each<T>(homes: &[Home], ask: impl Fn(&Visit<'_>) -> T) -> Vec<Option<T>> {
    let visitor = Visitor::here();
    let ask = |home| Some(ask(&visitor.as_ref().ok()?.visit(home).ok()?));
    homes.iter().map(ask).collect()
}

/// The network of this thread.
pub(crate) fn own() -> io::Result<OwnedFd> {
    open(Path::new("/proc/thread-self/ns/net"))
}

/// Moves this thread into a network.
fn step(network: &OwnedFd) -> io::Result<()> {
    Ok(move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?)
}

/// The namespace behind a descriptor.
pub(crate) fn inode(network: &OwnedFd) -> io::Result<Inode> {
    Ok(Inode(rustix::fs::fstat(network)?.st_ino))
}

/// Opens a network.
pub(crate) fn open_home(home: &Home) -> io::Result<OwnedFd> {
    let process = |pid: i32| Path::new("/proc").join(pid.to_string());
    match home {
        Home::Process(pid) => open(&process(*pid).join("ns/net")),
        Home::Descriptor(held) => open_file(&process(held.pid).join("fd").join(held.fd.to_string())),
        Home::File(path) if mount::leads_to_served(path) => {
            Err(io::Error::other("it lies below what a process serves, which may never answer"))
        }
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
    fn many_are_asked_in_their_order_and_the_gone_are_left_out() {
        let us = std::process::id().cast_signed();
        let own = crate::Namespaces::of_process(us).unwrap().get(Kind::Net).unwrap();
        let homes: Vec<_> = (0..200).map(|number| Home::Process(if number % 3 == 0 { i32::MAX } else { us })).collect();
        let answers =
            visit_each(&homes, |visit| (visit.inode(), visit.has([127, 0, 0, 1].into()), visit.has_mac([9; 6])));
        assert_eq!(answers.len(), homes.len());
        for (number, answer) in answers.into_iter().enumerate() {
            let Some((inode, _, strange)) = answer else {
                assert_eq!(number % 3, 0, "{number}");
                continue;
            };
            assert!(number % 3 > 0 && inode == own && !strange, "{number}");
        }
        assert!(visit_each(&[], |visit| visit.inode()).is_empty());
    }
}
