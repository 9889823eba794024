//! `ls` on real engines, beside docker ps, docker inspect, lsns, ip and `/proc`: of the tests' own containers, whatever
//! else runs here. Filters are in `ls/filters.rs`, who lives with several others in
//! `ls/sharing.rs`, engines that do not answer in `ls/silence.rs`, screens in `screens.rs`.

mod filters;
mod sharing;
mod silence;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testbed::{Container, Network, containerd, cri, guard, image, lxc, ns, nspawn, oci, output, podman};

use crate::run::{NET, quiet, run, stdout};

const SLEEP: [&str; 2] = ["sleep", "1000"];

fn docker(args: &[&str]) -> Result<Container> {
    Container::run(image::busybox()?, args, &SLEEP)
}

/// What `ls --json` says with these words, by full ID.
fn listed(words: &[&str]) -> Result<BTreeMap<String, Value>> {
    let output = run([&["ls", "--json"], words].concat())?;
    assert!(output.success() && output.stderr.is_empty(), "{output:?}");
    let all: Vec<Value> = serde_json::from_str(&output.stdout)?;
    Ok(all.into_iter().map(|one| (text(&one["id"]), one)).collect())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The strings of a list.
fn texts(value: &Value) -> BTreeSet<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}

/// A container, and its first process as its own runtime says.
struct Member {
    runtime: &'static str,
    id: String,
    name: String,
    pid: u32,
}

fn member(runtime: &'static str, id: &str, name: &str, pid: u32) -> Member {
    Member { runtime, id: id.to_owned(), name: name.to_owned(), pid }
}

