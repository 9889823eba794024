//! Which engine is asked: `-H`, `--context`, `DOCKER_HOST`, `DOCKER_CONTEXT` and the Docker client's own configuration,
//! in the order in which `docker` takes them; and those that cannot be asked, since they are elsewhere.

use std::process::Command;

use anyhow::Result;
use testbed::{Container, Output, Scratch, engine, fake, image, output};

use crate::run::{NET, assert_refused, cnsenter, run};

/// Configuration folder of a Docker client: contexts by name and address.
fn client(current: &str, contexts: &[(&str, &str)]) -> Result<Scratch> {
    let folder = Scratch::new()?;
    for (name, host) in contexts {
        let mut create = Command::new("docker");
        create.env_remove("DOCKER_HOST").env_remove("DOCKER_CONTEXT").arg("--config").arg(folder.path());
        create.args(["context", "create", name, "--docker", &format!("host={host}")]);
        output::stdout(&mut create)?;
    }
    if !current.is_empty() {
        std::fs::write(folder.path().join("config.json"), format!("{{\"currentContext\":\"{current}\"}}"))?;
    }
    Ok(folder)
}

fn with(variables: &[(&str, &str)], words: &[&str]) -> Result<Output> {
    output::run(cnsenter(words).envs(variables.iter().copied()))
}

#[test]
fn an_engine_on_another_machine_is_refused() -> Result<()> {
    let local = "run cnsenter on that machine, or name a local engine: -H unix:///var/run/docker.sock";
    for address in ["tcp://10.0.0.5:2375", "http://localhost:2375", "https://db1:2376", "10.0.0.5:2375"] {
        let message =
            |said_by| format!("the engine at {address} ({said_by}) is on another machine, where its processes are too");
        assert_refused(&run(["-H", address, "--net", "web", "ss"])?, &message("-H"), local);
        assert_refused(&run([&format!("--host={address}"), "--sandbox", "web"])?, &message("-H"), local);
        assert_refused(&with(&[("DOCKER_HOST", address)], &["--net", "web", "ss"])?, &message("DOCKER_HOST"), local);
    }
    let output = with(&[("DOCKER_HOST", "ssh://admin@db1")], &["--net", "web", "sh", "-c", "ss -ltn"])?;
    assert_refused(
        &output,
        "the engine at ssh://admin@db1 (DOCKER_HOST) is on another machine, where its processes are too",
        "run it there: ssh -t ssh://admin@db1 \"cnsenter --net web sh -c 'ss -ltn'\"",
    );
    Ok(())
}

#[test]
fn a_context_that_points_elsewhere_is_refused_with_who_named_it() -> Result<()> {
    let folder = client("remote", &[("remote", "tcp://10.0.0.5:2375")])?;
    let config = folder.path().display().to_string();
    let message = |said_by: &str| {
        format!(
            "the engine at tcp://10.0.0.5:2375 (context remote, {said_by}) is on another machine, where its processes are too"
        )
    };
    let hint = "run cnsenter on that machine, or name a local engine: -H unix:///var/run/docker.sock";
    let words = ["--net", "web", "true"];
    let configured = ("DOCKER_CONFIG", config.as_str());
    assert_refused(&with(&[configured], &words)?, &message("currentContext of the Docker client"), hint);
    let named = with(&[configured, ("DOCKER_CONTEXT", "remote")], &words)?;
    assert_refused(&named, &message("DOCKER_CONTEXT"), hint);
    let given = with(&[configured], &[&["--context", "remote"], &words[..]].concat())?;
    assert_refused(&given, &message("--context"), hint);
    Ok(())
}

