//! Who is there while the program runs, and who goes when another one goes.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use testbed::{Container, engine, image, wait};

use super::{LIMIT, Running, owned, until_state};
use crate::run::run;
use crate::spellings::sides::{Side, Sides, Target, children};

/// Never asks for anything, never ends.
const SLEEPS: &str = "echo ready; exec sleep 1000";

#[test]
fn the_program_is_the_process_that_was_started() -> Result<()> {
    let target = Target::unshared("--net --uts --mount --pid")?;
    let pid = target.pid().to_string();
    let sides = Sides::new()?;
    for options in [
        &["-n", "-t", &pid][..],
        &["-n", "-u", "-t", &pid],
        &["-m", "-n", "-t", &pid],
        &["-p", "-F", "-t", &pid],
        &["-a", "-F", "-t", &pid],
    ] {
        for side in [sides.newest(), sides.ours(), sides.linked()] {
            let running = Running::start(side, options, SLEEPS)?;
            ensure!(running.chain.len() == 1, "{} {options:?}: {:?}", side.name, running.chain);
            let command = format!("/proc/{}/cmdline", running.pid(0)?);
            wait::until(LIMIT, "the program", || {
                std::fs::read_to_string(&command).is_ok_and(|text| text.starts_with("sleep\0")).then_some(())
            })?;
            let tasks = std::fs::read_dir(format!("/proc/{}/task", running.pid(0)?))?.count();
            ensure!(tasks == 1, "{tasks} threads");
        }
    }
    // A pid namespace applies to children only: one fork under nsenter, and two here (the second holds the program).
    for (side, processes) in [(sides.newest(), 2), (sides.ours(), 3), (sides.linked(), 3)] {
        let running = Running::start(side, &["-p", "-t", &pid], SLEEPS)?;
        ensure!(running.chain.len() == processes, "{}: {:?}", side.name, running.chain);
        ensure!(running.chain.iter().all(|(pid, _)| children(*pid).len() <= 1), "{:?}", running.chain);
    }
    Ok(())
}

#[test]
fn the_program_dies_with_those_that_wait_for_it() -> Result<()> {
    let target = Target::unshared("--net --pid --user --map-root-user")?;
    let pid = target.pid().to_string();
    let sides = Sides::new()?;
    for options in [
        &["-p", "-t", &pid][..],
        &["-p", "-U", "-t", &pid],
        &["-a", "-t", &pid],
        &["-p", "-S", "33", "-G", "33", "-t", &pid],
    ] {
        // The caller, then the keeper.
        for depth in [0, 1] {
            let running = Running::start(sides.ours(), options, SLEEPS)?;
            running.kill(depth, Signal::KILL)?;
            ensure!(running.ends(2, LIMIT)?, "{options:?}: the program outlived process {depth}");
            ensure!(running.ends(1, LIMIT)?, "{options:?}: the keeper outlived process {depth}");
            let (_, status) = running.finish()?;
            ensure!(status.signal() == Some(9), "{options:?}: {status:?}");
        }
    }
    // The control: under nsenter it lives on.
    let running = Running::start(sides.newest(), &["-p", "-t", &pid], SLEEPS)?;
    running.kill(0, Signal::KILL)?;
    ensure!(
        running.ends(0, LIMIT)? && !running.ends(1, Duration::ZERO)?,
        "nsenter's child died with it: it was mended"
    );
    Ok(())
}

#[test]
fn nothing_is_left_when_the_program_ends() -> Result<()> {
    let target = Target::unshared("--pid")?;
    let pid = target.pid().to_string();
    let sides = Sides::new()?;
    let running = Running::start(sides.ours(), &["-p", "-t", &pid], "echo ready; exec sleep 1000")?;
    let chain = [running.pid(0)?, running.pid(1)?, running.pid(2)?];
    running.kill(2, Signal::TERM)?;
    let (_, status) = running.finish()?;
    ensure!(status.signal() == Some(15), "{status:?}");
    for pid in chain {
        until_state(pid, |state| state.is_none(), "no zombie")?;
    }
    Ok(())
}

