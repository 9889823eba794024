//! The time between the engine's answer and the join: a pid that has come to mean another process, or nothing. Each
//! time plain nsenter shows first that the trap is real.

use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use testbed::{Container, Output, engine, fake, image, ns, output, pid, wait};

use crate::run::{NET, OWN, assert_refused, cnsenter, quiet, run};

/// How often a pid is recycled under cnsenter's hands.
const ROUNDS: usize = 24;

fn container() -> Result<Container> {
    Container::run(image::busybox()?, &["--network", "none", "--stop-timeout", "0"], &["sleep", "1000"])
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

/// The process that has the pid now.
fn impostor(happened: &Happened) -> Result<Option<pid::Process>> {
    let mut record = happened.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    record.take().context("the trap did not close: nothing was asked of the engine")?
}

fn spring(container: &Container, recycled: bool, words: &[&str]) -> Result<(Output, Option<pid::Process>)> {
    let (engine, happened) = trap(container, recycled)?;
    let on = format!("unix://{}", engine.socket().display());
    let output = run([&["-H", &on, "--timeout", "20s"], words].concat())?;
    Ok((output, impostor(&happened)?))
}

#[test]
fn a_recycled_pid_is_refused_where_nsenter_takes_it() -> Result<()> {
    let web = container()?;
    let ours = ns::link("net", ns::own("net")?);
    assert_ne!(ns::link("net", web.netns()?), ours);
    for words in [&["--net", web.name()][..], &["-a", web.name()], &[web.name()]] {
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
        let hint = format!("\nhint: nothing was entered; docker ps -a --filter name={} shows it\n", web.name());
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
            &format!("nothing was entered; docker ps -a --filter name={} shows it", web.name()),
        );
        web.docker(&["start"])?;
    }
    Ok(())
}

#[test]
fn a_container_that_ends_between_the_check_and_the_join_is_not_joined() -> Result<()> {
    let web = container()?;
    for recycled in [false, true] {
        let pid = web.pid()?;
        // strace holds cnsenter before setns(2): time enough for the container to end.
        let mut held = Command::new("strace");
        held.args(["-qq", "-o", "/dev/null", "-e", "trace=setns", "-e", "inject=setns:delay_enter=3s"]);
        let held = crate::run::on_default_engine(held)
            .arg(cnsenter([""]).get_program())
            .args(["--net", web.name()])
            .args(NET)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()?;
        wait::until(Duration::from_secs(10), "cnsenter's setns", || in_setns(held.id()).then_some(()))?;
        end(web.id(), pid)?;
        let impostor = recycled.then(|| pid::recycle(pid, Command::new("sleep").arg("1000"))).transpose()?;
        let output = Output::from(held.wait_with_output()?);
        assert_eq!((output.code, output.stdout.as_str()), (Some(OWN), ""), "{output:?}");
        assert!(output.stderr.starts_with("cnsenter: container "), "{output:?}");
        assert!(output.stderr.contains(&format!("ended just now: its process {pid} is gone")), "{output:?}");
        drop(impostor);
        web.docker(&["start"])?;
    }
    assert_eq!(quiet(["--net", web.name()].iter().chain(&NET))?, web.exec(&[], &NET)?);
    Ok(())
}

/// Whether the child of this process is in setns(2).
fn in_setns(tracer: u32) -> bool {
    let children = std::fs::read_to_string(format!("/proc/{tracer}/task/{tracer}/children")).unwrap_or_default();
    children.split_whitespace().any(|child| {
        let call = std::fs::read_to_string(format!("/proc/{child}/syscall")).unwrap_or_default();
        call.split_whitespace().next() == Some(&number_of_setns())
    })
}

/// Its number on this machine.
fn number_of_setns() -> String {
    if cfg!(target_arch = "x86_64") { "308".to_owned() } else { "268".to_owned() }
}
