//! podman beside cnsenter: through its service where one runs, by its state where none does, which is its normal case;
//! its pods by the names that people give them.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use testbed::podman::{Container, Pod, Service, podman};
use testbed::{ns, output, wait};

use crate::run::{NET, OWN, assert_refused, cnsenter, quiet, run};

/// Every namespace of a program, a line each.
const ALL: [&str; 3] =
    ["sh", "-c", "for n in cgroup ipc mnt net pid time user uts; do readlink /proc/self/ns/$n; done"];

/// cnsenter's answer when it asks podman at this socket.
fn through(service: &Service, words: &[&str]) -> Result<output::Output> {
    let mut command = cnsenter(words);
    output::run(command.env("CONTAINER_HOST", format!("unix://{}", service.socket().display())))
}

#[test]
fn by_state_a_name_an_id_and_its_beginning_enter_what_podman_enters() -> Result<()> {
    let web = Container::run(&["--hostname", "bee", "--env", "A=b"], &["sleep", "1000"])?;
    let by_podman = web.exec(&NET)?;
    for target in [web.name(), web.id(), &web.id()[..12], &format!("podman://{}", web.name())] {
        assert_eq!(quiet(["--net", target].iter().chain(&NET))?, by_podman, "{target}");
    }
    assert_eq!(quiet([&[web.name()], &ALL[..]].concat())?, web.exec(&ALL)?);
    // The whole environment, but for what podman gives to what it starts on a terminal, and a HOME that it leaves empty.
    let sorted = |text: String| {
        let apart = |line: &&str| !line.starts_with("TERM=") && !line.starts_with("HOME=");
        let mut lines: Vec<_> = text.lines().filter(apart).map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    assert_eq!(sorted(quiet([web.name(), "env"])?), sorted(web.exec(&["env"])?));
    Ok(())
}

#[test]
fn a_container_that_is_removed_at_its_end_is_found_as_well() -> Result<()> {
    let web = Container::run(&["--rm"], &["sleep", "1000"])?;
    assert_eq!(quiet(["--net", web.name()].iter().chain(&NET))?, web.exec(&NET)?);
    Ok(())
}

#[test]
fn through_its_service_the_same_is_entered() -> Result<()> {
    let service = Service::start()?;
    let web = Container::run(&[], &["sleep", "1000"])?;
    for target in [web.name(), &web.id()[..12]] {
        let output = through(&service, &[&["-v", "--net", target], &NET[..]].concat())?;
        assert_eq!(output.stdout.trim_end(), web.exec(&NET)?, "{output:?}");
        assert!(output.stderr.contains(&format!("asking podman at {}", service.socket().display())), "{output:?}");
    }
    let stopped = Container::create(&[], &["sleep", "1000"])?;
    let output = through(&service, &["--net", stopped.name(), "true"])?;
    let message = format!("container {} was created and never started", stopped.name());
    assert_refused(&output, &message, &format!("podman start {}; --wait enters it as soon as it runs", stopped.name()));
    Ok(())
}

#[test]
fn a_service_that_hangs_is_done_without() -> Result<()> {
    let web = Container::run(&[], &["sleep", "1000"])?;
    let silent = testbed::fake::Engine::silent()?;
    let mut command = cnsenter([&["--timeout", "300ms", "--net", web.name()], &NET[..]].concat());
    let output = output::run(command.env("CONTAINER_HOST", format!("unix://{}", silent.socket().display())))?;
    assert_eq!(output.stdout.trim_end(), web.exec(&NET)?, "{output:?}");
    let notice = format!(
        "cnsenter: note: cannot ask podman at {} (CONTAINER_HOST): no answer in 0.3 s; going by what is on disk, ",
        silent.socket().display()
    );
    assert!(output.stderr.starts_with(&notice) && output.stderr.lines().count() == 1, "{output:?}");
    Ok(())
}

#[test]
fn a_pods_name_is_that_of_the_container_whose_namespaces_it_shares() -> Result<()> {
    let pod = Pod::create()?;
    let web = pod.run(&[], &["sleep", "1000"])?;
    let infra = format!("net:[{}]", ns::inode(pod.infra_pid()?, "net")?);
    assert_eq!(web.exec(&NET)?, infra);
    for target in [pod.name(), &format!("podman://{}", pod.name())] {
        let output = run(["--net", target].iter().chain(&NET))?;
        assert_eq!(output.stdout.trim_end(), infra, "{target}: {output:?}");
        let name = pod.name();
        let notice = format!("podman keeps the names of its pods to itself: {name} is this one's host name");
        assert_eq!(output.stderr, format!("cnsenter: note: {notice}\n"));
    }
    // The pod's ID is the pod's, too.
    let id = podman(&["pod", "inspect", "--format", "{{.Id}}", pod.name()])?;
    assert_eq!(run(["--net", &id[..12]].iter().chain(&NET))?.stdout.trim_end(), infra);
    // A name goes before a host name.
    let rival = Container::run(&["--name", &format!("{}x", pod.name())], &["sleep", "1000"])?;
    let other = Container::run(&["--hostname", rival.name()], &["sleep", "1000"])?;
    assert_eq!(quiet(["--net", rival.name()].iter().chain(&NET))?, rival.exec(&NET)?);
    drop(other);
    let service = Service::start()?;
    let output = through(&service, &[&["--net", pod.name()], &NET[..]].concat())?;
    assert_eq!(output.stdout.trim_end(), infra, "{output:?}");
    Ok(())
}

#[test]
fn what_does_not_run_is_said_not_to() -> Result<()> {
    let web = Container::run(&[], &["sleep", "1000"])?;
    web.podman(&["stop", "--time", "0"])?;
    // podman's monitor has the record removed, in its own time.
    let record = Path::new("/run/crun").join(web.id());
    wait::until(Duration::from_secs(10), "the record's end", || (!record.exists()).then_some(()))?;
    let name = web.name();
    assert_refused(
        &run(["--net", name, "true"])?,
        &format!("container {name} is not running"),
        &format!("podman start {name} starts it; --wait enters it then"),
    );
    let output = run(["--net", &format!("podman://{name}x"), "true"])?;
    assert_eq!(output.code, Some(OWN));
    assert!(output.stderr.contains("\n    podman: not among "), "{output:?}");
    assert!(output.stderr.contains(&format!("hint: did you mean {name}")), "{output:?}");
    // Started again it has another process, which is the one that is entered.
    web.podman(&["start"])?;
    assert_eq!(quiet(["--net", name].iter().chain(&NET))?, web.exec(&NET)?);
    Ok(())
}

#[test]
fn a_record_whose_process_ended_says_so() -> Result<()> {
    let web = Container::run(&[], &["sleep", "1000"])?;
    let (pid, status) = (web.pid()?, std::fs::read(Path::new("/run/crun").join(web.id()).join("status"))?);
    // podman's monitor cleans up behind a process that ends. A copy shows what is left where nobody does.
    let folder = testbed::Scratch::new()?;
    let copy = folder.path().join("copied");
    std::fs::create_dir(&copy)?;
    // Without the bundle, which says whose it is.
    let text = String::from_utf8(status)?.replace("-containers/", "/");
    std::fs::write(copy.join("status"), text)?;
    let root = folder.path().display().to_string();
    let line = ["--state-root", &root, "--net", "oci://copied"];
    assert_eq!(quiet(line.iter().chain(&NET))?, web.exec(&NET)?);
    web.podman(&["kill"])?;
    web.podman(&["wait"])?;
    let output = run(line.iter().chain(&NET))?;
    let message = format!("container copied is not running: its recorded pid {pid} is gone");
    assert!(output.stderr.starts_with(&format!("cnsenter: {message}\nhint: ")), "{output:?}");
    assert_eq!(output.code, Some(OWN));
    Ok(())
}

#[test]
fn what_is_waited_for_is_entered_when_it_runs_with_and_without_the_service() -> Result<()> {
    let service = Service::start()?;
    for by_service in [true, false] {
        let web = Container::create(&[], &["sleep", "1000"])?;
        let mut command =
            cnsenter([&["-v", "--wait=60s", "--net", &format!("podman://{}", web.name())], &NET[..]].concat());
        if by_service {
            command.env("CONTAINER_HOST", format!("unix://{}", service.socket().display()));
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut said = BufReader::new(child.stderr.take().context("no stderr")?).lines();
        let waits = |line: &std::io::Result<String>| line.as_ref().is_ok_and(|line| line.contains("waiting for "));
        assert!(said.any(|line| waits(&line)), "it does not wait");
        web.podman(&["start"])?;
        let rest: Vec<_> = said.map_while(std::io::Result::ok).collect();
        // The service tells of the start: it is not asked again and again.
        assert!(!rest.iter().any(|line| line.contains("nobody tells of")), "{rest:#?}");
        let output = child.wait_with_output()?;
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end(), web.exec(&NET)?, "{by_service}: {rest:#?}");
    }
    Ok(())
}
