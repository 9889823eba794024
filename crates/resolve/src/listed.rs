//! What lists show of a container beside what entering it takes, as plain data. Who reports it belongs in `api/` and
//! `runtime/`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use crate::{Container, State};

/// A container, with what lists show of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The container itself. In a list, its environment, files and added groups may be missing.
    pub container: Container,
    /// The image, as it was named when the container was made; or what it was made from, where there are no images.
    pub image: Option<String>,
    /// What the check of its health says, where it runs and has one: `starting`, `healthy`, `unhealthy`.
    pub health: Option<String>,
    /// What its image and its maker noted about it.
    pub labels: BTreeMap<String, String>,
    /// Where it is attached. While it does not run it has no addresses there, and others may have them.
    pub networks: Vec<Attached>,
    /// Ports of the host that lead to it; none while it does not run.
    pub ports: Vec<Published>,
    /// When it was made, in seconds since 1970.
    pub created: Option<i64>,
    /// Its root file system as the host sees it: overlay2's `merged` folder, a directory. None where nobody says.
    pub root: Option<PathBuf>,
}

/// A network that a container is attached to, by its engine's record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attached {
    /// The network's name.
    pub network: String,
    /// The network's ID; empty where nobody says.
    pub id: String,
    /// The container's addresses there.
    pub addresses: Vec<IpAddr>,
    /// Its hardware address there, as the engine writes it; empty where there is none.
    pub mac: String,
}

/// A port of the host's that leads to a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The host's address; the unspecified one for all of them.
    pub host_ip: IpAddr,
    /// The host's port.
    pub host_port: u16,
    /// The container's port.
    pub port: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
}

impl From<Container> for Listed {
    /// Nothing is known but the container itself.
    fn from(container: Container) -> Self {
        Self {
            container,
            image: None,
            health: None,
            labels: BTreeMap::new(),
            networks: Vec::new(),
            ports: Vec::new(),
            created: None,
            root: None,
        }
    }
}

impl Listed {
    /// In an order that is the same whoever said it, and without what only a container that runs has.
    pub(crate) fn of_now(mut self) -> Self {
        self.networks.sort_unstable_by(|a, b| a.network.cmp(&b.network));
        self.ports.sort_unstable_by(|a, b| (a.port, &a.protocol, a.host_ip).cmp(&(b.port, &b.protocol, b.host_ip)));
        // Docker shows that of a paused one as little.
        if self.container.state != State::Running {
            self.health = None;
        }
        if !self.container.runs() {
            self.ports.clear();
            for network in &mut self.networks {
                network.addresses.clear();
                network.mac.clear();
            }
        }
        self
    }
}

impl Attached {
    /// In an engine's words, where what is not there is empty.
    pub(crate) fn new(
        network: String,
        id: Option<String>,
        addresses: [Option<String>; 2],
        mac: Option<String>,
    ) -> Self {
        let addresses = addresses.into_iter().flatten().filter_map(|address| address.parse().ok());
        Self { network, id: id.unwrap_or_default(), addresses: addresses.collect(), mac: mac.unwrap_or_default() }
    }
}

/// The host's address of a port, in an engine's words, where nothing stands for all of them.
pub(crate) fn host_ip(address: Option<&str>) -> IpAddr {
    address.and_then(|address| address.parse().ok()).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

/// A time as engines write it, RFC 3339 in UTC, in seconds since 1970. None for the beginning of Go's time, which stands
/// for never.
pub(crate) fn seconds(time: &str) -> Option<i64> {
    let time = humantime::parse_rfc3339(time).ok()?;
    let since = time.duration_since(std::time::SystemTime::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}
