//! Entering a container whole, and what its programs find there: namespaces and environment as `docker exec` has them.

use anyhow::{Context, Result};
use testbed::{Container, image, ns, output};

use super::container;
use crate::run::{cnsenter, quiet, stdout};

/// A line for each kind of namespace.
fn namespaces() -> [String; 3] {
    let links = ns::KINDS.map(|kind| format!("readlink /proc/self/ns/{kind}"));
    ["sh".to_owned(), "-c".to_owned(), links.join("; ")]
}

#[test]
fn a_name_alone_enters_every_namespace() -> Result<()> {
    let web = Container::run(image::busybox()?, &["--network", "none", "--cgroupns", "private"], &["sleep", "1000"])?;
    let script = namespaces();
    let script = script.each_ref().map(String::as_str);
    let by_docker = web.exec(&[], &script)?;
    let ours = stdout("sh", &script[1..])?;
    let different = by_docker.lines().zip(ours.lines()).filter(|(theirs, ours)| theirs != ours).count();
    assert!(different >= 5, "the container shares too much with the host to show anything:\n{by_docker}");
    assert_eq!(quiet([web.name()].iter().chain(&script))?, by_docker);
    assert_eq!(quiet(["-a", web.name()].iter().chain(&script))?, by_docker);
    assert_eq!(quiet(["--all", "-t", web.name()].iter().chain(&script))?, by_docker);
    assert_eq!(quiet(["-at", web.short_id(), "--"].iter().chain(&script))?, by_docker);
    Ok(())
}

#[test]
fn what_was_not_asked_for_is_not_entered() -> Result<()> {
    let web = Container::run(image::busybox()?, &["--network", "none", "--cgroupns", "private"], &["sleep", "1000"])?;
    let script = namespaces();
    let script = script.each_ref().map(String::as_str);
    let (ours, theirs) = (stdout("sh", &script[1..])?, web.exec(&[], &script)?);
    // Neither a new pid namespace's children nor its files are in play here: those have other tests.
    for (option, kind) in [("--net", "net"), ("--uts", "uts"), ("--ipc", "ipc"), ("--cgroup", "cgroup")] {
        let entered = quiet([option, web.name()].iter().chain(&script))?;
        for ((entered, kind_of_line), (ours, theirs)) in
            entered.lines().zip(ns::KINDS).zip(ours.lines().zip(theirs.lines()))
        {
            match kind_of_line {
                // The view is a mount namespace of its own, neither ours nor theirs.
                "mnt" if ["net", "uts"].contains(&kind) => assert!(entered != ours && entered != theirs, "{option}"),
                _ => assert_eq!(entered, if kind_of_line == kind { theirs } else { ours }, "{option}"),
            }
        }
    }
    Ok(())
}

#[test]
fn namespaces_that_a_container_shares_are_no_obstacle() -> Result<()> {
    let owner = container(&["--ipc", "shareable"])?;
    let of_owner = format!("container:{}", owner.name());
    let script = namespaces();
    let script = script.each_ref().map(String::as_str);
    for shared in [
        &["--pid", "host", "--ipc", "host", "--uts", "host", "--network", "none"][..],
        &["--pid", &of_owner, "--ipc", &of_owner, "--network", &of_owner],
    ] {
        let guest = Container::run(image::busybox()?, shared, &["sleep", "1000"])?;
        let by_docker = guest.exec(&[], &script)?;
        assert_eq!(quiet([guest.name()].iter().chain(&script))?, by_docker, "{shared:?}");
        assert_eq!(quiet(["-a", guest.name()].iter().chain(&script))?, by_docker, "{shared:?}");
    }
    Ok(())
}

fn environment(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn programs_find_the_environment_that_docker_exec_gives_them() -> Result<()> {
    let given = ["--hostname", "bee", "-e", "GREETING=hello there", "-e", "EMPTY=", "-e", "LATE=a=b"];
    let bare: [&str; 0] = [];
    for args in [&given[..], &["-e", "PATH=/usr/bin:/bin", "-e", "HOME=/elsewhere"], &bare] {
        let web = container(args)?;
        let mut command = cnsenter([web.name(), "env"]);
        command.env("SECRET", "of the host").env("LD_LIBRARY_PATH", "/nonexistent").env_remove("TERM");
        let ours = output::stdout(&mut command)?;
        let theirs = web.exec(&[], &["env"])?;
        assert_eq!(environment(&ours), environment(&theirs));
        // Without a terminal there is none to name.
        assert_eq!(environment(&output::stdout(command.env("TERM", "dumb"))?), environment(&theirs));
    }
    Ok(())
}

#[test]
fn the_callers_environment_stays_where_it_is_asked_for() -> Result<()> {
    let web = container(&["-e", "GREETING=hello"])?;
    let secret = |words: &[&str]| -> Result<bool> {
        let mut command = cnsenter(words);
        command.env("SECRET", "of the host");
        let text = output::stdout(&mut command)?;
        assert_ne!(text.contains("SECRET=of the host"), text.contains("GREETING=hello"), "{words:?}: {text}");
        Ok(text.contains("SECRET="))
    };
    let name = web.name();
    assert!(secret(&["--keep-env", name, "env"])?);
    assert!(secret(&["--raw", name, "env"])?);
    assert!(secret(&["--net", name, "env"])?, "the host's files, the host's environment");
    assert!(!secret(&["--mount", name, "env"])?);
    assert!(!secret(&["-a", name, "env"])?);
    // nsenter's way to the same: what the first process was started with.
    assert!(!secret(&["--net", "-e", name, "env"])?);
    Ok(())
}

#[test]
fn without_a_program_a_shell_of_the_container_is_run() -> Result<()> {
    let web = container(&["--hostname", "bee", "-e", "GREETING=hello"])?;
    let mut command = cnsenter([web.name()]);
    command.env("SHELL", "/usr/bin/nothing/of/the/host");
    let output = crate::run::with_input(&mut command, b"hostname; echo $0 $GREETING; exit 7\n")?;
    assert_eq!((output.code, output.stdout.as_str()), (Some(7), "bee\n-sh hello\n"), "{output:?}");
    let pid = web.pid().context("the container ended with the shell")?;
    assert!(pid > 0);
    Ok(())
}
