//! Interfaces, addresses, routes and listening sockets, beside what ip(8) and ss(8) print in the same network.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use survey::{Extent, Home, Inode, Link, Listener, Network, Protocol, Route, network};
use testbed::{Container, Scratch, ns, output, pid, wait};

use super::{LIMIT, Named, pid_of, sleeper};
use crate::run::stdout;

fn of(container: &Container) -> Result<Network> {
    Ok(network(Some(&Home::Process(pid_of(container)?)), Extent::Everything)?)
}

/// A program in the network of a container.
fn inside(container: &Container, words: &[&str]) -> Result<String> {
    let target = container.pid()?.to_string();
    stdout("nsenter", &[&["--target", &target, "--net"], words].concat())
}

fn ip(container: &Container, words: &[&str]) -> Result<Vec<Value>> {
    let text = inside(container, &[&["ip", "-j"], words].concat())?;
    // It prints an empty object for a list that is empty.
    let rows = serde_json::from_str::<Vec<Value>>(&text)?;
    Ok(rows.into_iter().filter(|row| *row != json!({})).collect())
}

/// An interface in ip(8)'s words; what it may not say is null.
fn in_words_of_ip(link: &Link) -> Value {
    let mac = link.mac.map(|mac| mac.map(|byte| format!("{byte:02x}")).join(":"));
    json!({
        "index": link.index, "name": link.name, "mtu": link.mtu, "up": link.up, "state": link.operational, "mac": mac,
        "kind": link.kind, "peer_network": link.peer_network,
        "peer": link.peer.filter(|_| link.peer_network.is_some()),
        "received": link.received, "sent": link.sent,
        "dropped": [link.dropped_in, link.dropped_out],
    })
}

fn by_ip(row: &Value) -> Value {
    let flags = row["flags"].as_array().into_iter().flatten();
    let (rx, tx) = (&row["stats64"]["rx"], &row["stats64"]["tx"]);
    json!({
        "index": row["ifindex"], "name": row["ifname"], "mtu": row["mtu"], "state": row["operstate"],
        "up": flags.clone().any(|flag| flag == "UP"), "mac": row["address"],
        "kind": row["linkinfo"]["info_kind"], "peer_network": row["link_netnsid"], "peer": row["link_index"],
        "received": rx["bytes"], "sent": tx["bytes"],
        "dropped": [rx["dropped"], tx["dropped"]],
    })
}

#[test]
fn interfaces_are_those_of_ip() -> Result<()> {
    let second = testbed::Network::create(&[])?;
    let web = sleeper(&["--sysctl", "net.ipv6.conf.all.disable_ipv6=0"])?;
    stdout("docker", &["network", "connect", second.name(), web.id()])?;
    for words in [
        "link add port type veth peer name portal",
        "link add tunnel type vxlan id 7 dev port dstport 4789",
        "link add bridge type bridge",
        "link set port master bridge",
        "link set port mtu 1280 up",
        "link add one type veth peer name two",
        "address add 2001:db8::5/64 dev eth0 nodad",
        "address add 10.9.8.7 peer 10.9.8.8/31 dev port",
        "tuntap add dev tap0 mode tap",
    ] {
        inside(&web, &[&["ip"], &words.split(' ').collect::<Vec<_>>()[..]].concat())?;
    }
    // What travels in between changes the counts: both are asked until both say the same.
    let same = || {
        let (ours, theirs) = (of(&web).ok()?, ip(&web, &["-d", "-s", "link"]).ok()?);
        let ours: Vec<_> = ours.links.iter().map(in_words_of_ip).collect();
        let theirs: Vec<_> = theirs.iter().map(by_ip).collect();
        (ours == theirs).then_some(())
    };
    if wait::until(LIMIT, "the same", same).is_err() {
        let ours: Vec<_> = of(&web)?.links.iter().map(in_words_of_ip).collect();
        let theirs: Vec<_> = ip(&web, &["-d", "-s", "link"])?.iter().map(by_ip).collect();
        assert_eq!(ours, theirs);
    }
    let found = of(&web)?;
    assert_eq!(found.inode, Inode(web.netns()?));
    let named = |name: &str| found.links.iter().find(|link| link.name == name).with_context(|| format!("no {name}"));
    assert_eq!(named("port")?.master, Some(named("bridge")?.index));
    assert_eq!((named("one")?.peer, named("one")?.peer_network), (Some(named("two")?.index), None));
    for row in ip(&web, &["address"])? {
        let link = named(row["ifname"].as_str().context("no name")?)?;
        let ours: Vec<_> = link.addresses.iter().map(|address| (address.ip.to_string(), address.prefix)).collect();
        let theirs = row["addr_info"].as_array().context("no addresses")?.iter();
        let theirs = theirs.map(|row| {
            let prefix = row["prefixlen"].as_u64().and_then(|prefix| prefix.try_into().ok()).unwrap_or(u8::MAX);
            (row["local"].as_str().unwrap_or_default().to_owned(), prefix)
        });
        assert_eq!(ours, theirs.collect::<Vec<_>>(), "{}", link.name);
    }
    Ok(())
}

