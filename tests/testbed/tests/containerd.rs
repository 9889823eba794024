//! The testbed's own check of containerd and its pods, as root: each thing starts, runs a program, and leaves nothing
//! behind. What cnsenter does with them is checked in `tests/engine`.

use std::path::Path;

use anyhow::Result;
use testbed::containerd::{self, CRI_NAMESPACE, NAMESPACE, ctr};
use testbed::cri::{self, Pod};
use testbed::guard::unique_name;
use testbed::{image, ns};

const TASKS: &str = "/run/containerd/io.containerd.runtime.v2.task";
const RUNC: &str = "/run/containerd/runc";

/// Whether containerd, its shim or runc still has something of a container.
fn is_known(namespace: &str, id: &str) -> bool {
    let files = [TASKS, RUNC].iter().any(|folder| Path::new(folder).join(namespace).join(id).exists());
    files || ctr(&["-n", namespace, "containers", "info", id]).is_ok()
}

#[test]
fn a_container_runs_a_program_and_goes_with_its_guard() -> Result<()> {
    let container = containerd::Container::run(NAMESPACE, &["--env", "WHERE=here"], &["sleep", "1000"])?;
    let pid = container.pid()?;
    assert_eq!(container.status()?.as_deref(), Some("RUNNING"));
    assert_ne!(container.netns()?, ns::own("net")?);
    assert_eq!(container.exec(&["readlink", "/proc/self/ns/net"])?, ns::link("net", container.netns()?));
    assert_eq!(container.exec(&["sh", "-c", "echo $WHERE"])?, "here");
    let id = container.id().to_owned();
    assert!(is_known(NAMESPACE, &id));
    drop(container);
    assert!(!is_known(NAMESPACE, &id) && ns::inode(pid, "net").is_err());
    Ok(())
}

#[test]
fn an_id_may_be_in_two_namespaces_and_once_in_each() -> Result<()> {
    let (id, other) = (unique_name(), "cnsenter-test-other");
    let first = containerd::Container::run_as(NAMESPACE, &id, &[], &["sleep", "1000"])?;
    let second = containerd::Container::run_as(other, &id, &[], &["sleep", "1000"])?;
    assert_ne!(first.pid()?, second.pid()?);
    assert!(containerd::Container::run_as(other, &id, &[], &["sleep", "1000"]).is_err());
    assert!(second.pid()? > 0, "a refused container must not take the one that was there with it");
    assert!(containerd::Container::run("default", &[], &["sleep", "1000"]).is_err());
    Ok(())
}

#[test]
fn what_was_killed_stays_as_a_stopped_task() -> Result<()> {
    let container = containerd::Container::run(NAMESPACE, &[], &["sleep", "1000"])?;
    container.ctr(&["tasks", "pause"])?;
    assert_eq!(container.status()?.as_deref(), Some("PAUSED"));
    container.ctr(&["tasks", "resume"])?;
    container.kill()?;
    assert_eq!((container.pid()?, container.status()?.as_deref()), (0, Some("STOPPED")));
    assert!(Path::new(TASKS).join(NAMESPACE).join(container.id()).join("init.pid").exists());
    container.ctr(&["tasks", "rm"])?;
    assert_eq!((container.pid()?, container.status()?), (0, None));
    Ok(())
}

#[test]
fn a_paused_container_and_one_that_cannot_start_go_too() -> Result<()> {
    let container = containerd::Container::run(NAMESPACE, &[], &["sleep", "1000"])?;
    container.ctr(&["tasks", "pause"])?;
    let id = container.id().to_owned();
    drop(container);
    assert!(!is_known(NAMESPACE, &id));
    let id = unique_name();
    assert!(containerd::Container::run_as(NAMESPACE, &id, &[], &["/no/such/program"]).is_err());
    assert!(!is_known(NAMESPACE, &id));
    Ok(())
}

#[test]
fn a_pod_has_a_network_which_its_containers_share() -> Result<()> {
    let name = unique_name();
    let pod = Pod::run(&name, "shop")?;
    let (app, helper) = (pod.container("app", &["sleep", "1000"])?, pod.container("helper", &["sleep", "1000"])?);
    let net = pod.netns()?;
    assert_ne!(net, ns::own("net")?);
    assert!(ns::inode(app.pid()?, "net")? == net && ns::inode(helper.pid()?, "net")? == net);
    assert_ne!(ns::inode(app.pid()?, "pid")?, ns::inode(helper.pid()?, "pid")?);
    assert_eq!(app.exec(&["readlink", "/proc/self/ns/net"])?, ns::link("net", net));
    assert_eq!(app.exec(&["hostname"])?, name);
    assert!(app.exec(&["ip", "-4", "address", "show", "eth0"])?.contains("inet 10."));
    assert!(app.exec(&["false"]).is_err());
    let ids = [pod.sandbox_id(), app.id(), helper.id()].map(str::to_owned);
    assert!(ids.iter().all(|id| is_known(CRI_NAMESPACE, id)));
    let cgroup = Path::new("/sys/fs/cgroup/memory").join(&cri::CGROUPS[1..]).join(format!("pod{}", pod.uid()));
    drop((app, helper));
    drop(pod);
    assert!(!ids.iter().any(|id| is_known(CRI_NAMESPACE, id)) && !cgroup.exists());
    Ok(())
}

#[test]
fn a_pod_on_the_hosts_network_goes_with_its_containers() -> Result<()> {
    let pod = Pod::run_on_host_network(&unique_name(), "shop")?;
    let app = pod.container("app", &["sleep", "1000"])?;
    assert_eq!(ns::inode(app.pid()?, "net")?, ns::own("net")?);
    app.kill()?;
    assert_eq!(app.pid()?, 0);
    let again = pod.container("app", &["sleep", "1000"])?;
    assert!(again.pid()? > 0 && again.id() != app.id());
    let ids = [pod.sandbox_id(), app.id(), again.id()].map(str::to_owned);
    drop(pod);
    assert!(!ids.iter().any(|id| is_known(CRI_NAMESPACE, id)));
    Ok(())
}

#[test]
fn a_pod_may_have_an_old_sandbox_or_two_at_once() -> Result<()> {
    let mut pod = Pod::run_on_host_network(&unique_name(), "shop")?;
    let _old = pod.container("app", &["sleep", "1000"])?;
    let stopped = pod.restart_sandbox()?;
    assert!(ctr(&["-n", CRI_NAMESPACE, "containers", "info", &stopped]).is_ok());
    let beside = pod.second_sandbox()?;
    let app = pod.container("app", &["sleep", "1000"])?;
    assert!(pod.sandbox_pid()? > 0 && app.pid()? > 0);
    let ids = [stopped, beside, pod.sandbox_id().to_owned()];
    let running = ids.clone().map(|id| Path::new(TASKS).join(CRI_NAMESPACE).join(id).exists());
    assert_eq!(running, [false, true, true]);
    drop(pod);
    assert!(!ids.iter().any(|id| is_known(CRI_NAMESPACE, id)));
    assert!(Pod::run("somebody-elses", "shop").is_err());
    Ok(())
}

#[test]
fn images_come_from_the_docker_engine() -> Result<()> {
    let name = containerd::import(NAMESPACE, image::nginx()?)?;
    assert!(ctr(&["-n", NAMESPACE, "images", "ls", "-q"])?.lines().any(|line| line == name));
    assert!(cri::version()?.starts_with("containerd ") && !containerd::version()?.is_empty());
    Ok(())
}
