//! `--wait`: a container that does not run yet, or again, is entered as soon as it does. Here is Docker's, told by its
//! events; what has no events is in `wait/state.rs`, crash loops are in `wait/crashes.rs`.

mod crashes;
mod state;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use testbed::fake::{self, Request};
use testbed::guard::unique_name;
use testbed::{Container, Output, Scratch, engine, image, ns, pid, wait};

use crate::run::{NET, OWN, assert_refused, cnsenter, quiet, run, without_asked};

/// How often a pid that somebody else's new process took is given up for another one.
const ATTEMPTS: usize = 10;

/// Longer than any of these tests should take.
const LONG: Duration = Duration::from_secs(30);

/// A cnsenter that waits; killed when dropped.
struct Waiter {
    child: Child,
    stderr: BufReader<ChildStderr>,
    said: String,
}

impl Waiter {
    fn start(words: &[&str]) -> Result<Self> {
        Self::spawn(cnsenter(["-v", "--wait=20s"].iter().chain(words)))
    }

    fn spawn(mut command: Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let stderr = BufReader::new(child.stderr.take().context("no standard error")?);
        Ok(Self { child, stderr, said: String::new() })
    }

    /// Goes on when it says that it waits; false when it ended, or had nothing to wait for.
    fn waits(&mut self) -> Result<bool> {
        loop {
            let at = self.said.len();
            if self.stderr.read_line(&mut self.said)? == 0 {
                return Ok(false);
            }
            let line = &self.said[at..];
            if line.starts_with("cnsenter: waiting for ") {
                return Ok(true);
            }
            if line.starts_with("cnsenter: executing ") {
                return Ok(false);
            }
        }
    }

    /// Goes on when it sleeps between two looks at what is there.
    fn looks_again(&self) -> Result<()> {
        let sleeps = || std::fs::read_to_string(format!("/proc/{}/wchan", self.child.id()));
        wait::until(LONG, "cnsenter to look again and again", || sleeps().ok()?.contains("nanosleep").then_some(()))
    }

