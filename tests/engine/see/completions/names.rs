//! The names of containers, sandboxes and contexts, as they are when TAB is typed; from whom they are asked, and for how
//! long.

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use testbed::guard::unique_name;
use testbed::{Container, Scratch, fake, image, lxc, oci, output, podman};

use super::shell::{ALL, Kind, Shell};
use crate::run::{on_default_engine, quiet, run};

/// The candidates for the last of these words.
fn candidates(words: &[&str]) -> Result<Vec<String>> {
    let text = quiet(["completions", "zsh", "--"].iter().chain(words))?;
    let mut lines = text.lines();
    ensure!(lines.next() == Some("words"), "{text}");
    Ok(lines.map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect())
}

#[test]
fn a_container_wherever_it_may_be_named() -> Result<()> {
    let beginning = unique_name();
    let name = format!("{beginning}-of-a-web.server_1");
    let web = Container::run(image::busybox()?, &["--name", &name], &["sleep", "1000"])?;
    for kind in [Kind::Bash, Kind::BareBash, Kind::Zsh, Kind::Fish] {
        let mut shell = Shell::start(kind)?;
        for line in [
            "NAME",
            "--net NAME",
            "-n -m -v NAME",
            "--sandbox NAME",
            "-a -t NAME",
            "--target NAME",
            "--target=NAME",
            "-tNAME",
            "docker://NAME",
            "--target=docker://NAME",
            "-n -t docker://NAME",
            "inspect NAME",
            "inspect other NAME",
            "inspect --json docker://NAME",
        ] {
            let typed = line.replace("NAME", &format!("{beginning}-o\t"));
            let whole = line.replace("NAME", &name);
            let words: Vec<_> = whole.split(' ').collect();
            assert_eq!(shell.words(&format!("cnsenter {typed}"))?, words, "{kind:?}");
        }
        // The scheme first, after which no blank is set.
        let typed = format!("cnsenter --net docker:\t{beginning}-o\t");
        assert_eq!(shell.words(&typed)?, ["--net", &format!("docker://{name}")], "{kind:?}");
        let quoted = shell.words(&format!("cnsenter --net \"{beginning}-o\t"))?;
        assert_eq!(quoted, ["--net", &name], "{kind:?}");
        // What nobody's name begins with may be the beginning of an ID.
        let id = &web.id()[..11];
        assert_eq!(shell.words(&format!("cnsenter --net {id}\t"))?, ["--net", web.short_id()], "{kind:?}");
        if kind != Kind::BareBash {
            let typed = format!("nice cnsenter --net {beginning}-o\t");
            assert_eq!(shell.words(&typed)?, ["--net", &name], "{kind:?}");
        }
    }
    Ok(())
}

#[test]
fn those_of_every_runtime() -> Result<()> {
    let by_podman = podman::Container::run(&[], &["sleep", "1000"])?;
    let by_runc = oci::Container::run(oci::Runtime::Runc, None, &[], &["sleep", "1000"])?;
    let by_lxc = lxc::Container::start()?;
    for (scheme, name) in [("podman", by_podman.name()), ("oci", by_runc.id()), ("lxc", by_lxc.name())] {
        let beginning = &name[..name.len() - 1];
        assert!(candidates(&["--net", beginning])?.contains(&name.to_owned()), "{name}");
        let whole = format!("{scheme}://{name}");
        assert!(candidates(&["--net", &format!("{scheme}://{beginning}")])?.contains(&whole), "{whole}");
        let other = format!("docker://{beginning}");
        assert!(!candidates(&["--net", &other])?.contains(&format!("docker://{name}")), "{other}");
    }
    Ok(())
}

#[test]
fn one_that_does_not_run_is_waited_for_or_looked_at() -> Result<()> {
    let made = Container::create(image::busybox()?, &[], &["true"])?;
    let offered = |words: &[&str]| -> Result<bool> {
        Ok(candidates(&[words, &[&made.name()[..made.name().len() - 1]]].concat())?.contains(&made.name().to_owned()))
    };
    assert!(!offered(&["--net"])?);
    assert!(!offered(&[])?);
    for words in
        [&["--wait"][..], &["--wait=3s", "--net"], &["inspect"], &["inspect", "--json", "-H", "/run/docker.sock"]]
    {
        assert!(offered(words)?, "{words:?}");
    }
    Ok(())
}

