//! What several have, what only looks like somebody's, and what is kept where few look.

use std::collections::BTreeSet;
use std::net::SocketAddrV4;
use std::os::fd::OwnedFd;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use testbed::guard::Scratch;
use testbed::{Container, guard, image, output, pid, wait};

use super::{owners, rows, set, who};

fn only_owner(word: &str) -> Result<String> {
    let all = owners(word)?;
    assert_eq!(all.len(), 1, "{word}: {all:?}");
    all.into_iter().next().context("nobody's")
}

#[test]
fn an_address_that_two_have_is_of_both() -> Result<()> {
    let on_bridge = || Container::run(image::busybox()?, &[], &["sleep", "100000"]);
    let (web, thief) = (on_bridge()?, on_bridge()?);
    let (ip, mac) = (web.ip()?, web.inspect("{{.NetworkSettings.MacAddress}}")?);
    let both = BTreeSet::from([&web, &thief].map(|one| format!("docker://{}", one.name())));
    // What is on record says nothing of it.
    let pid = thief.pid()?.to_string();
    let inside = |words: &[&str]| output::stdout(Command::new("nsenter").args(["-n", "-t", &pid, "ip"]).args(words));
    inside(&["address", "add", &format!("{ip}/32"), "dev", "eth0"])?;
    inside(&["link", "set", "eth0", "address", &mac])?;
    for word in [&ip, &mac] {
        let found: BTreeSet<_> = owners(word)?.intersection(&both).cloned().collect();
        assert_eq!(found, both, "{word}");
    }
    // Nor of one that nobody gave it, on an interface that leads nowhere.
    inside(&["link", "add", "odd", "type", "bridge"])?;
    inside(&["link", "set", "odd", "address", "02:00:5e:10:00:07"])?;
    inside(&["address", "add", "198.51.100.7/32", "dev", "odd"])?;
    for word in ["198.51.100.7", "02:00:5e:10:00:07"] {
        assert_eq!(only_owner(word)?, format!("docker://{}", thief.name()));
    }
    Ok(())
}

/// Interfaces of the host's that were moved into a container have no end here, though the host has a number for that
/// network.
#[test]
fn whoever_takes_the_hardware_address_of_a_moved_interface_does_not_hide_it() -> Result<()> {
    let web = Container::run(image::busybox()?, &["--network", "none"], &["sleep", "100000"])?;
    let thief = Container::run(image::busybox()?, &[], &["sleep", "100000"])?;
    let (pid, other) = (web.pid()?.to_string(), thief.pid()?.to_string());
    let ([one, two], mac) = (["a", "b"].map(|end| format!("cn{pid}{end}")), "02:00:5e:10:00:08");
    let ip = |words: &[&str]| output::stdout(Command::new("ip").args(words));
    ip(&["link", "add", &one, "address", mac, "type", "veth", "peer", "name", &two])?;
    ip(&["link", "set", &one, "netns", &pid])?;
    ip(&["link", "set", &two, "netns", &pid])?;
    output::stdout(Command::new("nsenter").args(["-n", "-t", &other, "ip", "link", "set", "eth0", "address", mac]))?;
    let both = BTreeSet::from([&web, &thief].map(|one| format!("docker://{}", one.name())));
    assert_eq!(owners(mac)?, both);
    Ok(())
}

/// Answers about many interfaces wait for us in one place, of which each takes as much as it has names.
#[test]
fn interfaces_with_very_many_names_do_not_hide_others() -> Result<()> {
    let run = || Container::run(image::busybox()?, &["--cap-add", "NET_ADMIN"], &["sleep", "100000"]);
    let (hoarder, web) = (run()?, run()?);
    let pid = hoarder.pid()?.to_string();
    let mac = web.inspect("{{.NetworkSettings.MacAddress}}")?;
    let host_ends = |end: usize| format!("cn{pid}v{end}");
    let mut lines = String::new();
    for end in 0..8 {
        let host_end = host_ends(end);
        output::stdout(Command::new("ip").args(["link", "add", &host_end, "type", "veth", "peer", "name"]).args([
            &format!("e{end}"),
            "netns",
            &pid,
        ]))?;
        let name = |number: usize| format!("property add dev e{end} altname {end}-{number}-{}\n", "x".repeat(110));
        lines.extend((0..300).map(|number| format!("link {}", name(number))));
    }
    lines.push_str(&format!("link set e7 address {mac}\n"));
    let script = Scratch::new()?;
    let script = script.path().join("names");
    std::fs::write(&script, lines)?;
    output::stdout(Command::new("nsenter").args(["-n", "-t", &pid, "ip", "-batch"]).arg(&script))?;
    let both = BTreeSet::from([&web, &hoarder].map(|one| format!("docker://{}", one.name())));
    let found: BTreeSet<_> = owners(&mac)?.intersection(&both).cloned().collect();
    assert_eq!(found, both);
    Ok(())
}

