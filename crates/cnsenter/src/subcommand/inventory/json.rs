//! A container as JSON: docs/json.md. Every subcommand that prints one prints it so.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use resolve::{Attached, Published, State};
use serde_json::Value;
use survey::Kind;

use super::super::output::object;
use super::{Interface, Inventory, Item, Shared};

/// The last second that RFC 3339 can write, since 1970: the end of the year 9999.
const LAST: u64 = 253_402_300_799;

/// The fields of a container, as docs/json.md documents them.
pub(in crate::subcommand) const FIELDS: [&str; 19] = [
    "runtime",
    "namespace",
    "id",
    "name",
    "reference",
    "state",
    "exit_code",
    "health",
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
    let of_host = Kind::ALL.into_iter().filter(|kind| item.shares_with_host(&inventory.host, *kind));
    let namespaces = Kind::ALL.map(|kind| (kind.name(), item.namespaces.get(kind).map(|inode| inode.0)));
    let labels = listed.labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    object(&mut [
        ("runtime", container.runtime.scheme().into()),
        ("namespace", container.namespace.as_deref().into()),
        ("id", container.id.as_str().into()),
        ("name", container.name.as_str().into()),
        ("reference", container.reference().to_string().into()),
        ("state", state(&container.state).into()),
        ("exit_code", exit_code(&container.state).into()),
        ("health", listed.health.as_deref().into()),
        ("pid", container.pid.into()),
        ("image", listed.image.as_deref().into()),
        ("created", created(item).into()),
        ("started", item.started.and_then(time).into()),
        ("labels", labels.collect()),
        ("networks", listed.networks.iter().map(attached).collect()),
        ("ports", listed.ports.iter().map(published).collect()),
        ("namespaces", namespaces.into_iter().collect()),
        ("host_namespaces", of_host.map(Kind::name).collect()),
        ("shares", inventory.shared_with(item).iter().map(shared).collect()),
        ("interfaces", item.interfaces.iter().map(interface).collect()),
    ])
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
    object(&mut [
        ("reference", container.reference().to_string().into()),
        ("name", container.name.as_str().into()),
        ("namespaces", shared.kinds.iter().map(|kind| kind.name()).collect()),
    ])
}

fn attached(network: &Attached) -> Value {
    let [id, mac] = [&network.id, &network.mac].map(|text| Some(text.as_str()).filter(|text| !text.is_empty()));
    object(&mut [
        ("network", network.network.as_str().into()),
        ("id", id.into()),
        ("addresses", network.addresses.iter().map(IpAddr::to_string).collect()),
        ("mac", mac.into()),
    ])
}

fn published(port: &Published) -> Value {
    object(&mut [
        ("host_ip", port.host_ip.to_string().into()),
        ("host_port", port.host_port.into()),
        ("port", port.port.into()),
        ("protocol", port.protocol.as_str().into()),
    ])
}

/// An interface, as every subcommand that prints one prints it.
pub(in crate::subcommand) fn interface(interface: &Interface) -> Value {
    let Interface { link, host_end, bridge, parent } = interface;
    object(&mut [
        ("name", link.name.as_str().into()),
        ("mac", link.mac.map(hardware).into()),
        ("addresses", link.addresses.iter().map(|address| address.ip.to_string()).collect()),
        ("prefixes", link.addresses.iter().map(|address| address.prefix).collect()),
        ("host_end", host_end.as_deref().into()),
        ("bridge", bridge.as_deref().into()),
        ("parent", parent.as_deref().into()),
    ])
}

/// A hardware address as ip(8) prints it.
pub(in crate::subcommand) fn hardware(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
