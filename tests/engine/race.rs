//! The time between the engine's answer and the join: a pid that has come to mean another process, or nothing. Each
//! time plain nsenter shows first that the trap is real.

use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use testbed::{Container, Output, Scratch, engine, fake, image, ns, output, pid, wait};

use crate::run::{NET, OWN, assert_refused, cnsenter, on_default_engine, run, stdout};

/// How often a pid is recycled under cnsenter's hands.
const ROUNDS: usize = 24;

/// How often a pid that somebody else's new process took is given up for another one.
const ATTEMPTS: usize = 10;

fn container() -> Result<Container> {
    Container::run(image::busybox()?, &["--network", "none", "--stop-timeout", "0"], &["sleep", "1000"])
}

/// The hint, whatever it was that was not entered.
fn nothing_entered(container: &Container) -> String {
    format!(
        "nothing was entered; try again. If it stays so while docker ps shows {} running, the engine's processes are \
         not this machine's: a virtual machine (Docker Desktop), or another pid namespace",
        container.name()
    )
}

/// Ends a container's process and waits until its pid is free.
fn end(id: &str, pid: u32) -> Result<()> {
    engine::docker(&["kill", id])?;
    wait::until(Duration::from_secs(10), "the end of the container's process", || {
        (!std::path::Path::new(&format!("/proc/{pid}")).exists()).then_some(())
    })
}

/// What happened between the engine's answer and its delivery.
type Happened = Arc<Mutex<Option<Result<Option<pid::Process>>>>>;

/// An engine that ends the container after it has answered for it, and before anybody learns of the answer; a process
/// of the host's network takes the pid if `recycled` says so.
fn trap(container: &Container, recycled: bool) -> Result<(fake::Engine, Happened)> {
    let happened = Happened::default();
    let (record, id) = (Arc::clone(&happened), container.id().to_owned());
    let pid = container.pid()?;
    let engine = fake::Engine::in_front_of(engine::SOCKET, move |request, answer| {
        let mut record = record.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if record.is_none() && request.path.ends_with("/json") && answer.contains(&format!("\"Pid\":{pid}")) {
            let recycle = |()| match recycled {
                true => pid::recycle(pid, Command::new("sleep").arg("1000")).map(Some),
                false => Ok(None),
            };
            *record = Some(end(&id, pid).and_then(recycle));
        }
    })?;
    Ok((engine, happened))
}

/// What cnsenter makes of it, and the process that has the pid now.
fn spring(container: &Container, recycled: bool, words: &[&str]) -> Result<(Output, Option<pid::Process>)> {
    for _ in 0..ATTEMPTS {
        let (engine, happened) = trap(container, recycled)?;
        let on = format!("unix://{}", engine.socket().display());
        let output = run([&["-H", &on, "--timeout", "20s"], words].concat())?;
        let mut record = happened.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        match record.take().context("the trap did not close: nothing was asked of the engine")? {
            Ok(impostor) => return Ok((output, impostor)),
            // Somebody else's new process has it.
            Err(_) => drop(container.docker(&["start"])?),
        }
    }
    bail!("the pid went to somebody else each of {ATTEMPTS} times")
}

#[test]
fn a_recycled_pid_is_refused_where_nsenter_takes_it() -> Result<()> {
    let web = container()?;
    let ours = ns::link("net", ns::own("net")?);
    assert_ne!(ns::link("net", web.netns()?), ours);
    for words in [&["--net", web.name()][..], &["-a", web.name()], &[web.name()], &["--sandbox", web.name()]] {
        let (output, impostor) = spring(&web, true, &[words, &NET].concat())?;
        let impostor = impostor.context("the pid was not recycled")?;
        let pid = impostor.pid();
        // The control: whoever goes by the number alone is in the host's network, and hears nothing of it.
        let by_nsenter = output::run(Command::new("nsenter").args(["-t", &pid.to_string(), "-n"]).args(NET))?;
        assert!(by_nsenter.success() && by_nsenter.stderr.is_empty(), "{by_nsenter:?}");
        assert_eq!(by_nsenter.stdout.trim_end(), ours);

        assert_eq!((output.code, output.stdout.as_str()), (Some(OWN), ""), "{words:?}: {output:?}");
        let message =
            format!("cnsenter: process {pid} is not, or no longer, that of container {}: its cgroup is ", web.name());
        let hint = format!("\nhint: {}\n", nothing_entered(&web));
        assert!(output.stderr.starts_with(&message), "{words:?}: {output:?}");
        assert!(output.stderr.ends_with(&hint), "{words:?}: {output:?}");
        drop(impostor);
        web.docker(&["start"])?;
    }
    Ok(())
}

#[test]
fn a_storm_of_recycled_pids_leads_nobody_astray() -> Result<()> {
    let web = container()?;
    for round in 0..ROUNDS {
        let (output, impostor) = spring(&web, true, &[&["--net", web.name()], &NET[..]].concat())?;
        let impostor = impostor.context("the pid was not recycled")?;
        assert_eq!((output.code, output.stdout.as_str()), (Some(OWN), ""), "round {round}: {output:?}");
        let start = format!("cnsenter: process {} is not, or no longer, that of container ", impostor.pid());
        assert!(output.stderr.starts_with(&start), "round {round}: {output:?}");
        drop(impostor);
        web.docker(&["start"])?;
    }
    Ok(())
}

