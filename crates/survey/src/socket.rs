//! Sockets that wait, by sock_diag(7), and who has them open. The same by the lists of all sockets is in `listener.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use crate::link::{INET, INET6, family, ip};
use crate::netlink::{self, Next, Socket, bytes, u32_at};
use crate::{Home, Listener, Protocol, Visit, files, network};

/// `include/uapi/linux/sock_diag.h` and `inet_diag.h`: the question and its answer, `inet_diag_req_v2` and
/// `inet_diag_msg`.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const REQUEST: usize = 56;
const COOKIE: usize = 48;
/// In the answer.
const STATE: usize = 1;
const PORT: usize = 4;
const ADDRESS: usize = 8;
const INODE: usize = 68;

/// Those whose sockets may wait.
const PROTOCOLS: [Protocol; 2] = [Protocol::Tcp, Protocol::Udp];

/// So many sockets of a network are told.
const MOST: usize = 100_000;

/// The sockets that wait in a network, on one port or on any.
pub(crate) fn listening(home: Option<&Home>, port: Option<u16>) -> io::Result<Vec<Listener>> {
    waiting(&mut network::socket_in(home, netlink::Protocol::SocketDiagnosis)?, port)
}

fn waiting(socket: &mut Socket, port: Option<u16>) -> io::Result<Vec<Listener>> {
    let mut found = Vec::new();
    for protocol in PROTOCOLS {
        for family in [INET, INET6] {
            let request = request(protocol, family, SOURCE, port.unwrap_or_default());
            let listed =
                socket.list_of(SOCK_DIAG_BY_FAMILY, &request, SOCK_DIAG_BY_FAMILY, |all: &mut Vec<_>, answer| {
                    all.extend(listener(answer, protocol));
                    if all.len() < MOST { Next::More } else { Next::Enough }
                });
            match listed {
                Ok(listed) => found.extend(listed),
                // Without IPv6.
                Err(cause) if cause.kind() == ErrorKind::NotFound && family == INET6 => {}
                Err(cause) => return Err(cause),
            }
        }
    }
    Ok(found)
}

impl Visit<'_> {
    /// Everybody who waits on this port. What does not tell has nobody.
    pub fn listening(&self, port: u16) -> Vec<Listener> {
        let all = || waiting(&mut self.socket(netlink::Protocol::SocketDiagnosis)?, Some(port));
        all().unwrap_or_default()
    }

    /// Who takes what is sent to this port at one of these addresses: a question each, where a list of all that wait takes
    /// the kernel a walk through a table of all networks. What does not tell has nobody.
    pub fn listening_at(&self, addresses: &[IpAddr], port: u16) -> Vec<Listener> {
        let Ok(mut socket) = self.socket(netlink::Protocol::SocketDiagnosis) else { return Vec::new() };
        let of = |protocol| addresses.iter().map(move |address| (protocol, request_at(protocol, *address, port)));
        let (protocols, questions): (Vec<_>, Vec<_>) = PROTOCOLS.into_iter().flat_map(of).unzip();
        let answers = socket.get_each(SOCK_DIAG_BY_FAMILY, &questions, SOCK_DIAG_BY_FAMILY, |at, answer| {
            let waits = answer.get(STATE) == Some(&state(protocols[at]));
            listener(answer, protocols[at]).filter(|new| waits && new.address.port() == port)
        });
        let mut found: Vec<Listener> = Vec::new();
        for new in answers.into_iter().flatten() {
            if found.iter().all(|known| known.inode != new.inode) {
                found.push(new);
            }
        }
        found
    }
}

/// For whoever takes what is sent there.
fn request_at(protocol: Protocol, address: IpAddr, port: u16) -> [u8; REQUEST] {
    // Of UDP, the kernel takes source and destination the other way round.
    let side = if protocol == Protocol::Tcp { SOURCE } else { DESTINATION };
    let mut request = request(protocol, family(address), side, port);
    let at = side.address;
    match address {
        IpAddr::V4(ip) => request[at..at + 4].copy_from_slice(&ip.octets()),
        IpAddr::V6(ip) => request[at..at + 16].copy_from_slice(&ip.octets()),
    }
    request
}

/// One end of a socket in a request: where its port is and where its address.
#[derive(Clone, Copy)]
struct Side {
    port: usize,
    address: usize,
}

const SOURCE: Side = Side { port: 8, address: 12 };
const DESTINATION: Side = Side { port: 10, address: 28 };

