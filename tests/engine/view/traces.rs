//! What a view leaves behind: nothing, on the host or in the container. And what it must not take away: the host's files
//! and later mounts, the working directory.

use anyhow::{Result, ensure};
use testbed::Scratch;

use super::{idle, quiet_on_host};
use crate::run::{cnsenter, quiet, stdout};

#[test]
fn nothing_remains() -> Result<()> {
    let web = idle(&[])?;
    let mounts = ["-c", "cut -d' ' -f3- /proc/self/mountinfo | grep -v -e docker -e containerd -e /containers/ | sort"];
    let host = ["-c", "ls -la --time-style=full-iso /etc; sha256sum /etc/hosts /etc/resolv.conf /etc/nsswitch.conf"];
    let inside =
        ["sh", "-c", "ls -la /etc; ls -a /; sha256sum /etc/hosts /etc/resolv.conf /etc/hostname; cat /proc/mounts"];
    let look = || -> Result<_> {
        let all = [stdout("sh", &mounts)?, stdout("sh", &host)?, web.exec(&[], &inside)?, web.docker(&["diff"])?];
        Ok(all.map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).concat())
    };
    let before = look()?;
    for options in [&["--net"][..], &["--sandbox"], &["--pid"], &["--uts"], &["--net", "--pid", "--uts", "--ipc"]] {
        quiet(options.iter().chain(&[web.name(), "sh", "-c", "ls /sys /proc /etc > /dev/null"]))?;
        // What cannot be run is no reason to leave anything, either.
        let missing = crate::run::run(options.iter().chain(&[web.name(), "/nowhere/program"]))?;
        ensure!(missing.code == Some(127), "{missing:?}");
        let after = look()?;
        let changed = |(before, after): (&String, &String)| before != after;
        let changed = before.iter().zip(&after).find(|pair| changed(*pair));
        ensure!(changed.is_none(), "{options:?}: {changed:?}");
    }
    Ok(())
}

#[test]
fn mounts_arrive_from_the_host_and_none_goes_back() -> Result<()> {
    let web = idle(&[])?;
    let script = "\
        mount --make-rshared /; mkdir $S/all; mount -t tmpfs all $S/all; cd $S/all; mkdir later inner; mkfifo ready go\n\
        mounts() { grep -v -e docker -e containerd -e /containers/ /proc/self/mountinfo; }; mounts > $S/before\n\
        ready() { timeout 30 cat ready > $S/said; }\n\
        go() { timeout 30 sh -c 'echo > go'; }\n\
        c --net --uts $C sh -euc '\n\
            echo > ready; read line < go; cat later/file\n\
            mount -t tmpfs inner inner; echo leak > inner/file; mount -t tmpfs over /sys/kernel; umount /etc/hosts\n\
            echo > ready; read line < go' &\n\
        trap 'kill $! 2> /dev/null || :' EXIT\n\
        ready; mounts | cmp - $S/before\n\
        mount -t tmpfs later later; echo arrived > later/file; go\n\
        ready; ls inner; umount later\n\
        mounts | cmp - $S/before\n\
        go; wait $!";
    assert_eq!(quiet_on_host(&web, script)?, "arrived");
    Ok(())
}

#[test]
fn the_working_directory_is_the_callers() -> Result<()> {
    let web = idle(&[])?;
    let folder = Scratch::new()?;
    for place in
        [folder.path().to_str().unwrap_or_default(), "/etc", "/sys/class/net", "/sys/fs/cgroup", "/proc/sys", "/"]
    {
        for options in [&["--net"][..], &["--net", "--pid", "--uts"]] {
            let mut command = cnsenter(options.iter().chain(&[web.name(), "pwd", "-P"]));
            let found = testbed::output::stdout(command.current_dir(place))?;
            assert_eq!(found, place, "{options:?}");
        }
    }
    Ok(())
}

#[test]
fn a_capture_is_written_where_the_caller_is() -> Result<()> {
    let web = idle(&[])?;
    let folder = Scratch::new()?;
    let script = "\
        tcpdump -Z root -U -i lo -c 2 -w ./x.pcap 2> /dev/null & dump=$!\n\
        while kill -0 $dump 2> /dev/null; do ping -c 1 -W 1 127.0.0.1 > /dev/null; done; wait $dump";
    quiet_in(&folder, ["--net", web.name(), "sh", "-c", script])?;
    let length = std::fs::metadata(folder.path().join("x.pcap"))?.len();
    assert!(length > 24, "{length}");
    Ok(())
}

fn quiet_in(folder: &Scratch, words: impl IntoIterator<Item = impl AsRef<std::ffi::OsStr>>) -> Result<()> {
    testbed::output::stdout(cnsenter(words).current_dir(folder.path())).map(drop)
}

#[test]
fn what_is_shown_cannot_be_written_to() -> Result<()> {
    let web = idle(&[])?;
    let script = "for f in resolv.conf hosts; do ( echo x >> /etc/$f ) 2>&1; done | grep -c 'Read-only file system'";
    assert_eq!(quiet(["--net", web.name(), "sh", "-c", script])?, "2");
    // By nobody's mask unreadable, either.
    let script = "umask 077; c --net $C stat -c %a /etc/hosts /etc/resolv.conf; c --net $C sh -c umask";
    assert_eq!(quiet_on_host(&web, script)?, "444\n444\n0077");
    Ok(())
}

#[test]
fn descriptors_do_not_reach_the_program() -> Result<()> {
    let web = idle(&[])?;
    for options in [&["--net"][..], &["--net", "--pid", "--uts"]] {
        let open = quiet(options.iter().chain(&[web.name(), "ls", "/proc/self/fd"]))?;
        // The last is that of the folder itself.
        assert_eq!(open, "0\n1\n2\n3", "{options:?}");
    }
    Ok(())
}