#[test]
fn each_of_a_mixed_set_is_listed_with_what_the_kernel_knows_of_it() -> Result<()> {
    let (network, of_podman) = (Network::create(&[])?, podman::Network::create()?);
    let bridged = docker(&["--publish", "80"])?;
    let two = docker(&["--network", network.name()])?;
    stdout("docker", &["network", "connect", "bridge", two.id()])?;
    let joined = docker(&["--network", &format!("container:{}", bridged.name())])?;
    let on_host = docker(&["--network", "host", "--pid", "host"])?;
    let alone = docker(&["--network", "none"])?;
    let [attached, lonely] = [&["--network", of_podman.name()][..], &[]].map(|it| podman::Container::run(it, &SLEEP));
    let (attached, lonely) = (attached?, lonely?);
    let by_ctr = containerd::Container::run(containerd::NAMESPACE, &[], &SLEEP)?;
    let pod = cri::Pod::run(&guard::unique_name(), "ls")?;
    let app = pod.container("app", &SLEEP)?;
    let of_lxc = lxc::Container::start()?;
    let machine = nspawn::Machine::start()?;
    let by_runc = oci::Container::run(oci::Runtime::Runc, None, &[], &SLEEP)?;
    let by_crun = oci::Container::run(oci::Runtime::Crun, None, &[], &SLEEP)?;

    let mut members = Vec::new();
    for of in [&bridged, &two, &joined, &on_host, &alone] {
        members.push(member("docker", of.id(), of.name(), of.pid()?));
    }
    for of in [&attached, &lonely] {
        members.push(member("podman", of.id(), of.name(), of.pid()?));
    }
    members.push(member("containerd", by_ctr.id(), by_ctr.id(), by_ctr.pid()?));
    members.push(member("containerd", pod.sandbox_id(), pod.name(), pod.sandbox_pid()?));
    members.push(member("containerd", app.id(), "app", app.pid()?));
    members.push(member("lxc", of_lxc.name(), of_lxc.name(), of_lxc.pid()?));
    members.push(member("nspawn", machine.name(), machine.name(), machine.leader()));
    for of in [&by_runc, &by_crun] {
        members.push(member("oci", of.id(), of.id(), of.pid()?));
    }

    let all = listed(&[])?;
    for member in &members {
        let one = all.get(&member.id).with_context(|| format!("{} is not listed", member.name))?;
        assert_eq!((&one["runtime"], &one["name"]), (&json!(member.runtime), &json!(member.name)));
        assert_eq!((&one["state"], &one["pid"]), (&json!("running"), &json!(member.pid)), "{one:#}");
        assert_namespaces(one, member.pid)?;
        assert_interfaces(one, member.pid)?;
        assert_started(one, member.pid)?;
        // What it shares, it does with those that the kernel says.
        for other in members.iter().filter(|other| other.id != member.id) {
            let alike = |kind: &&str| -> Result<bool> {
                let inode = ns::inode(member.pid, kind)?;
                Ok(inode == ns::inode(other.pid, kind)? && inode != ns::own(kind)?)
            };
            let mut truth = BTreeSet::new();
            for kind in ["net", "ipc", "pid", "uts", "mnt"] {
                if alike(&kind)? {
                    truth.insert(kind.to_owned());
                }
            }
            let shares = one["shares"].as_array().context("no list")?;
            let reference = &all[&other.id]["reference"];
            let found = shares.iter().find(|shared| shared["reference"] == *reference);
            let found = found.map(|shared| texts(&shared["namespaces"])).unwrap_or_default();
            assert_eq!(found, truth, "{} with {}", member.name, other.name);
        }
        // The word that names it for certain does so.
        let reference = text(&one["reference"]);
        let net = run(["--raw", "--net", &reference].iter().chain(&NET))?.stdout;
        assert_eq!(net.trim_end(), ns::link("net", ns::inode(member.pid, "net")?), "{reference}");
    }

    let screen = run(["ls"])?.stdout;
    let row = |name: &str| -> Result<Vec<&str>> {
        let fits = |line: &&str| line.split_whitespace().nth(1) == Some(name);
        Ok(screen.lines().find(fits).with_context(|| format!("no row of {name}"))?.split("  ").collect())
    };
    let shares = |name: &str| Ok::<_, anyhow::Error>(row(name)?.last().copied().unwrap_or_default().trim().to_owned());
    assert_eq!(shares(joined.name())?, format!("{}:net", bridged.name()));
    assert_eq!(shares(bridged.name())?, format!("{}:net", joined.name()));
    assert_eq!(shares(on_host.name())?, "host:net,pid");
    assert_eq!(shares(alone.name())?, "-");
    assert_eq!(shares(&format!("{}/app", pod.name()))?, format!("{}:net,ipc,uts", pod.name()));

    let tree = run(["ls", "--tree"])?.stdout;
    let line = |name: &str| tree.lines().position(|line| line.split_whitespace().any(|word| word == name));
    assert_eq!(line(bridged.name()).map(|at| at + 1), line(joined.name()), "{tree}");
    assert_eq!(line(pod.name()).map(|at| at + 1), line(&format!("{}/app", pod.name())), "{tree}");
    assert!(tree.contains(&format!("└─ {}", joined.name())), "{tree}");
    let below_host = tree.lines().skip(2).take_while(|line| line.starts_with(['├', '└', '│']));
    assert!(
        below_host.into_iter().any(|line| line.contains(on_host.name())) || line(on_host.name()) == Some(2),
        "{tree}"
    );
    Ok(())
}

/// Each namespace, beside lsns and `/proc`.
fn assert_namespaces(one: &Value, pid: u32) -> Result<()> {
    let lsns = stdout("lsns", &["--noheadings", "--output", "TYPE,NS", "--task", &pid.to_string()])?;
    let told = lsns.lines().filter_map(|line| line.trim().split_once(char::is_whitespace));
    let told: BTreeMap<_, _> = told.map(|(kind, inode)| (kind, inode.trim())).collect();
    let mut of_host = BTreeSet::new();
    for kind in ns::KINDS {
        let found = one["namespaces"][kind].to_string();
        assert_eq!(found, ns::inode(pid, kind)?.to_string(), "{kind}: {one:#}");
        assert!(told.get(kind).is_none_or(|inode| *inode == found), "{kind}: {lsns}");
        if ns::inode(pid, kind)? == ns::own(kind)? {
            of_host.insert(kind.to_owned());
        }
    }
    assert!(told.len() > 5, "{lsns}");
    assert_eq!(texts(&one["host_namespaces"]), of_host, "{one:#}");
    Ok(())
}

fn ip(words: &[&str]) -> Result<Vec<Value>> {
    let found: Vec<Value> = serde_json::from_str(&stdout(words[0], &words[1..])?)?;
    Ok(found.into_iter().filter(|it| it["ifname"] != "lo").collect())
}

