//! Namespaces, interfaces, addresses, routes, DNS and ports: beside lsns, ip, docker and the container's own files.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testbed::{Container, Network, Scratch, image, ns, pid, wait};

use super::{docker, inspect, sleeper};
use crate::run::{quiet, stdout};

/// What ip(8) prints as JSON.
fn ip(words: &[&str]) -> Result<Vec<Value>> {
    Ok(serde_json::from_str(&stdout("ip", words)?)?)
}

fn ip_inside(pid: u32, words: &[&str]) -> Result<Vec<Value>> {
    let pid = pid.to_string();
    let words = [&["-t", &pid, "-n", "ip"][..], words].concat();
    let text = stdout("nsenter", &words)?;
    Ok(if text.is_empty() { Vec::new() } else { serde_json::from_str(&text)? })
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Demands that interfaces, their other ends and routes are those that ip tells.
fn assert_as_ip_has_it(shown: &Value, pid: u32) -> Result<()> {
    let links = ip_inside(pid, &["-d", "-j", "addr"])?;
    let host = ip(&["-d", "-j", "link"])?;
    let interfaces = array(&shown["interfaces"]);
    assert_eq!(interfaces.len(), links.len(), "{shown:#}");
    for link in &links {
        let found =
            interfaces.iter().find(|found| found["index"] == link["ifindex"]).context("an interface is missing")?;
        let addresses = |of: &str| array(&link["addr_info"]).iter().map(|it| it[of].clone()).collect::<Vec<_>>();
        assert_eq!(found["name"], link["ifname"]);
        assert_eq!((&found["mtu"], &found["mac"]), (&link["mtu"], &link["address"]));
        assert_eq!(found["operational"], link["operstate"]);
        assert_eq!(found["up"], json!(array(&link["flags"]).contains(&json!("UP"))));
        assert_eq!(found["addresses"], json!(addresses("local")));
        assert_eq!(found["prefixes"], json!(addresses("prefixlen")));
        assert_eq!(found["kind"], link["linkinfo"]["info_kind"]);
        let peer = link["link_index"].as_u64().filter(|_| !link["link_netnsid"].is_null());
        let end = peer.and_then(|peer| host.iter().find(|end| end["ifindex"] == peer));
        // What is there to that of a macvlan is no end of it.
        let (end, parent) = if found["kind"] == "macvlan" { (None, end) } else { (end, None) };
        let name = |link: Option<&Value>| link.map_or(Value::Null, |link| link["ifname"].clone());
        assert_eq!((&found["host_end"], &found["parent"]), (&name(end), &name(parent)));
        assert_eq!(found["bridge"], end.map_or(Value::Null, |end| end["master"].clone()));
    }
    let mut wanted = ip_inside(pid, &["-j", "-4", "route"])?;
    wanted.extend(ip_inside(pid, &["-j", "-6", "route"])?.into_iter().filter(|route| route["type"] != "multicast"));
    let routes = array(&shown["routes"]);
    for route in &wanted {
        let found = routes.iter().any(|found| {
            let destination = found["destination"].as_str().unwrap_or("default");
            // ip leaves out what a whole address has.
            let destination = destination.trim_end_matches("/32").trim_end_matches("/128");
            destination == route["dst"] && found["gateway"] == route["gateway"] && found["interface"] == route["dev"]
        });
        assert!(found, "no {route} in {routes:#?}");
    }
    assert_eq!(routes.len(), wanted.len(), "{routes:#?}\n{wanted:#?}");
    Ok(())
}

/// Demands that its namespaces are those that lsns tells.
fn assert_as_lsns_has_it(shown: &Value, pid: u32) -> Result<()> {
    let text = stdout("lsns", &["-J", "-o", "TYPE,NS", "-p", &pid.to_string()])?;
    let told: Value = serde_json::from_str(&text)?;
    let told: BTreeMap<_, _> =
        array(&told["namespaces"]).iter().map(|it| (it["type"].as_str().unwrap(), &it["ns"])).collect();
    assert!(told.len() >= 7, "{told:?}");
    for (kind, inode) in &told {
        assert_eq!(shown["namespaces"][kind], **inode, "{kind}");
        let of_host = ns::own(kind)? == inode.as_u64().unwrap();
        assert_eq!(array(&shown["host_namespaces"]).contains(&json!(kind)), of_host, "{kind}");
    }
    Ok(())
}

#[test]
fn each_network_is_as_ip_lsns_and_docker_tell_it() -> Result<()> {
    let network = Network::create(&["--subnet", "10.231.7.0/24"])?;
    let id = stdout("docker", &["network", "inspect", "--format", "{{slice .Id 0 12}}", network.name()])?;
    let macvlan = Network::create(&["--driver", "macvlan", "--opt", &format!("parent=br-{}", id.trim())])?;
    let first = sleeper(&[])?;
    let of_first = format!("container:{}", first.name());
    for options in [
        &[][..],
        &["--network", network.name(), "--ip", "10.231.7.9"],
        &["--network", macvlan.name()],
        &["--network", &of_first],
        &["--network", "none"],
    ] {
        let web = sleeper(options)?;
        let (shown, told, pid) = (inspect(web.name())?, docker(&web)?, web.pid()?);
        assert_eq!(shown["pid"], pid);
        assert_as_ip_has_it(&shown, pid).with_context(|| format!("{options:?}"))?;
        assert_as_lsns_has_it(&shown, pid)?;
        let key = &told["NetworkSettings"]["SandboxKey"];
        match key.as_str().filter(|key| !key.is_empty()) {
            Some(key) => assert_eq!((&shown["sandbox"]["file"], &shown["sandbox"]["of"]), (&json!(key), &Value::Null)),
            None => assert_eq!(shown["sandbox"]["of"], first.name()),
        }
        let inode = ns::inode_of_file(shown["sandbox"]["visible"].as_str().context("no file")?)?;
        assert_eq!(shown["namespaces"]["net"], inode);
        for end in told["NetworkSettings"]["Networks"].as_object().context("no networks")?.values() {
            let (address, mac) = (&end["IPAddress"], &end["MacAddress"]);
            let has = |found: &Value| array(&found["addresses"]).contains(address) && found["mac"] == *mac;
            assert!(address == "" || array(&shown["interfaces"]).iter().any(has), "{end} in {shown:#}");
        }
        let dns: Vec<_> = web.exec(&[], &["cat", "/etc/resolv.conf"])?.lines().map(str::to_owned).collect();
        for (word, field) in [("nameserver", "servers"), ("search", "search"), ("options", "options")] {
            let lines = dns.iter().filter_map(|line| line.strip_prefix(word));
            let words: Vec<_> = lines.flat_map(str::split_whitespace).collect();
            assert_eq!(shown["dns"][field], json!(words), "{dns:?}");
        }
    }
    Ok(())
}

#[test]
fn what_is_the_hosts_is_said_to_be() -> Result<()> {
    let web = sleeper(&["--network", "host", "--pid", "host", "--ipc", "host", "--uts", "host"])?;
    let shown = inspect(web.name())?;
    assert_as_lsns_has_it(&shown, web.pid()?)?;
    assert_eq!((&shown["interfaces"], &shown["routes"]), (&json!([]), &json!([])));
    assert_eq!(shown["sandbox"]["file"], docker(&web)?["NetworkSettings"]["SandboxKey"]);
    let text = quiet(["inspect", web.name()])?;
    assert!(text.contains("\nnetwork    the host's own\n"), "{text}");
    let of_host = text.lines().find(|line| line.ends_with(" - the host's")).context("nothing is the host's")?;
    for kind in ["ipc", "net", "pid", "uts"] {
        assert!(of_host.contains(&ns::link(kind, ns::own(kind)?)), "{kind}: {text}");
    }
    assert!(text.contains("\nlistening  on nothing\n"), "{text}");
    Ok(())
}

#[test]
fn on_the_hosts_network_its_own_ports_are_told() -> Result<()> {
    // The first process starts those that listen.
    let program = "httpd -p 127.0.0.1:0 -f & nc -ll -p 0 -e true & wait";
    let web = Container::run(image::busybox()?, &["--network", "host"], &["sh", "-c", program])?;
    let by_ss = wait::until(Duration::from_secs(10), "two that listen", || {
        let (pids, told) = (web.docker(&["top"]).ok()?, stdout("ss", &["-Hltunp"]).ok()?);
        let pids: Vec<_> = pids.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1)).collect();
        let of_web = |line: &&str| pids.iter().any(|pid| line.contains(&format!("pid={pid},")));
        let ends = told.lines().filter(of_web).filter_map(|line| line.split_whitespace().nth(4).map(str::to_owned));
        Some(ends.collect::<BTreeSet<_>>()).filter(|ends| ends.len() == 2)
    })?;
    let shown = inspect(web.name())?;
    let shown = array(&shown["listeners"]).iter().map(|it| {
        let (address, port) = (it["address"].as_str().unwrap_or_default(), &it["port"]);
        if address == "::" { format!("*:{port}") } else { format!("{address}:{port}") }
    });
    assert_eq!(shown.collect::<BTreeSet<_>>(), by_ss);
    Ok(())
}