#[test]
fn a_port_is_found_whichever_address_it_is_on() -> Result<()> {
    let port = set::port() + 2;
    let at_own = format!("exec httpd -f -p $(hostname -i):{port}");
    let web = Container::run(image::busybox()?, &[], &["sh", "-c", &at_own])?;
    let name = format!("docker://{}", web.name());
    let (pid, at) = (web.pid()?.to_string(), format!("{}:{port}", web.ip()?));
    wait::until(Duration::from_secs(10), "httpd", || {
        let waiting = output::stdout(Command::new("nsenter").args(["-n", "-t", &pid, "ss", "-Hltn"])).ok()?;
        waiting.contains(&at).then_some(())
    })?;
    for word in [format!(":{port}"), format!("{port}/tcp"), at] {
        assert_eq!(only_owner(&word)?, name);
    }
    assert_eq!(who(&[format!("127.0.0.1:{port}")])?.code, Some(1));
    Ok(())
}

/// A network of ip-netns(8), deleted when dropped.
struct Named(String);

impl Drop for Named {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.0]).status();
    }
}

#[test]
fn a_container_that_takes_the_address_of_another_network_does_not_hide_it() -> Result<()> {
    let name = Named(guard::unique_name());
    output::stdout(Command::new("ip").args(["netns", "add", &name.0]))?;
    let web = Container::run(image::busybox()?, &[], &["sleep", "100000"])?;
    let ip = format!("198.51.100.{}", 20 + std::process::id() % 200);
    let give =
        |words: &[&str]| output::stdout(Command::new("ip").args(words).args(["address", "add", &ip, "dev", "lo"]));
    give(&["-n", &name.0])?;
    let pid = web.pid()?.to_string();
    output::stdout(Command::new("nsenter").args(["-n", "-t", &pid, "ip", "address", "add", &ip, "dev", "lo"]))?;
    let both = BTreeSet::from([format!("--net=/run/netns/{}", name.0), format!("docker://{}", web.name())]);
    assert_eq!(owners(&ip)?, both);
    Ok(())
}

#[test]
fn what_only_a_descriptor_keeps_is_found() -> Result<()> {
    let ip = format!("203.0.113.{}", 20 + std::process::id() % 200);
    let script = format!(
        "ip address add {ip} dev lo && exec 3</proc/self/ns/net && exec nsenter --net=/proc/{}/ns/net sleep 100000",
        std::process::id()
    );
    let keeper = pid::Process::spawn(Command::new("unshare").args(["--net", "sh", "-c", &script]))?;
    let comm = format!("/proc/{}/comm", keeper.pid());
    wait::until(Duration::from_secs(10), "the keeper", || {
        std::fs::read_to_string(&comm).ok().filter(|name| name == "sleep\n")
    })?;
    let rows = rows(&who(&[&ip])?)?;
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert!(rows[0].1.contains(&keeper.pid().to_string()), "{rows:?}");
    Ok(())
}

#[test]
fn who_listens_many_times_in_one_place_is_said_once() -> Result<()> {
    let port = set::port() + 3;
    let listen = |_| -> Result<OwnedFd> {
        let flags = SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        sockopt::set_socket_reuseport(&socket, true)?;
        rustix::net::bind(&socket, &SocketAddrV4::new([127, 0, 0, 1].into(), port))?;
        rustix::net::listen(&socket, 1)?;
        Ok(socket)
    };
    let _all = (0..300).map(listen).collect::<Result<Vec<_>>>()?;
    let rows = rows(&who(&[format!(":{port}")])?)?;
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert!(rows[0].1.contains(&std::process::id().to_string()), "{rows:?}");
    Ok(())
}
