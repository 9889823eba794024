//! Answers as JSON, and answers while no daemon gives any.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;
use testbed::{Container, fake, image, podman};

use super::rows;
use crate::run::run;

fn sleeping() -> Result<Container> {
    Container::run(image::busybox()?, &["--publish", "127.0.0.1::80"], &["sleep", "100000"])
}

#[test]
fn json_says_the_same_as_docker() -> Result<()> {
    let web = sleeping()?;
    let pid = web.pid()?.to_string();
    let output = run(["who", "--json", &pid, &web.ip()?, "1", "lo", "net:[7]"])?;
    assert_eq!(output.code, Some(1), "{output:?}");
    let answers: Vec<Value> = serde_json::from_str(&output.stdout)?;
    let found = |at: usize| answers[at]["found"].as_array().cloned().unwrap_or_default();
    assert_eq!(answers.iter().map(|answer| answer["what"].clone()).collect::<Vec<_>>().len(), 5);
    for (at, kind) in [(0, "process"), (1, "address")] {
        // Another engine in a network of its own may have given the same address away.
        let all = found(at);
        let ours = all.iter().find(|found| found["container"]["id"] == web.id()).context("it is not there")?;
        assert_eq!(ours["kind"], kind);
        let container = &ours["container"];
        assert_eq!((&container["name"], &container["runtime"]), (&web.name().into(), &"docker".into()));
        assert_eq!((&container["pid"], &container["state"]), (&web.pid()?.into(), &"running".into()));
        assert_eq!(container["namespaces"]["net"], web.netns()?);
        assert_eq!((&ours["process"], &ours["network"], &ours["host"]), (&Value::Null, &Value::Null, &false.into()));
    }
    let [first] = &found(2)[..] else { panic!("{output:?}") };
    assert_eq!((&first["process"]["pid"], &first["container"]), (&1.into(), &Value::Null));
    let [lo] = &found(3)[..] else { panic!("{output:?}") };
    assert_eq!((&lo["host"], &lo["kind"]), (&true.into(), &"interface".into()));
    assert_eq!(found(4), Vec::<Value>::new());
    Ok(())
}

#[test]
fn a_daemon_that_hangs_is_not_waited_for() -> Result<()> {
    let web = sleeping()?;
    let hung = fake::Engine::silent()?;
    let socket = format!("unix://{}", hung.socket().display());
    let port = web.inspect("{{(index (index .NetworkSettings.Ports \"80/tcp\") 0).HostPort}}")?;
    let net = format!("net:[{}]", web.netns()?);
    let (pid, ip, port) = (web.pid()?.to_string(), web.ip()?, format!(":{port}"));
    let state = ["--state-root", "/var/lib/docker", "--state-root", "/run/docker", "--timeout", "30s"];
    let begin = Instant::now();
    let words = ["who", "-H", &socket];
    let output = run(words.iter().chain(&state).chain(&[web.name(), web.id(), &pid, &net, &ip, &port]))?;
    assert!(output.success() && output.stderr.is_empty(), "{output:?}");
    let name = format!("docker://{}", web.name());
    for word in [web.name(), web.id(), &pid, &net, &ip, &port] {
        assert!(rows(&output)?.iter().any(|(what, owner, _)| what == word && *owner == name), "{word}: {output:?}");
    }
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
    assert!(hung.requests().is_empty(), "{:?}", hung.requests());
    // Where nothing is on record, its ID is all that is known, and the engine is waited for once. Of podman's pods the record
    // of one container says only inside what it is.
    let _pod = podman::Pod::create()?;
    let begin = Instant::now();
    let output = run(["who", "-H", &socket, "--timeout", "2s", &pid, &net, &ip])?;
    assert!(output.success(), "{output:?}");
    let short = format!("docker://{}", web.id());
    assert!(rows(&output)?.iter().any(|(what, owner, _)| *what == pid && *owner == short), "{output:?}");
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    Ok(())
}
