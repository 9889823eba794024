//! A network interface as rtnetlink(7) tells of it. Which network it is in belongs in `network.rs`.

use std::net::IpAddr;

use crate::netlink::{attributes, bytes, text, u32_at, u64_at};

/// `ifinfomsg` and `ifaddrmsg`, which attributes follow.
pub(crate) const LINK_HEADER: usize = 16;
pub(crate) const ADDRESS_HEADER: usize = 8;

/// `include/uapi/linux/if_link.h`: IFLA_….
const IFLA_ADDRESS: u16 = 1;
pub(crate) const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_OPERSTATE: u16 = 16;
const IFLA_LINKINFO: u16 = 18;
const IFLA_STATS64: u16 = 23;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_INFO_KIND: u16 = 1;
/// `include/uapi/linux/if_addr.h`: IFA_….
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
/// netdevice(7).
const IFF_UP: u32 = 1;

/// By number, as ip(8) prints them.
const OPERATIONAL: [&str; 7] = ["UNKNOWN", "NOTPRESENT", "DOWN", "LOWERLAYERDOWN", "TESTING", "DORMANT", "UP"];

/// A network interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Its number in its network.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// What kind of interface: `veth`, `bridge`, `vxlan`; nothing for hardware and the loopback.
    pub kind: Option<String>,
    /// The hardware address; none where it has another length.
    pub mac: Option<[u8; 6]>,
    /// In bytes.
    pub mtu: u32,
    /// Whether it is up (IFF_UP).
    pub up: bool,
    /// IFLA_OPERSTATE as ip(8) prints it: `UP`, `DOWN`, `LOWERLAYERDOWN`, `UNKNOWN`, ….
    pub operational: &'static str,
    /// The number of the other end of a veth, or of the interface below.
    pub peer: Option<u32>,
    /// The number by which this network knows the peer's, where the peer is in another one.
    pub peer_network: Option<i32>,
    /// The number of the bridge that it is a port of.
    pub master: Option<u32>,
    /// Its addresses.
    pub addresses: Vec<Address>,
    /// Bytes received, bytes sent, packets dropped on the way in, and on the way out.
    pub received: u64,
    #[allow(missing_docs)]
    pub sent: u64,
    #[allow(missing_docs)]
    pub dropped_in: u64,
    #[allow(missing_docs)]
    pub dropped_out: u64,
}

/// An address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address.
    pub ip: IpAddr,
    /// The length of its network's prefix.
    pub prefix: u8,
}

impl Link {
    /// Whether this is an address of it.
    pub fn has(&self, ip: IpAddr) -> bool {
        self.addresses.iter().any(|address| address.ip == ip)
    }

    /// The hardware address in a message of RTM_NEWLINK.
    pub(crate) fn mac_of(payload: &[u8]) -> Option<[u8; 6]> {
        let (_, value) = attributes(payload, LINK_HEADER).find(|(kind, _)| *kind == IFLA_ADDRESS)?;
        value.try_into().ok()
    }

    /// Of a message of RTM_NEWLINK.
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        let mut link = Self { index: u32_at(payload, 4)?, operational: OPERATIONAL[0], ..Self::default() };
        link.up = u32_at(payload, 8)? & IFF_UP != 0;
        for (kind, value) in attributes(payload, LINK_HEADER) {
            let number = || u32_at(value, 0);
            match kind {
                IFLA_IFNAME => link.name = text(value),
                IFLA_ADDRESS => link.mac = value.try_into().ok(),
                IFLA_MTU => link.mtu = number()?,
                // Tunnels that are bound to nothing have 0.
                IFLA_LINK => link.peer = number().filter(|index| *index != 0),
                IFLA_LINK_NETNSID => link.peer_network = number().map(u32::cast_signed).filter(|id| *id >= 0),
                IFLA_MASTER => link.master = number(),
                IFLA_OPERSTATE => {
                    let name = value.first().and_then(|state| OPERATIONAL.get(usize::from(*state)));
                    link.operational = name.copied().unwrap_or(OPERATIONAL[0]);
                }
                IFLA_LINKINFO => {
                    let kind = attributes(value, 0).find(|(kind, _)| *kind == IFLA_INFO_KIND);
                    link.kind = kind.map(|(_, value)| text(value));
                }
                // rtnl_link_stats64: packets in and out come first, errors between bytes and what was dropped.
                IFLA_STATS64 => {
                    let count = |at: usize| u64_at(value, at * 8).unwrap_or_default();
                    (link.received, link.sent) = (count(2), count(3));
                    (link.dropped_in, link.dropped_out) = (count(6), count(7));
                }
                _ => {}
            }
        }
        Some(link)
    }
}

