//! What is listened on in a network, and where sock_diag(7) does not say, as `/proc/PID/net` has it, proc_pid_net(5).

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use crate::{Error, Home, files, network, socket};

/// The lists of a network.
const FILES: [(&str, Protocol); 4] =
    [("tcp", Protocol::Tcp), ("tcp6", Protocol::Tcp), ("udp", Protocol::Udp), ("udp6", Protocol::Udp)];
/// A longer list, in bytes, is not read to its end.
const LARGEST: u64 = 16 << 20;
/// `include/net/tcp_states.h`; of UDP, one that is bound and not connected.
const TCP_LISTEN: u8 = 10;
const TCP_CLOSE: u8 = 7;

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
    /// Those of a network, `None` being that of this thread; on one port alone, where that is given.
    ///
    /// # Errors
    /// [`Error::Network`] where it may not be looked into, or is gone.
    pub fn of(home: Option<&Home>, port: Option<u16>) -> Result<Vec<Self>, Error> {
        socket::listening(home, port).map_err(|cause| Error::Network { what: network::name(home), cause })
    }

    /// Those of the network of a process.
    ///
    /// # Errors
    /// [`Error::Network`] or [`Error::Read`] where there is no such process.
    pub fn of_process(pid: i32) -> Result<Vec<Self>, Error> {
        // A kernel may have been built without sock_diag(7).
        Self::of(Some(&Home::Process(pid)), None).or_else(|_| Self::of_lists(pid))
    }

    /// By the lists of all sockets. To print those, the kernel goes through every connection that there could be, which
    /// takes milliseconds where there is much memory.
    fn of_lists(pid: i32) -> Result<Vec<Self>, Error> {
        let folder = Path::new("/proc").join(pid.to_string()).join("net");
        let mut found = Vec::new();
        for (file, protocol) in FILES {
            let path = folder.join(file);
            match files::lines(&path, LARGEST) {
                Ok(lines) => found.extend(waiting(lines, protocol)),
                // Without IPv6.
                Err(cause) if cause.kind() == ErrorKind::NotFound && file.ends_with('6') => {}
                Err(cause) => return Err(Error::read(&path, cause)),
            }
        }
        Ok(found)
    }
}

/// The sockets of a list that wait, without its heading.
pub(crate) fn waiting(lines: impl Iterator<Item = Vec<u8>>, protocol: Protocol) -> impl Iterator<Item = Listener> {
    let sockets = lines.skip(1).map_while(|line| Socket::parse(std::str::from_utf8(&line).ok()?));
    let state = match protocol {
        Protocol::Tcp => TCP_LISTEN,
        Protocol::Udp => TCP_CLOSE,
    };
    // Those that listen come first, and there may be very many others.
    let sockets = sockets.take_while(move |socket| protocol == Protocol::Udp || socket.state == state);
    let waiting = sockets.filter(move |socket| socket.state == state);
    waiting.map(move |socket| Listener { protocol, address: socket.address, inode: socket.inode })
}

/// A line of `/proc/net/tcp` and its like.
struct Socket {
    address: SocketAddr,
    state: u8,
    inode: u64,
}

impl Socket {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let (ip, port) = words.nth(1)?.split_once(':')?;
        let address = SocketAddr::new(address(ip)?, u16::from_str_radix(port, 16).ok()?);
        let state = u8::from_str_radix(words.nth(1)?, 16).ok()?;
        let inode = words.nth(5)?.parse().ok()?;
        Some(Self { address, state, inode })
    }
}

/// Words of 32 bits in hexadecimal, each in this machine's order of bytes.
fn address(text: &str) -> Option<IpAddr> {
    let word = |at: usize| Some(u32::from_str_radix(text.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    match text.len() {
        8 => Some(word(0)?.into()),
        32 => {
            let mut bytes = [0; 16];
            for (at, chunk) in bytes.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(at * 8)?);
            }
            Some(bytes.into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 51341 1 0000000000000000 100 0
   1: 0500000A:0016 0200000A:C001 01 00000000:00000000 00:00000000 00000000     0        0 51399 1 0000000000000000 100 0
";
    const UDP6: &str = "  sl  local_address rem_address   st tx_queue rx_queue
  9: 00000000000000000000000001000000:0035 00000000000000000000000000000000:0000 07 0:0 00:0 0 0 0 77 2 0 0
 10: 00000000000000000000000000000000:0036 00000000000000000000000001000000:0001 01 0:0 00:0 0 0 0 78 2 0 0
 11: 00000000000000000000000000000000:0037 00000000000000000000000000000000:0000 07 0:0 00:0 0 0 0 79 2 0 0
";

    fn all(text: &str, protocol: Protocol) -> Vec<(String, u64)> {
        let lines = text.lines().map(|line| line.as_bytes().to_owned());
        waiting(lines, protocol).map(|found| (found.address.to_string(), found.inode)).collect()
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn only_what_waits_is_told() {
        assert_eq!(all(TCP, Protocol::Tcp), [("127.0.0.1:8080".to_owned(), 51341)]);
        assert_eq!(all(UDP6, Protocol::Udp), [("[::1]:53".to_owned(), 77), ("[::]:55".to_owned(), 79)]);
    }

    #[test]
    fn broken_lines_end_the_list() {
        for text in
            ["", "heading", "heading\n1: zz", "heading\n 0: 0100007F:1F90 0:0 0A", "h\n 0: é:1 0:0 0A 0 0 0 0 1"]
        {
            assert_eq!(all(text, Protocol::Tcp), [], "{text}");
        }
        assert_eq!(address("ééééééééééééééé0"), None);
    }

    #[test]
    fn ours_is_found() {
        let ours = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = std::net::UdpSocket::bind("[::]:0").or_else(|_| std::net::UdpSocket::bind("0.0.0.0:0")).unwrap();
        let found = Listener::of_process(std::process::id().cast_signed()).unwrap();
        let has = |protocol, address| found.iter().any(|it| (it.protocol, it.address) == (protocol, address));
        assert!(has(Protocol::Tcp, ours.local_addr().unwrap()) && has(Protocol::Udp, udp.local_addr().unwrap()));
        let lists = Listener::of_lists(std::process::id().cast_signed()).unwrap();
        assert!(found.iter().filter(|it| it.address == ours.local_addr().unwrap()).all(|it| lists.contains(it)));
        let port = ours.local_addr().unwrap().port();
        let on_port = Listener::of(None, Some(port)).unwrap();
        assert!(!on_port.is_empty() && on_port.iter().all(|it| it.address.port() == port), "{on_port:?}");
        assert!(Listener::of_process(i32::MAX).is_err());
    }
}
