//! What names mean: host tools resolve them as the container's programs do. Whatever the host has in `/etc` belongs in
//! `etc.rs`.

use anyhow::{Context, Result, ensure};
use testbed::{Container, Network, Scratch, engine, image, output};

use super::{idle, seen};
use crate::run::{quiet, run};

const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

#[test]
fn tools_of_the_host_find_a_peer_by_name() -> Result<()> {
    let network = Network::create(&[])?;
    let peer = Container::run(image::nginx()?, &["--network", network.name()], &[])?;
    let web = idle(&["--network", network.name(), "--add-host", "extra:10.1.2.3"])?;
    peer.wait_for_port(80)?;
    let (name, address) = (peer.name(), peer.ip()?);
    let page = web.exec(&[], &["wget", "-qO-", &format!("http://{name}/")])?;
    let ping = format!("PING {name} ({address})");
    let pid = web.pid()?.to_string();
    for (tool, wanted) in [
        (&["curl", "-sS", &format!("http://{name}/")][..], page.trim_end()),
        (&["dig", "+short", name], &address),
        (&["getent", "hosts", name], &address),
        (&["getent", "hosts", "extra"], "10.1.2.3"),
        (&["ping", "-c1", name], &ping),
    ] {
        let found = quiet(["--net", web.name()].iter().chain(tool))?;
        ensure!(found.starts_with(wanted), "{tool:?} says\n{found}\nnot\n{wanted}");
        let sandbox = quiet(["--sandbox", web.name()].iter().chain(tool))?;
        ensure!(sandbox.starts_with(wanted), "--sandbox: {tool:?} says\n{sandbox}\nnot\n{wanted}");
        // The host's own names lead nowhere in there, or else this shows nothing.
        for raw in [&["--net", "--raw", web.name()][..], &["--net", "-t", &pid]] {
            // What resolves at all does so at once.
            let limited = ["timeout", "10"].iter().chain(tool);
            let raw = run(raw.iter().chain(limited))?;
            ensure!(!raw.stdout.contains(wanted), "{raw:?}");
        }
    }
    Ok(())
}

#[test]
fn files_are_those_that_the_container_sees() -> Result<()> {
    let network = Network::create(&[])?;
    let owner = idle(&["--network", network.name(), "--dns-option", "ndots:7"])?;
    let of_owner = format!("container:{}", owner.name());
    let folder = Scratch::new()?;
    let file = folder.path().join("own");
    std::fs::write(&file, "10.9.8.7 of-the-user\n")?;
    let own = format!("{}:/etc/hosts:ro", file.display());
    for args in [
        &[][..],
        &["--network", network.name()],
        &["--network", "none"],
        &["--network", &of_owner],
        &["--network", network.name(), "--read-only", "--user", "1000:1000", "--cap-drop", "ALL"],
        &["--dns", "9.9.9.9", "--dns", "2001:db8::1", "--dns-search", "a.test", "--dns-search", "b.test"],
        &["--dns-option", "ndots:3", "--dns-option", "use-vc", "--add-host", "extra:10.1.2.3"],
        &["--network", network.name(), "--hostname", "other", "--dns", "9.9.9.9", "--add-host", "a:::1"],
        // Not what the engine has on record.
        &["--volume", &own],
    ] {
        let web = idle(args)?;
        for file in FILES {
            let wanted = seen(&web, file)?;
            ensure!(quiet(["--net", web.name(), "cat", file])? == wanted, "{args:?}: {file} is not\n{wanted}");
            ensure!(quiet(["--sandbox", web.name(), "cat", file])? == wanted, "{args:?}: {file} is not\n{wanted}");
        }
    }
    Ok(())
}

#[test]
fn what_the_container_writes_is_what_is_shown() -> Result<()> {
    let web = idle(&[])?;
    web.exec(&[], &["sh", "-c", "echo nameserver 192.0.2.1 > /etc/resolv.conf; echo 192.0.2.2 new > /etc/hosts"])?;
    assert_eq!(quiet(["--net", web.name(), "cat", "/etc/resolv.conf"])?, "nameserver 192.0.2.1");
    assert_eq!(quiet(["--net", web.name(), "getent", "hosts", "new"])?, "192.0.2.2       new");
    // Larger than a page.
    web.exec(&[], &["sh", "-c", "for i in $(seq 5000); do echo 10.0.0.1 name$i; done > /etc/hosts"])?;
    assert_eq!(quiet(["--net", web.name(), "cat", "/etc/hosts"])?, seen(&web, "/etc/hosts")?);
    Ok(())
}