#[test]
fn a_pid_that_went_to_another_container_is_refused() -> Result<()> {
    // Of the same engine, and so a container's cgroup: only the ID in it tells the two apart.
    let (web, other) = (container()?, container()?);
    let cgroup = std::fs::read_to_string(format!("/proc/{}/cgroup", other.pid()?))?;
    let record = web.inspect("{{json .}}")?;
    let (from, to) = (format!("\"Pid\":{}", web.pid()?), format!("\"Pid\":{}", other.pid()?));
    assert!(record.contains(&from) && cgroup.contains(other.id()), "{cgroup}");
    let engine = fake::Engine::answering(200, &record.replacen(&from, &to, 1))?;
    let on = format!("unix://{}", engine.socket().display());
    let output = run(["-H", &on, "--net", web.name(), "true"])?;
    assert_eq!((output.code, output.stdout.as_str()), (Some(OWN), ""), "{output:?}");
    assert!(output.stderr.contains(other.id()), "{output:?}");
    // By the file nobody can be led astray, but a process that does not belong to it is not taken along either.
    let output = run(["-H", &on, "--sandbox", "--uts", web.name(), "true"])?;
    assert_eq!((output.code, output.stdout.as_str()), (Some(OWN), ""), "{output:?}");
    Ok(())
}

#[test]
fn a_container_that_ended_after_the_answer_is_said_to_have_ended() -> Result<()> {
    let web = container()?;
    for words in [&["--net", web.name()][..], &["-a", web.name()], &[web.name()], &["--sandbox", web.name()]] {
        let pid = web.pid()?;
        let (output, _) = spring(&web, false, &[words, &NET].concat())?;
        assert_eq!((output.code, output.stdout.as_str()), (Some(OWN), ""), "{words:?}: {output:?}");
        assert_refused(
            &output,
            &format!("container {} ended just now: its process {pid} is gone", web.name()),
            &nothing_entered(&web),
        );
        web.docker(&["start"])?;
    }
    Ok(())
}

#[test]
fn a_container_that_ends_under_our_hands_is_not_joined() -> Result<()> {
    let web = container()?;
    // Stopped once it holds the process, before it has looked at it; and after the last look, right before setns(2).
    for call in ["pidfd_open", "prctl"] {
        for recycled in [false, true] {
            let pid = web.pid()?;
            let held = Held::after(call, &["--net", web.name(), NET[0], NET[1]])?;
            end(web.id(), pid)?;
            // Whether ours or somebody else's new process has the pid is the same to cnsenter.
            let impostor = recycled.then(|| pid::recycle(pid, Command::new("sleep").arg("1000")));
            assert_refused(
                &held.release()?,
                &format!("container {} ended just now: its process {pid} is gone", web.name()),
                &nothing_entered(&web),
            );
            drop(impostor);
            web.docker(&["start"])?;
        }
    }
    // The control: released without anything having happened, it goes on as if it had never been held.
    let released = Held::after("prctl", &["--net", web.name(), NET[0], NET[1]])?.release()?;
    assert_eq!(released.stdout.trim_end(), web.exec(&[], &NET)?, "{released:?}");
    Ok(())
}

#[test]
fn the_user_of_a_process_that_has_ended_is_not_followed() -> Result<()> {
    // What it leaves behind in /proc belongs to root.
    let web = Container::run(image::busybox()?, &["--user", "1234:1234"], &["sleep", "100000"])?;
    let pid = web.pid()?;
    let words = ["--net", "-S", "follow", "-G", "follow", web.name(), "id", "-u"];
    let followed = Held::after("setns", &words)?.release()?;
    assert_eq!(followed.stdout, "1234\n", "{followed:?}");
    let held = Held::after("setns", &words)?;
    end(web.id(), pid)?;
    let ended = format!("container {} ended just now: its process {pid} is gone", web.name());
    assert_refused(&held.release()?, &ended, &nothing_entered(&web));
    Ok(())
}

/// cnsenter, stopped where it is.
struct Held {
    strace: Child,
    cnsenter: String,
    _folder: Scratch,
}

impl Held {
    /// Runs cnsenter up to the end of its first system call of this name.
    fn after(call: &str, words: &[&str]) -> Result<Held> {
        let folder = Scratch::new()?;
        let log = folder.path().join("trace");
        let mut command = on_default_engine(Command::new("strace"));
        command.arg("-o").arg(&log).args(["-e", &format!("trace={call}")]);
        command.args(["-e", &format!("inject={call}:signal=STOP:when=1")]);
        command.arg(cnsenter([""]).get_program()).args(words);
        let strace = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let tracer = strace.id();
        let cnsenter = wait::until(Duration::from_secs(10), "cnsenter to be stopped", || {
            let stopped = std::fs::read_to_string(&log).ok()?.contains("--- stopped by SIGSTOP ---");
            let children = std::fs::read_to_string(format!("/proc/{tracer}/task/{tracer}/children")).ok()?;
            children.split_whitespace().next().filter(|_| stopped).map(str::to_owned)
        })?;
        Ok(Held { strace, cnsenter, _folder: folder })
    }

    /// Lets it go on, and says how it ended.
    fn release(self) -> Result<Output> {
        stdout("kill", &["-CONT", &self.cnsenter])?;
        Ok(self.strace.wait_with_output()?.into())
    }
}