    /// Its end, which must come.
    fn output(mut self) -> Result<Output> {
        let child = &mut self.child;
        let status = wait::until(LONG, "cnsenter's end", || child.try_wait().ok().flatten())?;
        let mut stdout = Vec::new();
        child.stdout.take().context("no standard output")?.read_to_end(&mut stdout)?;
        self.stderr.read_to_string(&mut self.said)?;
        Ok(std::process::Output { status, stdout, stderr: self.said.clone().into_bytes() }.into())
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The real engine, whose answers pass by `between` before anybody learns of them. Events pass as they come.
fn relay(between: impl Fn(&Request, &str) + Send + Sync + 'static) -> Result<fake::Engine> {
    fake::Engine::start(move |request, stream| {
        // What fails here is seen by cnsenter as a connection that ends.
        let _ = pass_on(request, stream, &between);
    })
}

fn pass_on(request: &Request, stream: &mut UnixStream, between: &dyn Fn(&Request, &str)) -> Result<()> {
    let mut real = UnixStream::connect(engine::SOCKET)?;
    let kept = request.head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let head = kept.collect::<Vec<_>>().join("\r\n");
    real.write_all(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes())?;
    if request.path.contains("/events") {
        std::io::copy(&mut real, stream)?;
        return Ok(());
    }
    let mut answer = Vec::new();
    real.read_to_end(&mut answer)?;
    between(request, &String::from_utf8_lossy(&answer));
    Ok(stream.write_all(&answer)?)
}

fn on(engine: &fake::Engine) -> String {
    format!("unix://{}", engine.socket().display())
}

fn count(engine: &fake::Engine, of: &str) -> usize {
    engine.requests().iter().filter(|request| request.path.contains(of)).count()
}

fn until_events_are_asked_for(engine: &fake::Engine, often: usize) -> Result<()> {
    wait::until(LONG, "the question for events", || (count(engine, "/events") >= often).then_some(()))
}

fn created() -> Result<Container> {
    Container::create(image::busybox()?, &["--network", "none", "--stop-timeout", "0"], &["sleep", "1000"])
}

/// Demands that a waiting cnsenter asked for events instead of asking again and again, and entered the new process.
fn is_told(web: &Container, options: &[&str], start: impl FnOnce() -> Result<()>) -> Result<()> {
    let engine = relay(|_, _| ())?;
    let on = on(&engine);
    let waiter = Waiter::start(&[&["-H", &on], options, &[web.name()], &NET].concat())?;
    until_events_are_asked_for(&engine, 1)?;
    start()?;
    let output = waiter.output()?;
    assert_eq!(output.stdout.trim_end(), ns::link("net", web.netns()?), "{options:?}: {output:?}");
    // One before the wait, one after it.
    let asked = engine.requests();
    let inspected = count(&engine, "/json");
    assert!(inspected == 2, "{options:?}: {asked:#?}");
    assert_eq!(count(&engine, "/events"), 1, "{options:?}: {asked:#?}");
    let events = asked.iter().find(|request| request.path.contains("/events")).context("no question for events")?;
    assert!(events.path.contains(web.id()) && events.path.contains("since="), "{}", events.path);
    Ok(())
}

#[test]
fn a_created_container_is_entered_when_it_is_started() -> Result<()> {
    for options in [&["--net"][..], &["-a"], &["--sandbox"], &[]] {
        let web = created()?;
        is_told(&web, options, || web.docker(&["start"]).map(drop))?;
    }
    Ok(())
}

#[test]
fn an_exited_and_a_killed_container_are_entered_in_their_next_run() -> Result<()> {
    let web = created()?;
    web.docker(&["start"])?;
    for (round, end) in [&["kill"][..], &["stop"], &["kill"]].into_iter().enumerate() {
        let old = web.pid()?;
        web.docker(end)?;
        let options = [&["--net"][..], &[], &["--sandbox"]][round];
        is_told(&web, options, || web.docker(&["start"]).map(drop))?;
        assert_ne!(web.pid()?, old);
    }
    Ok(())
}

#[test]
fn a_restarting_container_is_entered_in_its_next_run() -> Result<()> {
    let folder = Scratch::new()?;
    let volume = format!("{}:/gate:ro", folder.path().display());
    let args = ["--network", "none", "--restart", "always", "--volume", &volume];
    let web = Container::run(image::busybox()?, &args, &["sh", "-c", "test -e /gate/open && exec sleep 1000; exit 5"])?;
    // The engine waits longer each time: here for seconds.
    wait::until(Duration::from_secs(60), "some restarts", || {
        let often = web.inspect("{{.RestartCount}}").ok()?.parse::<u32>().ok()? >= 5;
        (often && web.inspect("{{.State.Status}}").ok()? == "restarting").then_some(())
    })?;
    std::fs::write(folder.path().join("open"), "")?;
    is_told(&web, &["--net"], || Ok(()))
}

#[test]
fn a_container_that_takes_the_place_of_another_is_entered() -> Result<()> {
    // What Compose does when a service has changed: removed, and made anew under the same name.
    let old = created()?;
    let name = old.name().to_owned();
    let mut waiter = Waiter::start(&[&["--net", &name], &NET[..]].concat())?;
    assert!(waiter.waits()?);
    drop(old);
    let args = ["--network", "none", "--name", &name];
    let new = Container::run(image::busybox()?, &args, &["sleep", "1000"])?;
    assert_eq!(waiter.output()?.stdout.trim_end(), ns::link("net", new.netns()?));
    Ok(())
}

#[test]
fn what_runs_is_entered_without_a_wait() -> Result<()> {
    let web = created()?;
    web.docker(&["start"])?;
    let engine = relay(|_, _| ())?;
    assert_eq!(
        quiet(["-H", &on(&engine), "--wait", "--net", web.name()].iter().chain(&NET))?,
        ns::link("net", web.netns()?)
    );
    assert_eq!((count(&engine, "/json"), count(&engine, "/events")), (1, 0));
    web.docker(&["pause"])?;
    assert_eq!(quiet(["--wait", "--net", web.name()].iter().chain(&NET))?, ns::link("net", web.netns()?));
    Ok(())
}

#[test]
fn a_wait_that_is_over_says_what_it_last_saw() -> Result<()> {
    let web = created()?;
    let name = web.name();
    for line in [&["--net", name, "true"][..], &["--sandbox", name, "true"], &[name, "true"]] {
        let start = Instant::now();
        let output = run([&["--wait=300ms"], line].concat())?;
        let took = start.elapsed();
        let hint = format!("last seen: container {name} was created and never started");
        assert_refused(&output, &format!("{name} did not run within 0.3 s"), &hint);
        assert!(took >= Duration::from_millis(300) && took < Duration::from_millis(800), "{took:?}");
    }
    web.docker(&["start"])?;
    web.docker(&["kill"])?;
    let output = run(["--wait=300ms", "--net", name, "true"])?;
    assert!(
        output.stderr.contains("hint: last seen: container ") && output.stderr.contains("status 137"),
        "{output:?}"
    );
    Ok(())
}

#[test]
fn a_name_that_nobody_knows_is_not_waited_for() -> Result<()> {
    let name = unique_name();
    for word in [name.clone(), format!("docker://{name}"), format!("compose://{name}/web")] {
        let start = Instant::now();
        let output = run(["--wait=20s", "--net", &word, "true"])?;
        assert!(start.elapsed() < Duration::from_secs(2), "{word}: {:?}", start.elapsed());
        let said = format!("cnsenter: no such container: {word}\n");
        assert!(output.code == Some(OWN) && without_asked(&output.stderr).starts_with(&said), "{output:?}");
    }
    Ok(())
}

/// What happened between the engine's answer and its delivery.
type Happened = Arc<Mutex<Option<Result<Option<pid::Process>>>>>;

/// Ends the container once the engine has said that it runs, and before cnsenter hears of it; its pid goes to a process
/// of the host's network if `recycled` says so.
fn trap(web: &Container, recycled: bool) -> Result<(fake::Engine, Happened)> {
    let happened = Happened::default();
    let (record, id) = (Arc::clone(&happened), web.id().to_owned());
    let engine = relay(move |request, answer| {
        let mut record = record.lock().unwrap_or_else(PoisonError::into_inner);
        if record.is_none() && request.path.ends_with("/json") && answer.contains("\"Status\":\"running\"") {
            *record = Some(end(&id, recycled));
        }
    })?;
    Ok((engine, happened))
}

fn end(id: &str, recycled: bool) -> Result<Option<pid::Process>> {
    let pid = engine::docker(&["inspect", "--format", "{{.State.Pid}}", id])?.parse()?;
    engine::docker(&["kill", id])?;
    let gone = || (!Path::new(&format!("/proc/{pid}")).exists()).then_some(());
    wait::until(LONG, "the end of the container's process", gone)?;
    recycled.then(|| pid::recycle(pid, Command::new("sleep").arg("1000"))).transpose()
}

/// Whether the trap closed as it was meant to; not if somebody else's new process has the pid.
fn closed(happened: &Happened) -> Result<bool> {
    let happened = happened.lock().unwrap_or_else(PoisonError::into_inner).take();
    Ok(happened.context("the trap did not close")?.is_ok())
}

#[test]
fn what_dies_before_it_is_entered_is_waited_for_again() -> Result<()> {
    let web = created()?;
    let whole: &[&str] = &[];
    for (recycled, options) in [(false, &["--net"][..]), (true, &["--net"]), (true, whole), (true, &["--sandbox"])] {
        let mut caught = false;
        for _ in 0..ATTEMPTS {
            web.docker(&["start"])?;
            let (engine, happened) = trap(&web, recycled)?;
            let on = on(&engine);
            let waiter = Waiter::start(&[&["-H", &on, "--timeout", "20s"], options, &[web.name()], &NET].concat())?;
            until_events_are_asked_for(&engine, 1)?;
            web.docker(&["start"])?;
            let output = waiter.output()?;
            // Never the host's, where the process is that has the pid now.
            assert_eq!(output.stdout.trim_end(), ns::link("net", web.netns()?), "{recycled} {options:?}: {output:?}");
            web.docker(&["kill"])?;
            caught = closed(&happened)?;
            if caught {
                break;
            }
        }
        assert!(caught, "the pid went to somebody else each time");
    }
    Ok(())
}

#[test]
fn what_dies_is_waited_for_again_however_long_the_wait_was_before() -> Result<()> {
    let web = created()?;
    for _ in 0..ATTEMPTS {
        let (engine, happened) = trap(&web, true)?;
        let (on, start) = (on(&engine), Instant::now());
        let waiter = Waiter::start(&[&["-H", &on, "--timeout", "1s", "--net", web.name()], &NET[..]].concat())?;
        until_events_are_asked_for(&engine, 1)?;
        wait::until(LONG, "longer than an engine may take", || (start.elapsed().as_secs() > 0).then_some(()))?;
        web.docker(&["start"])?;
        until_events_are_asked_for(&engine, 2)?;
        web.docker(&["start"])?;
        let output = waiter.output()?;
        assert_eq!(output.stdout.trim_end(), ns::link("net", web.netns()?), "{output:?}");
        web.docker(&["kill"])?;
        if closed(&happened)? {
            return Ok(());
        }
    }
    bail!("the pid went to somebody else each time")
}