#[test]
fn the_order_is_that_of_the_docker_client() -> Result<()> {
    let engines = [engine(r#""one""#)?, engine(r#""two""#)?, engine(r#""three""#)?];
    let hosts = engines.each_ref().map(|engine| format!("unix://{}", engine.socket().display()));
    let [one, two, three] = hosts.each_ref().map(String::as_str);
    let folder = client("one", &[("one", one), ("two", two)])?;
    let config = folder.path().display().to_string();
    let (current, chosen, host) =
        (("DOCKER_CONFIG", config.as_str()), ("DOCKER_CONTEXT", "two"), ("DOCKER_HOST", three));
    for (variables, words) in [
        (&[current][..], &[][..]),
        (&[current, chosen], &[]),
        (&[current, host], &[]),
        (&[current, chosen, host], &[]),
        (&[current, host], &["--context", "two"]),
        (&[current, chosen, host], &["--context", "one"]),
        (&[current, chosen], &["-H", three]),
        (&[current, ("DOCKER_CONTEXT", "")], &[]),
        (&[current, ("DOCKER_HOST", "")], &[]),
    ] {
        let mut docker = Command::new("docker");
        docker.env_remove("DOCKER_HOST").env_remove("DOCKER_CONTEXT").envs(variables.iter().copied()).args(words);
        docker.args(["inspect", "--type=container", "--format", "{{.Id}}", "web"]);
        let asked = output::stdout(&mut docker)?;
        let by_us = with(variables, &[words, &["--net", "web", "true"]].concat())?;
        // The fakes' container has ended, and its name says who was asked.
        let start = format!("cnsenter: container {asked} was created and never started\n");
        assert!(by_us.stderr.starts_with(&start), "{variables:?} {words:?}: Docker asked {asked}\n{by_us:?}");
    }
    Ok(())
}

/// Knows one container, by whatever name.
fn engine(id: &str) -> Result<fake::Engine> {
    fake::Engine::answering(200, &format!("{{\"Id\":{id},\"Name\":{id},\"State\":{{\"Status\":\"created\"}}}}"))
}

#[test]
fn the_default_context_is_the_default_socket() -> Result<()> {
    let web = Container::run(image::busybox()?, &["--network", "none"], &["sleep", "1000"])?;
    let folder = client("remote", &[("remote", "tcp://10.0.0.5:2375")])?;
    let config = folder.path().display().to_string();
    let theirs = web.exec(&[], &NET)?;
    let line = [&["--net", web.name()], &NET[..]].concat();
    for (variables, words) in [
        (&[("DOCKER_CONFIG", config.as_str())][..], &["--context", "default"][..]),
        (&[("DOCKER_CONFIG", &config), ("DOCKER_CONTEXT", "default")], &[]),
        (&[("DOCKER_CONFIG", &config)], &["-H", &format!("unix://{}", engine::SOCKET)]),
        (&[("DOCKER_CONFIG", &config), ("DOCKER_HOST", "unix:///var/run/docker.sock")], &[]),
        (&[("DOCKER_CONFIG", "/nonexistent")], &["-H", "unix://"]),
        (&[], &["-H", engine::SOCKET]),
    ] {
        let output = with(variables, &[words, &line].concat())?;
        assert_eq!((output.stdout.trim_end(), output.stderr.as_str()), (theirs.as_str(), ""), "{words:?}");
    }
    Ok(())
}

#[test]
fn a_context_that_is_not_there_is_said_to_be_missing() -> Result<()> {
    let folder = client("", &[])?;
    let config = folder.path().display().to_string();
    let configured = ("DOCKER_CONFIG", config.as_str());
    for (variables, words, said_by) in [
        (&[configured][..], &["--context", "gone"][..], "--context"),
        (&[configured, ("DOCKER_CONTEXT", "gone")], &[], "DOCKER_CONTEXT"),
    ] {
        let output = with(variables, &[words, &["--net", "web", "true"]].concat())?;
        assert_refused(&output, &format!("no such Docker context: gone ({said_by})"), "docker context ls lists them");
    }
    Ok(())
}

#[test]
fn a_broken_configuration_is_said_to_be_broken() -> Result<()> {
    let folder = client("", &[])?;
    std::fs::write(folder.path().join("config.json"), "{")?;
    let config = folder.path().display().to_string();
    let output = with(&[("DOCKER_CONFIG", &config)], &["--net", "web", "true"])?;
    let start = format!("cnsenter: cannot read {config}/config.json: ");
    assert!(output.code == Some(125) && output.stderr.starts_with(&start), "{output:?}");
    assert!(output.stderr.ends_with("\nhint: -H unix:///var/run/docker.sock does without it\n"), "{output:?}");
    Ok(())
}

#[test]
fn two_engines_are_one_too_many() -> Result<()> {
    let output = run(["-H", "unix:///run/a.sock", "--context", "b", "--net", "web", "true"])?;
    assert_refused(&output, "options --host and --context exclude each other", "a context has its host");
    let by_docker = output::run(Command::new("docker").args(["-H", "unix:///run/a.sock", "--context", "b", "ps"]))?;
    assert_eq!(by_docker.code, Some(1), "{by_docker:?}");
    Ok(())
}

#[test]
fn what_is_no_address_is_said_to_be_none() -> Result<()> {
    for address in ["fd://", "npipe:////./pipe/docker", "unix://relative", "nonsense"] {
        let output = run(["-H", address, "--net", "web", "true"])?;
        let message = format!("{address} (-H) is not the address of an engine");
        assert_refused(&output, &message, "an engine of this machine is unix:///PATH/OF/ITS/SOCKET");
    }
    Ok(())
}
