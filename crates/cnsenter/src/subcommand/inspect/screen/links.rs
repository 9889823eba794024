//! What the screen shows of a container's network: interfaces, routes, DNS, ports.

use resolve::Runtime;
use survey::{Kind, Listener, Route};

use super::super::super::inventory::{self, Interface};
use super::super::facts::{Facts, Live};
use super::super::network;
use super::super::row::{Row, Screen};
use super::{WORDS, list};

pub(super) fn links(screen: &mut Screen, facts: &Facts, live: &Live) {
    let Some(network) = screen.known("network", &live.network) else { return };
    if facts.is_of_host(Kind::Net) {
        screen.say("network", format_args!("the host's own"));
    }
    let mut rows = Vec::new();
    for it in &network.interfaces {
        // Of a loopback that is up, nobody wants to know, unless it has an address that somebody else may have as well.
        let has_its_own = it.link.addresses.iter().all(|address| address.ip.is_loopback());
        if !(inventory::is_loopback(&it.link) && it.link.up && has_its_own) {
            rows.push(interface(it, facts));
        }
    }
    if rows.is_empty() && !facts.is_of_host(Kind::Net) {
        rows.push(Row::of(format_args!("nothing but the loopback")));
    }
    screen.rows("network", rows);
    let rows = network.routes.iter().map(|(route, name)| self::route(route, name.as_deref())).collect();
    screen.rows("routes", rows);
}

fn interface(it: &Interface, facts: &Facts) -> Row {
    let Interface { link, host_end, bridge, parent } = it;
    let mut row = Row::of(format_args!("{}", link.name));
    // A link without a state of its own says UNKNOWN.
    match (link.up, link.operational) {
        (true, "UP" | "UNKNOWN") => row.say(format_args!("up")),
        (true, other) => row.alarm(format_args!("up, but {}", other.to_lowercase())),
        (false, _) => row.alarm(format_args!("down")),
    };
    for address in link.addresses.iter().take(WORDS) {
        row.say(format_args!("{}/{}", address.ip, address.prefix));
    }
    if let Some(mac) = link.mac {
        row.say(format_args!("{}", inventory::hardware(mac)));
    }
    row.say(format_args!("mtu {}", link.mtu));
    if let Some(end) = host_end {
        row.say(format_args!("- host's {end}"));
    }
    if let Some(bridge) = bridge {
        row.say(format_args!("on {bridge}"));
    }
    if let Some(parent) = parent {
        row.say(format_args!("- {} on host's {parent}", link.kind.as_deref().unwrap_or("interface")));
    }
    if let Some(network) = facts.attached(link) {
        row.say(format_args!("({network})"));
    }
    let dropped = link.dropped_in + link.dropped_out;
    if dropped > 0 {
        row.alarm(format_args!("{dropped} dropped"));
    }
    row
}

/// As ip(8) writes it.
fn route(route: &Route, interface: Option<&str>) -> Row {
    let mut row = Row::default();
    if route.kind != "unicast" {
        row.say(format_args!("{}", route.kind));
    }
    match route.destination {
        Some((ip, prefix)) => row.say(format_args!("{ip}/{prefix}")),
        None => row.say(format_args!("default")),
    };
    if let Some(gateway) = route.gateway {
        row.say(format_args!("via {gateway}"));
    }
    if let Some(interface) = interface {
        row.say(format_args!("dev {interface}"));
    }
    row
}

pub(super) fn dns(screen: &mut Screen, facts: &Facts, live: &Live) {
    let Some(dns) = screen.known("dns", &live.dns) else { return };
    let mut row = Row::default();
    match dns.servers.is_empty() {
        true => row.alarm(format_args!("no server")),
        false => {
            let servers: Vec<_> =
                dns.servers.iter().map(|server| format!("{server}{}", engines(server, facts, live))).collect();
            row.say(format_args!("{}", list(&servers)))
        }
    };
    for (word, words) in [("search", &dns.search), ("options", &dns.options)] {
        if !words.is_empty() {
            row.join(format_args!("; {word} {}", list(words)));
        }
    }
    screen.row("dns", &row);
}

/// What there is to say of Docker's own server, which answers for networks that somebody made: whom it asks for the rest.
fn engines(server: &str, facts: &Facts, live: &Live) -> String {
    let container = facts.container();
    if container.runtime != Runtime::Docker || !server.parse().is_ok_and(network::is_engines_resolver) {
        return String::new();
    }
    let answers = |all: &Vec<Listener>| all.iter().any(|it| network::is_engines_resolver(it.address.ip()));
    if live.listeners.as_ref().is_ok_and(|all| !answers(all)) {
        return " (Docker's own, which does not answer here)".to_owned();
    }
    let owner = facts.sandbox.as_ref().and_then(|sandbox| sandbox.owner.as_ref());
    let behind = facts.history.as_ref().map(|history| &history.dns[..]).unwrap_or_default();
    match owner {
        // It was told whom to ask when the network was made.
        Some(owner) => format!(" (Docker's own, as of {owner})"),
        None if behind.is_empty() => " (Docker's own)".to_owned(),
        None => format!(" (Docker's own, which asks {})", list(behind)),
    }
}

pub(super) fn ports(screen: &mut Screen, facts: &Facts, live: Option<&Live>) {
    let listeners = live.and_then(|live| live.listeners.as_ref().ok());
    let mut rows = Vec::new();
    for (port, ends) in network::by_target(&facts.item.listed.ports) {
        let mut row = Row::of(format_args!("{} -> {}/{}", ends.join(" "), port.port, port.protocol));
        if let Some(why) = listeners.and_then(|all| network::is_dead(port, all)) {
            row.alarm(format_args!("- {why}"));
        }
        rows.push(row);
    }
    screen.rows("published", rows);
    let Some(live) = live else { return };
    let Some(listeners) = screen.known("listening", &live.listeners) else { return };
    let all = ends(listeners);
    let all = if all.is_empty() { "on nothing".to_owned() } else { list(&all) };
    screen.say("listening", format_args!("{all}"));
}

/// Where it listens, each once: several sockets may share an end, one for each process.
fn ends(listeners: &[Listener]) -> Vec<String> {
    let listeners = listeners.iter().filter(|listener| !network::is_engines_resolver(listener.address.ip()));
    let mut all: Vec<_> = listeners.map(|listener| (listener.protocol, listener.address)).collect();
    all.sort_unstable();
    all.dedup();
    all.iter().map(|(protocol, address)| format!("{address}/{}", protocol.name())).collect()
}

#[cfg(test)]
mod tests {
    use survey::Protocol;

    use super::*;

    #[test]
    fn ends_that_sockets_share_are_told_once() {
        let listener = |protocol, address: &str, inode| Listener { protocol, address: address.parse().unwrap(), inode };
        let all = [
            listener(Protocol::Udp, "0.0.0.0:53", 1),
            listener(Protocol::Tcp, "[::]:80", 2),
            listener(Protocol::Tcp, "127.0.0.1:80", 3),
            listener(Protocol::Tcp, "127.0.0.11:4711", 4),
            listener(Protocol::Tcp, "[::]:80", 5),
        ];
        assert_eq!(ends(&all), ["127.0.0.1:80/tcp", "[::]:80/tcp", "0.0.0.0:53/udp"]);
    }
}
