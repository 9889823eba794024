//! Every other runtime than Docker, beside what its own tool says of a container in each state that it has.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testbed::{containerd, cri, guard, lxc, nspawn, oci, podman, wait};

use super::{SLEEP, cnsenter, listed, listed_by};

/// The state of a container, in our words; `None` where it is not listed.
fn state(id: &str) -> Result<Option<String>> {
    Ok(listed()?.get(id).and_then(|one| one["state"].as_str()).map(str::to_owned))
}

fn said(state: &str) -> Option<String> {
    Some(state.to_owned())
}

#[test]
fn podmans_containers_by_state_and_through_its_service() -> Result<()> {
    let network = podman::Network::create()?;
    let options = ["--network", network.name(), "--label", "a=b"];
    let web = podman::Container::run(&options, &SLEEP)?;
    let paused = podman::Container::run(&[], &SLEEP)?;
    paused.podman(&["pause"])?;
    let exited = podman::Container::run(&[], &["sh", "-c", "exit 3"])?;
    exited.podman(&["wait"])?;
    let created = podman::Container::create(&[], &SLEEP)?;
    let pod = podman::Pod::create()?;
    let member = pod.run(&[], &SLEEP)?;
    let all = [&web, &paused, &exited, &created, &member];

    let by_state = listed()?;
    let service = podman::Service::start()?;
    let mut command = cnsenter(["ls", "--all", "--json"]);
    let (by_service, stderr) =
        listed_by(command.env("CONTAINER_HOST", format!("unix://{}", service.socket().display())))?;
    assert_eq!(stderr, "");
    for container in all {
        let id = container.id();
        let find = |all: &BTreeMap<String, Value>| all.get(id).cloned().context("not listed");
        let (by_state, by_service) = (find(&by_state)?, find(&by_service)?);
        let truth = container.inspect("{{.Name}} {{.State.Status}} {{.State.Pid}} {{.ImageName}}")?;
        let one = |one: &Value| {
            let word = |field: &str| one[field].as_str().unwrap_or_default().to_owned();
            let pid = one["pid"].as_u64().unwrap_or_default();
            format!("{} {} {pid} {}", word("name"), word("state"), word("image"))
        };
        assert_eq!(one(&by_service), truth);
        // How one ended, podman keeps in a database.
        assert_eq!(one(&by_state).replace(" stopped ", " exited "), truth);
        for field in ["created", "started", "namespaces", "interfaces", "reference"] {
            assert_eq!(by_state[field], by_service[field], "{field}: {by_service:#}");
        }
    }
    assert_eq!(by_service[exited.id()]["exit_code"], 3);
    assert_eq!(by_service[web.id()]["labels"]["a"], "b");
    let networks = &by_service[web.id()]["networks"];
    assert_eq!(networks[0]["network"], network.name(), "{networks}");
    // The kernel gives it one more, for the link alone.
    let addresses = &by_service[web.id()]["interfaces"][0]["addresses"];
    assert_eq!((&networks[0]["addresses"][0], &networks[0]["addresses"][1]), (&addresses[0], &Value::Null));
    Ok(())
}

#[test]
fn containerds_tasks_in_every_namespace_and_each_once() -> Result<()> {
    let web = containerd::Container::run(containerd::NAMESPACE, &[], &SLEEP)?;
    assert_eq!((web.status()?, state(web.id())?), (said("RUNNING"), said("running")));
    web.ctr(&["tasks", "pause"])?;
    assert_eq!((web.status()?, state(web.id())?), (said("PAUSED"), said("paused")));
    web.ctr(&["tasks", "resume"])?;
    web.kill()?;
    assert_eq!(web.status()?, said("STOPPED"));
    // Its process is gone, and nothing on disk says how it ended.
    assert!(["gone", "stopped"].map(said).contains(&state(web.id())?), "{:?}", state(web.id())?);

    let pod = cri::Pod::run(&guard::unique_name(), "list")?;
    let app = pod.container("app", &SLEEP)?;
    let all = listed()?;
    let (app, sandbox) = (&all[app.id()], &all[pod.sandbox_id()]);
    assert_eq!((&app["namespace"], &app["name"]), (&json!("k8s.io"), &json!("app")));
    assert_eq!(sandbox["name"], pod.name());
    let reference = format!("pod/list/{}", pod.name());
    assert_eq!((&sandbox["reference"], &app["reference"]), (&json!(reference), &json!(format!("{reference}/app"))));
    assert_eq!(app["labels"]["io.kubernetes.cri.container-name"], "app");
    let image = app["image"].as_str().context("no image")?;
    assert!(image.contains("busybox"), "{image}");
    Ok(())
}

#[test]
fn containers_by_hand_in_every_state() -> Result<()> {
    for runtime in [oci::Runtime::Runc, oci::Runtime::Crun] {
        let id = guard::unique_name();
        let web = oci::Container::create_as(runtime, None, &id, &[("org.example", "x")], &SLEEP)?;
        let status = || -> Result<String> {
            let state: Value = serde_json::from_str(&web.words(&["state"])?)?;
            Ok(state["status"].as_str().unwrap_or_default().to_owned())
        };
        assert_eq!((status()?, state(&id)?), ("created".to_owned(), said("created")), "{runtime:?}");
        web.start()?;
        assert_eq!((status()?, state(&id)?), ("running".to_owned(), said("running")), "{runtime:?}");
        let one = listed()?[&id].clone();
        assert_eq!(one["image"], web.bundle().display().to_string());
        assert_eq!(one["labels"], json!({"org.example": "x"}));
        assert!(one["created"].is_string() && one["pid"] == web.pid()?, "{one:#}");
        web.words(&["pause"])?;
        assert_eq!((status()?, state(&id)?), ("paused".to_owned(), said("paused")), "{runtime:?}");
        web.words(&["resume"])?;
        assert_eq!(state(&id)?, said("running"));
        web.kill()?;
        let has_ended = || status().is_ok_and(|status| status == "stopped").then_some(());
        wait::until(Duration::from_secs(30), "the end of what was killed", has_ended)?;
        assert_eq!(state(&id)?, said("gone"), "{runtime:?}");
    }
    Ok(())
}

#[test]
fn machines_and_lxcs_containers() -> Result<()> {
    let web = lxc::Container::start()?;
    assert_eq!((web.state()?, state(web.name())?), ("RUNNING".to_owned(), said("running")));
    web.freeze()?;
    assert_eq!((web.state()?, state(web.name())?), ("FROZEN".to_owned(), said("paused")));
    web.stop()?;
    assert_eq!((web.state()?, state(web.name())?), ("STOPPED".to_owned(), said("stopped")));

    let mut machine = nspawn::Machine::start()?;
    let (name, leader) = (machine.name().to_owned(), machine.leader());
    let pid = || -> Result<Value> { Ok(listed()?[&name]["pid"].clone()) };
    assert_eq!((listed()?[&name]["runtime"].clone(), pid()?), (json!("nspawn"), json!(leader)));
    // Noted by systemd-machined as well, it is still one; and what is noted of one that had its name is no news.
    for unit in ["payload", r"machine-cnsenter\x2dtest.scope"] {
        let _record = nspawn::Record::write(&name, leader, unit)?;
        assert_eq!(pid()?, leader, "{unit}");
    }
    machine.stop()?;
    assert_eq!(state(&name)?, None);
    Ok(())
}
