//! A container as JSON: docs/json.md. Every subcommand that prints one prints it so.

use std::time::{Duration, SystemTime};

use resolve::{Attached, Published, State};
use serde_json::{Map, Value, json};
use survey::Kind;

use super::{Interface, Inventory, Item, Shared};

/// The last second that RFC 3339 can write, since 1970: the end of the year 9999.
const LAST: u64 = 253_402_300_799;

/// The fields of a container, as docs/json.md documents them.
pub(in crate::subcommand) const FIELDS: [&str; 18] = [
    "runtime",
    "namespace",
    "id",
    "name",
    "reference",
    "state",
    "exit_code",
    "pid",
    "image",
    "created",
    "started",
    "labels",
    "networks",
    "ports",
    "namespaces",
    "host_namespaces",
    "shares",
    "interfaces",
];

/// A container, with those fields.
pub(in crate::subcommand) fn json(item: &Item, inventory: &Inventory) -> Value {
    let listed = &item.listed;
    let container = &listed.container;
    let kinds = |pick: &dyn Fn(Kind) -> Value| -> Map<String, Value> {
        Kind::ALL.into_iter().map(|kind| (kind.name().to_owned(), pick(kind))).collect()
    };
    let of_host = Kind::ALL.into_iter().filter(|kind| item.shares_with_host(&inventory.host, *kind));
    json!({
        "runtime": container.runtime.scheme(),
        "namespace": container.namespace,
        "id": container.id,
        "name": container.name,
        "reference": container.reference().to_string(),
        "state": state(&container.state),
        "exit_code": exit_code(&container.state),
        "pid": container.pid,
        "image": listed.image,
        "created": created(item),
        "started": item.started.and_then(time),
        "labels": listed.labels,
        "networks": listed.networks.iter().map(attached).collect::<Vec<_>>(),
        "ports": listed.ports.iter().map(published).collect::<Vec<_>>(),
        "namespaces": kinds(&|kind| json!(item.namespaces.get(kind).map(|inode| inode.0))),
        "host_namespaces": of_host.map(Kind::name).collect::<Vec<_>>(),
        "shares": inventory.shared_with(item).iter().map(shared).collect::<Vec<_>>(),
        "interfaces": item.interfaces.iter().map(interface).collect::<Vec<_>>(),
    })
}

/// In a word.
pub(in crate::subcommand) fn state(state: &State) -> &'static str {
    match state {
        State::Created => "created",
        State::Running => "running",
        State::Paused => "paused",
        State::Restarting { .. } => "restarting",
        State::Removing => "removing",
        State::Exited { .. } => "exited",
        State::Dead => "dead",
        State::Stopped => "stopped",
        State::Gone { .. } => "gone",
    }
}

fn exit_code(state: &State) -> Option<i64> {
    match state {
        State::Exited { code, .. } | State::Restarting { code } => Some(*code),
        _ => None,
    }
}

/// In RFC 3339 and UTC, to the second; none outside of the years that it can write.
pub(in crate::subcommand) fn time(time: SystemTime) -> Option<String> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    (since.as_secs() <= LAST).then(|| humantime::format_rfc3339_seconds(time).to_string())
}

/// When it was made.
pub(in crate::subcommand) fn created(item: &Item) -> Option<String> {
    let seconds = u64::try_from(item.listed.created?).ok()?;
    time(SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?)
}

fn shared(shared: &Shared<'_>) -> Value {
    let container = &shared.item.listed.container;
    let kinds: Vec<_> = shared.kinds.iter().map(|kind| kind.name()).collect();
    json!({"reference": container.reference().to_string(), "name": container.name, "namespaces": kinds})
}

fn attached(network: &Attached) -> Value {
    let mac = Some(&network.mac).filter(|mac| !mac.is_empty());
    json!({"network": network.network, "addresses": network.addresses, "mac": mac})
}

fn published(port: &Published) -> Value {
    let Published { host_ip, host_port, port, protocol } = port;
    json!({"host_ip": host_ip, "host_port": host_port, "port": port, "protocol": protocol})
}

fn interface(interface: &Interface) -> Value {
    let Interface { name, mac, addresses, host_end, bridge } = interface;
    let mac = mac.map(hardware);
    json!({"name": name, "mac": mac, "addresses": addresses, "host": host_end, "bridge": bridge})
}

/// A hardware address as ip(8) prints it.
pub(in crate::subcommand) fn hardware(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