#[test]
fn two_of_one_name_are_told_apart() -> Result<()> {
    let by_podman = podman::Container::run(&[], &["sleep", "1000"])?;
    let web = Container::run(image::busybox()?, &["--name", by_podman.name()], &["sleep", "1000"])?;
    let offered = candidates(&["--net", "docker://"])?;
    assert!(offered.contains(&format!("docker://{}", web.name())), "{offered:?}");
    let offered = candidates(&["--net", ""])?;
    assert!(!offered.contains(&web.name().to_owned()), "{offered:?}");
    for certain in [format!("docker://{}", web.short_id()), format!("podman://{}", &by_podman.id()[..12])] {
        assert!(offered.contains(&certain), "{certain}: {offered:?}");
    }
    Ok(())
}

#[test]
fn contexts_of_the_docker_client() -> Result<()> {
    let folder = Scratch::new()?;
    let meta = folder.path().join("contexts/meta/1");
    std::fs::create_dir_all(&meta)?;
    std::fs::write(meta.join("meta.json"), r#"{"Name":"staging-of-the-test","Endpoints":{}}"#)?;
    let variables = [("DOCKER_CONFIG", folder.path().to_str().unwrap_or_default())];
    for kind in ALL {
        let mut shell = Shell::start_in(kind, &["env"], &variables)?;
        assert_eq!(shell.words("cnsenter --context stag\t")?, ["--context", "staging-of-the-test"], "{kind:?}");
        assert_eq!(shell.words("cnsenter ls --context=stag\t")?, ["ls", "--context=staging-of-the-test"], "{kind:?}");
    }
    Ok(())
}

/// An engine that hangs costs a TAB a small part of what it costs a command, and one that is not there nothing.
#[test]
fn no_engine_is_waited_for() -> Result<()> {
    let hung = fake::Engine::silent()?;
    let dead = Scratch::new()?;
    let socket = dead.path().join("docker.sock");
    drop(UnixListener::bind(&socket)?);
    let timed = |socket: &Path, words: &[&str]| -> Result<(Duration, output::Output)> {
        let mut command = on_default_engine(crate::cnsenter());
        command.args(words).env("DOCKER_HOST", format!("unix://{}", socket.display()));
        let start = Instant::now();
        let output = output::run(&mut command)?;
        Ok((start.elapsed(), output))
    };
    let (waited, _) = timed(&hung.socket(), &["--net", "no-such-container", "true"])?;
    for socket in [hung.socket(), socket] {
        let (took, output) = timed(&socket, &["completions", "bash", "--", "--net", ""])?;
        assert_eq!((output.code, &output.stderr[..]), (Some(0), ""), "{output:?}");
        assert!(output.stdout.starts_with("words\n"), "{output:?}");
        assert!(took * 4 < waited, "{took:?}, of {waited:?}");
    }
    Ok(())
}

#[test]
fn who_may_not_look_is_told_nothing_and_not_told_so() -> Result<()> {
    let folder = Scratch::new()?;
    rustix::fs::chmod(folder.path(), rustix::fs::Mode::from_raw_mode(0o755))?;
    let binary = folder.path().join("cnsenter");
    std::fs::copy(crate::cnsenter().get_program(), &binary)?;
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(binary);
    let output = output::run(on_default_engine(command).args(["completions", "bash", "--", "--net", ""]))?;
    assert_eq!((output.code, &output.stderr[..]), (Some(0), ""), "{output:?}");
    assert_eq!(output.stdout, "words\n");
    Ok(())
}

#[test]
fn a_line_that_means_nothing_is_completed_by_nothing() -> Result<()> {
    let lines: [&[&str]; 7] = [
        &["--no-such-option", ""],
        &["--timeout", "soon", ""],
        &["--net", "--", ""],
        &["--help", ""],
        &["--no-such=", ""],
        &["-Q"],
        &["completions", "bash", "zsh", ""],
    ];
    for line in lines {
        let output = run(["completions", "fish", "--"].iter().chain(line))?;
        assert_eq!((output.code, &output.stdout[..], &output.stderr[..]), (Some(0), "words\n", ""), "{line:?}");
    }
    Ok(())
}
