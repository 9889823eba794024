//! The same of every runtime: whose process it is, which namespaces it has, where its lines lead.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testbed::{containerd, cri, guard, lxc, ns, nspawn, oci, podman};

use super::{entered, inspect};
use crate::run::quiet;

/// Demands that what is shown is that process's, and that both lines lead to it.
fn assert_is(target: &str, runtime: &str, pid: u32) -> Result<Value> {
    let shown = inspect(target)?;
    assert_eq!((&shown["runtime"], &shown["state"], &shown["pid"]), (&json!(runtime), &json!("running"), &json!(pid)));
    for kind in ns::KINDS {
        assert_eq!(shown["namespaces"][kind], ns::inode(pid, kind)?, "{kind}");
    }
    let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline"))?;
    let words: Vec<_> = command.trim_end_matches('\0').split('\0').collect();
    assert_eq!((&shown["process"]["pid"], &shown["process"]["command"]), (&json!(pid), &json!(words)));
    assert_eq!(shown["unseen"], json!({}));
    let cgroups = std::fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
    let path = shown["cgroup"]["path"].as_str().context("no cgroup")?;
    assert!(cgroups.lines().any(|line| line.ends_with(&format!(":{path}"))), "{path} in {cgroups}");
    assert!(shown["cgroup"]["memory"].as_u64() > Some(0), "{shown:#}");
    let links = "for kind in ipc mnt net pid uts; do readlink /proc/self/ns/$kind; done";
    let wanted: Vec<_> = ["ipc", "mnt", "net", "pid", "uts"]
        .iter()
        .map(|kind| Ok(ns::link(kind, ns::inode(pid, kind)?)))
        .collect::<Result<_>>()?;
    let wanted = wanted.join("\n");
    assert_eq!(entered(&shown, links)?, [wanted.clone(), wanted]);
    Ok(shown)
}

#[test]
fn podman() -> Result<()> {
    let web = podman::Container::run(&["--user", "33"], &["sleep", "1000"])?;
    let shown = assert_is(web.name(), "podman", web.pid()?)?;
    assert_eq!(shown["user"]["uid"], 33);
    assert_eq!(shown["history"], Value::Null, "podman's service does not run");
    Ok(())
}

#[test]
fn without_a_cgroup_of_its_own_nobodys_ports_are_taken_for_its_own() -> Result<()> {
    let web = podman::Container::run(&["--cgroups=disabled", "--network", "host"], &["sleep", "1000"])?;
    let shown = inspect(web.name())?;
    assert_eq!(shown["listeners"], Value::Null, "{shown:#}");
    assert!(shown["unseen"]["listeners"].as_str().is_some_and(|why| why.starts_with("it has no cgroup of its own")));
    Ok(())
}

#[test]
fn podmans_service_tells_how_the_runs_went() -> Result<()> {
    let service = podman::Service::start()?;
    let web = podman::Container::run(&["--restart", "on-failure:2"], &["sleep", "1000"])?;
    let mut command = crate::run::cnsenter(["inspect", "--json", web.name()]);
    command.env("CONTAINER_HOST", format!("unix://{}", service.socket().display()));
    let shown: Value = serde_json::from_str(&testbed::output::stdout(&mut command)?)?;
    assert_eq!(shown[0]["history"]["restart_policy"], "on-failure:2", "{shown:#}");
    Ok(())
}

#[test]
fn containerd() -> Result<()> {
    let namespace = containerd::NAMESPACE;
    let web = containerd::Container::run(namespace, &[], &["sleep", "1000"])?;
    let shown = assert_is(web.id(), "containerd", web.pid()?)?;
    assert_eq!((&shown["namespace"], &shown["id"]), (&json!(namespace), &json!(web.id())));
    Ok(())
}

#[test]
fn a_pod() -> Result<()> {
    let pod = cri::Pod::run(&guard::unique_name(), "shop")?;
    let web = pod.container("app", &["sleep", "1000"])?;
    let target = format!("pod/shop/{}/app", pod.name());
    let shown = assert_is(&target, "containerd", web.pid()?)?;
    assert_eq!(shown["reference"], target);
    // The sandbox, whose network it is.
    assert_eq!(shown["shared"]["net"].as_array().map(Vec::len), Some(1), "{shown:#}");
    assert_eq!(shown["shared"]["mnt"], json!([]));
    Ok(())
}

#[test]
fn runc_and_crun_by_hand() -> Result<()> {
    for runtime in [oci::Runtime::Runc, oci::Runtime::Crun] {
        let web = oci::Container::run(runtime, None, &[], &["sleep", "1000"])?;
        let shown = assert_is(web.id(), "oci", web.pid()?)?;
        assert_eq!((&shown["sandbox"], &shown["root"]["read_only"]), (&Value::Null, &json!(true)));
    }
    Ok(())
}

#[test]
fn lxc() -> Result<()> {
    let web = lxc::Container::start()?;
    let shown = assert_is(web.name(), "lxc", web.pid()?)?;
    assert_eq!(shown["enter"]["cnsenter"], format!("cnsenter lxc://{}", web.name()));
    web.stop()?;
    let text = quiet(["inspect", web.name()])?;
    assert!(text.contains("\nstate      not running\n"), "{text}");
    Ok(())
}

#[test]
fn nspawn() -> Result<()> {
    let web = nspawn::Machine::start()?;
    let shown = assert_is(web.name(), "nspawn", web.leader())?;
    assert_eq!(shown["security"]["seccomp"], "filter");
    Ok(())
}
