//! A program that is run by cnsenter is what `docker exec`, or the runtime's like, would have made it: the probe prints the
//! same facts of itself under both. Containers and options are in the files of this folder, by runtime; what may differ,
//! and why, is in `excuses`.

mod docker;
mod docker_options;
mod excuses;
mod page;
mod runtimes;
mod terminal;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use testbed::probe::{self, Facts};
use testbed::{Container, engine, image, output};

use crate::run::{cnsenter, on_default_engine};
use excuses::Place;

/// Where the probe is in a container.
const PROBE: &str = "/probe/facts";

/// The probe's folder, as a mount of `docker run` and its like.
fn volume() -> Result<String> {
    Ok(format!("{}:/probe:ro", probe::folder()?.display()))
}

/// A container of busybox in which the probe is.
fn container(options: &[&str]) -> Result<Container> {
    Container::run(image::busybox()?, &[&["--volume", &volume()?], options].concat(), &["sleep", "100000"])
}

/// What the probe prints under `docker exec`.
fn by_docker(container: &Container, options: &[&str]) -> Result<Facts> {
    Facts::of(docker_exec(options, container).arg(PROBE))
}

fn docker_exec(options: &[&str], container: &Container) -> Command {
    let mut command = engine::client(engine::SOCKET);
    command.arg("exec").args(options).arg(container.id());
    command
}

/// What the probe prints under cnsenter. Notices are its own affair.
fn by_us(target: &str, options: &[&str], program: &str) -> Result<Facts> {
    Facts::of(&mut cnsenter([options, &[target, program]].concat()))
}

/// What differs and is not excused, a line for each fact; none is the aim.
fn unexcused(place: Place, theirs: &Facts, ours: &Facts) -> Vec<String> {
    let differences = ours.differences(theirs);
    let counted = differences.iter().filter(|difference| !place.excuses(difference.name));
    counted.map(|difference| format!("  {}", difference.shown())).collect()
}

/// A kind of container, and how it is entered.
struct Case {
    /// What it is, for whoever reads a failure.
    what: &'static str,
    /// Options of `docker run`.
    run: &'static [&'static str],
    /// Ways in: options of `docker exec`, and those of cnsenter that mean the same. None is the plain one.
    ways: &'static [(&'static [&'static str], &'static [&'static str])],
}

/// Demands that each case is alike under `docker exec` and under cnsenter. All of them are tried, so that one failure shows
/// all that there is.
#[track_caller]
fn all_alike(cases: &[Case]) -> Result<()> {
    let mut failures = Vec::new();
    for case in cases {
        let container = container(case.run).with_context(|| case.what)?;
        let plain: &[(&[&str], &[&str])] = &[(&[], &[])];
        for (theirs, ours) in if case.ways.is_empty() { plain } else { case.ways } {
            let how = format!("{} {theirs:?}", case.what);
            failures.extend(compare(&how, &container, theirs, ours)?);
        }
    }
    ensure!(failures.is_empty(), "what docker exec makes of a program, cnsenter does not:\n{}", failures.join("\n"));
    Ok(())
}

/// What is not alike in one container, in a text.
fn compare(how: &str, container: &Container, theirs: &[&str], ours: &[&str]) -> Result<Option<String>> {
    let expected = by_docker(container, theirs).with_context(|| how.to_owned())?;
    let found = match by_us(container.name(), ours, PROBE) {
        Ok(found) => found,
        Err(error) => return Ok(Some(format!("{how}:\n  {error:#}"))),
    };
    let place = match () {
        () if container.inspect("{{.HostConfig.PidMode}}")? == "host" => Place::DockerHostProcesses,
        () if theirs.contains(&"--user") => Place::DockerUser,
        () => Place::Docker,
    };
    let differences = unexcused(place, &expected, &found);
    Ok((!differences.is_empty()).then(|| format!("{how}:\n{}", differences.join("\n"))))
}

/// A file beside those of the container, in the engine's own eyes.
fn env_file(text: &str) -> Result<(testbed::Scratch, PathBuf)> {
    let folder = testbed::Scratch::new()?;
    let file = folder.path().join("variables");
    std::fs::write(&file, text)?;
    Ok((folder, file))
}

/// The probe tells what is the same from what is not; else none of the tests here would prove anything.
#[test]
fn docker_exec_is_like_itself_and_nsenter_is_not_like_it() -> Result<()> {
    let options = ["--user", "app", "--group-add", "4321", "--cap-drop", "CHOWN", "--ulimit", "nofile=1000:2000"];
    let container = container(&options)?;
    let first = by_docker(&container, &[])?;
    let again = by_docker(&container, &[])?;
    // Not even that of itself is always the same: runc's own limit races that of the program.
    assert_eq!(unexcused(Place::Docker, &first, &again), [""; 0], "docker exec twice");
    assert!(first.names().count() >= 120, "{}", first.names().count());

    let pid = container.pid()?.to_string();
    let mut nsenter = on_default_engine(Command::new("nsenter"));
    let by_nsenter = Facts::of(nsenter.args(["-a", "-t", &pid, PROBE]))?;
    let differences: Vec<_> = by_nsenter.differences(&first).iter().map(|difference| difference.name).collect();
    for name in [
        "uid.effective",
        "groups",
        "capabilities.bounding",
        "capabilities.effective",
        "seccomp.mode",
        "call.unshare",
        "call.every",
        "environment",
        "cgroup.v1",
        "limit.nofile",
    ] {
        // A machine with the second version of cgroups alone has nothing in the first's place.
        let absent = name == "cgroup.v1" && first.get(name) == Some("");
        assert!(absent || differences.contains(&name), "nsenter got {name} right, too: {differences:?}");
    }
    // And what is joined is the same.
    for name in ["namespace.mnt", "namespace.pid", "namespace.net", "root", "mounts"] {
        assert!(!differences.contains(&name), "{name}");
    }
    Ok(())
}

/// What the probe prints on the host: for its names alone.
fn on_the_host() -> Result<Facts> {
    let output = output::run(&mut Command::new(probe::folder()?.join(probe::NAME)))?;
    Facts::read(&output.stdout)
}
