//! A network interface as rtnetlink(7) tells of it. Which network it is in belongs in `network.rs`.

use std::net::IpAddr;

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
    /// IFLA_OPERSTATE as ip(8) prints it: `UP`, `DOWN`, `LOWERLAYERDOWN`, `UNKNOWN`.
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
