//! A route of a network's main table, rtnetlink(7).

use std::net::IpAddr;

/// A route.
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
    /// `unicast`, `blackhole`, `unreachable`, `prohibit`, as ip(8) prints them.
    pub kind: &'static str,
}
