//! What there is to know of a container as JSON: docs/json.md. What is in it was gathered in `facts.rs`.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::facts::{Facts, Joined, Known, Live};
use super::mounts::Mount;
use super::network::Interface;
use super::rights::{Rights, names};
use super::screen::mac;

/// As a JSON object.
pub(super) fn of(facts: &Facts) -> Value {
    let container = &facts.listed.container;
    let mut document = Map::new();
    document.insert("name".to_owned(), json!(container.name));
    document.insert("id".to_owned(), json!(container.id));
    document.insert("reference".to_owned(), json!(container.reference().to_string()));
    let sandbox = facts.sandbox.as_ref().map(|sandbox| {
        let file = &sandbox.file;
        json!({"file": file.recorded.to_string_lossy(), "visible": file.visible.as_ref().map(|path| path.to_string_lossy()), "of": sandbox.owner})
    });
    document.insert("sandbox".to_owned(), sandbox.unwrap_or_default());
    document.insert("enter".to_owned(), json!({"cnsenter": facts.cnsenter, "nsenter": facts.nsenter}));
    let mut unseen = Map::new();
    match &facts.live {
        Ok(live) => groups(&mut document, &mut unseen, facts, live),
        Err(why) => {
            unseen.insert("process".to_owned(), json!(why));
            for name in GROUPS {
                document.insert(name.to_owned(), Value::Null);
            }
        }
    }
    document.insert("unseen".to_owned(), Value::Object(unseen));
    Value::Object(document)
}

/// What takes a process.
const GROUPS: [&str; 11] =
    ["process", "user", "shared", "interfaces", "routes", "dns", "listeners", "cgroup", "security", "root", "mounts"];

fn groups(document: &mut Map<String, Value>, unseen: &mut Map<String, Value>, facts: &Facts, live: &Live) {
    let mut group = |name: &str, known: Known<Value>| {
        let value = known.unwrap_or_else(|why| {
            unseen.insert(name.to_owned(), json!(why));
            Value::Null
        });
        document.insert(name.to_owned(), value);
    };
    fn known<T>(known: &Known<T>, show: impl FnOnce(&T) -> Value) -> Known<Value> {
        known.as_ref().map(show).map_err(Clone::clone)
    }
    group(
        "process",
        known(&live.process, |process| {
            let started = humantime::format_rfc3339_seconds(process.started).to_string();
            json!({"pid": process.pid, "name": process.name, "command": process.command, "started": started})
        }),
    );
    group(
        "user",
        known(&live.ids, |(ids, name)| json!({"uid": ids.uid, "gid": ids.gid, "groups": ids.groups, "name": name})),
    );
    group("shared", known(&live.namespaces, |all| Value::Array(all.iter().map(shared).collect())));
    group("interfaces", known(&live.network, |network| Value::Array(network.all.iter().map(interface).collect())));
    let route = |(route, name): &(survey::Route, String)| {
        json!({
            "destination": route.destination.map(|(ip, prefix)| format!("{ip}/{prefix}")),
            "gateway": route.gateway, "interface": name, "source": route.source, "metric": route.metric,
            "type": route.kind, "family": if route.is_v6 { 6 } else { 4 },
        })
    };
    group("routes", known(&live.network, |network| Value::Array(network.routes.iter().map(route).collect())));
    group("dns", known(&live.dns, |dns| json!({"servers": dns.servers, "search": dns.search, "options": dns.options})));
    let listener = |listener: &survey::Listener| json!({"protocol": listener.protocol.name(), "address": listener.address.ip(), "port": listener.address.port()});
    group("listeners", known(&live.listeners, |all| Value::Array(all.iter().map(listener).collect())));
    group(
        "cgroup",
        known(&live.cgroup, |(cgroup, usage)| {
            json!({
                "path": cgroup.path.to_string_lossy(),
                "memory": usage.memory, "working_set": usage.working_set, "memory_limit": usage.memory_limit,
                "oom_kills": usage.oom_kills, "pids": usage.pids, "pids_limit": usage.pids_limit,
                "cpu_limit": usage.cpu_limit, "cpu_used_us": usage.cpu_used,
                "throttled_periods": usage.throttled.map(|(throttled, _)| throttled),
                "periods": usage.throttled.map(|(_, periods)| periods),
            })
        }),
    );
    group("security", known(&live.rights, security));
    let root = facts.listed.root.as_ref();
    group("root", known(&live.mounts, |mounts| mounts.root.as_ref().map_or(Value::Null, |it| self::root(it, root))));
    group("mounts", known(&live.mounts, |mounts| Value::Array(mounts.others.iter().map(mount).collect())));
}

fn shared(joined: &Joined) -> Value {
    json!({
        "type": joined.kind.name(), "inode": joined.inode.0, "host": joined.of_host, "with": joined.shared_with,
    })
}

fn interface(interface: &Interface) -> Value {
    let link = &interface.link;
    let addresses: Vec<_> = link.addresses.iter().map(|address| format!("{}/{}", address.ip, address.prefix)).collect();
    json!({
        "name": link.name, "index": link.index, "kind": link.kind, "mac": link.mac.map(mac), "mtu": link.mtu,
        "up": link.up, "operational": link.operational, "addresses": addresses, "host": interface.host_end,
        "bridge": interface.bridge, "received": link.received, "sent": link.sent, "dropped_in": link.dropped_in,
        "dropped_out": link.dropped_out,
    })
}

fn security(rights: &Rights) -> Value {
    let sets = &rights.capabilities;
    json!({
        "capabilities": {
            "bounding": names(sets.bounding), "effective": names(sets.effective), "permitted": names(sets.permitted),
            "inheritable": names(sets.inheritable), "ambient": names(sets.ambient),
        },
        "no_new_privs": rights.no_new_privileges, "seccomp": rights.seccomp, "label": rights.label,
    })
}

/// `told` is where its runtime says that it is.
fn root(mount: &Mount, told: Option<&PathBuf>) -> Value {
    let path = told.or(mount.source.as_ref()).map(|path| path.to_string_lossy());
    let upper = mount.upper.as_ref().map(|path| path.to_string_lossy());
    json!({"path": path, "type": mount.kind, "read_only": mount.read_only, "upper": upper})
}

fn mount(mount: &Mount) -> Value {
    let source = mount.source.as_ref().map(|path| path.to_string_lossy());
    let target = mount.target.to_string_lossy();
    json!({"target": target, "source": source, "type": mount.kind, "read_only": mount.read_only})
}
