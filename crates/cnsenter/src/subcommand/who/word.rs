//! What a word may mean, by its form alone. Whether it is there is looked up elsewhere.

use std::net::IpAddr;
use std::path::PathBuf;

use resolve::Reference;
use survey::{Inode, Kind};

use super::port::Port;

/// The first of the numbers that the kernel gives to namespaces, `include/uapi/linux/nsfs.h` and
/// `include/linux/proc_ns.h`. No pid comes near it.
const FIRST_INODE: u64 = 0xefff_fff8;

/// The kernel has no greater pids, proc_sys_kernel(5).
const GREATEST_PID: u64 = 1 << 22;

/// An interface's name is no longer, in bytes, netdevice(7).
const LONGEST_NAME: usize = 15;

/// One way to read a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// A process or a thread.
    Process(i32),
    /// A namespace; of which kind, where that is said.
    Namespace(Option<Kind>, Inode),
    /// A path: of a namespace file, a folder of a cgroup or of a file system; or a cgroup's own.
    Path(PathBuf),
    /// An interface of the host's, with the number of its other end where that was said; or of a network that has its other
    /// end in the host's.
    Interface(String, Option<u32>),
    /// An address.
    Address(IpAddr),
    /// A hardware address.
    Mac([u8; 6]),
    /// A port.
    Port(Port),
    /// The ID of a folder of overlay2.
    Layer(String),
    /// A container.
    Name(Reference),
}

/// All ways to read it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Readings {
    /// Each of these is said, if it is there.
    pub(super) likely: Vec<Reading>,
    /// These are tried where nothing else is there.
    pub(super) possible: Vec<Reading>,
}

impl Readings {
    /// Whether a container may be called so.
    pub(super) fn may_be_name(&self) -> bool {
        self.likely.iter().chain(&self.possible).any(|reading| matches!(reading, Reading::Name(_)))
    }
}

/// The ways to read a word.
pub(super) fn readings(word: &str) -> Readings {
    if let Some(reading) = certain(word) {
        return Readings { likely: vec![reading], possible: Vec::new() };
    }
    let holders = holders(word);
    if !holders.is_empty() {
        return Readings { likely: holders, possible: Vec::new() };
    }
    let name = word.parse().ok().map(Reading::Name);
    let mut readings = Readings::default();
    if let Some(reading) = number(word) {
        readings.likely.push(reading);
        readings.possible.extend(name);
    } else {
        readings.likely.extend(name);
    }
    readings.likely.extend(interface(word));
    if layer(word) {
        readings.possible.push(Reading::Layer(word.to_owned()));
    }
    readings.possible.extend(bare_mac(word).map(Reading::Mac));
    readings
}

/// What can be nothing else.
fn certain(word: &str) -> Option<Reading> {
    if let Some((kind, number)) = word.split_once(":[") {
        let number = number.strip_suffix(']')?.parse().ok()?;
        let kind = Kind::ALL.into_iter().find(|known| known.name() == kind)?;
        return Some(Reading::Namespace(Some(kind), Inode(number)));
    }
    if let Some(mac) = mac(word) {
        return Some(Reading::Mac(mac));
    }
    if let Some(ip) = address(word) {
        return Some(Reading::Address(ip));
    }
    if let Some(port) = port(word) {
        return Some(Reading::Port(port));
    }
    if let Some(pid) = process_folder(word) {
        return Some(Reading::Process(pid));
    }
    let is_unit = [".scope", ".service", ".slice"].iter().any(|end| word.ends_with(end));
    let is_path = word.contains('/') && !word.contains("://") && !word.starts_with("pod/");
    (is_path || is_unit).then(|| Reading::Path(PathBuf::from(word)))
}

/// The processes that have a socket, each once, as ss(8) prints them: `users:(("nginx",pid=4711,fd=6))`. What stands
/// between the quotes is what a process calls itself.
fn holders(word: &str) -> Vec<Reading> {
    let mut all: Vec<Reading> = Vec::new();
    let of_ss = word.split("\",pid=").skip(1).filter_map(|rest| Some(rest.split_once(",fd=")?.0));
    for reading in of_ss.chain(word.strip_prefix("pid=")).filter_map(number) {
        if matches!(reading, Reading::Process(_)) && !all.contains(&reading) {
            all.push(reading);
        }
    }
    all
}