#[test]
fn a_veth_leads_to_its_end_on_the_host_and_back() -> Result<()> {
    let web = sleeper(&[])?;
    let (inner, host) = (of(&web)?, network(None, Extent::Everything)?);
    let eth0 = inner.links.iter().find(|link| link.name == "eth0").context("no eth0")?;
    let end = host.links.iter().find(|link| Some(link.index) == eth0.peer).context("no end on the host")?;
    assert_eq!((end.kind.as_deref(), end.peer), (Some("veth"), Some(eth0.index)));
    assert!(end.peer_network.is_some() && eth0.peer_network.is_some());
    let docker0 = host.links.iter().find(|link| link.name == "docker0").context("no docker0")?;
    assert_eq!(end.master, Some(docker0.index));
    let rows: Vec<Value> = serde_json::from_str(&stdout("ip", &["-d", "-j", "link", "show", "dev", &end.name])?)?;
    assert_eq!((&rows[0]["master"], &rows[0]["link_index"]), (&json!("docker0"), &json!(eth0.index)));
    Ok(())
}

#[test]
fn this_thread_is_where_it_was() -> Result<()> {
    let before = std::fs::read_link("/proc/thread-self/ns/net")?;
    let named = Named::add()?;
    let found = network(Some(&Home::File(named.path())), Extent::Everything)?;
    assert_eq!(found.inode, Inode(ns::inode_of_file(&named.path().to_string_lossy())?));
    assert_eq!(std::fs::read_link("/proc/thread-self/ns/net")?, before);
    // Neither does a failure leave it elsewhere.
    assert!(network(Some(&Home::File("/proc/self/ns/mnt".into())), Extent::Everything).is_err());
    assert_eq!(std::fs::read_link("/proc/thread-self/ns/net")?, before);
    Ok(())
}

/// A route in ip(8)'s words, one for each next hop.
fn by_ip_route(row: &Value, is_v6: bool) -> Vec<Value> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let host = if is_v6 { 128 } else { 32 };
    let destination = text(&row["dst"]).filter(|dst| dst != "default");
    let destination = destination.map(|dst| if dst.contains('/') { dst } else { format!("{dst}/{host}") });
    let route = |hop: &Value| {
        let gateway = text(&hop["gateway"]).or_else(|| text(&hop["via"]["host"]));
        json!({
            "dst": destination, "gateway": gateway, "dev": hop["dev"], "source": row["prefsrc"],
            "metric": row["metric"], "kind": text(&row["type"]).unwrap_or("unicast".to_owned()), "v6": is_v6,
        })
    };
    match row["nexthops"].as_array() {
        Some(hops) => hops.iter().map(route).collect(),
        None => vec![route(row)],
    }
}

fn in_words_of_ip_route(route: &Route, links: &[Link]) -> Value {
    let dev = route.link.and_then(|index| links.iter().find(|link| link.index == index));
    json!({
        "dst": route.destination.map(|(ip, length)| format!("{ip}/{length}")),
        "gateway": route.gateway.map(|ip| ip.to_string()), "dev": dev.map(|link| &link.name),
        "source": route.source.map(|ip: IpAddr| ip.to_string()), "metric": route.metric, "kind": route.kind,
        "v6": route.is_v6,
    })
}

#[test]
fn routes_are_those_of_ip() -> Result<()> {
    let web = sleeper(&["--sysctl", "net.ipv6.conf.all.disable_ipv6=0"])?;
    let gateway = web.inspect("{{.NetworkSettings.Gateway}}")?;
    let via = format!("route add 10.5.0.0/16 via {gateway} src {} metric 7", web.ip()?);
    let hops = format!("route add 10.6.0.0/16 nexthop via {gateway} weight 2 nexthop dev eth0");
    for words in [
        via.as_str(),
        &hops,
        "address add 2001:db8::5/64 dev eth0 nodad",
        "route add blackhole 10.7.0.0/16",
        "route add unreachable 10.8.0.0/16",
        "route add prohibit 10.9.0.1",
        "route add throw 10.10.0.0/16",
        "route add 10.11.0.0/16 via inet6 2001:db8::1",
        "route add 10.12.0.0/16 dev eth0 table 77",
        "-6 route add default via 2001:db8::1 metric 5",
        "-6 route add 2001:db8:1::/48 nexthop via 2001:db8::2 nexthop via 2001:db8::3",
        "-6 route add 2001:db8:2::1 dev eth0",
    ] {
        inside(&web, &[&["ip"], &words.split(' ').collect::<Vec<_>>()[..]].concat())?;
    }
    let found = of(&web)?;
    let mut theirs = Vec::new();
    for (option, is_v6) in [("-4", false), ("-6", true)] {
        let rows = ip(&web, &["-d", option, "route", "show", "table", "main"])?;
        theirs.extend(rows.iter().flat_map(|row| by_ip_route(row, is_v6)));
    }
    let mut ours: Vec<_> = found.routes.iter().map(|route| in_words_of_ip_route(route, &found.links)).collect();
    assert!(theirs.len() > 12, "{theirs:?}");
    for list in [&mut ours, &mut theirs] {
        list.sort_by_key(Value::to_string);
    }
    assert_eq!(ours, theirs);
    Ok(())
}