#[test]
fn a_stopped_one_stops_its_parent_and_goes_on_with_it() -> Result<()> {
    let target = Target::unshared("--pid")?;
    let pid = target.pid().to_string();
    let sides = Sides::new()?;
    for side in sides.four() {
        // The program stops itself, as at Ctrl-Z; and it is stopped from outside.
        let stops = Running::start(side, &["-p", "-t", &pid], "echo ready; kill -STOP $$; echo again; exit 4")?;
        until_state(stops.pid(0)?, |state| state == Some('T'), "a stopped parent")?;
        stops.kill(0, Signal::CONT)?;
        let (text, status) = stops.finish()?;
        ensure!(text == "again\n" && status.code() == Some(4), "{}: {text:?} {status:?}", side.name);

        let stopped = Running::start(side, &["-p", "-t", &pid], SLEEPS)?;
        let lowest = stopped.lowest();
        stopped.kill_lowest(Signal::STOP)?;
        until_state(stopped.pid(0)?, |state| state == Some('T'), "a stopped parent")?;
        stopped.kill(0, Signal::CONT)?;
        until_state(lowest, |state| state == Some('S'), "a program that goes on")?;
        stopped.kill_lowest(Signal::KILL)?;
        ensure!(stopped.finish()?.1.signal() == Some(9), "{}", side.name);
    }
    Ok(())
}

/// Removes a container while a stopped process of ours has a program inside: how long that takes, and whether it works.
fn remove_under(side: &Side, options: &[&str]) -> Result<(Duration, Result<String>)> {
    let container = Container::run(image::busybox()?, &["--network", "none"], &["sleep", "1000"])?;
    let pid = container.pid()?.to_string();
    let words = owned(&[options, &["-t", &pid, "sh", "-c", SLEEPS]].concat());
    let running = Running::spawn(&mut side.command(&words))?;
    running.kill(0, Signal::STOP)?;
    until_state(running.pid(0)?, |state| state == Some('T'), "a stopped caller")?;
    let start = Instant::now();
    let removed = engine::docker(&["rm", "--force", container.id()]);
    let took = start.elapsed();
    // Only now may it be reaped, and the container's guard remove what is left.
    drop(running);
    Ok((took, removed))
}

#[test]
fn a_stopped_one_does_not_hold_the_container() -> Result<()> {
    let sides = Sides::new()?;
    let (took, removed) = remove_under(sides.ours(), &["-a"])?;
    ensure!(removed.is_ok() && took < Duration::from_secs(5), "{took:?} {removed:?}");
    // The control: under nsenter the zombie that nobody reaps holds the pid namespace, and the engine gives up.
    let (took, removed) = remove_under(sides.newest(), &["-a"])?;
    ensure!(removed.is_err() || took > Duration::from_secs(5), "nsenter lets it go: {took:?} {removed:?}");
    Ok(())
}

#[test]
fn a_process_that_is_ending_is_no_target() -> Result<()> {
    let target = Target::unshared("--net --pid --mount")?;
    let pid = target.pid();
    let sides = Sides::new()?;
    // The zombie that a stopped nsenter does not reap holds the pid namespace, and with it the end of its first process.
    let holder = Running::start(sides.newest(), &["-p", "-t", &pid.to_string()], SLEEPS)?;
    holder.kill(0, Signal::STOP)?;
    until_state(holder.pid(0)?, |state| state == Some('T'), "a stopped holder")?;
    let init = rustix::process::Pid::from_raw(pid.cast_signed()).context("pid 0")?;
    rustix::process::kill_process(init, Signal::KILL)?;
    wait::until(LIMIT, "a process without folders", || {
        std::fs::read_link(format!("/proc/{pid}/root")).is_err().then_some(())
    })?;
    ensure!(super::state(pid).is_some_and(|state| !"ZX".contains(state)), "it has ended");
    let own = "--net=/proc/self/ns/net";
    for options in [&["-n"][..], &["-m"], &["-a"], &[own, "-r"], &[own, "-w"]] {
        let output = run([options, &["-t", &pid.to_string(), "true"]].concat())?;
        let message = format!("cnsenter: no process with pid {pid}\n");
        ensure!(output.stderr.starts_with(&message), "{options:?}: {output:?}");
    }
    drop(holder);
    Ok(())
}
