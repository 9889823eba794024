//! What there is to know of a container as JSON: docs/json.md. What is in it was gathered in `facts.rs`.

use std::path::Path;

use resolve::{History, Published, Sandbox};
use serde_json::{Map, Value, json};
use survey::{Cgroup, Kind, Link, Listener, Route, Usage};

use super::super::inventory::{self, Interface};
use super::facts::{Facts, Known, Live};
use super::mounts::Mount;
use super::network;
use super::rights::{Rights, names};

/// A JSON object in the making.
struct Document {
    fields: Map<String, Value>,
    /// Why a field is null.
    unseen: Map<String, Value>,
}

impl Document {
    fn put(&mut self, name: &str, value: Value) {
        self.fields.insert(name.to_owned(), value);
    }

    fn known<T>(&mut self, name: &str, known: &Known<T>, show: impl FnOnce(&T) -> Value) {
        let value = known.as_ref().map(show).unwrap_or_else(|why| {
            self.unseen.insert(name.to_owned(), json!(why));
            Value::Null
        });
        self.put(name, value);
    }
}

/// As a JSON object.
pub(super) fn of(facts: &Facts) -> Value {
    let Value::Object(fields) = inventory::json(&facts.item, &facts.others) else { return Value::Null };
    let mut document = Document { fields, unseen: Map::new() };
    let shared = Kind::ALL.into_iter().map(|kind| (kind.name().to_owned(), json!(facts.sharing(kind))));
    document.put("shared", Value::Object(shared.collect()));
    document.put("sandbox", facts.sandbox.as_ref().map_or(Value::Null, sandbox));
    document.put("history", facts.history.as_ref().map_or(Value::Null, history));
    document.put("enter", json!({"cnsenter": facts.cnsenter, "nsenter": facts.nsenter}));
    match &facts.live {
        Ok(live) => groups(&mut document, facts, live),
        Err(why) => {
            document.unseen.insert("process".to_owned(), json!(why));
            GROUPS.iter().for_each(|name| document.put(name, Value::Null));
        }
    }
    let unseen = Value::Object(std::mem::take(&mut document.unseen));
    document.put("unseen", unseen);
    Value::Object(document.fields)
}

/// What takes a process.
const GROUPS: [&str; 11] =
    ["process", "user", "interfaces", "routes", "dns", "listeners", "unserved", "cgroup", "security", "root", "mounts"];

fn groups(document: &mut Document, facts: &Facts, live: &Live) {
    document.known("process", &live.process, |process| {
        let started = inventory::time(process.started);
        json!({"pid": process.pid, "name": process.name, "command": process.command, "started": started})
    });
    document.known(
        "user",
        &live.ids,
        |(ids, name)| json!({"uid": ids.uid, "gid": ids.gid, "groups": ids.groups, "name": name}),
    );
    document.known("interfaces", &live.network, |network| all(&network.links, interface));
    document.known("routes", &live.network, |network| all(&network.routes, route));
    document.known(
        "dns",
        &live.dns,
        |dns| json!({"servers": dns.servers, "search": dns.search, "options": dns.options}),
    );
    document.known("listeners", &live.listeners, |listeners| all(listeners, listener));
    document.known("unserved", &live.listeners, |listeners| unserved(&facts.item.listed.ports, listeners));
    document.known("cgroup", &live.cgroup, cgroup);
    document.known("security", &live.rights, |rights| security(rights, facts.history.as_ref()));
    document.known("root", &live.mounts, |mounts| {
        mounts.root.as_ref().map_or(Value::Null, |mount| root(mount, facts.item.listed.root.as_deref()))
    });
    document.known("mounts", &live.mounts, |mounts| all(&mounts.others, mount));
}

fn all<T>(items: &[T], show: impl Fn(&T) -> Value) -> Value {
    Value::Array(items.iter().map(show).collect())
}

fn path(path: Option<&Path>) -> Value {
    json!(path.map(Path::to_string_lossy))
}