/// The process of a folder of `/proc`, or of what is in it; namespaces and descriptors are files of their own.
fn process_folder(word: &str) -> Option<i32> {
    let mut parts = word.strip_prefix("/proc/")?.split('/');
    let pid = parts.next()?;
    let is_own = parts.next().is_none_or(|name| !["ns", "fd", "task"].contains(&name));
    pid.parse().ok().filter(|_| is_own && pid.bytes().all(|byte| byte.is_ascii_digit()))
}

/// An address, as ip(8) prints it too: with the length of its prefix, or the interface that it is good for.
fn address(word: &str) -> Option<IpAddr> {
    let (ip, prefix) = word.split_once('/').unwrap_or((word, "0"));
    let ip = ip.split('%').next()?.parse::<IpAddr>().ok()?;
    prefix.parse::<u8>().ok().filter(|prefix| *prefix <= if ip.is_ipv4() { 32 } else { 128 })?;
    Some(ip)
}

/// A hardware address: `02:42:ac:11:00:02`, `02-42-ac-11-00-02`, `0242.ac11.0002`.
fn mac(word: &str) -> Option<[u8; 6]> {
    let octets: Vec<_> = word.split([':', '-']).collect();
    if octets.len() == 6 && octets.iter().all(|octet| matches!(octet.len(), 1 | 2)) {
        let octets = octets.iter().map(|octet| hexadecimal(octet)?.try_into().ok());
        return octets.collect::<Option<Vec<u8>>>()?.try_into().ok();
    }
    let words: Vec<_> = word.split('.').collect();
    let is_one = words.len() == 3 && words.iter().all(|word| word.len() == 4);
    is_one.then(|| bare_mac(&words.concat())).flatten()
}

/// The same without anything in between; an ID may look like that as well.
fn bare_mac(word: &str) -> Option<[u8; 6]> {
    let octets = hexadecimal(word).filter(|_| word.len() == 12)?.to_be_bytes();
    octets[2..].try_into().ok()
}

/// Hexadecimal digits and nothing else.
fn hexadecimal(word: &str) -> Option<u64> {
    word.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u64::from_str_radix(word, 16).ok()).flatten()
}

/// The protocols that have ports.
const PROTOCOLS: [&str; 3] = ["tcp", "udp", "sctp"];

/// A port: `:80`, `HOST:80`, `80/tcp`, `HOST:80/udp`, `tcp:80`, and as docker ps prints one, `0.0.0.0:8080->80/tcp`.
fn port(word: &str) -> Option<Port> {
    let before = |name: &&str| word.strip_prefix(name).is_some_and(|rest| rest.starts_with([':', '/']));
    if let Some(protocol) = PROTOCOLS.into_iter().find(before) {
        let port = port(&format!(":{}", &word[protocol.len() + 1..]))?;
        return (port.host.is_none() && port.protocol.is_none()).then_some(Port { protocol: Some(protocol), ..port });
    }
    let (outer, inner) = word.split_once("->").unwrap_or((word, word));
    let protocol = match inner.split_once('/') {
        Some((_, name)) => Some(PROTOCOLS.into_iter().find(|known| *known == name)?),
        None => None,
    };
    let outer = outer.split_once('/').map_or(outer, |(port, _)| port);
    let (host, number) = match outer.rsplit_once(':') {
        Some(("" | "*", number)) => (None, number),
        Some(("localhost", number)) => (Some(IpAddr::from([127, 0, 0, 1])), number),
        Some((host, number)) => {
            let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
            (Some(bare.parse().ok()?), number)
        }
        // Without a protocol, it is the number of anything.
        None => (None, protocol.map(|_| outer)?),
    };
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    let number = number.parse().ok().filter(|number| digits && *number > 0)?;
    // Every address is none in particular.
    Some(Port { host: host.filter(|host: &IpAddr| !host.is_unspecified()), number, protocol })
}

