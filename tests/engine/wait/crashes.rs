//! Crash loops: containers that live for 200 ms must be entered within 50 ms of their start, in nine tries of ten. Their
//! programs note when they began, and cnsenter's program reads the clock where it arrives.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use testbed::containerd::{self, NAMESPACE};
use testbed::guard::unique_name;
use testbed::{Container, Output, engine, fake, image, ns, oci, wait};

use super::{LONG, Waiter, on, pass_on, until_events_are_asked_for};
use crate::run::NET;

/// Notes the time, and is gone soon after. `/dev` is a new one for each run.
const CRASHES: [&str; 3] = ["sh", "-c", "cat /proc/uptime >/dev/born; exec sleep 0.2"];

/// When the container's program began, and what time it is. Whoever is faster than the note waits for it.
const ARRIVES: [&str; 3] = ["sh", "-c", "until [ -s /dev/born ]; do :; done; cat /dev/born /proc/uptime"];

const TRIES: usize = 10;
const MISSES: usize = 1;
const SOON: u32 = 50;
const SERIES: usize = 3;

/// How old the container was, to a hundredth of a second; nothing if it was missed.
fn age(output: &Output) -> Option<u32> {
    let hundredths = |line: &str| Some((line.split_whitespace().next()?.parse::<f64>().ok()? * 100.0).round() as i64);
    let mut lines = output.stdout.lines().filter_map(hundredths);
    let (born, now) = (lines.next()?, lines.next()?);
    output.success().then(|| u32::try_from((now - born) * 10).ok())?
}

/// Demands that nearly all of a series were entered soon, and prints how soon. Who else uses the machine meanwhile may
/// spoil a series, which is therefore repeated; what is slow by itself is so each time.
fn judge(what: &str, mut series: impl FnMut() -> Result<Vec<Output>>) -> Result<()> {
    let mut all = Vec::new();
    for _ in 0..SERIES {
        let outputs = series()?;
        let ages: Vec<_> = outputs.iter().map(age).collect();
        let shown: Vec<_> = ages.iter().map(|age| age.map_or("missed".to_owned(), |age| age.to_string())).collect();
        eprintln!("{what}: entered {} ms after the start (by a clock of 10 ms)", shown.join(", "));
        let late = ages.iter().filter(|age| age.is_none_or(|age| age > SOON)).count();
        if ages.len() == TRIES && late <= MISSES {
            return Ok(());
        }
        all.push(outputs);
    }
    panic!("{what}: too many were late: {all:#?}");
}

/// A run that is over before the engine tells of it: the wait goes on, and says so.
#[test]
fn a_run_that_was_missed_is_told_of_once() -> Result<()> {
    // Its first two runs end by themselves.
    let script = "for run in 1 2; do [ -e $run ] || { touch $run; exit 3; }; done; exec sleep 1000";
    let web = Container::create(image::busybox()?, &["--network", "none"], &["sh", "-c", script])?;
    let (id, waits) = (web.id().to_owned(), AtomicUsize::new(0));
    let engine = fake::Engine::start(move |request, stream| {
        let before = waits.fetch_add(usize::from(request.path.contains("/events")), Ordering::Relaxed);
        // As late as an engine that has the end of a run to see to.
        if request.path.ends_with("/json") && matches!(before, 1 | 2) {
            let ended =
                || (engine::docker(&["inspect", "--format", "{{.State.Status}}", &id]).ok()? == "exited").then_some(());
            let _ = wait::until(LONG, "the end of the run", ended);
        }
        let _ = pass_on(request, stream, &|_, _| ());
    })?;
    let on = on(&engine);
    let waiter = Waiter::start(&[&["-H", &on, "--timeout", "20s", "--net", web.name()], &NET[..]].concat())?;
    for run in 1..=3 {
        until_events_are_asked_for(&engine, run)?;
        web.docker(&["start"])?;
    }
    let output = waiter.output()?;
    assert_eq!(output.stdout.trim_end(), ns::link("net", web.netns()?), "{output:?}");
    let said = format!("cnsenter: note: {} ran, and ended before it could be entered; waiting", web.name());
    assert_eq!(output.stderr.matches(&said).count(), 1, "{output:?}");
    Ok(())
}

