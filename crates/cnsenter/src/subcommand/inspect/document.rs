//! What there is to know of a container as JSON: docs/json.md. What is in it was gathered in `facts.rs`.

use std::path::Path;

use resolve::{History, Published, Sandbox};
use serde_json::{Map, Value};
use survey::{Cgroup, Kind, Listener, Route, Usage};

use super::super::inventory::{self, Interface};
use super::super::output::object;
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

    /// What is known; a field that is not is null.
    fn known<'a, T>(&mut self, name: &str, known: &'a Known<T>) -> Option<&'a T> {
        match known {
            Ok(known) => Some(known),
            Err(why) => {
                self.unseen(name, why);
                None
            }
        }
    }

    fn unseen(&mut self, name: &str, why: &str) {
        self.unseen.insert(name.to_owned(), why.into());
    }
}

/// As a JSON object.
pub(super) fn of(facts: &Facts) -> Value {
    let Value::Object(fields) = inventory::json(&facts.item, &facts.others) else { return Value::Null };
    let mut document = Document { fields, unseen: Map::new() };
    let shared = Kind::ALL.into_iter().map(|kind| (kind.name().to_owned(), facts.sharing(kind).into())).collect();
    document.put("shared", Value::Object(shared));
    document.put("sandbox", facts.sandbox.as_ref().map_or(Value::Null, sandbox));
    document.put("history", facts.history.as_ref().map_or(Value::Null, history));
    let (cnsenter, nsenter) = (facts.cnsenter.as_str().into(), facts.nsenter.as_deref().into());
    document.put("enter", object(&mut [("cnsenter", cnsenter), ("nsenter", nsenter)]));
    GROUPS.iter().for_each(|name| document.put(name, Value::Null));
    match &facts.live {
        Ok(live) => groups(&mut document, facts, live),
        Err(why) => document.unseen("process", why),
    }
    let unseen = Value::Object(std::mem::take(&mut document.unseen));
    document.put("unseen", unseen);
    Value::Object(document.fields)
}

/// What takes a process.
const GROUPS: [&str; 11] =
    ["process", "user", "interfaces", "routes", "dns", "listeners", "unserved", "cgroup", "security", "root", "mounts"];

fn groups(document: &mut Document, facts: &Facts, live: &Live) {
    if let Some(process) = document.known("process", &live.process) {
        let started = inventory::time(process.started).into();
        let (name, command) = (process.name.as_str().into(), process.command.clone().into());
        let fields = &mut [("pid", process.pid.into()), ("name", name), ("command", command), ("started", started)];
        document.put("process", object(fields));
    }
    if let Some((ids, name)) = document.known("user", &live.ids) {
        let (groups, name) = (ids.groups.clone().into(), name.as_deref().into());
        let fields = &mut [("uid", ids.uid.into()), ("gid", ids.gid.into()), ("groups", groups), ("name", name)];
        document.put("user", object(fields));
    }
    if let Some(network) = document.known("interfaces", &live.network) {
        document.put("interfaces", network.interfaces.iter().map(interface).collect());
    }
    if let Some(network) = document.known("routes", &live.network) {
        document.put("routes", network.routes.iter().map(route).collect());
    }
    if let Some(dns) = document.known("dns", &live.dns) {
        let [servers, search, options] = [&dns.servers, &dns.search, &dns.options].map(|words| words.clone().into());
        document.put("dns", object(&mut [("servers", servers), ("search", search), ("options", options)]));
    }
    if let Some(listeners) = document.known("listeners", &live.listeners) {
        document.put("listeners", listeners.iter().map(listener).collect());
    }
    if let Some(listeners) = document.known("unserved", &live.listeners) {
        document.put("unserved", unserved(&facts.item.listed.ports, listeners));
    }
    if let Some((cgroup, usage)) = document.known("cgroup", &live.cgroup) {
        document.put("cgroup", self::cgroup(cgroup, usage));
    }
    if let Some(rights) = document.known("security", &live.rights) {
        document.put("security", security(rights, facts.history.as_ref()));
    }
    if let Some(mounts) = document.known("root", &live.mounts) {
        let root = mounts.root.as_ref().map(|mount| root(mount, facts.item.listed.root.as_deref()));
        document.put("root", root.into());
    }
    if let Some(mounts) = document.known("mounts", &live.mounts) {
        document.put("mounts", mounts.others.iter().map(mount).collect());
    }
}

fn path(path: Option<&Path>) -> Value {
    path.map(|path| path.to_string_lossy().into_owned()).into()
}

fn sandbox(sandbox: &Sandbox) -> Value {
    let (file, visible) = (path(Some(&sandbox.file.recorded)), path(sandbox.file.visible.as_deref()));
    object(&mut [("file", file), ("visible", visible), ("of", sandbox.owner.as_deref().into())])
}

