//! `ls` where an engine does not answer, or may not be asked: what it lists all the same, and what it says it could not.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;
use testbed::{Output, fake, output, podman};

use super::{SLEEP, docker, text};
use crate::run::{OWN, cnsenter, copy_for_everybody, on_default_engine, stdout};

/// Where Docker keeps its state here.
const STATE: [&str; 4] = ["--state-root", "/var/lib/docker", "--state-root", "/run/docker"];

/// Runs `ls` with an engine of these words for Docker's.
fn ls(engine: &fake::Engine, words: &[&str]) -> Result<Output> {
    let mut command = cnsenter([&["ls", "--timeout", "300ms"], words].concat());
    output::run(command.env("DOCKER_HOST", format!("unix://{}", engine.socket().display())))
}

#[test]
fn what_a_silent_engine_left_on_disk_is_listed_in_time_with_a_note() -> Result<()> {
    let (web, on_host) = (docker(&["--publish", "80"])?, docker(&["--network", "host"])?);
    let of_podman = podman::Container::run(&[], &SLEEP)?;
    let silent = fake::Engine::silent()?;
    let begun = Instant::now();
    let output = ls(&silent, &[&["--json"], &STATE[..]].concat())?;
    assert!(begun.elapsed() < Duration::from_secs(2), "took {:?}", begun.elapsed());
    assert!(output.success(), "{output:?}");
    let origin = format!("{} (DOCKER_HOST)", silent.socket().display());
    let note =
        format!("cnsenter: note: Docker was not asked: {origin}: no answer in 0.3 s; this is what it left on disk\n");
    assert_eq!(output.stderr, note);
    let all: Vec<Value> = serde_json::from_str(&output.stdout)?;
    let find = |id: &str| all.iter().find(|one| one["id"] == id).with_context(|| format!("{id} is not listed"));
    for container in [&web, &on_host] {
        let one = find(container.id())?;
        assert_eq!((&one["name"], &one["pid"]), (&container.name().into(), &container.pid()?.into()), "{one:#}");
        assert_eq!(one["namespaces"]["net"], container.netns()?, "{one:#}");
    }
    assert!(text(&find(web.id())?["interfaces"][0]["host_end"]).starts_with("veth"));
    find(of_podman.id())?;
    Ok(())
}

#[test]
fn where_nobody_can_be_asked_it_fails_and_says_why() -> Result<()> {
    for (engine, reason) in [
        (fake::Engine::silent()?, "no answer in 0.3 s"),
        (fake::Engine::answering(500, r#"{"message":"sick"}"#)?, "it answered 500: sick"),
    ] {
        let socket = format!("unix://{}", engine.socket().display());
        for words in [&[][..], &["--json"], &["-q"]] {
            let output = ls(&engine, &[&["--host", &socket], words].concat())?;
            let origin = format!("{} (-H)", engine.socket().display());
            let said = format!(
                "cnsenter: no runtime of this host could be asked\n    docker: {origin}: {reason}\n\
                 hint: --state-root DIR reads what an engine left there\n"
            );
            assert_eq!((output.code, &output.stdout[..], &output.stderr), (Some(OWN), "", &said), "{output:?}");
        }
    }
    Ok(())
}

#[test]
fn who_is_not_root_is_told_what_was_not_seen() -> Result<()> {
    let web = docker(&[])?;
    let (_folder, copy) = copy_for_everybody()?;
    let group = stdout("stat", &["-c", "%g", "/var/run/docker.sock"])?;
    let as_nobody = |groups: &str, words: &[&str]| -> Result<Output> {
        let mut command = on_default_engine(Command::new("setpriv"));
        output::run(command.args(["--reuid=65534", "--regid=65534", groups]).arg(&copy).args(words))
    };
    // A member of the group may ask; the kernel shows nothing of other users' processes.
    let output = as_nobody(&format!("--groups={group}"), &["ls", "--json"])?;
    assert!(output.success(), "{output:?}");
    assert!(output.stderr.contains("namespaces and interfaces are root's to see"), "{output:?}");
    let all: Vec<Value> = serde_json::from_str(&output.stdout)?;
    let one = all.iter().find(|one| one["id"] == web.id()).context("not listed")?;
    assert_eq!((&one["state"], &one["namespaces"]["net"]), (&"running".into(), &Value::Null), "{one:#}");
    // Nobody else may do even that.
    let output = as_nobody("--clear-groups", &["ls", "-H", "unix:///var/run/docker.sock"])?;
    assert_eq!(output.code, Some(OWN), "{output:?}");
    assert!(output.stderr.ends_with("sudo cnsenter ls -H unix:///var/run/docker.sock\n"), "{output:?}");
    Ok(())
}
