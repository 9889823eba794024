//! Networks asked from outside, without stepping in: by the numbers by which this thread's network knows those that one of
//! its interfaces has another end in. How one steps in belongs in `visit.rs`.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;

use crate::link::{ADDRESS_HEADER, Address, LINK_HEADER, family};
use crate::netlink::{Next, Protocol, Socket, attribute, attributes, bytes};
use crate::network::{self, RTM_GETADDR, RTM_GETLINK, RTM_NEWADDR, RTM_NEWLINK};
use crate::{Home, Link, visit};

/// `include/uapi/linux/if_addr.h` and `if_link.h`: the network that is meant.
const IFA_TARGET_NETNSID: u16 = 10;
const IFLA_TARGET_NETNSID: u16 = 46;

/// A socket for questions about other networks.
pub struct Outside {
    socket: Socket,
}

impl Outside {
    /// In this thread's network; `None` before Linux 4.20, which knows no such questions.
    pub fn here() -> Option<Self> {
        let mut socket = Socket::open(Protocol::Route).ok()?;
        socket.be_strict().ok()?;
        Some(Self { socket })
    }

    /// Whether the network of a number has this address; `None` where that is not told.
    pub fn has(&mut self, number: i32, ip: IpAddr) -> Option<bool> {
        let mut header = [0; ADDRESS_HEADER];
        header[0] = family(ip);
        let question = [&header[..], &attribute(IFA_TARGET_NETNSID, &number.to_ne_bytes())].concat();
        let told = self.socket.list_of(RTM_GETADDR, &question, RTM_NEWADDR, |told: &mut Told, answer| {
            told.of_another |= !is_of(answer, ADDRESS_HEADER, IFA_TARGET_NETNSID, number);
            told.found |= Address::parse(answer).is_some_and(|(_, address)| address.ip == ip);
            if told.found { Next::Enough } else { Next::More }
        });
        told.ok().filter(|told| !told.of_another).map(|told| told.found)
    }

    /// The hardware address of an interface, by its own number in the network of a number.
    pub fn mac(&mut self, number: i32, index: u32) -> Option<[u8; 6]> {
        let mut header = [0; LINK_HEADER];
        header[4..8].copy_from_slice(&index.to_ne_bytes());
        let target = attribute(IFLA_TARGET_NETNSID, &number.to_ne_bytes());
        let question = [&header[..], &target, &network::without_counts()].concat();
        let answer = self.socket.get(RTM_GETLINK, &question, RTM_NEWLINK, |answer| {
            Link::parse(answer).filter(|_| is_of(answer, LINK_HEADER, IFLA_TARGET_NETNSID, number))
        });
        answer.ok()??.mac
    }
}

/// What a list said.
#[derive(Default)]
struct Told {
    found: bool,
    of_another: bool,
}

/// Whether an answer is of the network of that number, and not of our own.
fn is_of(answer: &[u8], header: usize, kind: u16, number: i32) -> bool {
    let said = attributes(answer, header).find(|(of, _)| *of == kind);
    said.and_then(|(_, value)| bytes(value)).map(i32::from_ne_bytes) == Some(number)
}

/// The number by which this thread's network knows each of these, as [`Link::peer_network`] has it; none for what it does
/// not know, or may not be looked into.
pub fn numbers(homes: &[Home]) -> Vec<Option<i32>> {
    let mut socket = Socket::open(Protocol::Route).ok();
    let mut number = |home: &Home| {
        let socket = socket.as_mut()?;
        let told: io::Result<_> = match home {
            Home::Process(pid) => socket.number_of_process(*pid),
            other => socket.number_of(visit::open_home(other).ok()?.as_fd()),
        };
        told.ok()?
    };
    homes.iter().map(&mut number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_number_is_not_told_of() {
        let mut outside = Outside::here().unwrap();
        assert_eq!(outside.has(i32::MAX, [127, 0, 0, 1].into()), None);
        assert_eq!(outside.mac(i32::MAX, 1), None);
        assert_eq!(numbers(&[Home::Process(i32::MAX), Home::File("/dev/null".into())]), [None, None]);
    }

    #[test]
    fn an_answer_is_of_the_network_that_it_names() {
        let answer = [&[0; ADDRESS_HEADER][..], &attribute(IFA_TARGET_NETNSID, &7_i32.to_ne_bytes())].concat();
        let is_of = |number| is_of(&answer, ADDRESS_HEADER, IFA_TARGET_NETNSID, number);
        assert!(is_of(7) && !is_of(8));
        assert!(!super::is_of(&answer[..ADDRESS_HEADER], ADDRESS_HEADER, IFA_TARGET_NETNSID, 7));
    }
}
