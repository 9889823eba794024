//! What a container's state does to whoever wants in: one sentence, one hint, one exit status. States that a real
//! engine does not take on demand come from a fake.

use std::time::Duration;

use anyhow::Result;
use testbed::{Container, Output, fake, image, wait};

use crate::run::{NET, OWN, assert_refused, quiet, run};

/// The same of every way in: by process, by file, whole.
fn each_way(name: &str, check: impl Fn(&Output)) -> Result<()> {
    for line in [&["--net", name, "true"][..], &["--sandbox", name, "true"], &[name, "true"], &["-a", name, "true"]] {
        check(&run(line)?);
    }
    Ok(())
}

#[test]
fn created_and_never_started() -> Result<()> {
    let web = Container::create(image::busybox()?, &["--network", "none"], &["sleep", "1000"])?;
    let name = web.name();
    each_way(name, |output| {
        let message = format!("container {name} was created and never started");
        assert_refused(output, &message, &format!("docker start {name}; --wait enters it as soon as it runs"));
    })
}

#[test]
fn exited_says_how_and_when() -> Result<()> {
    let web = Container::run(image::busybox()?, &["--network", "none"], &["sh", "-c", "exit 3"])?;
    web.docker(&["wait"])?;
    let name = web.name();
    each_way(name, |output| {
        // The time passes between the end and the question; its unit is what is sure.
        let ago = output.stderr.split("with status 3, ").nth(1).and_then(|rest| rest.split(" ago\n").next());
        let ago = ago.unwrap_or_else(|| panic!("no time: {output:?}"));
        assert!(ago.strip_suffix('s').is_some_and(|seconds| seconds.parse::<u32>().is_ok()), "{output:?}");
        assert_refused(
            output,
            &format!("container {name} is not running: it exited with status 3, {ago} ago"),
            &format!("docker logs --tail 20 {name} shows why, docker start {name} starts it; --wait enters it then"),
        );
    })?;
    // The hint's own words work.
    web.docker(&["logs", "--tail", "20"])?;
    web.docker(&["start"])?;
    Ok(())
}

#[test]
fn killed_is_exited_too() -> Result<()> {
    let web = Container::run(image::busybox()?, &["--network", "none"], &["sleep", "1000"])?;
    assert!(run(["--net", web.name(), "true"])?.success());
    web.docker(&["kill"])?;
    let output = run(["--net", web.name(), "true"])?;
    let start = format!("cnsenter: container {} is not running: it exited with status 137, ", web.name());
    assert!(output.code == Some(OWN) && output.stderr.starts_with(&start), "{output:?}");
    Ok(())
}

#[test]
fn restarting_says_how_the_last_run_ended() -> Result<()> {
    let args = ["--network", "none", "--restart", "always"];
    let web = Container::run(image::busybox()?, &args, &["sh", "-c", "exit 5"])?;
    let limit = Duration::from_secs(60);
    // The engine waits longer each time: once it waits for seconds, the question fits in between.
    wait::until(limit, "some restarts", || {
        let often = web.inspect("{{.RestartCount}}").ok()?.parse::<u32>().ok()? >= 5;
        (often && web.inspect("{{.State.Status}}").ok()? == "restarting").then_some(())
    })?;
    let name = web.name();
    each_way(name, |output| {
        assert_refused(
            output,
            &format!("container {name} is restarting: its last run exited with status 5"),
            &format!("--wait enters its next run; docker logs --tail 20 {name} shows why it ended"),
        );
    })
}

#[test]
fn paused_is_entered_and_stays_paused() -> Result<()> {
    let web = Container::run(image::busybox()?, &["--network", "none", "--hostname", "bee"], &["sleep", "1000"])?;
    let theirs = web.exec(&[], &NET)?;
    web.docker(&["pause"])?;
    assert_eq!(quiet(["--net", web.name()].iter().chain(&NET))?, theirs);
    assert_eq!(quiet(["--sandbox", web.name()].iter().chain(&NET))?, theirs);
    // As a whole it is entered but for the cgroup that is frozen.
    let whole = run([web.name(), "hostname"])?;
    assert_eq!((whole.code, whole.stdout.as_str()), (Some(0), "bee\n"), "{whole:?}");
    assert!(whole.stderr.contains("the container is paused"), "{whole:?}");
    assert_eq!(web.inspect("{{.State.Status}}")?, "paused");
    web.docker(&["unpause"])?;
    Ok(())
}

/// What the engine reports of a real container, with some of the words replaced.
fn altered(container: &Container, changes: &[(&str, &str)]) -> Result<fake::Engine> {
    let mut record = container.inspect("{{json .}}")?;
    for (from, to) in changes {
        assert!(record.contains(from), "no {from} in {record}");
        record = record.replacen(from, to, 1);
    }
    fake::Engine::answering(200, &record)
}

const RUNNING: &str = r#""Status":"running","Running":true"#;

#[test]
fn states_that_pass_too_quickly_are_said_as_well() -> Result<()> {
    let web = Container::run(image::busybox()?, &["--network", "none"], &["sleep", "1000"])?;
    let name = web.name();
    let pid = format!("\"Pid\":{}", web.pid()?);
    let dead = r#""Status":"dead","Running":false"#;
    let removing = r#""Status":"removing","Running":false"#;
    let restarting = r#""Status":"restarting","Running":true"#;
    let nothing = (pid.as_str(), "\"Pid\":0");
    for (changes, message, hint) in [
        (
            &[(RUNNING, dead), nothing][..],
            format!("container {name} is dead: the engine failed to remove it"),
            format!("docker rm -f {name}"),
        ),
        (
            &[(RUNNING, removing)],
            format!("container {name} is being removed"),
            "there will be nothing to enter".to_owned(),
        ),
        (
            &[(RUNNING, restarting), nothing],
            format!("container {name} is restarting: its last run exited with status 0"),
            format!("--wait enters its next run; docker logs --tail 20 {name} shows why it ended"),
        ),
        (
            &[nothing],
            format!("container {name} has no process (pid 0), though it runs by its record"),
            format!("try again; cnsenter inspect docker://{} shows what is known of it", web.short_id()),
        ),
    ] {
        let engine = altered(&web, changes)?;
        let on = format!("unix://{}", engine.socket().display());
        for line in [&["--net", name, "true"][..], &[name, "true"]] {
            assert_refused(&run([&["-H", &on], line].concat())?, &message, &hint);
        }
    }
    Ok(())
}

#[test]
fn a_record_without_a_process_still_has_its_file() -> Result<()> {
    // Its network is there to be looked at, and needs no process.
    let web = Container::run(image::busybox()?, &["--network", "none"], &["sleep", "1000"])?;
    let pid = format!("\"Pid\":{}", web.pid()?);
    for status in ["dead", "removing", "exited", "created"] {
        let gone = format!(r#""Status":"{status}","Running":false"#);
        let engine = altered(&web, &[(RUNNING, &gone), (&pid, "\"Pid\":0")])?;
        let output = run(["-H", &format!("unix://{}", engine.socket().display()), "--sandbox", web.name(), "true"])?;
        assert_eq!((output.code, output.stdout.as_str()), (Some(OWN), ""), "{status}: {output:?}");
        assert!(output.stderr.starts_with(&format!("cnsenter: container {} ", web.name())), "{status}: {output:?}");
    }
    Ok(())
}