/// Each interface with its addresses, as ip sees it from within, and its other end, as ip sees it on the host.
fn assert_interfaces(one: &Value, pid: u32) -> Result<()> {
    let mut truth = BTreeSet::new();
    if ns::inode(pid, "net")? != ns::own("net")? {
        let host = ip(&["ip", "-json", "-details", "link"])?;
        for link in ip(&["nsenter", "-n", "-t", &pid.to_string(), "ip", "-json", "-details", "address"])? {
            let end = host.iter().find(|end| {
                end["ifindex"] == link["link_index"]
                    && end["link_index"] == link["ifindex"]
                    && end["link_netnsid"].is_u64()
            });
            let all = link["addr_info"].as_array().into_iter().flatten();
            let addresses = all.map(|address| format!("{}/{}", text(&address["local"]), address["prefixlen"]));
            let addresses: BTreeSet<_> = addresses.collect();
            let of_end = |field: &str| end.map(|end| text(&end[field])).filter(|it| !it.is_empty());
            truth.insert((
                text(&link["ifname"]),
                text(&link["address"]),
                addresses,
                of_end("ifname"),
                of_end("master"),
            ));
        }
    }
    let interfaces = one["interfaces"].as_array().context("no list")?;
    let option = |value: &Value| value.as_str().map(str::to_owned);
    let found = interfaces.iter().map(|it| {
        let list = |field: &str| it[field].as_array().cloned().unwrap_or_default();
        let pairs = list("addresses").into_iter().zip(list("prefixes"));
        let addresses: BTreeSet<_> = pairs.map(|(ip, prefix)| format!("{}/{prefix}", text(&ip))).collect();
        (text(&it["name"]), text(&it["mac"]), addresses, option(&it["host_end"]), option(&it["bridge"]))
    });
    assert_eq!(found.collect::<BTreeSet<_>>(), truth, "{one:#}");
    Ok(())
}

fn assert_started(one: &Value, pid: u32) -> Result<()> {
    let age: u64 = stdout("ps", &["-o", "etimes=", "-p", &pid.to_string()])?.trim().parse()?;
    let started = humantime::parse_rfc3339(&text(&one["started"]))?;
    let difference = SystemTime::now().duration_since(started)?.as_secs().abs_diff(age);
    assert!(difference <= 2, "{age} s old: {one:#}");
    Ok(())
}

#[test]
fn of_dockers_containers_everything_is_as_docker_says() -> Result<()> {
    let mark = guard::unique_name();
    let label = format!("--label=of={mark}");
    let network = Network::create(&["--ipv6", "--subnet", "fd00:c45e:7e5::/64"]).or_else(|_| Network::create(&[]))?;
    let ports = ["--publish", "80", "--publish", "127.0.0.1::53/udp", "--label", "a=\x1b[31m", "--label", "b.c=d=e"];
    let web = docker(&[&[&label[..]], &ports[..]].concat())?;
    let _on_network = docker(&[&label, "--network", network.name()])?;
    let paused = docker(&[&label])?;
    paused.docker(&["pause"])?;
    let busybox = image::busybox()?;
    let _created = Container::create(busybox, &[&label], &SLEEP)?;
    let exited = Container::run(busybox, &[&label], &["sh", "-c", "exit 42"])?;
    exited.docker(&["wait"])?;
    let filter = format!("label=of={mark}");

    // The same words give the same lines.
    for words in [&["--quiet"][..], &["--quiet", "--all"], &["--quiet", "--no-trunc", "--all"], &["-aq"]] {
        let told = stdout("docker", &[&["ps", "--filter", &filter], words].concat())?;
        assert_eq!(quiet([&["ls", "--filter", &filter], words].concat())?, told, "{words:?}");
    }
    let told = stdout(
        "docker",
        &["ps", "-a", "--no-trunc", "--filter", &filter, "--format", "{{.ID}}|{{.Names}}|{{.Image}}|{{.State}}"],
    )?;
    let found = quiet(["ls", "-a", "--filter", &filter, "--format", "{{.id}}|{{.name}}|{{.image}}|{{.state}}"])?;
    assert_eq!(found, told);
    let all = listed(&["--all", "--filter", &filter])?;
    assert_eq!(all.len(), 5, "{all:#?}");
    for (id, one) in &all {
        let inspected: Vec<Value> = serde_json::from_str(&stdout("docker", &["inspect", id])?)?;
        assert_as_inspected(one, &inspected[0])?;
    }
    assert_eq!(all[exited.id()]["exit_code"], 42);
    let of_web = |format: &str| quiet(["ls", "--filter", &format!("id={}", web.id()), "--format", format]);
    assert_eq!(of_web("{{.labels.b.c}} {{.labels.a}}")?, "d=e \\u{1b}[31m");
    let told: BTreeSet<_> = web.docker(&["port"])?.lines().map(str::to_owned).collect();
    let ports = of_web("{{json .ports}}")?;
    let ports: Vec<Value> = serde_json::from_str(&ports)?;
    let as_docker = |port: &Value| -> Result<String> {
        let ip = match text(&port["host_ip"]).parse()? {
            IpAddr::V6(ip) => format!("[{ip}]"),
            IpAddr::V4(ip) => ip.to_string(),
        };
        Ok(format!("{}/{} -> {ip}:{}", port["port"], text(&port["protocol"]), port["host_port"]))
    };
    assert_eq!(ports.iter().map(as_docker).collect::<Result<BTreeSet<_>>>()?, told);
    Ok(())
}