#[test]
fn what_it_is_attached_to_is_called_as_docker_calls_it() -> Result<()> {
    let network = Network::create(&[])?;
    let web = sleeper(&["--network", network.name()])?;
    let joined = sleeper(&["--network", &format!("container:{}", web.name())])?;
    for name in [web.name(), joined.name()] {
        let text = quiet(["inspect", name])?;
        let attached = text.lines().find(|line| line.starts_with("network    eth0 up ")).context("no interface")?;
        assert!(attached.ends_with(&format!(" ({})", network.name())), "{text}");
    }
    let alone = sleeper(&["--network", "none"])?;
    let text = quiet(["inspect", alone.name()])?;
    assert!(text.contains("\nnetwork    nothing but the loopback\n"), "{text}");
    Ok(())
}

#[test]
fn who_shares_a_namespace_is_named() -> Result<()> {
    let first = sleeper(&[])?;
    let (net, pid) = (format!("container:{}", first.name()), format!("container:{}", first.name()));
    let second = sleeper(&["--network", &net, "--pid", &pid])?;
    for (one, other) in [(&first, &second), (&second, &first)] {
        let shared = &inspect(one.name())?["shared"];
        for kind in ns::KINDS {
            let is_shared = matches!(kind, "net" | "pid");
            let wanted = if is_shared { json!([other.name()]) } else { json!([]) };
            assert_eq!(shared[kind], wanted, "{kind}");
        }
        let text = quiet(["inspect", one.name()])?;
        assert!(text.contains(&format!("\nshared     net pid with {}\n", other.name())), "{text}");
    }
    Ok(())
}

