//! Sockets that wait, by sock_diag(7), and who has them open. The same by the lists of all sockets is in `listener.rs`.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use rustix::net::{AddressFamily, netlink};

use crate::link::ip;
use crate::netlink::{Next, bytes, u32_at};
use crate::{Home, Listener, Protocol, files, network};

/// `include/uapi/linux/sock_diag.h` and `inet_diag.h`: the question and its answer, `inet_diag_req_v2` and
/// `inet_diag_msg`.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const REQUEST: usize = 56;
const SOURCE_PORT: usize = 8;
/// In the answer.
const PORT: usize = 4;
const ADDRESS: usize = 8;
const INODE: usize = 68;

/// `include/net/tcp_states.h`; of UDP, one that is bound and not connected.
const TCP_LISTEN: u32 = 10;
const TCP_CLOSE: u32 = 7;

/// So many sockets of a network are told.
const MOST: usize = 100_000;

/// The sockets that wait in a network, on one port or on any.
pub(crate) fn listening(home: Option<&Home>, port: Option<u16>) -> io::Result<Vec<Listener>> {
    let mut socket = network::socket_in(home, Some(netlink::SOCK_DIAG))?;
    let mut found = Vec::new();
    for (protocol, number, state) in [(Protocol::Tcp, 6, TCP_LISTEN), (Protocol::Udp, 17, TCP_CLOSE)] {
        for family in [AddressFamily::INET, AddressFamily::INET6] {
            let mut request = [0; REQUEST];
            request[..2].copy_from_slice(&[family.as_raw() as u8, number]);
            request[4..8].copy_from_slice(&(1_u32 << state).to_ne_bytes());
            request[SOURCE_PORT..SOURCE_PORT + 2].copy_from_slice(&port.unwrap_or_default().to_be_bytes());
            let listed =
                socket.list_of(SOCK_DIAG_BY_FAMILY, &request, SOCK_DIAG_BY_FAMILY, |all: &mut Vec<_>, answer| {
                    all.extend(listener(answer, protocol));
                    if all.len() < MOST { Next::More } else { Next::Enough }
                });
            match listed {
                Ok(listed) => found.extend(listed),
                // Without IPv6.
                Err(cause) if cause.kind() == ErrorKind::NotFound && family == AddressFamily::INET6 => {}
                Err(cause) => return Err(cause),
            }
        }
    }
    Ok(found)
}

/// Of an answer.
fn listener(answer: &[u8], protocol: Protocol) -> Option<Listener> {
    let port = u16::from_be_bytes(bytes(answer.get(PORT..)?)?);
    let address: IpAddr = ip(*answer.first()?, answer.get(ADDRESS..)?)?;
    let inode = u64::from(u32_at(answer, INODE)?);
    Some(Listener { protocol, address: SocketAddr::new(address, port), inode })
}

/// The first of these processes that has a socket open, by the socket's number.
pub fn holder(socket: u64, pids: &[i32]) -> Option<i32> {
    let name = format!("socket:[{socket}]");
    let is_it = |link: &Path| std::fs::read_link(link).is_ok_and(|target| target.as_os_str() == name.as_str());
    let has = |pid: &i32| {
        let folder = Path::new("/proc").join(pid.to_string()).join("fd");
        files::numbers(&folder).into_iter().any(|fd| is_it(&folder.join(fd.to_string())))
    };
    pids.iter().copied().find(has)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(holder(found[0].inode, &[1, us]), Some(us), "{found:?}");
        assert_eq!(holder(0, &[us]), None);
    }
}