#[test]
fn the_host_keeps_its_names_where_its_network_is_used() -> Result<()> {
    let web = idle(&["--network", "host"])?;
    let mounts = "readlink /proc/self/ns/mnt; cat /etc/resolv.conf /etc/hosts";
    let output = run(["--net", web.name(), "sh", "-c", mounts])?;
    assert_eq!(output.stdout, output::stdout(std::process::Command::new("sh").args(["-c", mounts]))? + "\n");
    // Nor is anything but the network, where it's not entered.
    let other = idle(&[])?;
    for option in ["--ipc", "--cgroup"] {
        assert_eq!(quiet([option, other.name(), "sh", "-c", mounts])? + "\n", output.stdout);
    }
    Ok(())
}

#[test]
fn the_host_name_is_the_containers() -> Result<()> {
    let web = idle(&["--hostname", "told.example"])?;
    let script = "hostname; cat /etc/hostname; uname -n";
    assert_eq!(quiet(["--uts", web.name(), "sh", "-c", script])?, "told.example\ntold.example\ntold.example");
    let ours = |file| std::fs::read_to_string(file).map(|text| text.trim_end_matches('\n').to_owned());
    assert_eq!(quiet(["--uts", web.name(), "cat", "/etc/resolv.conf"])?, ours("/etc/resolv.conf")?);
    assert_eq!(quiet(["--uts", "--raw", web.name(), "cat", "/etc/hostname"])?, ours("/etc/hostname")?);
    Ok(())
}

/// An image of one program: no `/etc`, no `/sys`, nothing.
fn bare() -> Result<&'static str> {
    const BARE: &str = "cnsenter-test/bare";
    if engine::docker(&["image", "inspect", BARE]).is_ok() {
        return Ok(BARE);
    }
    let label = format!("LABEL {}", testbed::LABEL);
    let folder = Scratch::new()?;
    let tar = folder.path().join("tar");
    let tar = tar.to_str().context("a strange folder")?;
    output::stdout(std::process::Command::new("tar").args(["-C", "/bin", "-cf", tar, "busybox"]))?;
    engine::docker(&["import", "--change", &label, tar, BARE])?;
    Ok(BARE)
}

#[test]
fn a_container_of_one_program_is_no_obstacle() -> Result<()> {
    let network = Network::create(&[])?;
    let peer = idle(&["--network", network.name()])?;
    let args = ["--network", network.name(), "--read-only"];
    let web = Container::run(bare()?, &args, &["/busybox", "sleep", "1000"])?;
    for file in FILES {
        let wanted = web.exec(&[], &["/busybox", "cat", file])?;
        assert_eq!(quiet(["--net", web.name(), "cat", file])?, wanted);
    }
    let found = quiet(["--net", web.name(), "getent", "hosts", peer.name()])?;
    assert!(found.starts_with(&peer.ip()?), "{found}");
    let all = quiet(["--net", "--pid", "--uts", web.name(), "sh", "-c", "ps -o comm= -p 1; cat /etc/hostname"])?;
    assert_eq!(all, format!("busybox\n{}", web.short_id()));
    Ok(())
}

#[test]
fn a_container_without_files_resolves_nothing() -> Result<()> {
    use testbed::oci;
    let web = oci::Container::run(oci::Runtime::Runc, None, &[], &["sleep", "1000"])?;
    let script = "wc -c < /etc/resolv.conf; wc -c < /etc/hosts; cat /etc/hostname; ls /sys/class/net";
    let shown = quiet(["--net", "--uts", web.id(), "sh", "-c", script])?;
    assert_eq!(shown, format!("0\n0\n{}\n{}", web.id(), web.exec(&["ls", "/sys/class/net"])?.trim_end()));
    Ok(())
}
