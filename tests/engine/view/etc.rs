//! What the host has in `/etc`, and what would answer for it: links, mounts, nothing at all, and the daemons behind
//! nsswitch.conf.

use anyhow::{Result, ensure};
use testbed::{Network, Output};

use super::{idle, on_host, quiet_on_host, seen};

/// Prints what a program of the host's sees, and then what was on the host before and is to be there still.
const LOOK: &str = "\
    c --net \"$C\" cat /etc/resolv.conf\n\
    echo =\n\
    c --net \"$C\" cat /etc/hosts\n";

fn shown(output: &Output) -> Option<(&str, &str)> {
    output.stdout.split_once("=\n")
}

#[test]
fn whatever_the_host_has_there() -> Result<()> {
    let network = Network::create(&[])?;
    let web = idle(&["--network", network.name(), "--dns-search", "example.test"])?;
    let (resolv_conf, hosts) = (seen(&web, "/etc/resolv.conf")?, seen(&web, "/etc/hosts")?);
    for (host, said) in [
        (":", ""),
        // As systemd-resolved has it.
        ("mkdir -p $S/run; mv /etc/resolv.conf $S/run/stub; ln -s $S/run/stub /etc/resolv.conf", ""),
        ("mkdir -p $S/run; mv /etc/resolv.conf $S/run/stub; ln -s ../../../../..$S/run/stub /etc/resolv.conf", ""),
        ("ln -sf $S/nowhere/stub /etc/resolv.conf", ""),
        ("ln -sf resolv.conf /etc/resolv.conf", ""),
        ("ln -sf $S/nowhere/stub /etc/resolv.conf; ln -sf nowhere /etc/hosts", ""),
        ("echo mine > $S/mine; mount --bind $S/mine /etc/resolv.conf", ""),
        ("echo mine > $S/mine; mount --bind -o ro $S/mine /etc/hosts; mount --bind $S/mine /etc/hosts", ""),
        // A mount on the file behind the link.
        ("echo a > $S/a; echo b > $S/b; mount --bind $S/a $S/b; ln -sf $S/b /etc/resolv.conf", ""),
        ("mount --bind -o remount,ro /etc", ""),
        ("rm /etc/nsswitch.conf", ""),
        ("rm /etc/resolv.conf", "there is no /etc/resolv.conf here"),
        ("rm /etc/hosts", "there is no /etc/hosts here"),
        ("rm /etc/resolv.conf /etc/hosts", "there is no /etc/hosts here"),
        ("rm -r /etc/*", "there is no /etc/resolv.conf here"),
    ] {
        // Containers of others come and go.
        let mounts = "mounts() { grep -v -e docker -e containerd -e /run/netns /proc/self/mountinfo; }";
        let before = "ls -l /etc/resolv.conf /etc/hosts > $S/before 2>&1 || :; mounts > $S/mounts";
        let after = "ls -l /etc/resolv.conf /etc/hosts 2>&1 | cmp - $S/before; mounts | cmp - $S/mounts";
        let output = on_host(&web, &format!("{mounts}\n{host}\n{before}\n{LOOK}{after}"))?;
        ensure!(output.success(), "{host}: {output:?}");
        let found = shown(&output).map(|(first, second)| (first.trim_end(), second.trim_end()));
        ensure!(found == Some((&resolv_conf, &hosts)), "{host}: {output:?}");
        ensure!(output.stderr.contains(said) && output.stderr.is_empty() == said.is_empty(), "{host}: {output:?}");
    }
    Ok(())
}

#[test]
fn the_rest_of_etc_is_the_hosts_and_can_be_written() -> Result<()> {
    let web = idle(&[])?;
    let change = "\
        mkdir /etc/folder; echo old > /etc/folder/file; echo old > /etc/file; ln -s file /etc/link\n\
        chmod 600 /etc/file; list() { cd /etc; find . -printf '%p %y %m %U %l\\n' | sort; }\n";
    let write = "\
        c --net \"$C\" sh -euc 'echo new > /etc/folder/file; echo new >> /etc/file; echo made > /etc/folder/made; \
            ls /etc' > $S/list\n\
        cat /etc/folder/file /etc/link /etc/folder/made\n";
    let wanted = "new\nold\nnew\nmade";
    assert_eq!(quiet_on_host(&web, &format!("{change}{write}ls /etc | cmp - $S/list"))?, wanted);
    // In the copy, too.
    let missing =
        format!("{change}rm /etc/resolv.conf; ls /etc > $S/ls; echo resolv.conf >> $S/ls; sort $S/ls > $S/ls2");
    let output = on_host(&web, &format!("{missing}\n{write}sort $S/list | cmp - $S/ls2"))?;
    assert!(output.success() && output.stdout.trim_end() == wanted, "{output:?}");
    // Nobody writes what is lost without a word.
    let output = on_host(&web, "rm /etc/resolv.conf; c --net \"$C\" sh -c 'echo lost > /etc/new'; cat /etc/new")?;
    assert!(!output.success() && output.stderr.contains("Read-only file system"), "{output:?}");
    // The working directory is the real one, whatever is shown in its place.
    let output =
        on_host(&web, "rm /etc/resolv.conf; cd /etc; c --net \"$C\" sh -c 'pwd; echo kept > new'; cat /etc/new")?;
    assert!(output.success() && output.stdout == "/etc\nkept\n", "{output:?}");
    Ok(())
}

