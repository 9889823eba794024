//! Which word of a command line is the target and which the program: rules 2 to 5 of the command line, where a real
//! container stands behind the word.

use std::process::Command;

use anyhow::{Result, bail};
use testbed::{Container, LABEL, engine, image, output};

use super::container;
use crate::run::{NET, OWN, cnsenter, quiet, run, stdout};

/// A container of a name that is a program's or a subcommand's as well. It cannot have the tests' prefix: one that a
/// killed test left is taken away first, by its label.
fn named(name: &str) -> Result<Container> {
    let (key, value) = LABEL.split_once('=').unwrap_or((LABEL, ""));
    let format = format!("{{{{index .Config.Labels \"{key}\"}}}}");
    match engine::docker(&["inspect", "--type=container", "--format", &format, name]) {
        Ok(found) if found == value => drop(engine::docker(&["rm", "--force", name])?),
        Ok(_) => bail!("a container named {name} is here already, and is not the tests'"),
        Err(_) => {}
    }
    container(&["--name", name, "--hostname", "of-the-container"])
}

#[test]
fn a_container_may_be_called_like_a_program() -> Result<()> {
    let list = named("ls")?;
    let theirs = list.exec(&[], &NET)?;
    assert_eq!(quiet(["--net", "ls"].iter().chain(&NET))?, theirs);
    // Named twice: the target, then the program, with the program's own options.
    assert_eq!(quiet(["--net", "ls", "ls", "-d", "/proc"])?, "/proc");
    // A file is all that is needed, so that the first word is the program.
    let file = format!("--net={}", list.sandbox_key()?);
    assert_eq!(quiet([&file, "ls", "-d", "/proc"])?, "/proc");
    // A shell is run where the target is all there is.
    let mut shell = cnsenter(["--net", "ls"]);
    shell.env("SHELL", "/bin/sh");
    let output = crate::run::with_input(&mut shell, b"readlink /proc/self/ns/net\n")?;
    assert_eq!(output.stdout.trim_end(), theirs, "{output:?}");
    Ok(())
}

#[test]
fn options_after_the_program_are_the_programs() -> Result<()> {
    let web = container(&[])?;
    let name = web.name();
    for separator in [&[][..], &["--"]] {
        let with = |before: &[&str], after: &[&str]| -> Result<String> {
            quiet(before.iter().chain(&[name]).chain(separator).chain(after))
        };
        assert_eq!(with(&["--net"], &["echo", "-n", "-t", "--net", "--print"])?, "-t --net --print");
        assert_eq!(with(&["--net"], &["echo", "--", "--help"])?, "-- --help");
        assert_eq!(with(&[], &["echo", "-h"])?, "-h");
    }
    let output = run(["--net", name, "-v", "true"])?;
    assert_eq!(output.code, Some(OWN), "{output:?}");
    assert!(output.stderr.starts_with("cnsenter: option -v stands after the target\nhint: "), "{output:?}");
    Ok(())
}

#[test]
fn what_has_a_file_needs_no_target() -> Result<()> {
    let (web, other) = (container(&[])?, container(&[])?);
    let file = web.sandbox_key()?;
    let theirs = web.exec(&[], &NET)?;
    let by_nsenter = stdout("nsenter", &[&format!("--net={file}"), NET[0], NET[1]])?;
    assert_eq!(by_nsenter, theirs);
    for spelling in [format!("--net={file}"), format!("-n{file}"), format!("-n={file}")] {
        assert_eq!(quiet([spelling.as_str()].iter().chain(&NET))?, theirs, "{spelling}");
    }
    // A second namespace without a file needs one again.
    let file = format!("-n{file}");
    let line = ["-u", &file, other.name(), "sh", "-c", "hostname; readlink /proc/self/ns/net"];
    assert_eq!(quiet(line)?, format!("{}\n{theirs}", other.short_id()));
    Ok(())
}

#[test]
fn a_pid_without_a_namespace_stays_nsenters_error() -> Result<()> {
    let web = container(&[])?;
    let pid = web.pid()?.to_string();
    let mut nsenter = testbed::peers::nsenter()?;
    let by_nsenter = output::run(nsenter.args(["-t", &pid, "true"]))?;
    let by_us = run(["-t", &pid, "true"])?;
    assert_eq!((by_us.code, by_nsenter.code), (Some(1), Some(1)), "{by_nsenter:?}\n{by_us:?}");
    // As a container it is rule 4: all of them.
    assert_eq!(quiet(["-t", web.name()].iter().chain(&NET))?, web.exec(&[], &NET)?);
    Ok(())
}

#[test]
fn called_nsenter_it_takes_no_target() -> Result<()> {
    let web = Container::run(image::busybox()?, &["--network", "none"], &["sleep", "1000"])?;
    let folder = testbed::Scratch::new()?;
    let link = folder.path().join("nsenter");
    std::os::unix::fs::symlink(crate::cnsenter().get_program(), &link)?;
    let by_link = output::run(Command::new(&link).args(["--net", web.name(), "true"]))?;
    let by_nsenter = output::run(Command::new("nsenter").args(["--net", web.name(), "true"]))?;
    assert_eq!((by_link.code, by_nsenter.code), (Some(1), Some(1)), "{by_link:?}\n{by_nsenter:?}");
    let pid = web.pid()?.to_string();
    let by_pid = output::stdout(Command::new(&link).args(["-n", "-t", &pid]).args(NET))?;
    assert_eq!(by_pid, web.exec(&[], &NET)?);
    Ok(())
}