fn sandbox(sandbox: &Sandbox) -> Value {
    let (file, visible) = (path(Some(&sandbox.file.recorded)), path(sandbox.file.visible.as_deref()));
    json!({"file": file, "visible": visible, "of": sandbox.owner})
}

fn history(history: &History) -> Value {
    let health = history.health.as_ref();
    let health = health.map(|it| json!({"status": it.status, "failing": it.failing, "said": it.said}));
    json!({
        "restarts": history.restarts, "restart_policy": history.restart_policy, "oom_killed": history.oom_killed,
        "error": Some(&history.error).filter(|error| !error.is_empty()), "health": health,
    })
}

fn interface((link, ends): &(Link, Interface)) -> Value {
    let ips: Vec<_> = link.addresses.iter().map(|address| address.ip).collect();
    let prefixes: Vec<_> = link.addresses.iter().map(|address| address.prefix).collect();
    json!({
        "name": link.name, "index": link.index, "kind": link.kind, "mac": link.mac.map(inventory::hardware),
        "mtu": link.mtu, "up": link.up, "operational": link.operational, "addresses": ips, "prefixes": prefixes,
        "host_end": ends.host_end, "bridge": ends.bridge, "received": link.received, "sent": link.sent,
        "dropped_in": link.dropped_in, "dropped_out": link.dropped_out,
    })
}

fn route((route, interface): &(Route, Option<String>)) -> Value {
    let destination = route.destination.map(|(ip, prefix)| format!("{ip}/{prefix}"));
    json!({
        "destination": destination, "gateway": route.gateway, "interface": interface, "source": route.source,
        "metric": route.metric, "type": route.kind, "family": if route.is_v6 { 6 } else { 4 },
    })
}

fn listener(listener: &Listener) -> Value {
    let address = listener.address;
    json!({"protocol": listener.protocol.name(), "address": address.ip(), "port": address.port()})
}

fn unserved(ports: &[Published], listeners: &[Listener]) -> Value {
    let dead = network::by_target(ports).into_iter().filter_map(|(port, _)| {
        Some(json!({"port": port.port, "protocol": port.protocol, "why": network::is_dead(port, listeners)?}))
    });
    dead.collect()
}

fn cgroup((cgroup, usage): &(Cgroup, Usage)) -> Value {
    let (throttled, periods) = usage.throttled.unzip();
    json!({
        "path": path(Some(&cgroup.path)), "memory": usage.memory, "working_set": usage.working_set,
        "memory_limit": usage.memory_limit, "oom_kills": usage.oom_kills, "pids": usage.pids,
        "pids_limit": usage.pids_limit, "cpu_limit": usage.cpu_limit, "cpu_used_us": usage.cpu_used,
        "throttled_periods": throttled, "periods": periods,
    })
}

fn security(rights: &Rights, history: Option<&History>) -> Value {
    let sets = &rights.capabilities;
    json!({
        "capabilities": {
            "bounding": names(sets.bounding), "effective": names(sets.effective), "permitted": names(sets.permitted),
            "inheritable": names(sets.inheritable), "ambient": names(sets.ambient),
        },
        "no_new_privs": rights.no_new_privileges, "seccomp": rights.seccomp,
        "default_seccomp": history.map(|history| history.default_seccomp), "label": rights.label,
    })
}

/// `told` is where its runtime says that it is.
fn root(mount: &Mount, told: Option<&Path>) -> Value {
    let (folder, upper) = (path(told.or(mount.source.as_deref())), path(mount.upper.as_deref()));
    json!({"path": folder, "type": mount.kind, "read_only": mount.read_only, "upper": upper})
}

fn mount(mount: &Mount) -> Value {
    let (target, source) = (path(Some(&mount.target)), path(mount.source.as_deref()));
    json!({"target": target, "source": source, "type": mount.kind, "read_only": mount.read_only})
}