/// An interface, as ip(8) prints it too: `veth0123456@if5:`.
fn interface(word: &str) -> Option<Reading> {
    let word = word.strip_suffix(':').unwrap_or(word);
    let (name, end) = word.split_once('@').unwrap_or((word, ""));
    let letters = |letter: char| !letter.is_whitespace() && !matches!(letter, '/' | ':');
    let is_one = (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(letters);
    is_one.then(|| Reading::Interface(name.to_owned(), end.strip_prefix("if").and_then(|end| end.parse().ok())))
}

fn number(word: &str) -> Option<Reading> {
    let digits = word.bytes().all(|byte| byte.is_ascii_digit());
    let number = word.parse::<u64>().ok().filter(|_| digits)?;
    match number {
        1..=GREATEST_PID => i32::try_from(number).ok().map(Reading::Process),
        FIRST_INODE.. => Some(Reading::Namespace(None, Inode(number))),
        _ => None,
    }
}

/// The ID of a folder of overlay2: as long as a container's. That below which a container is made ends in `-init`.
fn layer(word: &str) -> bool {
    let id = word.strip_suffix("-init").unwrap_or(word);
    id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Says that it was not found, and what to do about it.
pub(super) fn missing(word: &str) -> (String, String) {
    let (message, hint) = match readings(word).likely.first() {
        Some(Reading::Process(pid)) => {
            let port = if word.starts_with(char::is_numeric) { format!("; a port is :{pid}") } else { String::new() };
            let hint = format!("it has ended, or is another pid namespace's, where who takes the host's{port}");
            return (format!("no process and no thread has the number {pid}"), hint);
        }
        Some(Reading::Namespace(..)) => (
            format!("no process is in the namespace {word}"),
            "it is gone, or only a file or a descriptor keeps it: cnsenter netns lists those of networks",
        ),
        Some(Reading::Address(_) | Reading::Mac(_)) => (
            format!("nothing on this host has the address {word}"),
            "what has it has ended, or is on another host: ip neighbour shows those that were heard of",
        ),
        Some(Reading::Port(_)) => (
            format!("nobody on this host publishes {word} or listens on it"),
            "a port on one side alone is HOST:PORT or PORT/udp; ss -tulpn lists the host's own",
        ),
        Some(Reading::Path(_)) => (
            format!("{word} is no container's"),
            "who takes a cgroup, a container's own folder of overlay2 or the file of a namespace",
        ),
        _ => (
            format!("{word} is nobody's on this host"),
            "cnsenter ls -a lists the containers; cnsenter who --help says what may be asked for",
        ),
    };
    (message, hint.to_owned())
}

/// What to do where others' processes and networks, and what runtimes keep on disk, may not be looked at.
pub(super) fn as_root(word: &str) -> String {
    let line = shlex::try_join(["sudo", "cnsenter", "who", word]).unwrap_or_default();
    format!("the rest is root's to see: {line}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All but that it may be the name of an interface, which nearly every word may.
    fn likely(word: &str) -> Vec<Reading> {
        let mut likely = readings(word).likely;
        likely.retain(|reading| !matches!(reading, Reading::Interface(..)));
        likely
    }

    fn interface(word: &str) -> Option<String> {
        readings(word).likely.into_iter().find_map(|reading| match reading {
            Reading::Interface(name, _) => Some(name),
            _ => None,
        })
    }

    #[test]
    fn a_number_is_a_pid_or_an_inode_and_a_name_if_it_is_neither() {
        let name = |word: &str| Reading::Name(word.parse().unwrap());
        assert_eq!(likely("4711"), [Reading::Process(4711)]);
        assert_eq!(readings("4711").possible, [name("4711")]);
        assert_eq!(likely("4026532633"), [Reading::Namespace(None, Inode(4_026_532_633))]);
        for word in ["0", "4194305", "123456789012345678901"] {
            assert_eq!(likely(word), [name(word)], "{word}");
        }
    }

    #[test]
    fn a_namespace_is_read_as_the_kernel_prints_it() {
        assert_eq!(likely("net:[4026532633]"), [Reading::Namespace(Some(Kind::Net), Inode(4_026_532_633))]);
        assert_eq!(likely("mnt:[7]"), [Reading::Namespace(Some(Kind::Mount), Inode(7))]);
        for word in ["net:[x]", "net:[7", "nat:[7]", "net:[-7]"] {
            assert_eq!(readings(word), Readings::default(), "{word}");
        }
    }

    #[test]
    fn a_cgroup_a_folder_and_a_file_are_paths() {
        let id = "a".repeat(64);
        for word in ["/docker/x", "/run/netns/x", "system.slice/x", &format!("docker-{id}.scope"), "ssh.service"] {
            assert_eq!(likely(word), [Reading::Path(word.into())], "{word}");
        }
        assert_eq!(readings(&id).possible, [Reading::Layer(id.clone())]);
        assert_eq!(readings(&format!("{id}-init")).possible.len(), 1);
    }

    #[test]
    fn a_folder_of_proc_is_its_process() {
        for word in ["/proc/4711", "/proc/4711/", "/proc/4711/root", "/proc/4711/root/etc"] {
            assert_eq!(likely(word), [Reading::Process(4711)], "{word}");
        }
        for word in ["/proc/4711/ns/net", "/proc/4711/fd/3", "/proc/sys", "/proc/+1"] {
            assert_eq!(likely(word), [Reading::Path(word.into())], "{word}");
        }
    }

    #[test]
    fn what_ss_says_of_a_socket_are_processes() {
        let all = [4711, 4712].map(Reading::Process);
        let word = "users:((\"nginx\",pid=4711,fd=6),(\"nginx\",pid=4712,fd=6),(\"pid=1\",pid=4711,fd=7))";
        assert_eq!(readings(word).likely, all);
        assert_eq!(readings("pid=4711").likely, all[..1]);
        for word in ["pid=x", "pid=0", "pid=", "x pid=4711", "users:((\"pid=1\",pid=,fd=6))"] {
            assert!(readings(word).likely.iter().all(|reading| !matches!(reading, Reading::Process(_))), "{word}");
        }
        assert_eq!(readings("/x/pid=5/y").likely, [Reading::Path("/x/pid=5/y".into())]);
    }

    #[test]
    fn a_reference_is_a_name() {
        for word in ["web", "docker://web", "pod/shop/web-0/app", "compose://shop/web", "0123456789ab"] {
            assert_eq!(likely(word), [Reading::Name(word.parse().unwrap())], "{word}");
        }
        assert_eq!(readings("a b"), Readings::default());
    }

    #[test]
    fn an_interface_is_read_as_ip_prints_it() {
        for word in ["veth0123456", "veth0123456@if5", "veth0123456@if5:", "veth0123456:"] {
            assert_eq!(interface(word).as_deref(), Some("veth0123456"), "{word}");
        }
        for word in ["", "a/b", "sixteen-letters-", "a b", "@if5"] {
            assert_eq!(interface(word), None, "{word}");
        }
    }

    #[test]
    fn addresses_are_read_in_each_usual_spelling() {
        for word in ["10.0.0.7", "10.0.0.7/24"] {
            assert_eq!(likely(word), [Reading::Address([10, 0, 0, 7].into())], "{word}");
        }
        for word in ["fe80::7", "fe80::7/64", "fe80::7%eth0", "FE80:0::7"] {
            assert_eq!(likely(word), [Reading::Address("fe80::7".parse().unwrap())], "{word}");
        }
        let mac = Reading::Mac([2, 0x42, 0xac, 0x11, 0, 7]);
        for word in ["02:42:ac:11:00:07", "2:42:AC:11:0:7", "02-42-ac-11-00-07", "0242.ac11.0007"] {
            assert_eq!(likely(word), std::slice::from_ref(&mac), "{word}");
        }
        assert_eq!(readings("0242ac110007").possible, [mac]);
        for word in ["10.0.0.7/33", "02:42:ac:11:00", "02:42:ac:11:00:zz", "0242.ac11.00"] {
            let is_address = |reading: &Reading| matches!(reading, Reading::Address(_) | Reading::Mac(_));
            assert!(!likely(word).iter().any(is_address), "{word}");
        }
    }

    #[test]
    fn a_port_has_a_colon_or_a_protocol() {
        let port = |host: Option<&str>, protocol| {
            let host = host.map(|host| host.parse().unwrap());
            [Reading::Port(Port { host, number: 8080, protocol })]
        };
        for word in [":8080", "*:8080", "0.0.0.0:8080", "[::]:8080"] {
            assert_eq!(likely(word), port(None, None), "{word}");
        }
        for word in ["8080/tcp", ":8080/tcp", "0.0.0.0:8080->80/tcp", "tcp:8080", "tcp/8080"] {
            assert_eq!(likely(word), port(None, Some("tcp")), "{word}");
        }
        assert_eq!(likely("10.0.0.7:8080"), port(Some("10.0.0.7"), None));
        assert_eq!(likely("localhost:8080/udp"), port(Some("127.0.0.1"), Some("udp")));
        assert_eq!(likely("[fe80::7]:8080"), port(Some("fe80::7"), None));
        for word in [":0", ":65536", ":http", "8080/icmp", "web:8080", ":+8080", "::8080->", "tcp:", "tcp:8080/udp"] {
            let is_port = |reading: &Reading| matches!(reading, Reading::Port(_));
            assert!(!likely(word).iter().any(is_port), "{word}");
        }
    }
}
