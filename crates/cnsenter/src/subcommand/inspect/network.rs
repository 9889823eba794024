//! A container's network from both of its ends, and what it asks for names. Which of the two ends belong together is said
//! by rtnetlink(7); what the kernel says is read in `survey`.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use enter::Observed;
use resolve::{Published, Records, Settings};
use rustix::io::Errno;
use survey::{Cgroup, Extent, Home, Listener, Protocol, Route};

use super::super::inventory::{self, Interface};
use super::facts::{Known, NOT_OURS, reason, said};

/// Which servers it asks for names.
const FILE: &str = "/etc/resolv.conf";
/// A larger one, in bytes, is none.
const LARGEST: u64 = 1 << 20;

/// Its interfaces and routes; none where it is the host's.
#[derive(Debug, Default)]
pub(super) struct Network {
    pub(super) interfaces: Vec<Interface>,
    /// Each with the name of its interface.
    pub(super) routes: Vec<(Route, Option<String>)>,
}

/// Looks into the network of a process, and at the host's.
pub(super) fn network(pid: i32, of_host: bool) -> Known<Network> {
    if of_host {
        return Ok(Network::default());
    }
    let inside = survey::network(Some(&Home::Process(pid)), Extent::Everything).map_err(reason)?;
    let here = survey::network(None, Extent::Interfaces).unwrap_or_default();
    // They are in the order of their numbers, and there may be very many of both.
    let name = |index: u32| {
        let at = inside.links.binary_search_by_key(&index, |link| link.index).ok()?;
        Some(inside.links[at].name.clone())
    };
    Ok(Network {
        interfaces: inventory::interfaces(&inside, &here),
        routes: inside.routes.iter().map(|route| (route.clone(), route.link.and_then(name))).collect(),
    })
}

/// What it asks for names, resolv.conf(5).
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Dns {
    pub(super) servers: Vec<String>,
    pub(super) search: Vec<String>,
    pub(super) options: Vec<String>,
}

/// By its own resolv.conf, as the container finds it.
pub(super) fn dns(observed: &Observed) -> Known<Dns> {
    match observed.file(Path::new(FILE), LARGEST) {
        Ok(text) => Ok(Dns::parse(&String::from_utf8_lossy(&text))),
        Err(error) => match Errno::from_io_error(&error) {
            Some(Errno::NOENT | Errno::NOTDIR) => Ok(Dns::default()),
            Some(Errno::FBIG) => Err(format!("its {FILE} is too large to be one")),
            Some(Errno::INVAL) => Err(format!("its {FILE} is no file")),
            _ => Err(said(error.kind(), format!("its {FILE} cannot be read: {error}"))),
        },
    }
}

impl Dns {
    fn parse(text: &str) -> Self {
        let mut dns = Self::default();
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace().map(str::to_owned);
            match words.next().as_deref() {
                Some("nameserver") => dns.servers.extend(words.next()),
                // The last one counts.
                Some("search" | "domain") => dns.search = words.collect(),
                Some("options") => dns.options.extend(words),
                _ => {}
            }
        }
        dns
    }
}

/// Where the processes of a container listen on the host's network, which is everybody's.
pub(super) fn listeners_of(cgroup: &Cgroup, pid: i32, settings: &Settings) -> Known<Vec<Listener>> {
    if !rustix::process::geteuid().is_root() {
        return Err(NOT_OURS.to_owned());
    }
    if !cgroup.is_its_own {
        return Err("it has no cgroup of its own, which says whose a port of the host's network is".to_owned());
    }
    let processes = match Records::of(settings).folder(&cgroup.path) {
        Some(folder) if folder.is_whole && !folder.processes.is_empty() => folder.processes,
        Some(folder) if !folder.is_whole => return Err("it has too many cgroups to look through".to_owned()),
        _ => return Err("its cgroup is not to be seen from here".to_owned()),
    };
    let mut all = Listener::of_process(pid).map_err(reason)?;
    let sockets: Vec<_> = all.iter().map(|listener| listener.inode).collect();
    let held = survey::holders(&sockets, &processes);
    all.retain(|listener| held.contains_key(&listener.inode));
    Ok(all)
}

/// The container's ports that are published, each once, and the host's ends that lead there.
pub(super) fn by_target(ports: &[Published]) -> Vec<(&Published, Vec<String>)> {
    let mut all: Vec<(&Published, Vec<String>)> = Vec::new();
    for published in ports {
        let end = SocketAddr::new(published.host_ip, published.host_port).to_string();
        let same =
            |(known, _): &&mut (&Published, _)| known.port == published.port && known.protocol == published.protocol;
        match all.iter_mut().find(same) {
            Some((_, ends)) => ends.push(end),
            None => all.push((published, vec![end])),
        }
    }
    all
}

/// Why nobody answers at a published port; nothing where somebody does, or nobody can tell.
pub(super) fn is_dead(published: &Published, listeners: &[Listener]) -> Option<&'static str> {
    let protocol = [Protocol::Tcp, Protocol::Udp].into_iter().find(|known| known.name() == published.protocol)?;
    let mut ours =
        listeners.iter().filter(|it| it.protocol == protocol && it.address.port() == published.port).peekable();
    if ours.peek().is_none() {
        return Some("nobody listens inside");
    }
    // What comes from the host comes by the container's own address.
    ours.all(|it| is_loopback(it.address.ip())).then_some("inside it is listened on at the loopback only")
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Whether that is Docker's own resolver, which listens in every network but the default one.
pub(super) fn is_engines_resolver(ip: IpAddr) -> bool {
    ip == IpAddr::from([127, 0, 0, 11])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolv_conf_is_read_as_resolvers_read_it() {
        let text = "# nameserver 9.9.9.9\nnameserver 10.0.0.1\nnameserver\t10.0.0.2 x\ndomain a\nsearch b c\n\
            options ndots:0\noptions  edns0 trust-ad\nnameserver\n";
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let expected = Dns {
            servers: words(&["10.0.0.1", "10.0.0.2"]),
            search: words(&["b", "c"]),
            options: words(&["ndots:0", "edns0", "trust-ad"]),
        };
        assert_eq!(Dns::parse(text), expected);
        assert_eq!(Dns::parse("\u{fffd}\n;\n"), Dns::default());
    }

    #[test]
    fn a_published_port_needs_a_listener_that_can_be_reached() {
        let published = |protocol: &str| Published {
            host_ip: IpAddr::from([0, 0, 0, 0]),
            host_port: 8080,
            port: 80,
            protocol: protocol.to_owned(),
        };
        let listener = |protocol, address: &str| Listener { protocol, address: address.parse().unwrap(), inode: 1 };
        let dead = |all: &[Listener]| is_dead(&published("tcp"), all).is_some();
        assert!(dead(&[]));
        assert!(dead(&[listener(Protocol::Udp, "0.0.0.0:80")]));
        assert!(dead(&[listener(Protocol::Tcp, "0.0.0.0:8080")]));
        assert!(dead(&[listener(Protocol::Tcp, "127.0.0.1:80"), listener(Protocol::Tcp, "[::ffff:127.0.0.1]:80")]));
        assert!(!dead(&[listener(Protocol::Tcp, "127.0.0.1:80"), listener(Protocol::Tcp, "172.17.0.2:80")]));
        assert!(!dead(&[listener(Protocol::Tcp, "[::]:80")]));
        assert_eq!(is_dead(&published("sctp"), &[]), None, "nobody can tell");
    }
}
