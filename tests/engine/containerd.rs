//! Containers of the machine's own containerd that no engine is above: `ctr`'s, and nerdctl's by what it notes of them.
//! Pods, which its CRI plugin makes, are in `pods.rs`.

mod second;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use testbed::containerd::{Container, NAMESPACE};
use testbed::guard::unique_name;
use testbed::{Container as OfDocker, image, ns, output, pid};

use crate::run::{NET, OWN, assert_refused, cnsenter, quiet, run, stdout, without_asked};
use crate::search::candidates;

/// A second namespace of containerd's.
const OTHER: &str = "cnsenter-test-other";

fn container(options: &[&str]) -> Result<Container> {
    Container::run(NAMESPACE, options, &["sleep", "1000"])
}

fn net_of(target: &str) -> Result<String> {
    quiet(["--net", target].iter().chain(&NET))
}

fn net(container: &Container) -> Result<String> {
    Ok(ns::link("net", container.netns()?))
}

/// An ID as nerdctl and the CRI make them, with a beginning of one's choice.
fn made_id(beginning: &str) -> String {
    format!("{beginning}{:0>1$x}", std::process::id(), 64 - beginning.len())
}

#[test]
fn every_name_of_a_container_leads_to_it() -> Result<()> {
    let web = container(&[])?;
    let id = web.id();
    let by_ctr = web.exec(&NET)?;
    assert_eq!(by_ctr, stdout("nsenter", &["-t", &web.pid()?.to_string(), "-n", "readlink", "/proc/self/ns/net"])?);
    for target in [id.to_owned(), format!("containerd://{id}"), format!("containerd://{NAMESPACE}/{id}")] {
        assert_eq!(net_of(&target)?, by_ctr, "--net {target}");
        assert_eq!(quiet(["-n", "-t", &target].iter().chain(&NET))?, by_ctr, "-t {target}");
    }
    // An ID that a person chose is a name, and names match whole.
    for target in [&id[..id.len() - 1], &format!("containerd://{OTHER}/{id}"), &format!("docker://{id}")] {
        let output = run(["--net", target, "true"])?;
        let said = format!("cnsenter: no such container: {target}\n");
        assert!(without_asked(&output.stderr).starts_with(&said) && output.code == Some(OWN), "{output:?}");
    }
    Ok(())
}

#[test]
fn an_id_in_two_namespaces_is_ambiguous_and_each_can_be_pasted() -> Result<()> {
    let id = unique_name();
    let here = Container::run_as(NAMESPACE, &id, &[], &["sleep", "1000"])?;
    let there = Container::run_as(OTHER, &id, &[], &["sleep", "1000"])?;
    for word in [id.clone(), format!("containerd://{id}")] {
        let offered = candidates(&run(["--net", &word, "true"])?, &word);
        assert_eq!(offered.len(), 2, "{offered:?}");
        for container in [&here, &there] {
            let word = format!("containerd://{}/{id}", container.namespace());
            assert!(offered.contains(&(word.clone(), format!("(container {id})"))), "{offered:?}");
            assert_eq!(net_of(&word)?, net(container)?);
            assert_eq!(
                quiet([&word, "readlink", "/proc/self/ns/mnt"])?,
                ns::link("mnt", ns::inode(container.pid()?, "mnt")?)
            );
        }
    }
    // One that has ended is still a reading of the word.
    there.kill()?;
    assert_eq!(candidates(&run(["--net", &id, "true"])?, &id).len(), 2);
    there.ctr(&["tasks", "rm"])?;
    assert_eq!(net_of(&id)?, net(&here)?);
    Ok(())
}

#[test]
fn a_whole_entry_is_what_ctr_enters() -> Result<()> {
    let web = container(&["--env", "WHERE=here there", "--cwd", "/tmp"])?;
    stdout("nsenter", &["-t", &web.pid()?.to_string(), "-u", "hostname", "bee"])?;
    let links = "for file in /proc/self/ns/*; do echo $file $(readlink $file); done";
    // What ctr leaves to the shell's own start, and cnsenter passes on.
    let ours = |program: &[&str]| {
        let mut command = cnsenter(std::iter::once(&web.id()).chain(program));
        output::stdout(command.env_remove("TERM"))
    };
    for program in
        [&["sh", "-c", links][..], &["hostname"], &["env"], &["ls", "/"], &["cat", "/proc/mounts"], &["id", "-u"]]
    {
        assert_eq!(ours(program)?, web.exec(program)?, "{program:?}");
    }
    assert!(ours(&["env"])?.contains("WHERE=here there"));
    assert_eq!(ours(&["hostname"])?, "bee");
    Ok(())
}

#[test]
fn paused_is_entered_and_stays_paused() -> Result<()> {
    let web = container(&[])?;
    let theirs = web.exec(&NET)?;
    web.ctr(&["tasks", "pause"])?;
    assert_eq!(net_of(web.id())?, theirs);
    let entered = run([web.id()].iter().chain(&NET))?;
    assert_eq!((entered.code, entered.stdout.trim_end()), (Some(0), theirs.trim_end()), "{entered:?}");
    assert!(entered.stderr.contains("the container is paused"), "{entered:?}");
    assert_eq!(web.status()?.as_deref(), Some("PAUSED"));
    Ok(())
}

