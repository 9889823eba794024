//! What lists are made of, whoever shows it: engines asked, their state read, and both put together, which have to agree
//! with one another and with the runtimes' own tools. How `ls` shows it is in `ls.rs`; other runtimes than Docker are in
//! `list/others.rs`, engines that fail half way in `list/trouble.rs`.

mod others;
mod trouble;

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testbed::{Container, Network, Scratch, engine, fake, image, output, wait};

use crate::run::{cnsenter, stdout};

const SLEEP: [&str; 2] = ["sleep", "1000"];

/// Where Docker keeps its state here.
const STATE: [&str; 4] = ["--state-root", "/var/lib/docker", "--state-root", "/run/docker"];

/// What `ls` lists with these words and its engine at this socket, by ID; and what it says.
fn listed_at(socket: &str, words: &[&str]) -> Result<(BTreeMap<String, Value>, String)> {
    let mut command = cnsenter([&["ls", "--all", "--json"], words].concat());
    listed_by(command.env("DOCKER_HOST", format!("unix://{socket}")))
}

fn listed_by(command: &mut Command) -> Result<(BTreeMap<String, Value>, String)> {
    let output = output::run(command)?;
    assert!(output.success(), "{output:?}");
    let all: Vec<Value> = serde_json::from_str(&output.stdout)?;
    let number = all.len();
    // One ID may be in several runtimes, or namespaces of containerd's, where people choose it.
    let id = |one: &Value| Some(format!("{} {} {}", one["runtime"].as_str()?, one["namespace"], one["id"].as_str()?));
    let by_id: BTreeMap<_, _> = all.iter().filter_map(|one| Some((id(one)?, one.clone()))).collect();
    assert_eq!(by_id.len(), number, "something is listed twice: {}", output.stdout);
    Ok((all.into_iter().filter_map(|one| Some((one["id"].as_str()?.to_owned(), one.clone()))).collect(), output.stderr))
}

/// The machine's own engines.
fn listed() -> Result<BTreeMap<String, Value>> {
    let (all, said) = listed_at(engine::SOCKET, &[])?;
    assert_eq!(said, "");
    Ok(all)
}

/// Containers of Docker's in every state that stays, and on every kind of network.
struct Kinds {
    all: Vec<Container>,
    restarting: Container,
    _network: Network,
}

impl Kinds {
    fn make() -> Result<Kinds> {
        let network = Network::create(&[])?;
        let busybox = image::busybox()?;
        let run = |args: &[&str]| Container::run(busybox, args, &SLEEP);
        let restarting = Container::run(busybox, &["--restart", "always"], &["sh", "-c", "exit 5"])?;
        let web = run(&["--publish", "80", "--publish", "127.0.0.1::53/udp", "--label", "a=b", "--label", "c="])?;
        let joined = run(&["--network", &format!("container:{}", web.id())])?;
        let paused = run(&["--network", network.name()])?;
        paused.docker(&["pause"])?;
        let killed = run(&["--network", network.name()])?;
        killed.docker(&["kill"])?;
        let check = |command: &str, status: &str| -> Result<Container> {
            let checked = run(&["--health-cmd", command, "--health-interval", "100ms", "--health-retries", "1"])?;
            let is_told = || (checked.inspect("{{.State.Health.Status}}").ok()? == status).then_some(());
            wait::until(Duration::from_secs(60), status, is_told)?;
            Ok(checked)
        };
        let (well, ill) = (check("true", "healthy")?, check("false", "unhealthy")?);
        let frozen = check("true", "healthy")?;
        frozen.docker(&["pause"])?;
        let all = vec![
            well,
            ill,
            frozen,
            run(&["--health-cmd", "true", "--health-interval", "1h"])?,
            joined,
            paused,
            killed,
            run(&["--network", "host"])?,
            run(&["--network", "none"])?,
            Container::create(busybox, &["--publish", "80"], &SLEEP)?,
            web,
        ];
        // The engine waits longer each time: once it waits for seconds, the questions fit in between.
        wait::until(Duration::from_secs(60), "some restarts", || {
            let often = restarting.inspect("{{.RestartCount}}").ok()?.parse::<u32>().ok()? >= 7;
            (often && restarting.inspect("{{.State.Status}}").ok()? == "restarting").then_some(())
        })?;
        Ok(Kinds { all, restarting, _network: network })
    }

    fn containers(&self) -> impl Iterator<Item = &Container> {
        self.all.iter().chain([&self.restarting])
    }
}

#[test]
fn by_the_engine_and_its_state_by_either_alone_the_same_is_listed() -> Result<()> {
    let kinds = Kinds::make()?;
    let silent = fake::Engine::silent()?;
    let alone = fake::Engine::in_front_of(engine::SOCKET, |_, _| {})?;
    let (both, said) = listed_at(engine::SOCKET, &[])?;
    assert_eq!(said, "");
    // Of an engine at another socket nobody knows the folders.
    let (by_engine, said) = listed_at(&alone.socket().display().to_string(), &[])?;
    assert_eq!(said, "");
    let (by_state, said) =
        listed_at(&silent.socket().display().to_string(), &[&["--timeout", "200ms"], &STATE[..]].concat())?;
    assert!(said.ends_with("no answer in 0.2 s; this is what it left on disk\n"), "{said}");
    for container in kinds.containers() {
        let find = |all: &BTreeMap<String, Value>| {
            all.get(container.id()).cloned().with_context(|| format!("{} is not listed", container.name()))
        };
        let (one, by_engine, by_state) = (find(&both)?, find(&by_engine)?, find(&by_state)?);
        assert_eq!(one, by_engine, "by the engine alone");
        assert_eq!(one, by_state, "by its state alone");
        assert_as_inspected(&one, container)?;
    }
    // Everything in one question, and the processes in one for each that runs.
    let asked: Vec<_> = alone.requests().into_iter().map(|request| request.path).collect();
    let lists = asked.iter().filter(|path| path.starts_with("/containers/json?")).count();
    assert_eq!(lists, 1, "{asked:?}");
    assert!(asked.iter().all(|path| !path.contains(kinds.restarting.id())), "{asked:?}");
    Ok(())
}

