//! Who is asked for a plain name, in which order, and what is said of it: Docker first, the others when it does not know
//! the name, and one line for each that said no. What one runtime's names look like is in that runtime's own file.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use testbed::guard::unique_name;
use testbed::{Container, Output, Scratch, containerd, fake, image, ns, oci, output};

use crate::run::{NET, OWN, cnsenter, on_default_engine, quiet, run};

/// The schemes of all runtimes, in the order in which they are asked.
const SCHEMES: [&str; 7] = ["docker", "podman", "containerd", "cri-o", "oci", "lxc", "nspawn"];

/// Demands that a word was ambiguous, and gives what can be pasted in its place, with what is said of each.
#[track_caller]
pub(crate) fn candidates(output: &Output, word: &str) -> Vec<(String, String)> {
    assert_eq!((output.code, output.stdout.as_str()), (Some(OWN), ""), "{output:?}");
    let head = format!("cnsenter: {word} is ambiguous:\n");
    let lines = output.stderr.strip_prefix(&head).and_then(|rest| rest.strip_suffix("hint: name one of these\n"));
    let lines = lines.unwrap_or_else(|| panic!("{word} is not said to be ambiguous: {output:?}"));
    let split = |line: &str| line.trim().split_once("   ").map(|(word, said)| (word.to_owned(), said.to_owned()));
    lines.lines().filter_map(split).collect()
}

/// Who was asked, by the lines of the message that nobody knows the name, and why each said no.
#[track_caller]
fn asked(output: &Output, word: &str) -> Vec<(String, String)> {
    assert_eq!((output.code, output.stdout.as_str()), (Some(OWN), ""), "{output:?}");
    let mut lines = output.stderr.lines().skip_while(|line| *line != format!("cnsenter: no such container: {word}"));
    assert!(lines.next().is_some(), "{word} is not said to be unknown: {output:?}");
    let split = |line: &str| line.strip_prefix("    ")?.split_once(": ").map(|(a, b)| (a.to_owned(), b.to_owned()));
    lines.map_while(split).collect()
}

/// cnsenter in a mount namespace of its own, where these folders are empty.
fn with_empty(folders: &[&str], words: &[&str]) -> Command {
    let mut command = on_default_engine(Command::new("unshare"));
    let mounts: String = folders.iter().map(|folder| format!("mount -t tmpfs tmpfs {folder} && ")).collect();
    let script = format!("{mounts}exec \"$@\"");
    command.args(["--mount", "sh", "-c", &script, "sh"]).arg(crate::cnsenter().get_program()).args(words);
    command
}

fn task(id: &str) -> Result<containerd::Container> {
    containerd::Container::run_as(containerd::NAMESPACE, id, &[], &["sleep", "1000"])
}

#[test]
fn who_was_asked_is_said_in_one_line_each_and_in_their_order() -> Result<()> {
    let task = task(&unique_name())?;
    let word = unique_name();
    let output = run(["--net", &word, "true"])?;
    let said = asked(&output, &word);
    let order: Vec<_> = said.iter().map(|(who, _)| SCHEMES.iter().position(|scheme| scheme == who)).collect();
    assert!(order.iter().all(Option::is_some) && order.is_sorted() && order[0] == Some(0), "{output:?}");
    assert!(order.windows(2).all(|pair| pair[0] != pair[1]), "one line each: {output:?}");
    assert_eq!(said[0].1, "/var/run/docker.sock knows no such container");
    let of_containerd = said.iter().find(|(who, _)| who == "containerd").context("containerd was not asked")?;
    assert!(
        of_containerd.1.starts_with("not among ") && of_containerd.1.ends_with(" in /run/containerd"),
        "{output:?}"
    );

    // With -v the same is said while it happens.
    let verbose = run(["-v", "--net", &word, "true"])?;
    assert!(verbose.stderr.contains("cnsenter: asking Docker at /var/run/docker.sock for "), "{verbose:?}");
    assert!(verbose.stderr.contains("cnsenter: Docker: /var/run/docker.sock knows no such container\n"), "{verbose:?}");
    assert!(verbose.stderr.contains("cnsenter: containerd: not among "), "{verbose:?}");
    // And who said no before the container was found.
    let found = run(["-v", "--net", task.id(), "true"])?;
    assert!(
        found.success() && found.stderr.contains("cnsenter: Docker: /var/run/docker.sock knows no such"),
        "{found:?}"
    );
    Ok(())
}

#[test]
fn a_runtime_that_is_not_there_is_not_spoken_of() -> Result<()> {
    let _task = task(&unique_name())?;
    let word = unique_name();
    let whole = asked(&run(["--net", &word, "true"])?, &word);
    let without = output::run(&mut with_empty(&["/run/containerd"], &["--net", &word, "true"]))?;
    let without = asked(&without, &word);
    assert!(whole.iter().any(|(who, _)| who == "containerd"), "{whole:?}");
    assert!(!without.is_empty() && without.iter().all(|(who, _)| who != "containerd"), "{without:?}");
    // A runtime that was named is said to be absent, and no other is asked.
    let named = format!("containerd://{word}");
    let output = output::run(&mut with_empty(&["/run/containerd"], &["--net", &named, "true"]))?;
    let hint = "hint: --state-root names a folder of state that is in no usual place";
    assert_eq!(output.stderr, format!("cnsenter: containerd has nothing on this machine\n{hint}\n"));
    assert_eq!(output.code, Some(OWN));
    Ok(())
}