/// The line of a port that is published on a free port of the host's.
fn published(web: &Container, port: &str) -> Result<String> {
    let on = web.docker(&[
        "inspect",
        "-f",
        &format!("{{{{(index (index .NetworkSettings.Ports \"{port}\") 0).HostPort}}}}"),
    ])?;
    let text = quiet(["inspect", web.name()])?;
    let line = text.lines().find(|line| line.contains(&format!("0.0.0.0:{on} [::]:{on} -> {port}")));
    Ok(line.with_context(|| format!("no {port}: {text}"))?.to_owned())
}

#[test]
fn a_published_port_that_nobody_serves_is_said() -> Result<()> {
    let script = "httpd -p 80; httpd -p 127.0.0.1:81; exec sleep 1000";
    let args = ["-p", "80", "-p", "81", "-p", "82", "-p", "53/udp", "-p", "54/udp"];
    let web = Container::run(image::busybox()?, &args, &["sh", "-c", script])?;
    web.wait_for_port(80)?;
    let pid = web.pid()?.to_string();
    let mut dns = Command::new("nsenter");
    dns.args([
        "-t",
        &pid,
        "-n",
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--no-resolv",
        "--no-hosts",
    ]);
    let _dns = pid::Process::spawn(dns.args(["--user=root", "--pid-file"]))?;
    let listens = |shown: &Value, protocol: &str, port: u16| {
        array(&shown["listeners"]).iter().any(|it| it["protocol"] == protocol && it["port"] == port)
    };
    let shown = wait::until(Duration::from_secs(15), "all listeners", || {
        let shown = inspect(web.name()).ok()?;
        (listens(&shown, "tcp", 81) && listens(&shown, "udp", 53)).then_some(shown)
    })?;
    assert!(listens(&shown, "tcp", 80) && !listens(&shown, "tcp", 82) && !listens(&shown, "udp", 54));
    for (port, said) in [
        ("80/tcp", ""),
        ("53/udp", ""),
        ("81/tcp", " - inside it is listened on at the loopback only"),
        ("82/tcp", " - nobody listens inside"),
        ("54/udp", " - nobody listens inside"),
    ] {
        let line = published(&web, port)?;
        assert!(line.ends_with(&format!("-> {port}{said}")), "{line}");
    }
    let unserved =
        array(&shown["unserved"]).iter().map(|it| format!("{}/{}", it["port"], it["protocol"].as_str().unwrap()));
    let mut unserved: Vec<_> = unserved.collect();
    unserved.sort();
    assert_eq!(unserved, ["54/udp", "81/tcp", "82/tcp"]);
    Ok(())
}

#[test]
fn the_servers_behind_dockers_own_are_told() -> Result<()> {
    let network = Network::create(&[])?;
    let given = sleeper(&["--network", network.name(), "--dns", "192.0.2.53", "--dns", "192.0.2.54"])?;
    assert_eq!(inspect(given.name())?["history"]["dns"], docker(&given)?["HostConfig"]["Dns"]);
    let row = |name: &str| -> Result<String> {
        let text = quiet(["inspect", name])?;
        Ok(text.lines().find(|line| line.starts_with("dns ")).context("no dns")?.to_owned())
    };
    let behind = "dns        127.0.0.11 (Docker's own, which asks 192.0.2.53 192.0.2.54)";
    assert!(row(given.name())?.starts_with(behind), "{}", row(given.name())?);
    let joined = sleeper(&["--network", &format!("container:{}", given.name())])?;
    assert!(row(joined.name())?.contains(&format!("127.0.0.11 (Docker's own, as of {})", given.name())));
    let plain = sleeper(&["--network", network.name()])?;
    assert!(row(plain.name())?.contains("127.0.0.11 (Docker's own)"));
    // On the default network there is no server of Docker's: it asks these itself.
    let alone = sleeper(&["--dns", "192.0.2.53"])?;
    assert_eq!(row(alone.name())?, "dns        192.0.2.53");
    // Whoever writes Docker's there asks nobody.
    let file = Scratch::new()?;
    let file = file.path().join("resolv.conf");
    std::fs::write(&file, "nameserver 127.0.0.11\n")?;
    let copied = sleeper(&["-v", &format!("{}:/etc/resolv.conf", file.display())])?;
    assert_eq!(row(copied.name())?, "dns        127.0.0.11 (Docker's own, which does not answer here)");
    Ok(())
}