impl Address {
    /// Of a message of RTM_NEWADDR; with the number of its interface.
    pub(crate) fn parse(payload: &[u8]) -> Option<(u32, Self)> {
        let [family, prefix, ..] = *payload else { return None };
        let index = u32_at(payload, 4)?;
        let (mut address, mut local) = (None, None);
        for (kind, value) in attributes(payload, ADDRESS_HEADER) {
            match kind {
                IFA_ADDRESS => address = ip(family, value),
                // Between two points the other is the peer's.
                IFA_LOCAL => local = ip(family, value),
                _ => {}
            }
        }
        Some((index, Self { ip: local.or(address)?, prefix }))
    }
}

pub(crate) const INET: u8 = rustix::net::AddressFamily::INET.as_raw() as u8;
pub(crate) const INET6: u8 = rustix::net::AddressFamily::INET6.as_raw() as u8;

/// The family of an address.
pub(crate) fn family(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { INET } else { INET6 }
}

/// An address of a family.
pub(crate) fn ip(family: u8, value: &[u8]) -> Option<IpAddr> {
    match family {
        INET => bytes::<4>(value).map(IpAddr::from),
        INET6 => bytes::<16>(value).map(IpAddr::from),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::attribute;

    fn message(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let header = [&[0; 4][..], &7_u32.to_ne_bytes(), &IFF_UP.to_ne_bytes(), &[0; 4]].concat();
        let attributes = attributes.iter().flat_map(|(kind, value)| attribute(*kind, value));
        header.into_iter().chain(attributes).collect()
    }

    #[test]
    fn an_interface_is_as_its_attributes_say() {
        let counts: Vec<u8> = (1..=24_u64).flat_map(u64::to_ne_bytes).collect();
        let info = attribute(IFLA_INFO_KIND, b"veth\0");
        let link = Link::parse(&message(&[
            (IFLA_IFNAME, b"e\x1b[2J\xff\0"),
            (IFLA_ADDRESS, &[2, 0, 0, 0, 0, 1]),
            (IFLA_LINK, &9_u32.to_ne_bytes()),
            (IFLA_LINK_NETNSID, &0_u32.to_ne_bytes()),
            (IFLA_OPERSTATE, &[6]),
            (IFLA_LINKINFO, &info),
            (IFLA_STATS64, &counts),
        ]));
        let link = link.unwrap();
        assert_eq!((link.index, link.up, link.operational), (7, true, "UP"));
        assert_eq!((link.name.as_str(), link.kind.as_deref()), ("e\u{1b}[2J\u{fffd}", Some("veth")));
        assert_eq!((link.peer, link.peer_network, link.mac), (Some(9), Some(0), Some([2, 0, 0, 0, 0, 1])));
        assert_eq!((link.received, link.sent, link.dropped_in, link.dropped_out), (3, 4, 7, 8));
    }

    #[test]
    fn odd_attributes_are_left_out() {
        let none = (-1_i32).to_ne_bytes();
        let odd: [(u16, &[u8]); 5] = [
            (IFLA_ADDRESS, &[1; 20]),
            (IFLA_LINK, &[0; 4]),
            (IFLA_LINK_NETNSID, &none),
            (IFLA_OPERSTATE, &[99]),
            (IFLA_STATS64, &[1; 4]),
        ];
        let link = Link::parse(&message(&odd)).unwrap();
        assert_eq!(link, Link { index: 7, up: true, operational: "UNKNOWN", ..Link::default() });
        assert_eq!(Link::parse(&[0; 11]), None);
    }

    #[test]
    fn of_two_points_the_own_address_counts() {
        let header = [&[2, 32, 0, 0][..], &3_u32.to_ne_bytes()].concat();
        let both = [attribute(IFA_ADDRESS, &[10, 0, 0, 2]), attribute(IFA_LOCAL, &[10, 0, 0, 1])].concat();
        let address = Address { ip: [10, 0, 0, 1].into(), prefix: 32 };
        assert_eq!(Address::parse(&[header.clone(), both].concat()), Some((3, address)));
        assert_eq!(Address::parse(&[header, attribute(IFA_LOCAL, &[10, 0])].concat()), None);
        assert_eq!(Address::parse(&[2, 32]), None);
    }
}