#[test]
fn an_interface_may_be_called_anything() -> Result<()> {
    let named = Named::add()?;
    let name = b"\x1b[31m\"\xff$(x)";
    let mut command = Command::new("ip");
    command.args(["-n", &named.0, "link", "add"]).arg(std::ffi::OsStr::from_bytes(name)).args(["type", "bridge"]);
    output::stdout(&mut command)?;
    let found = network(Some(&Home::File(named.path())), Extent::Everything)?;
    assert!(found.links.iter().any(|link| link.name == String::from_utf8_lossy(name)), "{found:?}");
    Ok(())
}

#[test]
fn many_interfaces_come_in_several_pieces() -> Result<()> {
    let named = Named::add()?;
    let batch: String = (0..300).map(|number| format!("link add d{number} type bridge\n")).collect();
    let mut command = Command::new("ip");
    command.args(["-n", &named.0, "-batch", "-"]);
    let output = crate::run::with_input(&mut command, batch.as_bytes())?;
    assert!(output.success(), "{output:?}");
    let found = network(Some(&Home::File(named.path())), Extent::Everything)?;
    assert_eq!(found.links.iter().filter(|link| link.kind.as_deref() == Some("bridge")).count(), 300);
    Ok(())
}

/// Sockets that listen, and others beside them.
const SOCKETS: &str = "
import socket as s, sys, time
def bound(family, kind, *address):
    it = s.socket(family, kind); it.bind(address); return it
one = bound(s.AF_INET, s.SOCK_STREAM, '127.0.0.1', 8001); one.listen()
two = bound(s.AF_INET6, s.SOCK_STREAM, '::', 8002); two.listen()
bound_only = bound(s.AF_INET, s.SOCK_STREAM, '127.0.0.1', 8003)
client = s.create_connection(('127.0.0.1', 8001)); server = one.accept()
udp = bound(s.AF_INET, s.SOCK_DGRAM, '0.0.0.0', 5353)
udp6 = bound(s.AF_INET6, s.SOCK_DGRAM, '::1', 5354)
connected = bound(s.AF_INET, s.SOCK_DGRAM, '127.0.0.1', 5355); connected.connect(('127.0.0.1', 5353))
open(sys.argv[1], 'w').close()
time.sleep(1000)
";

#[test]
fn listening_sockets_are_those_of_ss() -> Result<()> {
    let (named, folder) = (Named::add()?, Scratch::new()?);
    stdout("ip", &["-n", &named.0, "link", "set", "lo", "up"])?;
    let done = folder.path().join("done");
    let mut command = Command::new("ip");
    let process = pid::Process::spawn(command.args(["netns", "exec", &named.0, "python3", "-c", SOCKETS]).arg(&done))?;
    wait::until(LIMIT, "sockets", || done.exists().then_some(()))?;
    let found = Listener::of_process(process.pid().cast_signed())?;
    for (protocol, option, expected) in [(Protocol::Tcp, "-Hltn", 2), (Protocol::Udp, "-Hlun", 2)] {
        let text = stdout("ip", &["netns", "exec", &named.0, "ss", option])?;
        // It writes the address for all of IPv6 as a star.
        let local = |line: &str| line.split_whitespace().nth(3).map(|address| address.replacen('*', "[::]", 1));
        let theirs: BTreeSet<_> = text.lines().filter_map(local).collect();
        let ours = found.iter().filter(|it| it.protocol == protocol).map(|it| it.address.to_string());
        assert_eq!(ours.collect::<BTreeSet<_>>(), theirs, "{option}");
        assert_eq!(theirs.len(), expected, "{option}: {text}");
    }
    // The number is that of the process's own descriptor.
    let link = format!("socket:[{}]", found[0].inode);
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", process.pid()))?.flatten();
    assert!(descriptors.filter_map(|fd| fd.path().read_link().ok()).any(|target| target.as_os_str() == link.as_str()));
    Ok(())
}