/// For the sockets that wait, on a port or on any (0).
fn request(protocol: Protocol, family: u8, side: Side, port: u16) -> [u8; REQUEST] {
    let mut request = [0; REQUEST];
    let number = match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
    };
    request[..2].copy_from_slice(&[family, number]);
    request[4..8].copy_from_slice(&(1_u32 << state(protocol)).to_ne_bytes());
    request[side.port..side.port + 2].copy_from_slice(&port.to_be_bytes());
    // Whichever socket it is.
    request[COOKIE..].fill(0xff);
    request
}

/// The state of those that wait, `include/net/tcp_states.h`; of UDP, of those that are bound and not connected.
fn state(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 10,
        Protocol::Udp => 7,
    }
}

/// Of an answer.
pub(crate) fn listener(answer: &[u8], protocol: Protocol) -> Option<Listener> {
    let port = u16::from_be_bytes(bytes(answer.get(PORT..)?)?);
    let address: IpAddr = ip(*answer.first()?, answer.get(ADDRESS..)?)?;
    let inode = u64::from(u32_at(answer, INODE)?);
    Some(Listener { protocol, address: SocketAddr::new(address, port), inode })
}

/// So many descriptors are looked at, in about a second: processes that share one table have them all, each of them.
const MOST_DESCRIPTORS: usize = 1_000_000;

/// Of each of these sockets, by its number, the first of these processes that has it open; nothing of those that none of
/// them has. Each descriptor is looked at once, none once all are found, and no more than a million.
pub fn holders(sockets: &[u64], pids: &[i32]) -> BTreeMap<u64, i32> {
    let mut missing = BTreeSet::new();
    missing.extend(sockets.iter().copied());
    let (mut found, mut left) = (BTreeMap::new(), MOST_DESCRIPTORS);
    for pid in pids {
        let folder = Path::new("/proc").join(pid.to_string()).join("fd");
        for fd in files::numbers(&folder) {
            left -= 1;
            if missing.is_empty() || left == 0 {
                return found;
            }
            let Some(socket) = socket_of(&folder.join(fd.to_string())) else { continue };
            if missing.remove(&socket) {
                found.insert(socket, *pid);
            }
        }
    }
    found
}

/// The number in `socket:[NUMBER]`, where a descriptor is of one.
fn socket_of(descriptor: &Path) -> Option<u64> {
    let target = std::fs::read_link(descriptor).ok()?;
    target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::OwnedFd;

    use crate::visit_each;

    #[test]
    fn an_answer_that_is_cut_off_says_nothing() {
        let mut answer = [0; 72];
        (answer[0], answer[5], answer[8], answer[INODE]) = (2, 80, 127, 9);
        let found = listener(&answer, Protocol::Tcp).unwrap();
        assert_eq!((found.address.to_string(), found.inode), ("127.0.0.0:80".to_owned(), 9));
        assert!((0..72).all(|length| listener(&answer[..length], Protocol::Tcp).is_none()));
    }

    #[test]
    fn we_hold_our_own_socket() {
        let ours = std::net::TcpListener::bind("[::]:0").or_else(|_| std::net::TcpListener::bind("0.0.0.0:0")).unwrap();
        let port = ours.local_addr().unwrap().port();
        let found = listening(None, Some(port)).unwrap();
        let us = std::process::id().cast_signed();
        let inode = found[0].inode;
        assert_eq!(holders(&[0, inode], &[1, us, us]), BTreeMap::from([(inode, us)]), "{found:?}");
    }

    #[test]
    fn by_port_and_address_the_same_are_found_as_in_the_list() {
        let us = [Home::Process(std::process::id().cast_signed())];
        // Without IPv6, two are not to be had.
        let ours = [tcp("127.0.0.1:0"), tcp("[::]:0"), udp("127.0.0.1:0"), udp("[::1]:0")];
        for (socket, port) in ours.into_iter().flatten() {
            let both = visit_each(&us, |visit| (visit.listening_at(&visit.addresses(), port), visit.listening(port)));
            let Some((exact, listed)) = both.into_iter().next().flatten() else {
                assert!(!rustix::process::geteuid().is_root());
                return;
            };
            assert_eq!(exact, listed, "{port}");
            assert_eq!(exact.len(), 1, "{port}");
            drop(socket);
            let gone = visit_each(&us, |visit| visit.listening_at(&visit.addresses(), port));
            assert_eq!(gone, [Some(Vec::new())], "{port}");
        }
    }

    fn tcp(at: &str) -> Option<(OwnedFd, u16)> {
        let socket = std::net::TcpListener::bind(at).ok()?;
        let port = socket.local_addr().ok()?.port();
        Some((socket.into(), port))
    }

    fn udp(at: &str) -> Option<(OwnedFd, u16)> {
        let socket = std::net::UdpSocket::bind(at).ok()?;
        let port = socket.local_addr().ok()?.port();
        Some((socket.into(), port))
    }
}