/// State, exit code, process and addresses as docker inspect has them.
fn assert_as_inspected(one: &Value, container: &Container) -> Result<()> {
    let inspected: Vec<Value> = serde_json::from_str(&stdout("docker", &["inspect", container.id()])?)?;
    let truth = &inspected[0];
    let state = &truth["State"];
    assert_eq!(one["state"], state["Status"], "{one:#}");
    let has_ended = ["exited", "restarting"].contains(&state["Status"].as_str().unwrap_or_default());
    assert_eq!(one["exit_code"], if has_ended { state["ExitCode"].clone() } else { Value::Null }, "{one:#}");
    assert_eq!(one["pid"], if state["Pid"] == 0 { Value::Null } else { state["Pid"].clone() }, "{one:#}");
    // Of one that does not run, docker ps does not show it either.
    let health = Some(&state["Health"]["Status"]).filter(|_| state["Status"] == "running");
    assert_eq!(&one["health"], health.unwrap_or(&Value::Null), "{one:#}");
    assert_eq!(one["name"], container.name());
    assert_eq!(one["image"], truth["Config"]["Image"]);
    assert_eq!(one["labels"], truth["Config"]["Labels"]);
    let networks = truth["NetworkSettings"]["Networks"].as_object().context("no networks")?;
    let word = |value: &Value| value.as_str().filter(|word| !word.is_empty()).map(str::to_owned);
    let network = |(name, found): (&String, &Value)| {
        json!({"network": name, "id": word(&found["NetworkID"]),
            "addresses": word(&found["IPAddress"]).into_iter().collect::<Vec<_>>(), "mac": word(&found["MacAddress"])})
    };
    assert_eq!(one["networks"], networks.iter().map(network).collect::<Value>(), "{one:#}");
    let mut ports = Vec::new();
    for (port, bindings) in truth["NetworkSettings"]["Ports"].as_object().into_iter().flatten() {
        let (port, protocol) = port.split_once('/').context("no protocol")?;
        for binding in bindings.as_array().into_iter().flatten() {
            let number = |text: &str| text.parse::<u16>();
            ports.push(json!({"host_ip": binding["HostIp"], "protocol": protocol, "port": number(port)?,
                "host_port": number(binding["HostPort"].as_str().unwrap_or_default())?}));
        }
    }
    let key = |port: &Value| (port["host_ip"].to_string(), port["host_port"].to_string(), port["protocol"].to_string());
    let mut found = one["ports"].as_array().cloned().unwrap_or_default();
    found.sort_by_key(key);
    ports.sort_by_key(key);
    assert_eq!(found, ports, "{one:#}");
    Ok(())
}

#[test]
fn runtimes_follow_one_another_and_in_each_the_newest_is_first() -> Result<()> {
    let busybox = image::busybox()?;
    let make = || Container::create(busybox, &[], &SLEEP);
    let mut made = [make()?, make()?, make()?];
    let by_hand = testbed::oci::Container::run(testbed::oci::Runtime::Runc, None, &[], &SLEEP)?;
    made.reverse();
    let mut truth: Vec<_> = made.iter().map(|container| container.id().to_owned()).collect();
    truth.push(by_hand.id().to_owned());
    let found = crate::run::quiet(["ls", "-aq", "--no-trunc"])?;
    let found: Vec<_> = found.lines().filter(|line| truth.iter().any(|id| id == line)).collect();
    assert_eq!(found, truth);
    Ok(())
}

/// One broken record is no reason to list none of the others, and what has ended holds no address.
#[test]
fn broken_records_are_passed_over() -> Result<()> {
    let folder = Scratch::new()?;
    let id = |digit: &str| digit.repeat(64);
    let write = |id: &str, text: &str| -> Result<()> {
        let folder = folder.path().join("containers").join(id);
        std::fs::create_dir_all(&folder)?;
        Ok(std::fs::write(folder.join("config.v2.json"), text)?)
    };
    let ended = r#"{"Name":"/ended","State":{"Running":true,"Pid":1,"StartedAt":"2026-01-01T00:00:00Z"},
        "NetworkSettings":{"Networks":{"n":{"IPAddress":"10.9.8.7","MacAddress":"02:42:0a:09:08:07"}},
        "Ports":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"}]}}}"#;
    for (digit, text) in [("a", "{"), ("b", "[7]"), ("c", ""), ("d", ended), ("e", "{}")] {
        write(&id(digit), text)?;
    }
    std::fs::create_dir_all(folder.path().join("containers").join(id("f")))?;
    let silent = fake::Engine::silent()?;
    let root = folder.path().display().to_string();
    let words = ["--timeout", "200ms", "--state-root", &root];
    let (all, _) = listed_at(&silent.socket().display().to_string(), &words)?;
    let found = |digit: &str| all.get(&id(digit));
    for digit in ["a", "b", "c", "f"] {
        assert_eq!(found(digit), None);
    }
    let (ended, nothing) = (found("d").context("not listed")?, found("e").context("not listed")?);
    assert_eq!((&ended["state"], &ended["pid"]), (&json!("gone"), &Value::Null), "{ended:#}");
    assert_eq!(ended["networks"], json!([{"network": "n", "id": null, "addresses": [], "mac": null}]));
    assert_eq!(ended["ports"], json!([]));
    assert_eq!((&nothing["name"], &nothing["state"]), (&json!(id("e")), &json!("created")));
    Ok(())
}
