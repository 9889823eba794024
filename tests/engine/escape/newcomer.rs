//! The time between joining and the program (CVE-2016-9962): a container's process sees the newcomer, looks into it, traces
//! it, stops it, kills it. What becomes of the host's binary belongs in `binary`.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, ensure};
use testbed::{output, wait};

use super::{Host, KINDS, Watcher, careless, container, container_of, in_each, slow};
use crate::spellings::sides::children;

/// The longest that anything may take on a machine with much else to do.
const LIMIT: Duration = Duration::from_secs(30);

/// What cnsenter is run from: a file that is a mount by itself.
const ALONE: &str = "exe /";

/// How often somebody enters while they are watched.
const ROUNDS: usize = 8;

/// How often that is repeated for the control to fall.
const TRIES: usize = 10;

/// Runs a command whose program waits for the end of its input, until the watcher has seen it.
pub(super) fn pass_by(watcher: &mut Watcher, command: &Command) -> Result<()> {
    let mut child = slow(&careless(command)).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    let seen = watcher.wait_for_newcomer();
    drop(child.stdin.take());
    let status = child.wait()?;
    seen?;
    ensure!(status.success(), "{command:?}: {status:?}");
    Ok(())
}

#[test]
fn what_a_newcomer_holds_is_out_of_sight() -> Result<()> {
    let host = Host::new()?;
    in_each(|kind| {
        let container = container(kind, &[])?;
        let pid = container.pid()?.to_string();
        // The control. What the program itself may do is seen of it in any container; its host side where it can be traced.
        let mut got = Vec::new();
        let mut falls = vec!["sight of a process that may do more"];
        if kind.traces {
            falls.extend(["exe /tmp", "environ", "fd to ", "mem of a process", "ptrace of a process"]);
        }
        for _ in 0..TRIES {
            let mut watcher = Watcher::start(&container, &host, None)?;
            for _ in 0..ROUNDS {
                pass_by(&mut watcher, &host.nsenter(["-a", "-t", &pid, "/bin/busybox", "cat"]))?;
            }
            got.extend(watcher.finish()?.0);
            falls.retain(|what| !got.iter().any(|line| line.starts_with(what)));
            if falls.is_empty() {
                break;
            }
        }
        ensure!(falls.is_empty(), "nsenter withstands {falls:?}: {got:?}");

        for greeting in [None, Some("step")] {
            let mut watcher = Watcher::start(&container, &host, greeting)?;
            for _ in 0..ROUNDS {
                pass_by(&mut watcher, &host.cnsenter([container.name(), "/bin/busybox", "cat"]))?;
            }
            let seen = watcher.finish()?;
            // The program is one of the container's own by then, and may be traced by any other one. Who may trace
            // everybody finds it a moment earlier, when nothing in it is not the container's any more.
            let harmless = |line: &str| line == "ptrace" || kind.traces && [ALONE, "mem"].contains(&line);
            let holes: Vec<_> = seen.0.iter().filter(|line| !harmless(line)).collect();
            ensure!(holes.is_empty(), "greeted with {greeting:?}: {holes:?}");
        }
        ensure!(host.is_untouched("cnsenter")?, "it was written to");
        Ok(())
    })
}

#[test]
fn a_newcomer_that_is_killed_at_first_sight_leaves_nobody_behind() -> Result<()> {
    let host = Host::new()?;
    for kind in &KINDS {
        let container = container(kind, &[])?;
        for signal in ["9", "15", "11"] {
            let mut watcher = Watcher::start(&container, &host, Some(signal))?;
            let mut line = host.cnsenter([container.name(), "sleep", "100000"]);
            let mut child = line.stdin(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn()?;
            watcher.wait_for_newcomer()?;
            let ended = wait::until(LIMIT, "cnsenter's end", || child.try_wait().ok().flatten());
            if ended.is_err() {
                child.kill()?;
                child.wait()?;
            }
            ensure!(!ended?.success(), "{signal}: it was not killed");
            watcher.finish()?;
            // The processes on the host's side hold none of the container's any more.
            let left = container.docker(&["top"])?;
            ensure!(!left.contains("sleep 100000\n") || left.matches("sleep").count() == 1, "{left}");
        }
    }
    Ok(())
}

#[test]
fn a_newcomer_that_is_stopped_for_ever_does_not_hold_the_container() -> Result<()> {
    let host = Host::new()?;
    for kind in &KINDS {
        let container = container(kind, &[])?;
        let watcher = Watcher::start(&container, &host, Some("19"))?;
        let mut line = host.cnsenter([container.name(), "sleep", "100000"]);
        let mut child = line.stdin(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn()?;
        let stopped = || {
            let newcomer = *children(*children(child.id()).first()?).last()?;
            let stat = std::fs::read_to_string(format!("/proc/{newcomer}/stat")).ok()?;
            stat.contains(") T ").then_some(())
        };
        let seen = wait::until(LIMIT, "the newcomer to be stopped", stopped);
        let removed = container.docker(&["rm", "-f"]);
        let ended = wait::until(LIMIT, "cnsenter's end", || child.try_wait().ok().flatten());
        child.kill()?;
        child.wait()?;
        drop(watcher);
        seen?;
        ensure!(removed.is_ok(), "{}: {removed:?}", kind.name);
        ensure!(ended.is_ok(), "{}: it was left behind", kind.name);
    }
    Ok(())
}

#[test]
fn no_room_for_a_newcomer_is_an_error_and_leaves_nobody_behind() -> Result<()> {
    let host = Host::new()?;
    in_each(|kind| {
        // Three processes, and no room for a fourth.
        let container = container_of(kind, &[], &["sh", "-c", "sleep 100000 & sleep 100000 & echo; wait"])?;
        container.docker(&["update", "--pids-limit", "3"])?;
        let mut line = Command::new("timeout");
        line.arg("30").arg(host.path("cnsenter")).args([container.name(), "/bin/busybox", "true"]);
        let entered = output::run(&mut line)?;
        // In its cgroup, one more process is one too many; an exec needs none.
        ensure!(entered.code != Some(124) && entered.signal.is_none(), "{entered:?}");
        Ok(())
    })
}
