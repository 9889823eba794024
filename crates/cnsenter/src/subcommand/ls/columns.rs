//! The columns of `cnsenter ls`, and what stands in each.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use resolve::{Published, State};
use survey::Kind;

use super::id;
use crate::subcommand::inventory::{self, Inventory, Item, Shared};
use crate::subcommand::table::{Column, Table};

/// A column, and what of an item stands in it.
type Cell = (Column, fn(&Item, &Inventory) -> String);

const WHOLE: usize = usize::MAX;

const RUNTIME: Cell = (column("RUNTIME", WHOLE, 3), |item, _| item.listed.container.runtime.scheme().to_owned());
const NAME: Cell = (column("NAME", 32, 0), |item, _| name(item));
const SHORT_ID: Cell = (column("ID", 12, 1), |item, _| id(item, false).to_owned());
const ID: Cell = (column("ID", WHOLE, 1), |item, _| id(item, true).to_owned());
const STATE: Cell = (column("STATE", WHOLE, 2), |item, _| state(item));
const PID: Cell = (column("PID", WHOLE, 1), |item, _| number(item.listed.container.pid));
const IMAGE: Cell = (column("IMAGE", 16, 9), |item, _| item.listed.image.clone().unwrap_or_default());
const UPTIME: Cell = (column("UPTIME", WHOLE, 6), |item, _| uptime(item));
const IPS: Cell = (column("IPS", 15, 4), |item, _| addresses(item));
const NETNS: Cell = (column("NETNS", WHOLE, 7), |item, _| number(item.network().map(|inode| inode.0)));
const VETH: Cell = (column("VETH", WHOLE, 8), |item, _| each(item, |interface| interface.host_end.clone()));
const SHARES: Cell = (column("SHARES", 12, 5), shares);
const CREATED: Cell = (column("CREATED", WHOLE, 0), |item, _| inventory::created(item).unwrap_or_default());
const MACS: Cell =
    (column("MACS", WHOLE, 0), |item, _| each(item, |interface| interface.link.mac.map(inventory::hardware)));
const BRIDGE: Cell = (column("BRIDGE", WHOLE, 0), |item, _| each(item, |interface| interface.bridge.clone()));
const NETWORKS: Cell = (column("NETWORKS", WHOLE, 0), |item, _| networks(item));
const PORTS: Cell = (column("PORTS", WHOLE, 0), |item, _| list(item.listed.ports.iter().map(port)));
const REFERENCE: Cell = (column("REFERENCE", WHOLE, 0), |item, _| item.listed.container.reference().to_string());
const LABELS: Cell = (column("LABELS", WHOLE, 0), |item, _| labels(item));

const fn column(heading: &'static str, least: usize, rank: u8) -> Column {
    Column { heading, least, rank }
}

/// What is shown of each by default, or all that is known.
pub(super) fn table(items: &[&Item], inventory: &Inventory, whole: bool, wide: bool) -> Table {
    let id = if whole || wide { ID } else { SHORT_ID };
    let cells = match wide {
        false => &[RUNTIME, NAME, id, STATE, PID, IMAGE, UPTIME, IPS, NETNS, VETH, SHARES][..],
        true => &[
            RUNTIME, NAME, id, STATE, PID, IMAGE, CREATED, UPTIME, IPS, MACS, NETWORKS, PORTS, NETNS, VETH, BRIDGE,
            SHARES, REFERENCE, LABELS,
        ],
    };
    let mut table = Table::of(cells.iter().map(|(column, _)| *column));
    items.iter().for_each(|item| table.row(cells.iter().map(|(_, cell)| cell(item, inventory))));
    table
}

/// What it is called: of a pod's containers many have the same name.
pub(super) fn name(item: &Item) -> String {
    let container = &item.listed.container;
    match container.pod.as_ref().filter(|pod| pod.namespace.is_some()) {
        Some(pod) => {
            [Some(&pod.name), pod.container.as_ref()].into_iter().flatten().cloned().collect::<Vec<_>>().join("/")
        }
        None => container.name.clone(),
    }
}

pub(super) fn state(item: &Item) -> String {
    let state = &item.listed.container.state;
    match (state, &item.listed.health) {
        (State::Exited { code, .. } | State::Restarting { code }, _) => format!("{} {code}", inventory::state(state)),
        (_, Some(health)) => format!("{} ({health})", inventory::state(state)),
        _ => inventory::state(state).to_owned(),
    }
}

pub(super) fn number(number: Option<impl ToString>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

/// For how long it has run, in its largest unit.
fn uptime(item: &Item) -> String {
    let Some(elapsed) = item.started.and_then(|started| SystemTime::now().duration_since(started).ok()) else {
        return String::new();
    };
    in_largest_unit(elapsed)
}

fn in_largest_unit(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m", seconds / 60),
        seconds @ 3600..86400 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86400),
    }
}

/// Those of its interfaces, but for what every interface gives itself; where those cannot be seen, what its engine says.
pub(super) fn addresses(item: &Item) -> String {
    let own = |ip: &&IpAddr| !matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    let seen = item.interfaces.iter().flat_map(|interface| &interface.link.addresses).map(|address| &address.ip);
    let recorded = item.listed.networks.iter().flat_map(|network| &network.addresses);
    let recorded = recorded.filter(|_| item.interfaces.is_empty());
    list(seen.chain(recorded).filter(own).map(IpAddr::to_string))
}

fn each(item: &Item, what: impl Fn(&inventory::Interface) -> Option<String>) -> String {
    list(item.interfaces.iter().filter_map(what))
}

fn networks(item: &Item) -> String {
    list(item.listed.networks.iter().map(|network| network.network.clone()))
}

fn labels(item: &Item) -> String {
    list(item.listed.labels.iter().map(|(key, value)| format!("{key}={value}")))
}

/// As docker ps writes it.
fn port(port: &Published) -> String {
    let Published { host_ip, host_port, port, protocol } = port;
    match host_ip {
        IpAddr::V4(ip) => format!("{ip}:{host_port}->{port}/{protocol}"),
        IpAddr::V6(ip) => format!("[{ip}]:{host_port}->{port}/{protocol}"),
    }
}

fn list(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(",")
}

/// What it shares: with the host, with those whose namespaces it lives in, and with those that live in its own.
fn shares(item: &Item, inventory: &Inventory) -> String {
    let of_host = inventory.shared_with_host(item);
    let host = (!of_host.is_empty()).then(|| format!("host:{}", kinds(&of_host)));
    let others = inventory.neighbours(item);
    host.into_iter().chain(others.iter().map(with)).collect::<Vec<_>>().join(" ")
}

/// Another one, and what it shares with that.
pub(super) fn with(shared: &Shared<'_>) -> String {
    format!("{}:{}", name(shared.item), kinds(&shared.kinds))
}

pub(super) fn kinds(kinds: &[Kind]) -> String {
    list(kinds.iter().map(|kind| kind.name().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_its_largest_unit() {
        let told = |seconds| in_largest_unit(Duration::from_secs(seconds));
        assert_eq!([told(0), told(59), told(60), told(7300), told(86400 * 40)], ["0s", "59s", "1m", "2h", "40d"]);
    }

    #[test]
    fn an_address_with_colons_stands_in_brackets() {
        let port = |host_ip: &str| Published {
            host_ip: host_ip.parse().unwrap(),
            host_port: 8080,
            port: 80,
            protocol: "tcp".to_owned(),
        };
        assert_eq!(super::port(&port("0.0.0.0")), "0.0.0.0:8080->80/tcp");
        assert_eq!(super::port(&port("::")), "[::]:8080->80/tcp");
    }
}