/// What the engine's own record of it says.
fn assert_as_inspected(one: &Value, truth: &Value) -> Result<()> {
    let pid = Some(&truth["State"]["Pid"]).filter(|pid| **pid != 0).unwrap_or(&Value::Null);
    assert_eq!(&one["pid"], pid, "{one:#}");
    assert_eq!(one["image"], truth["Config"]["Image"]);
    assert_eq!(one["labels"], truth["Config"]["Labels"]);
    let mut networks = BTreeMap::new();
    for network in one["networks"].as_array().context("no list")? {
        networks.insert(text(&network["network"]), (texts(&network["addresses"]), text(&network["mac"])));
    }
    let mut truths = BTreeMap::new();
    for (name, network) in truth["NetworkSettings"]["Networks"].as_object().context("no networks")? {
        let addresses = ["IPAddress", "GlobalIPv6Address"].map(|field| text(&network[field]));
        let addresses = addresses.into_iter().filter(|address| !address.is_empty()).collect();
        truths.insert(name.clone(), (addresses, text(&network["MacAddress"])));
    }
    assert_eq!(networks, truths, "{one:#}");
    let times = |value: &Value| humantime::parse_rfc3339(&text(value));
    let difference = times(&truth["Created"])?.duration_since(times(&one["created"])?)?;
    assert!(difference < Duration::from_secs(1), "{one:#}");
    Ok(())
}

/// A container that rules over its network may number its interfaces as it likes.
#[test]
fn an_interface_does_not_pass_for_the_other_end_of_anothers() -> Result<()> {
    let (web, hostile) = (docker(&[])?, docker(&["--network", "none"])?);
    let within = |container: &Container, words: &[&str]| -> Result<String> {
        let pid = container.pid()?.to_string();
        output::stdout(Command::new("nsenter").args(["-n", "-t", &pid]).args(words))
    };
    let links: Vec<Value> = serde_json::from_str(&within(&web, &["ip", "-json", "link", "show", "eth0"])?)?;
    let (own, end) = (links[0]["ifindex"].to_string(), links[0]["link_index"].to_string());
    let other = docker(&["--network", "none"])?;
    let there = other.pid()?.to_string();
    let forged = ["ip", "link", "add", "eth0", "index", &own, "type", "veth", "peer", "name", "far", "index", &end];
    within(&hostile, &[&forged[..], &["netns", &there]].concat())?;
    let all = listed(&[])?;
    let interfaces = |container: &Container| all[container.id()]["interfaces"].clone();
    assert!(text(&interfaces(&web)[0]["host_end"]).starts_with("veth"), "{}", interfaces(&web));
    assert_eq!(interfaces(&hostile)[0]["name"], "eth0");
    assert_eq!(interfaces(&hostile)[0]["host_end"], Value::Null, "{}", interfaces(&hostile));
    Ok(())
}