/// Enters the next run of a container that does not run now; nothing if it began to meanwhile.
fn enter(target: &str, start: impl FnOnce() -> Result<()>) -> Result<Option<Output>> {
    let mut waiter = Waiter::start(&[&[target], &ARRIVES[..]].concat())?;
    if !waiter.waits()? {
        return Ok(None);
    }
    start()?;
    waiter.output().map(Some)
}

#[test]
fn dockers_restarts_are_entered_at_once() -> Result<()> {
    judge("Docker, --restart always", restarts)
}

fn restarts() -> Result<Vec<Output>> {
    let args = ["--network", "none", "--restart", "always"];
    // The engine waits twice as long each time: two containers take half the time.
    let loops = [(); 2].map(|()| Container::run(image::busybox().unwrap_or_default(), &args, &CRASHES));
    let loops = loops.into_iter().collect::<Result<Vec<_>>>()?;
    let watch = |web: &Container| -> Result<Vec<Output>> {
        let mut outputs = Vec::new();
        while outputs.len() < TRIES / 2 {
            wait::until(LONG, "the next restart", || {
                // The first pauses are shorter than a question and a start of cnsenter.
                let often = web.inspect("{{.RestartCount}}").ok()?.parse::<u32>().ok()? >= 2;
                (often && web.inspect("{{.State.Status}}").ok()? == "restarting").then_some(())
            })?;
            outputs.extend(enter(web.name(), || Ok(()))?);
        }
        Ok(outputs)
    };
    let outputs = std::thread::scope(|scope| {
        let threads: Vec<_> = loops.iter().map(|web| scope.spawn(move || watch(web))).collect();
        threads.into_iter().map(|thread| thread.join().ok().context("a thread panicked")?).collect::<Result<Vec<_>>>()
    })?;
    Ok(outputs.concat())
}

#[test]
fn dockers_starts_by_hand_are_entered_at_once() -> Result<()> {
    let web = Container::create(image::busybox()?, &["--network", "none"], &CRASHES)?;
    let once = |_| {
        let output = enter(web.name(), || web.docker(&["start"]).map(drop))?;
        web.docker(&["wait"])?;
        output.context("it ran before it was started")
    };
    judge("Docker, started again and again", || (0..TRIES).map(once).collect())
}

#[test]
fn containerds_tasks_are_entered_at_once() -> Result<()> {
    let task = containerd::Container::run(NAMESPACE, &[], &CRASHES)?;
    let once = |_| {
        wait::until(LONG, "the task's end", || (task.status().ok()?? == "STOPPED").then_some(()))?;
        let output = enter(task.id(), || {
            task.ctr(&["tasks", "rm"])?;
            task.ctr(&["tasks", "start", "--detach", "--null-io"]).map(drop)
        })?;
        output.context("it ran before it was started")
    };
    judge("containerd's task", || (0..TRIES).map(once).collect())
}

#[test]
fn runcs_and_cruns_containers_are_entered_at_once() -> Result<()> {
    for runtime in [oci::Runtime::Runc, oci::Runtime::Crun] {
        let id = unique_name();
        let once = |_| {
            let container = oci::Container::create_as(runtime, None, &id, &[], &CRASHES)?;
            let output = enter(&id, || container.start())?;
            output.context("it ran before it was started")
        };
        judge(runtime.program(), || (0..TRIES).map(once).collect())?;
    }
    Ok(())
}

#[test]
fn what_is_not_there_between_its_runs_is_entered_at_once() -> Result<()> {
    let id = unique_name();
    let target = format!("oci://{id}");
    let once = |_| {
        let waiter = Waiter::start(&[&[target.as_str()], &ARRIVES[..]].concat())?;
        waiter.looks_again()?;
        let container = oci::Container::create_as(oci::Runtime::Runc, None, &id, &[], &CRASHES)?;
        container.start()?;
        let output = waiter.output()?;
        wait::until(LONG, "its end", || (container.pid().ok()? == 0).then_some(()))?;
        Ok(output)
    };
    judge("runc, nothing in between", || (0..TRIES).map(once).collect())
}