fn history(history: &History) -> Value {
    let health = history.health.as_ref().map_or(Value::Null, |it| {
        let (status, said) = (it.status.as_str().into(), it.said.as_str().into());
        object(&mut [("status", status), ("failing", it.failing.into()), ("said", said)])
    });
    object(&mut [
        ("command", history.command.clone().into()),
        ("restarts", history.restarts.into()),
        ("restart_policy", history.restart_policy.as_str().into()),
        ("oom_killed", history.oom_killed.into()),
        ("error", Some(history.error.as_str()).filter(|error| !error.is_empty()).into()),
        ("health", health),
        ("dns", history.dns.clone().into()),
        ("publish", history.publish.clone().into()),
        ("mounts", history.mounts.clone().into()),
        ("memory_limit", history.memory_limit.into()),
        ("pids_limit", history.pids_limit.into()),
        ("cpu_limit", history.cpu_limit.into()),
    ])
}

fn interface(interface: &Interface) -> Value {
    let link = &interface.link;
    let mut all = inventory::interface(interface);
    for (name, value) in [
        ("index", link.index.into()),
        ("kind", link.kind.as_deref().into()),
        ("mtu", link.mtu.into()),
        ("up", link.up.into()),
        ("operational", link.operational.into()),
        ("received", link.received.into()),
        ("sent", link.sent.into()),
        ("dropped_in", link.dropped_in.into()),
        ("dropped_out", link.dropped_out.into()),
    ] {
        all[name] = value;
    }
    all
}

fn route((route, interface): &(Route, Option<String>)) -> Value {
    object(&mut [
        ("destination", route.destination.map(|(ip, prefix)| format!("{ip}/{prefix}")).into()),
        ("gateway", route.gateway.map(|ip| ip.to_string()).into()),
        ("interface", interface.as_deref().into()),
        ("source", route.source.map(|ip| ip.to_string()).into()),
        ("metric", route.metric.into()),
        ("type", route.kind.into()),
        ("family", if route.is_v6 { 6 } else { 4 }.into()),
    ])
}

fn listener(listener: &Listener) -> Value {
    let (ip, port) = (listener.address.ip().to_string(), listener.address.port());
    object(&mut [("protocol", listener.protocol.name().into()), ("address", ip.into()), ("port", port.into())])
}

fn unserved(ports: &[Published], listeners: &[Listener]) -> Value {
    let dead = network::by_target(ports).into_iter().filter_map(|(port, _)| {
        let why = network::is_dead(port, listeners)?.into();
        let protocol = port.protocol.as_str().into();
        Some(object(&mut [("port", port.port.into()), ("protocol", protocol), ("why", why)]))
    });
    dead.collect()
}

fn cgroup(cgroup: &Cgroup, usage: &Usage) -> Value {
    let (throttled, periods) = usage.throttled.unzip();
    object(&mut [
        ("path", path(Some(&cgroup.path))),
        ("memory", usage.memory.into()),
        ("working_set", usage.working_set.into()),
        ("memory_limit", usage.memory_limit.into()),
        ("oom_kills", usage.oom_kills.into()),
        ("pids", usage.pids.into()),
        ("pids_limit", usage.pids_limit.into()),
        ("cpu_limit", usage.cpu_limit.into()),
        ("cpu_used_us", usage.cpu_used.into()),
        ("throttled_periods", throttled.into()),
        ("periods", periods.into()),
    ])
}

fn security(rights: &Rights, history: Option<&History>) -> Value {
    let sets = &rights.capabilities;
    let capabilities = object(&mut [
        ("bounding", names(sets.bounding).into()),
        ("effective", names(sets.effective).into()),
        ("permitted", names(sets.permitted).into()),
        ("inheritable", names(sets.inheritable).into()),
        ("ambient", names(sets.ambient).into()),
    ]);
    object(&mut [
        ("capabilities", capabilities),
        ("no_new_privs", rights.no_new_privileges.into()),
        ("seccomp", rights.seccomp.into()),
        ("default_seccomp", history.map(|history| history.default_seccomp).into()),
        ("label", rights.label.as_deref().into()),
    ])
}

/// `told` is where its runtime says that it is.
fn root(mount: &Mount, told: Option<&Path>) -> Value {
    object(&mut [
        ("path", path(told.or(mount.source.as_deref()))),
        ("type", mount.kind.as_str().into()),
        ("read_only", mount.read_only.into()),
        ("upper", path(mount.upper.as_deref())),
    ])
}

fn mount(mount: &Mount) -> Value {
    object(&mut [
        ("target", path(Some(&mount.target))),
        ("source", path(mount.source.as_deref())),
        ("type", mount.kind.as_str().into()),
        ("read_only", mount.read_only.into()),
    ])
}
