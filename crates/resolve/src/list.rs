//! Every container of every runtime, for lists and for the way back from a process to its container. Finding one by its
//! name belongs in `search.rs`; what a runtime reads, in its own file.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::{Container, Error, Runtime, Settings};

/// What is on this host, as far as it could be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// By runtime, and then the newest first, as docker lists them.
    pub containers: Vec<Listed>,
    /// Who could not be asked, or only by its state on disk.
    pub unasked: Vec<Unasked>,
}

/// A runtime that was not heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unasked {
    /// Which.
    pub runtime: Runtime,
    /// Why, in a clause that can follow "Docker was not asked: ".
    pub reason: String,
    /// Whether its state on disk was read in its place.
    pub by_state: bool,
}

/// A container, with what lists show of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The container itself. By a list of the engine's its environment and files may be missing.
    pub container: Container,
    /// The image, as it was named when the container was made; or what it was made from, where there are no images.
    pub image: Option<String>,
    /// What its image and its maker noted about it.
    pub labels: BTreeMap<String, String>,
    /// Where it is attached.
    pub networks: Vec<Attached>,
    /// Ports of the host that lead to it.
    pub ports: Vec<Published>,
    /// When it was made, in seconds since 1970.
    pub created: Option<i64>,
    /// Its root file system as the host sees it: overlay2's `merged` folder, a directory. None where nobody says.
    pub root: Option<std::path::PathBuf>,
}

/// A network that a container is attached to, by its engine's record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attached {
    /// The network's name.
    pub network: String,
    /// The container's addresses there.
    pub addresses: Vec<IpAddr>,
    /// Its hardware address there, as the engine writes it; empty where it doesn't say.
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

/// Whom to believe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
    /// The engines, and where they do not answer, what is on disk.
    Engines,
    /// What is on disk alone, which takes no daemon's time; the engines only where root does not say what they keep.
    State,
}

/// All containers, running or not.
pub(crate) fn list(_settings: &Settings, _asking: Asking) -> Result<Listing, Error> {
    Ok(Listing::default())
}

/// All that lists show, of one container that was found.
pub(crate) fn describe(container: Container, _settings: &Settings) -> Listed {
    Listed {
        container,
        image: None,
        labels: BTreeMap::new(),
        networks: Vec::new(),
        ports: Vec::new(),
        created: None,
        root: None,
    }
}
