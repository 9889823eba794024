//! A route of a network's main table, rtnetlink(7).

use std::net::IpAddr;

use crate::link::ip;
use crate::netlink::{attributes, bytes, u32_at};

/// `rtmsg` and `rtnexthop`, which attributes follow.
const HEADER: usize = 12;
const HOP_HEADER: usize = 8;

/// `include/uapi/linux/rtnetlink.h`: RTA_….
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_MULTIPATH: u16 = 9;
const RTA_TABLE: u16 = 15;
const RTA_VIA: u16 = 18;
/// A copy of a route for one destination.
const RTM_F_CLONED: u32 = 0x200;
const RT_TABLE_MAIN: u32 = 254;
const AF_INET6: u8 = rustix::net::AddressFamily::INET6.as_raw() as u8;

/// By number, as ip(8) prints them.
const KINDS: [&str; 12] = [
    "unspec",
    "unicast",
    "local",
    "broadcast",
    "anycast",
    "multicast",
    "blackhole",
    "unreachable",
    "prohibit",
    "throw",
    "nat",
    "xresolve",
];

/// A route; of one with several next hops, one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where it leads, with the length of the prefix; nothing for the default route.
    pub destination: Option<(IpAddr, u8)>,
    /// Whether it is of IPv6.
    pub is_v6: bool,
    /// The next hop.
    pub gateway: Option<IpAddr>,
    /// The number of the interface.
    pub link: Option<u32>,
    /// The address that packets get.
    pub source: Option<IpAddr>,
    /// The lower the better.
    pub metric: Option<u32>,
    /// `unicast`, `blackhole`, `unreachable`, `prohibit`, …, as ip(8) prints them.
    pub kind: &'static str,
}

impl Route {
    /// Of a message of RTM_NEWROUTE: one for each next hop; none where it is of another table or protocol.
    pub(crate) fn parse(payload: &[u8]) -> Vec<Self> {
        Self::read(payload).unwrap_or_default()
    }

    fn read(payload: &[u8]) -> Option<Vec<Self>> {
        let [family, length, _, _, table, _, _, kind] = bytes(payload)?;
        let flags = u32_at(payload, 8)?;
        let mut table = u32::from(table);
        let mut route = Self {
            destination: None,
            is_v6: family == AF_INET6,
            gateway: None,
            link: None,
            source: None,
            metric: None,
            kind: KINDS.get(usize::from(kind)).copied().unwrap_or(KINDS[0]),
        };
        let mut hops = None;
        for (kind, value) in attributes(payload, HEADER) {
            match kind {
                RTA_TABLE => table = u32_at(value, 0)?,
                RTA_DST => route.destination = ip(family, value).map(|ip| (ip, length)),
                RTA_PREFSRC => route.source = ip(family, value),
                RTA_PRIORITY => route.metric = u32_at(value, 0),
                RTA_MULTIPATH => hops = Some(value),
                _ => route.lead(family, kind, value),
            }
        }
        let is_address = ip(family, &[0; 16]).is_some();
        if !is_address || table != RT_TABLE_MAIN || flags & RTM_F_CLONED != 0 {
            return None;
        }
        Some(match hops {
            None => vec![route],
            Some(hops) => self::hops(hops).map(|hop| route.by(family, hop)).collect(),
        })
    }

    /// Takes the way out of an attribute.
    fn lead(&mut self, family: u8, kind: u16, value: &[u8]) {
        match kind {
            RTA_OIF => self.link = u32_at(value, 0),
            RTA_GATEWAY => self.gateway = ip(family, value),
            // Of another family than the route.
            RTA_VIA => {
                let via = bytes(value).map(u16::from_ne_bytes).and_then(|family| u8::try_from(family).ok());
                self.gateway = via.and_then(|family| ip(family, value.get(2..)?));
            }
            _ => {}
        }
    }

    /// The same by a next hop.
    fn by(&self, family: u8, hop: &[u8]) -> Self {
        let mut route = Self { link: u32_at(hop, 4), ..self.clone() };
        attributes(hop, HOP_HEADER).for_each(|(kind, value)| route.lead(family, kind, value));
        route
    }
}

/// The next hops of RTA_MULTIPATH.
fn hops(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(bytes(rest)?));
        let hop = rest.get(..length).filter(|hop| hop.len() >= HOP_HEADER)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(hop)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::attribute;

    fn message(table: u8, kind: u8, attributes: &[Vec<u8>]) -> Vec<u8> {
        [&[2, 24, 0, 0, table, 0, 0, kind, 0, 0, 0, 0][..], &attributes.concat()].concat()
    }

    fn plain() -> Route {
        Route {
            destination: Some(([10, 1, 2, 0].into(), 24)),
            is_v6: false,
            gateway: Some([10, 0, 0, 1].into()),
            link: Some(2),
            source: None,
            metric: None,
            kind: "unicast",
        }
    }

    #[test]
    fn a_route_of_the_main_table_is_read() {
        let attributes = [
            attribute(RTA_DST, &[10, 1, 2, 0]),
            attribute(RTA_GATEWAY, &[10, 0, 0, 1]),
            attribute(RTA_OIF, &2_u32.to_ne_bytes()),
        ];
        assert_eq!(Route::parse(&message(254, 1, &attributes)), [plain()]);
        assert_eq!(Route::parse(&message(255, 1, &attributes)), []);
        let other = [&attributes[..], &[attribute(RTA_TABLE, &1000_u32.to_ne_bytes())]].concat();
        assert_eq!(Route::parse(&message(254, 1, &other)), []);
        let unreachable = Route { gateway: None, link: None, kind: "unreachable", ..plain() };
        assert_eq!(Route::parse(&message(254, 7, &attributes[..1])), [unreachable]);
        assert_eq!(Route::parse(&[2, 24, 0]), []);
    }

    #[test]
    fn several_next_hops_are_several_routes() {
        let hop = |link: u32, way: &[u8]| {
            let length = u16::try_from(HOP_HEADER + way.len()).unwrap().to_ne_bytes();
            [&length[..], &[0, 0], &link.to_ne_bytes(), way].concat()
        };
        let via = attribute(RTA_VIA, &[&10_u16.to_ne_bytes()[..], &[0xfe, 0x80], &[0; 13], &[1]].concat());
        let all = [hop(2, &attribute(RTA_GATEWAY, &[10, 0, 0, 1])), hop(3, &via), vec![3, 0, 0]].concat();
        let attributes = [attribute(RTA_DST, &[10, 1, 2, 0]), attribute(RTA_MULTIPATH, &all)];
        let second = Route { link: Some(3), gateway: "fe80::1".parse().ok(), ..plain() };
        assert_eq!(Route::parse(&message(254, 1, &attributes)), [plain(), second]);
    }
}