#[test]
fn what_was_killed_is_gone_whoever_has_its_pid() -> Result<()> {
    let web = container(&[])?;
    let (id, pid) = (web.id(), web.pid()?);
    web.kill()?;
    let check = || -> Result<()> {
        for line in [&["--net", id, "true"][..], &[id, "true"], &["-a", id, "true"], &["--sandbox", id, "true"]] {
            assert_refused(
                &run(line)?,
                &format!("container {id} is not running: its recorded pid {pid} is gone"),
                "what the runtime left on disk is older than its end; --wait enters its next run",
            );
        }
        Ok(())
    };
    check()?;
    // The number comes to mean a process of the host's: its start is not the one of the record.
    let impostor = pid::recycle(pid, Command::new("sleep").arg("1000"))?;
    let by_nsenter = stdout("nsenter", &["-t", &pid.to_string(), "-n", "readlink", "/proc/self/ns/net"])?;
    assert_eq!(by_nsenter, ns::link("net", ns::own("net")?), "whoever goes by the number alone is on the host");
    check()?;
    drop(impostor);
    web.ctr(&["tasks", "rm"])?;
    let output = run(["--net", id, "true"])?;
    assert!(without_asked(&output.stderr).starts_with(&format!("cnsenter: no such container: {id}\n")), "{output:?}");
    Ok(())
}

#[test]
fn a_name_of_nerdctls_is_a_name() -> Result<()> {
    let name = unique_name();
    let note = format!("nerdctl/name={name}");
    let id = made_id("5eed");
    let web = Container::run_as(NAMESPACE, &id, &["--annotation", &note], &["sleep", "1000"])?;
    for target in
        [&name, &id, &id[..12], &id[..30], &format!("containerd://{name}"), &format!("containerd://{NAMESPACE}/{name}")]
    {
        assert_eq!(net_of(target)?, net(&web)?, "{target}");
    }
    // What cnsenter says of it goes by the name.
    let print = quiet(["--print", "--net", &name, "true"])?;
    assert!(print.contains(&format!("container: {name} (containerd://{NAMESPACE}/{}", &id[..12])), "{print}");
    Ok(())
}

#[test]
fn ids_that_begin_alike_are_offered_as_long_as_it_takes() -> Result<()> {
    let name = unique_name();
    let note = format!("nerdctl/name={name}");
    let beginning = format!("{:016x}", std::process::id());
    let ids = ["a", "b"].map(|next| made_id(&format!("{beginning}{next}")));
    let run_as = |id: &str| Container::run_as(NAMESPACE, id, &["--annotation", &note], &["sleep", "1000"]);
    let both = [run_as(&ids[0])?, run_as(&ids[1])?];
    for word in [&name, &beginning, &format!("containerd://{beginning}")] {
        let offered = candidates(&run(["--net", word, "true"])?, word);
        assert_eq!(offered.len(), 2, "{offered:?}");
        for container in &both {
            let wanted = format!("containerd://{NAMESPACE}/{}", &container.id()[..17]);
            assert!(offered.iter().any(|(word, _)| *word == wanted), "{wanted} is not in {offered:?}");
            assert_eq!(net_of(&wanted)?, net(container)?);
        }
    }
    Ok(())
}

/// The state of the containerd that Docker runs for itself.
const DOCKERS: &str = "/run/docker/containerd/daemon";

#[test]
fn dockers_containers_are_not_containerds_as_well() -> Result<()> {
    let web = OfDocker::run(image::busybox()?, &["--network", "none"], &["sleep", "1000"])?;
    let id = web.id();
    assert!(Path::new(DOCKERS).join("io.containerd.runtime.v2.task/moby").join(id).is_dir(), "{DOCKERS} lacks {id}");
    let theirs = ns::link("net", web.netns()?);
    let rooted = |target: &str| run(["--state-root", DOCKERS, "--net", target].iter().chain(&NET));
    for target in [web.name(), id, web.short_id()] {
        let output = rooted(target)?;
        assert_eq!(output.stdout.trim_end(), theirs, "{target}: {output:?}");
    }
    let output = rooted(&format!("containerd://{id}"))?;
    assert_eq!(output.code, Some(OWN), "{output:?}");
    assert!(without_asked(&output.stderr).contains("no such container: containerd://"), "{output:?}");
    // Whoever names the namespace means it.
    let output = rooted(&format!("containerd://moby/{id}"))?;
    assert_eq!(output.stdout.trim_end(), theirs, "{output:?}");
    Ok(())
}

#[test]
fn another_containerd_is_found_by_its_state() -> Result<()> {
    let other = second::Containerd::start()?;
    let id = unique_name();
    other.run(&id)?;
    let output = run(["--net", &id, "true"])?;
    assert!(without_asked(&output.stderr).starts_with(&format!("cnsenter: no such container: {id}\n")), "{output:?}");
    let state = other.state();
    let state = state.to_str().context("the folder's name is no UTF-8")?;
    let theirs = ns::link("net", ns::inode(other.pid(&id)?, "net")?);
    for target in [id.clone(), format!("containerd://{id}"), format!("containerd://{NAMESPACE}/{id}")] {
        assert_eq!(quiet(["--state-root", state, "--net", &target].iter().chain(&NET))?, theirs, "{target}");
    }
    // The machine's own is still asked.
    let web = container(&[])?;
    assert_eq!(quiet(["--state-root", state, "--net", web.id()].iter().chain(&NET))?, net(&web)?);
    Ok(())
}