#[test]
fn a_runtime_that_was_named_is_asked_alone() -> Result<()> {
    let _task = task(&unique_name())?;
    let word = unique_name();
    for runtime in ["docker", "containerd"] {
        let word = format!("{runtime}://{word}");
        let said = asked(&run(["--net", &word, "true"])?, &word);
        assert!(said.len() == 1 && said[0].0 == runtime, "{word}: {said:?}");
    }
    // -H names an engine of Docker's, and so nobody else is asked.
    let output = run(["-H", "unix:///var/run/docker.sock", "--net", &word, "true"])?;
    let only = ("docker".to_owned(), "/var/run/docker.sock (-H) knows no such container".to_owned());
    assert_eq!(asked(&output, &word), [only]);
    Ok(())
}

#[test]
fn docker_goes_first_and_nobody_else_is_looked_at() -> Result<()> {
    let name = unique_name();
    let task = task(&name)?;
    let web = Container::run(image::busybox()?, &["--network", "none", "--name", &name], &["sleep", "1000"])?;
    assert_ne!(web.netns()?, task.netns()?);
    assert_eq!(quiet(["--net", &name].iter().chain(&NET))?, ns::link("net", web.netns()?));
    let other = format!("containerd://{name}");
    assert_eq!(quiet(["--net", &other].iter().chain(&NET))?, ns::link("net", task.netns()?));

    // The control: the other runtime's folder is looked at when Docker does not know the name.
    let known = trace(&name)?;
    assert!(known.contains("docker.sock"), "{known}");
    for folder in ["/run/containerd", "podman", "/run/containers", "/var/lib/containers", "/run/crun", "/var/lib/lxc"] {
        assert!(!known.contains(folder), "{folder} was looked at:\n{known}");
    }
    assert!(trace(&other)?.contains("/run/containerd/io.containerd.runtime.v2.task"));
    assert!(trace(&unique_name())?.contains("/run/containerd/io.containerd.runtime.v2.task"));
    Ok(())
}

#[test]
fn a_name_that_two_runtimes_know_is_neithers() -> Result<()> {
    let name = unique_name();
    let task = task(&name)?;
    let by_hand = oci::Container::create_as(oci::Runtime::Runc, None, &name, &[], &["sleep", "1000"])?;
    by_hand.start()?;
    let offered = candidates(&run(["--net", &name, "true"])?, &name);
    let words = [format!("containerd://{}/{name}", containerd::NAMESPACE), format!("oci://{name}")];
    assert_eq!(offered.iter().map(|(word, _)| word.clone()).collect::<Vec<_>>(), words);
    let theirs = [task.netns()?, ns::inode(by_hand.pid()?, "net")?];
    for (word, net) in words.iter().zip(theirs) {
        assert_eq!(quiet(["--net", word].iter().chain(&NET))?, ns::link("net", net), "{word}");
    }
    // Docker has the first word, so it is no doubt where Docker knows the name.
    let web = Container::run(image::busybox()?, &["--network", "none", "--name", &name], &["sleep", "1000"])?;
    assert_eq!(quiet(["--net", &name].iter().chain(&NET))?, ns::link("net", web.netns()?));
    Ok(())
}

/// What cnsenter opens and connects to on its way to a container.
fn trace(target: &str) -> Result<String> {
    let folder = Scratch::new()?;
    let log = folder.path().join("trace");
    let mut strace = on_default_engine(Command::new("strace"));
    strace.args(["-f", "-e", "trace=openat,connect,stat,statx,newfstatat,access", "-o"]).arg(&log);
    strace.arg(crate::cnsenter().get_program()).args(["--net", target, "true"]);
    // Only what strace says of cnsenter counts, and a name that nobody knows is an answer too.
    output::run(&mut strace)?;
    std::fs::read_to_string(&log).with_context(|| format!("strace left no {}", log.display()))
}

#[test]
fn a_podman_that_hangs_costs_one_timeout_and_hides_nobody() -> Result<()> {
    let task = task(&unique_name())?;
    let silent = fake::Engine::silent()?;
    let socket = format!("unix://{}", silent.socket().display());
    let timed = |target: &str| -> Result<(Output, Duration)> {
        let mut command = cnsenter(["--timeout", "1s", "--net", target].iter().chain(&NET));
        let start = Instant::now();
        let output = output::run(command.env("CONTAINER_HOST", &socket))?;
        Ok((output, start.elapsed()))
    };
    let (output, took) = timed(task.id())?;
    assert_eq!(output.stdout.trim_end(), ns::link("net", task.netns()?), "{output:?}");
    assert!(took < Duration::from_millis(1500), "{took:?}: {output:?}");
    eprintln!("podman hangs: containerd's container in {took:?}");

    let word = unique_name();
    let (output, took) = timed(&word)?;
    assert!(took < Duration::from_millis(1500), "{took:?}: {output:?}");
    eprintln!("podman hangs: a name that nobody knows in {took:?}");
    let said = asked(&output, &word);
    assert!(said.iter().any(|(who, _)| who == "containerd") && said[0].0 == "docker", "{output:?}");
    assert_eq!(silent.requests().len(), 2, "asked once each time");

    // Docker's own containers do not wait for it.
    let web = Container::run(image::busybox()?, &["--network", "none"], &["sleep", "1000"])?;
    let (output, took) = timed(web.name())?;
    assert_eq!(output.stdout.trim_end(), ns::link("net", web.netns()?), "{output:?}");
    assert!(took < Duration::from_millis(500), "{took:?}");
    assert!(Path::new(&silent.socket()).exists() && silent.requests().len() == 2, "podman was asked all the same");
    Ok(())
}
