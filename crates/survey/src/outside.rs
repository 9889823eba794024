//! Networks asked from outside, without stepping in: by the numbers by which this thread's network knows those that one of
//! its interfaces has another end in. How one steps in belongs in `visit.rs`.

use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};

use crate::link::{ADDRESS_HEADER, Address, LINK_HEADER, family};
use crate::netlink::{Next, Other, Protocol, Socket, attribute, attributes, bytes};
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
            told.of_another |= number_in(answer, ADDRESS_HEADER, IFA_TARGET_NETNSID) != Some(number);
            told.found |= Address::parse(answer).is_some_and(|(_, address)| address.ip == ip);
            if told.found { Next::Enough } else { Next::More }
        });
        told.ok().filter(|told| !told.of_another).map(|told| told.found)
    }

    /// The hardware addresses of interfaces, each by the number of its network and its own number in there; none where it
    /// has another length, or is not told: an answer may be lost, and the interface have it even so.
    pub fn macs(&mut self, interfaces: &[(i32, u32)]) -> Vec<Option<[u8; 6]>> {
        let question = |(number, index): &(i32, u32)| {
            let mut header = [0; LINK_HEADER];
            header[4..8].copy_from_slice(&index.to_ne_bytes());
            let target = attribute(IFLA_TARGET_NETNSID, &number.to_ne_bytes());
            [&header[..], &target, &network::without_counts()].concat()
        };
        let questions: Vec<_> = interfaces.iter().map(question).collect();
        let answers = self.socket.get_each(RTM_GETLINK, &questions, RTM_NEWLINK, |_, answer| {
            Some((number_in(answer, LINK_HEADER, IFLA_TARGET_NETNSID)?, Link::mac_of(answer)?))
        });
        let is_of = |(answer, of): (Option<(i32, _)>, &(i32, _))| answer.filter(|(said, _)| *said == of.0);
        answers.into_iter().zip(interfaces).map(|both| is_of(both).map(|(_, mac)| mac)).collect()
    }
}

/// What a list said.
#[derive(Default)]
struct Told {
    found: bool,
    of_another: bool,
}

/// The number of the network that an answer is of; none where it is of our own.
fn number_in(answer: &[u8], header: usize, kind: u16) -> Option<i32> {
    let said = attributes(answer, header).find(|(of, _)| *of == kind);
    said.and_then(|(_, value)| bytes(value)).map(i32::from_ne_bytes)
}

/// The number by which this thread's network knows each of these, as [`Link::peer_network`] has it; none for what it does
/// not know, or may not be looked into.
pub fn numbers(homes: &[Home]) -> Vec<Option<i32>> {
    let Ok(mut socket) = Socket::open(Protocol::Route) else { return vec![None; homes.len()] };
    let mut all = Vec::with_capacity(homes.len());
    // Not too many files are open at once.
    for some in homes.chunks(64) {
        let file = |home: &Home| if let Home::Process(_) = home { None } else { visit::open_home(home).ok() };
        let files: Vec<_> = some.iter().map(file).collect();
        let other = |(home, file): (&Home, _)| match (home, file) {
            (Home::Process(pid), _) => Other::Process(*pid),
            (_, Some(file)) => Other::Network(OwnedFd::as_fd(file)),
            // There is no such process, and so no answer.
            (_, None) => Other::Process(0),
        };
        let others: Vec<_> = some.iter().zip(files.iter().map(Option::as_ref)).map(other).collect();
        all.extend(socket.numbers_of(&others));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_number_is_not_told_of() {
        let mut outside = Outside::here().unwrap();
        assert_eq!(outside.has(i32::MAX, [127, 0, 0, 1].into()), None);
        assert_eq!(outside.macs(&[(i32::MAX, 1)]), [None]);
        assert_eq!(numbers(&[Home::Process(i32::MAX), Home::File("/dev/null".into())]), [None, None]);
    }

    #[test]
    fn an_answer_is_of_the_network_that_it_names() {
        let answer = [&[0; ADDRESS_HEADER][..], &attribute(IFA_TARGET_NETNSID, &7_i32.to_ne_bytes())].concat();
        let said = |answer| number_in(answer, ADDRESS_HEADER, IFA_TARGET_NETNSID);
        assert_eq!((said(&answer[..]), said(&answer[..ADDRESS_HEADER])), (Some(7), None));
    }
}
