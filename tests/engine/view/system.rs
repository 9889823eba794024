//! `/sys`: the devices of the network that was entered, and the host's mounts where they were.

use anyhow::{Result, ensure};
use testbed::Network;

use super::{idle, on_host, quiet_on_host};
use crate::run::{quiet, stdout};

#[test]
fn devices_are_those_of_the_network() -> Result<()> {
    let (one, two) = (Network::create(&[])?, Network::create(&[])?);
    let web = idle(&["--network", one.name()])?;
    testbed::engine::docker(&["network", "connect", two.name(), web.name()])?;
    let script = "for d in /sys/class/net/*; do echo $d $(cat $d/address $d/ifindex); done";
    let wanted = web.exec(&[], &["sh", "-c", script])?;
    assert!(wanted.contains("eth1"), "{wanted}");
    assert_eq!(quiet(["--net", web.name(), "sh", "-c", script])?, wanted);
    assert_eq!(quiet(["--sandbox", web.name(), "sh", "-c", script])?, wanted);
    assert_ne!(quiet(["--net", "--raw", web.name(), "sh", "-c", script])?, wanted);
    assert_ne!(quiet(["--net", "-t", &web.pid()?.to_string(), "sh", "-c", script])?, wanted);
    for (tool, shown) in [
        (&["ip", "-s", "link", "show", "eth1"][..], "eth1@"),
        (&["tc", "-s", "qdisc", "show", "dev", "eth1"], "qdisc noqueue"),
        (&["ethtool", "-i", "eth1"], "driver: veth"),
        (&["ethtool", "-S", "eth1"], "peer_ifindex"),
        (&["bridge", "link"], ""),
    ] {
        let found = quiet(["--net", web.name()].iter().chain(tool))?;
        ensure!(found.contains(shown), "{tool:?}: {found}");
    }
    Ok(())
}

/// Each mount below `/sys` with device, type and what of it, whatever its options; without those of the network's devices.
const MOUNTS: &str = r#"sed -n 's/^[0-9]* [0-9]* \([0-9:]* [^ ]* \/sys\/[^ ]*\) .* - \([^ ]*\) .*/\1 \2/p' /proc/self/mountinfo | grep -v -e ' /sys/class ' -e ' /sys/devices ' | sort"#;

#[test]
fn the_hosts_mounts_are_where_they_were() -> Result<()> {
    let web = idle(&[])?;
    let ours = stdout("sh", &["-c", MOUNTS])?;
    assert!(ours.contains("/sys/fs/cgroup"), "{ours}");
    assert_eq!(quiet(["--net", web.name(), "sh", "-c", MOUNTS])?, ours);
    let more = "\
        mount -t tmpfs debug /sys/kernel/debug; mkdir '/sys/kernel/debug/a b\\c'; mount -t tmpfs in '/sys/kernel/debug/a b\\c'\n\
        echo inside > '/sys/kernel/debug/a b\\c/file'; mount -t tmpfs one /sys/fs/fuse; mount -t tmpfs two /sys/fs/fuse\n\
        mkdir /sys/fs/fuse/top; echo over > $S/f; mount --bind $S/f /sys/kernel/vmcoreinfo || mount --bind $S/f /sys/kernel/notes\n";
    let look =
        "cat /sys/kernel/debug/*/file; ls /sys/fs/fuse; cat /sys/kernel/vmcoreinfo /sys/kernel/notes | grep -a over";
    let found = quiet_on_host(&web, &format!("{more}c --net $C sh -c '{look}'"))?;
    assert_eq!(found, "inside\ntop\nover");
    // As the host has it: read-only, or not there at all.
    let read_only =
        "mount -o remount,bind,ro /sys; c --net $C sh -c 'ls /sys/class/net; : > /sys/kernel/uevent_helper'";
    let output = on_host(&web, read_only)?;
    assert!(output.stdout == "eth0\nlo\n" && output.stderr.contains("Read-only file system"), "{output:?}");
    assert_eq!(quiet_on_host(&web, "umount -R /sys; c --net $C ls /sys/class/net; ls /sys")?, "eth0\nlo");
    Ok(())
}

#[test]
fn what_is_mounted_can_be_used() -> Result<()> {
    let web = idle(&[])?;
    // Its own cgroup, as the host's tools name it.
    let script = "grep -rqx $$ $(find /sys/fs/cgroup -name cgroup.procs -maxdepth 3) && echo found";
    assert_eq!(quiet(["--net", web.name(), "sh", "-c", script])?, "found");
    Ok(())
}