#[test]
fn no_daemon_of_the_hosts_answers() -> Result<()> {
    let network = Network::create(&[])?;
    let (peer, web) = (idle(&["--network", network.name()])?, idle(&["--network", network.name()])?);
    let found = format!("{} {}\n", peer.ip()?, peer.name());
    for (line, bad) in [
        ("files resolve [!UNAVAIL=return] dns", false),
        // No such service is here to answer, or it's one that says no: it has the last word.
        ("files resolve [UNAVAIL=return] dns", true),
        ("mdns4_minimal [UNAVAIL=return] resolve [UNAVAIL=return] dns", true),
        ("mymachines [UNAVAIL=return] files dns", true),
        ("files myhostname [UNAVAIL=return] dns", true),
        ("files", true),
    ] {
        let host = format!("sed -i 's/^hosts:.*/hosts: {line}/' /etc/nsswitch.conf; cp /etc/nsswitch.conf $S/nsswitch");
        let look = format!("getent hosts {} | tr -s \" \"", peer.name());
        let others = "grep -v ^hosts: /etc/nsswitch.conf";
        let output = on_host(
            &web,
            &format!(
                "{host}\nc --net \"$C\" sh -c '{look}; {others} > $S/others'\n\
                 cmp $S/nsswitch /etc/nsswitch.conf; {others} | cmp - $S/others"
            ),
        )?;
        ensure!(output.success() && output.stderr.is_empty() && output.stdout == found, "{line}: {output:?}");
        // With the container's files, and the host's nsswitch.conf.
        let bind =
            "for f in resolv.conf hosts; do docker exec $C cat /etc/$f > $S/$f; mount --bind $S/$f /etc/$f; done";
        let raw = on_host(&web, &format!("{host}\n{bind}\nc --net --raw \"$C\" {look} || :"))?;
        ensure!((raw.stdout != found) == bad, "{line} shows nothing: {raw:?}");
    }
    Ok(())
}

#[test]
fn the_socket_of_a_name_service_cache_is_out_of_reach() -> Result<()> {
    let web = idle(&[])?;
    // /run is somebody else's: it goes elsewhere, the engine's socket with it.
    let host = "\
        mkdir $S/run; mount --rbind /run $S/run; mount -t tmpfs run /run; mkdir /run/nscd; : > /run/nscd/socket\n\
        n() { c -H unix://$S/run/docker.sock --net \"$@\"; }\n";
    let look = "ls -A /var/run/nscd";
    assert_eq!(quiet_on_host(&web, &format!("{host} n $C {look}; {look}"))?, "socket");
    assert_eq!(quiet_on_host(&web, &format!("{host} n --raw $C {look}"))?, "socket");
    Ok(())
}

#[test]
fn where_mounts_would_not_stay_private_nothing_is_mounted() -> Result<()> {
    let web = idle(&[])?;
    // A chroot that is no mount point, on a mount that is shared.
    let host = "\
        mkdir $S/top; mount -t tmpfs top $S/top; mount --make-shared $S/top; mkdir $S/top/root; cd $S/top/root\n\
        mkdir proc sys dev etc run bin lib lib64 var; ln -s /run var/run; cp -a /etc/. etc; cp $CNSENTER bin/cnsenter; cp /bin/busybox bin/cat\n\
        for f in proc sys dev run lib lib64; do mount --rbind /$f $f; done\n\
        look() { chroot . /bin/cnsenter --net \"$@\" /bin/cat /etc/resolv.conf; }\n";
    let output = on_host(&web, &format!("{host} look $C 2>&1 || echo $?; look --raw $C | cmp - /etc/resolv.conf"))?;
    let message = "cannot make mounts that the host does not see: Invalid argument";
    let hint = "--raw joins all the same, and shows the host's names, /sys and /proc in there";
    assert_eq!(output.stdout, format!("cnsenter: {message}\nhint: {hint}\n125\n"), "{output:?}");
    assert!(output.success(), "{output:?}");
    Ok(())
}
