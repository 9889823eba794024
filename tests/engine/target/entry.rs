//! Entering a container whole, and what its programs find there: namespaces and environment as `docker exec` has them.

use std::process::Command;

use anyhow::{Context, Result};
use testbed::{Container, Scratch, image, ns, output};

use super::container;
use crate::run::{cnsenter, on_default_engine, quiet, run, stdout};

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
fn variables_are_set_on_top_of_whatever_there_is() -> Result<()> {
    let web = container(&["-e", "A=of the container", "-e", "B=of the container"])?;
    let folder = Scratch::new()?;
    let file = folder.path().join("variables");
    std::fs::write(&file, "# of a file\n\nC=3\nSECRET\nNOWHERE\n")?;
    let file = file.display().to_string();
    let shown = |words: &[&str]| -> Result<Vec<String>> {
        let mut command =
            cnsenter([words, &["sh", "-c", "echo \"$A|$B|$C|$SECRET|${NOWHERE-unset}|$OTHER\""]].concat());
        command.env("SECRET", "of the caller").env("OTHER", "kept");
        command.env_remove("A").env_remove("B").env_remove("C").env_remove("NOWHERE");
        Ok(output::stdout(&mut command)?.split('|').map(str::to_owned).collect())
    };
    let name = web.name();
    let theirs = "of the container";
    assert_eq!(shown(&["-E", "A=1", name])?, ["1", theirs, "", "", "unset", ""]);
    // A name alone hands on the caller's, and takes away what the caller has none of.
    assert_eq!(shown(&["-E", "SECRET", "-E", "B", name])?, [theirs, "", "", "of the caller", "unset", ""]);
    assert_eq!(shown(&["--env-file", &file, "-E", "C=4", name])?, [theirs, theirs, "4", "of the caller", "unset", ""]);
    assert_eq!(shown(&["-m", "-E", "C=4", "--env-file", &file, name])?[2..4], ["3", "of the caller"]);
    assert_eq!(shown(&["--net", "-E", "A=1", "-E", "SECRET", name])?, ["1", "", "", "of the caller", "unset", "kept"]);
    // What can be read only once is read once.
    let script = "exec \"$0\" --env-file <(echo C=3) \"$1\" sh -c 'echo $C'";
    let mut command = on_default_engine(Command::new("bash"));
    command.args(["-c", script]).arg(cnsenter([""]).get_program()).arg(name);
    assert_eq!(output::stdout(&mut command)?, "3");
    let output = run(["--env-file", "/nonexistent", name, "true"])?;
    assert_eq!(
        (output.code, output.stderr.as_str()),
        (Some(125), "cnsenter: cannot read /nonexistent: No such file or directory\n")
    );
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
