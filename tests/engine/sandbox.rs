//! `--sandbox`: each way to name a network that an engine keeps, and the file that is joined then. Files that cannot be
//! seen from here are in `sandbox/mounts.rs`, swarm's in `sandbox/swarm.rs`.

mod mounts;
pub(crate) mod swarm;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use testbed::{Container, Scratch, engine, fake, image, output};

use crate::run::{NET, OWN, assert_refused, cnsenter, quiet, run, stdout};

fn container() -> Result<Container> {
    Container::run(image::busybox()?, &["--network", "none"], &["sleep", "1000"])
}

fn file_name(container: &Container) -> Result<String> {
    let key = container.sandbox_key()?;
    Ok(Path::new(&key).file_name().context("no sandbox")?.to_string_lossy().into_owned())
}

fn sandbox_of(target: &str) -> Result<String> {
    quiet(["--sandbox", target].iter().chain(&NET))
}

#[test]
fn every_name_of_a_sandbox_leads_to_its_file() -> Result<()> {
    let web = container()?;
    let by_nsenter = stdout("nsenter", &[&format!("--net={}", web.sandbox_key()?), NET[0], NET[1]])?;
    let (full, file) = (web.inspect("{{.NetworkSettings.SandboxID}}")?, file_name(&web)?);
    assert_eq!((full.len(), &full[..12]), (64, file.as_str()));
    for target in [
        web.name(),
        web.id(),
        web.short_id(),
        &web.id()[..20],
        &format!("docker://{}", web.name()),
        &file,
        &full,
        &full[..20],
        &full[..10],
    ] {
        assert_eq!(sandbox_of(target)?, by_nsenter, "{target}");
        assert_eq!(quiet(["--sandbox", "-t", target].iter().chain(&NET))?, by_nsenter, "-t {target}");
    }
    Ok(())
}

#[test]
fn the_file_is_joined_and_no_process() -> Result<()> {
    let web = container()?;
    let file = file_name(&web)?;
    let folder = Scratch::new()?;
    let log = folder.path().join("trace");
    let joins = |option: &str, target: &str| -> Result<Vec<String>> {
        let mut command = crate::run::on_default_engine(Command::new("strace"));
        command.args(["-y", "-e", "trace=setns", "-o"]).arg(&log).arg(cnsenter([""]).get_program());
        output::stdout(command.args([option, target, "true"]))?;
        let text = std::fs::read_to_string(&log)?;
        Ok(text.lines().filter(|line| line.starts_with("setns(")).map(str::to_owned).collect())
    };
    // What the trace shows of the other way: without this, the rest would prove nothing.
    let by_process = joins("--net", web.name())?;
    assert!(by_process.len() == 1 && by_process[0].contains("pidfd"), "{by_process:?}");
    for target in [web.name(), web.id(), &file] {
        let by_file = joins("--sandbox", target)?;
        assert!(by_file.len() == 1 && by_file[0].contains(&format!("/netns/{file}>")), "{target}: {by_file:?}");
    }
    Ok(())
}

#[test]
fn other_namespaces_come_from_the_containers_process() -> Result<()> {
    let web = container()?;
    let script = ["sh", "-c", "hostname; readlink /proc/self/ns/net /proc/self/ns/uts"];
    let script = [script[0], script[1], &script[2].replace("net /proc", "net; readlink /proc")];
    let theirs = web.exec(&[], &script)?;
    assert_eq!(quiet([&["--sandbox", "--uts", web.name()], &script[..]].concat())?, theirs);
    // A file alone has no process that could give the rest.
    let file = file_name(&web)?;
    let output = run(["--sandbox", "--uts", &file, "true"])?;
    assert_refused(
        &output,
        &format!("/var/run/docker/netns/{file} is a network namespace without a container"),
        "no process is known that has the rest: leave out all but --sandbox",
    );
    Ok(())
}

#[test]
fn a_shared_network_is_followed_to_its_owner() -> Result<()> {
    let owner = container()?;
    let mode = |other: &Container| format!("container:{}", other.name());
    let guest = Container::run(image::busybox()?, &["--network", &mode(&owner)], &["sleep", "1000"])?;
    let second = Container::run(image::busybox()?, &["--network", &mode(&guest)], &["sleep", "1000"])?;
    assert_eq!(guest.sandbox_key()?, "");
    for container in [&guest, &second] {
        assert_eq!(sandbox_of(container.name())?, owner.exec(&[], &NET)?);
        assert_eq!(sandbox_of(container.name())?, container.exec(&[], &NET)?);
    }
    // Its owner has ended: there is no file any more, and the message names who it was.
    owner.docker(&["kill"])?;
    let output = run(["--sandbox", guest.name(), "true"])?;
    assert_eq!(output.code, Some(OWN), "{output:?}");
    let start = format!("cnsenter: container {} is not running: it exited with status 137", owner.name());
    assert!(output.stderr.starts_with(&start), "{output:?}");
    Ok(())
}

#[test]
fn a_guest_that_kept_its_owners_old_network_is_refused() -> Result<()> {
    let owner = container()?;
    let mode = format!("container:{}", owner.name());
    let guest = Container::run(image::busybox()?, &["--network", &mode], &["sleep", "1000"])?;
    owner.docker(&["restart", "-t", "0"])?;
    let (old, new) = (guest.exec(&[], &NET)?, owner.exec(&[], &NET)?);
    assert_ne!(old, new, "the engine moved the guest along");
    let output = run(["--sandbox", guest.name(), "true"])?;
    assert_refused(
        &output,
        &format!("container {} is not in the network of {}", guest.name(), owner.sandbox_key()?),
        "it kept the network from before the other container was restarted: --net joins the one it has",
    );
    assert_eq!(quiet(["--net", guest.name()].iter().chain(&NET))?, old);
    assert_eq!(sandbox_of(owner.name())?, new);
    Ok(())
}

