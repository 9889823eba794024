//! What a container has in its network, by ip in that network, and what leads there from the host: interfaces, addresses,
//! ports.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;
use testbed::{Container, ns, output};

use super::mixed::{Truth, one, sharing};
use super::set::{Member, port};

/// What `ip -json` says of the interfaces of a network; of the host's, where no process is given.
fn ip(pid: Option<u32>) -> Result<Vec<Value>> {
    let text = match pid {
        Some(pid) => {
            output::stdout(Command::new("nsenter").args(["-n", "-t", &pid.to_string(), "ip", "-j", "address"]))?
        }
        None => output::stdout(Command::new("ip").args(["-j", "address"]))?,
    };
    Ok(serde_json::from_str::<Vec<Value>>(&text)?)
}

/// The interfaces of each network that is not the host's, but for the loopback, with who is in it.
fn all(members: &[Member]) -> Result<Vec<(Value, BTreeSet<String>)>> {
    let mut all = Vec::new();
    for member in members {
        let inode = ns::inode(member.pid, "net")?;
        if inode != ns::own("net")? {
            let sharing = sharing("net", inode, members)?;
            let links = ip(Some(member.pid))?.into_iter().filter(|link| link["ifname"] != "lo");
            all.extend(links.map(|link| (link, sharing.clone())));
        }
    }
    Ok(all)
}

fn text(value: &Value) -> Result<String> {
    Ok(value.as_str().with_context(|| format!("{value} is no text"))?.to_owned())
}

/// The host's ends of their veths, as ip prints them and otherwise, and the bridges that those are ports of.
pub(super) fn interfaces(members: &[Member]) -> Result<Vec<Truth>> {
    let here = ip(None)?;
    let mut truths = Vec::new();
    let mut bridges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (link, owners) in all(members)? {
        let Some(index) = link["link_index"].as_u64().filter(|_| !link["link_netnsid"].is_null()) else { continue };
        let end = here.iter().find(|end| end["ifindex"].as_u64() == Some(index)).context("no other end")?;
        let (name, number) = (text(&end["ifname"])?, &link["ifindex"]);
        let inside = format!("{}@if{index}", text(&link["ifname"])?);
        let words = [name.clone(), format!("{name}@if{number}"), format!("{name}@if{number}:"), inside];
        truths.extend(words.map(|word| (word, owners.clone())));
        if let Some(bridge) = end["master"].as_str() {
            bridges.entry(bridge.to_owned()).or_default().extend(owners);
        }
    }
    assert!(bridges.len() >= 3, "Docker's own, the user's and podman's: {bridges:?}");
    truths.extend(bridges);
    Ok(truths)
}

/// Their addresses and hardware addresses, in more than one spelling.
pub(super) fn addresses(members: &[Member]) -> Result<Vec<Truth>> {
    let mut truths = Vec::new();
    for (link, owners) in all(members)? {
        for address in link["addr_info"].as_array().into_iter().flatten() {
            let ip = text(&address["local"])?;
            let with_prefix = format!("{ip}/{}", address["prefixlen"]);
            truths.extend([ip, with_prefix].map(|word| (word, owners.clone())));
        }
        let mac = text(&link["address"])?;
        let bare = mac.replace(':', "");
        let dotted = format!("{}.{}.{}", &bare[..4], &bare[4..8], &bare[8..]);
        let words = [mac.to_uppercase(), mac.replace(':', "-"), dotted, mac];
        truths.extend(words.map(|word| (word, owners.clone())));
    }
    Ok(truths)
}

/// The ports of the host that lead to a container.
pub(super) fn published(container: &Container, member: &Member) -> Result<Vec<Truth>> {
    let of = |inner: &str| {
        container.inspect(&format!("{{{{(index (index .NetworkSettings.Ports \"{inner}\") 0).HostPort}}}}"))
    };
    let (tcp, udp) = (of("80/tcp")?, of("53/udp")?);
    let words = [
        format!(":{tcp}"),
        format!("{tcp}/tcp"),
        format!("127.0.0.1:{tcp}"),
        format!("0.0.0.0:{tcp}->80/tcp"),
        format!(":{udp}"),
        format!("{udp}/udp"),
    ];
    Ok(words.into_iter().map(|word| one(word, member)).collect())
}

/// What `ss` says of who waits in a network, a line each: with the protocol, where, and by which processes.
fn waiting(pid: u32, lists: &str) -> Result<Vec<String>> {
    let words = ["-n", "-t", &pid.to_string(), "ss", "-Hnp", lists].map(str::to_owned);
    Ok(output::stdout(Command::new("nsenter").args(words))?.lines().map(str::to_owned).collect())
}

/// Where they listen inside, and one of them on the host: by their own processes, and what the engine does for them.
pub(super) fn listeners(members: &[Member]) -> Result<Vec<Truth>> {
    let port = port();
    let mut truths = Vec::new();
    let mut everybody = BTreeSet::new();
    let mut by_engine = 0;
    for member in members {
        // Who shares a network does not listen for the other.
        let cgroup = |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let own = cgroup(&member.pid.to_string());
        let is_own = |line: &String| {
            let mut pids = line.split("pid=").skip(1).filter_map(|rest| rest.split(',').next());
            line.contains(&format!(":{port} ")) && pids.any(|pid| cgroup(pid) == own)
        };
        if waiting(member.pid, "-lt")?.iter().any(is_own) {
            everybody.insert(member.owner.clone());
            let links = ip(Some(member.pid))?;
            let all = links.iter().flat_map(|link| link["addr_info"].as_array().into_iter().flatten());
            for address in all.filter(|address| address["scope"] == "global" && address["family"] == "inet") {
                let at = format!("{}:{port}", text(&address["local"])?);
                truths.extend([at.clone(), format!("{at}/tcp")].map(|word| one(word, member)));
            }
        }
        // The engine answers for the names of a user's network at an address of the container's own.
        for line in waiting(member.pid, "-lu")? {
            let at = line.split_whitespace().find(|word| word.starts_with("127.0.0.11:"));
            truths.extend(at.map(|at| one(format!("{at}/udp"), member)));
            by_engine += usize::from(at.is_some());
        }
    }
    assert!(everybody.len() >= 8 && by_engine == 1, "{everybody:?}, {by_engine}");
    truths.extend([format!(":{port}"), format!("{port}/tcp")].map(|word| (word, everybody.clone())));
    let on_host = members.iter().find(|member| ns::inode(member.pid, "net").ok() == ns::own("net").ok());
    let on_host = on_host.context("nobody is on the host's network")?;
    truths.extend([format!(":{}", port + 1), format!("127.0.0.1:{}", port + 1)].map(|word| one(word, on_host)));
    Ok(truths)
}
