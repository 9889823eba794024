//! `--wait` for what sends no event: containerd's tasks, pods and containers of runc and crun, which are looked at again and again,
//! and which nobody may know of before they run.

use std::time::{Duration, Instant};

use anyhow::Result;
use testbed::containerd::{self, NAMESPACE};
use testbed::cri::Pod;
use testbed::guard::unique_name;
use testbed::{ns, oci};

use super::{Waiter, on, relay};
use crate::run::{NET, assert_refused, cnsenter, run};

const SLEEP: [&str; 2] = ["sleep", "1000"];

fn waiter(options: &[&str], target: &str) -> Result<Waiter> {
    Waiter::start(&[options, &[target], &NET].concat())
}

#[test]
fn a_task_that_is_not_there_yet_is_waited_for() -> Result<()> {
    for options in [&["--net"][..], &[]] {
        let id = unique_name();
        let waiters = [format!("containerd://{id}"), format!("containerd://{NAMESPACE}/{id}")];
        let waiters = waiters.iter().map(|target| waiter(options, target)).collect::<Result<Vec<_>>>()?;
        waiters.iter().try_for_each(Waiter::looks_again)?;
        let task = containerd::Container::run_as(NAMESPACE, &id, &[], &SLEEP)?;
        for waiter in waiters {
            let output = waiter.output()?;
            assert_eq!(output.stdout.trim_end(), ns::link("net", task.netns()?), "{output:?}");
        }
    }
    Ok(())
}

#[test]
fn a_task_that_was_killed_is_entered_in_its_next_run() -> Result<()> {
    let task = containerd::Container::run(NAMESPACE, &[], &SLEEP)?;
    for options in [&["--net"][..], &[]] {
        let old = task.netns()?;
        task.kill()?;
        // A plain name will do: the runtime still has a record of it.
        let mut waiter = waiter(options, task.id())?;
        assert!(waiter.waits()?);
        task.ctr(&["tasks", "rm"])?;
        task.ctr(&["tasks", "start", "--detach", "--null-io"])?;
        let output = waiter.output()?;
        assert_eq!(output.stdout.trim_end(), ns::link("net", task.netns()?), "{output:?}");
        assert!(task.pid()? > 0 && old > 0);
    }
    Ok(())
}

#[test]
fn a_pod_that_is_not_there_yet_is_waited_for() -> Result<()> {
    let name = unique_name();
    let whole = format!("pod/shop/{name}");
    let by_app = format!("{whole}/app");
    let waiters =
        [(&["--net"][..], &whole), (&[], &whole), (&["--sandbox"], &whole), (&["--net"], &by_app), (&[], &by_app)];
    let waiters = waiters.map(|(options, target)| waiter(options, target));
    let waiters = waiters.into_iter().collect::<Result<Vec<_>>>()?;
    waiters.iter().try_for_each(Waiter::looks_again)?;
    let pod = Pod::run(&name, "shop")?;
    let _app = pod.container("app", &SLEEP)?;
    for waiter in waiters {
        let output = waiter.output()?;
        assert_eq!(output.stdout.trim_end(), ns::link("net", pod.netns()?), "{output:?}");
    }
    Ok(())
}

#[test]
fn an_engine_is_not_asked_again_and_again_for_a_pod() -> Result<()> {
    let engine = relay(|_, _| ())?;
    let name = unique_name();
    let mut command = cnsenter(["--wait=20s", "--net", &format!("pod/shop/{name}")].iter().chain(&NET));
    command.env("DOCKER_HOST", on(&engine));
    let start = Instant::now();
    let waiter = Waiter::spawn(command)?;
    waiter.looks_again()?;
    let pod = Pod::run(&name, "shop")?;
    let output = waiter.output()?;
    assert_eq!(output.stdout.trim_end(), ns::link("net", pod.netns()?), "{output:?}");
    // Two questions each time: for the pod, and for names that come near. Once a second, and when something appears.
    let asked = engine.requests().len() as u64;
    let often = 2 * (3 + start.elapsed().as_secs());
    assert!((1..=often).contains(&asked), "asked {asked} times in {:?}", start.elapsed());
    Ok(())
}

#[test]
fn a_pods_container_is_entered_in_its_next_run() -> Result<()> {
    let pod = Pod::run(&unique_name(), "shop")?;
    let first = pod.container("app", &SLEEP)?;
    first.kill()?;
    let target = format!("pod/shop/{}/app", pod.name());
    let waiter = Waiter::start(&[&target, "readlink", "/proc/self/ns/pid"])?;
    waiter.looks_again()?;
    let second = pod.container("app", &SLEEP)?;
    let output = waiter.output()?;
    assert_eq!(output.stdout.trim_end(), ns::link("pid", ns::inode(second.pid()?, "pid")?), "{output:?}");
    Ok(())
}

#[test]
fn what_runc_and_crun_have_created_is_entered_when_it_is_started() -> Result<()> {
    for runtime in [oci::Runtime::Runc, oci::Runtime::Crun] {
        let id = unique_name();
        let early = waiter(&["--net"], &format!("oci://{id}"))?;
        early.looks_again()?;
        let container = oci::Container::create_as(runtime, None, &id, &[], &SLEEP)?;
        let mut late = waiter(&[], &id)?;
        assert!(late.waits()?, "{runtime:?}");
        container.start()?;
        for waiter in [early, late] {
            let output = waiter.output()?;
            let theirs = ns::link("net", ns::inode(container.pid()?, "net")?);
            assert_eq!(output.stdout.trim_end(), theirs, "{runtime:?}: {output:?}");
        }
    }
    Ok(())
}

#[test]
fn a_wait_that_is_over_says_that_nothing_was_there() -> Result<()> {
    let name = unique_name();
    for target in [format!("containerd://{name}"), format!("pod/shop/{name}"), format!("oci://{name}")] {
        let start = Instant::now();
        let output = run(["--wait=300ms", "--net", &target, "true"])?;
        let took = start.elapsed();
        assert_refused(&output, &format!("{target} did not run within 0.3 s"), "nothing of that name was ever there");
        assert!(took >= Duration::from_millis(300) && took < Duration::from_millis(800), "{target}: {took:?}");
    }
    let task = containerd::Container::run(NAMESPACE, &[], &SLEEP)?;
    let pid = task.pid()?;
    task.kill()?;
    let output = run(["--wait=300ms", "--net", task.id(), "true"])?;
    let hint = format!("last seen: container {} is not running: its recorded pid {pid} is gone", task.id());
    assert_refused(&output, &format!("{} did not run within 0.3 s", task.id()), &hint);
    Ok(())
}