#[test]
fn the_stale_key_of_an_ended_container_is_not_believed() -> Result<()> {
    let web = container()?;
    let (key, file) = (web.sandbox_key()?, file_name(&web)?);
    web.docker(&["kill"])?;
    assert_eq!(web.sandbox_key()?, key, "the engine forgot it: nothing is shown here");
    let by_nsenter = output::run(Command::new("nsenter").args([&format!("--net={key}"), "true"]))?;
    assert_eq!(by_nsenter.code, Some(1), "{by_nsenter:?}");
    let output = run(["--sandbox", web.name(), "true"])?;
    assert_eq!(output.code, Some(OWN), "{output:?}");
    let start = format!("cnsenter: container {} is not running: it exited with status 137", web.name());
    assert!(output.stderr.starts_with(&start), "{output:?}");
    // The file's own name leads nowhere either, whether the engine took it away or left it lying.
    let output = run(["--sandbox", &file, "true"])?;
    assert_eq!((output.code, output.stdout.as_str()), (Some(OWN), ""), "{output:?}");
    Ok(())
}

#[test]
fn the_hosts_network_has_a_file_too() -> Result<()> {
    let web = Container::run(image::busybox()?, &["--network", "host"], &["sleep", "1000"])?;
    assert!(web.sandbox_key()?.ends_with("/default"));
    let ours = stdout(NET[0], &NET[1..])?;
    assert_eq!(sandbox_of("default")?, ours);
    let output = run(["--sandbox", web.name()].iter().chain(&NET))?;
    assert_eq!(output.stdout.trim_end(), ours, "{output:?}");
    assert!(output.stderr.contains("the host's own network"), "{output:?}");
    Ok(())
}

#[test]
fn a_word_for_a_container_and_another_file_is_no_name() -> Result<()> {
    let one = container()?;
    let file = file_name(&one)?;
    let other = Container::run(image::busybox()?, &["--network", "none", "--name", &file], &["sleep", "1000"])?;
    let output = run(["--sandbox", &file, "true"])?;
    let (id, path) = (other.short_id(), format!("/var/run/docker/netns/{file}"));
    assert_refused(
        &output,
        &format!(
            "{file} is ambiguous:\n    docker://{id}   (container {file})\n    --net={path}   (network namespace)"
        ),
        "name one of these",
    );
    // Each line as it is pasted.
    assert_eq!(sandbox_of(&format!("docker://{id}"))?, other.exec(&[], &NET)?);
    assert_eq!(quiet([format!("--net={path}").as_str()].iter().chain(&NET))?, one.exec(&[], &NET)?);
    // Nothing else is ambiguous for it: neither as a container nor by the container's own file.
    assert_eq!(quiet(["--net", &file].iter().chain(&NET))?, other.exec(&[], &NET)?);
    assert_eq!(sandbox_of(&file_name(&other)?)?, other.exec(&[], &NET)?);
    Ok(())
}

#[test]
fn a_hung_engine_does_not_keep_anybody_from_a_file() -> Result<()> {
    let web = container()?;
    let file = file_name(&web)?;
    let full = web.inspect("{{.NetworkSettings.SandboxID}}")?;
    let silent = fake::Engine::silent()?;
    let socket = silent.socket().display().to_string();
    let on = format!("unix://{socket}");
    let asked = |target: &str| run(["-H", &on, "--timeout", "300ms", "--sandbox", target].iter().chain(&NET));
    for target in [&file, &full] {
        let output = asked(target)?;
        assert!(output.success(), "{output:?}");
        assert_eq!(output.stdout.trim_end(), web.exec(&[], &NET)?);
        let note = format!("cannot ask Docker at {socket} (-H): no answer in 0.3 s; going by the file's name alone");
        assert_eq!(output.stderr, format!("cnsenter: note: {note}\n"));
    }
    // What is not the whole name could be another's as well.
    let output = asked(&file[..8])?;
    assert_eq!(output.code, Some(OWN), "{output:?}");
    assert!(output.stderr.contains("no answer in 0.3 s"), "{output:?}");
    // An engine that is not there is no different.
    let gone = run(["-H", "unix:///nonexistent/docker.sock", "--sandbox", &file].iter().chain(&NET))?;
    assert!(gone.success() && gone.stderr.contains("there is no socket"), "{gone:?}");
    Ok(())
}

#[test]
fn what_is_neither_container_nor_file_is_said_to_be_neither() -> Result<()> {
    let output = run(["--sandbox", "zzzzzzzzzzzzzzzzzzzzzzzzzzzz", "true"])?;
    assert_refused(
        &output,
        "no such container: zzzzzzzzzzzzzzzzzzzzzzzzzzzz",
        "cnsenter ls -a lists containers, cnsenter netns network namespaces",
    );
    // Of a container's name a beginning is not enough, even where a file is looked for as well.
    let web = container()?;
    let beginning = &web.name()[..web.name().len() - 1];
    assert!(engine::docker(&["inspect", beginning]).is_err());
    assert_eq!(run(["--sandbox", beginning, "true"])?.code, Some(OWN));
    Ok(())
}
