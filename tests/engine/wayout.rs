//! Ways out of a container that were open once: by a descriptor of the caller's, by the engine's words, by an engine
//! that hangs up. nsenter is the control where it falls. The table of attacks on a program that has been entered is not
//! here yet; what the program's own descriptors are belongs in `process`.

use std::io::Read;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use testbed::fake::Engine;
use testbed::{Container, Scratch, image, output};

use crate::run;

/// A command with descriptor 7 open on the host's root, as a careless caller leaves it.
fn careless(command: &Command) -> Command {
    let mut shell = Command::new("bash");
    shell.args(["-c", "exec 7</; exec \"$@\"", "bash"]).arg(command.get_program()).args(command.get_args());
    shell
}

fn nsenter<const N: usize>(words: [&str; N]) -> Command {
    let mut command = Command::new("nsenter");
    command.args(words);
    command
}

#[test]
fn a_link_to_a_callers_descriptor_leads_nowhere() -> Result<()> {
    let host = Scratch::new()?;
    let secret = host.path().join("secret");
    std::fs::write(&secret, "#!/bin/sh\necho the host\n")?;
    output::stdout(Command::new("chmod").arg("755").arg(&secret))?;
    let container = Container::run(image::busybox()?, &[], &["sleep", "100000"])?;
    // The container cannot name the host's file, and need not: its link goes through the newcomer's descriptor.
    let link = format!("/proc/self/fd/7{}", secret.display());
    container.exec(&[], &["ln", "-s", &link, "/bin/trap"])?;
    let pid = container.pid()?.to_string();
    let control = output::run(&mut careless(&nsenter(["-m", "-p", "-t", &pid, "/bin/trap"])))?;
    ensure!(control.stdout == "the host\n", "nsenter did not fall: {control:?}");
    for words in [["-m", "-p", container.name(), "/bin/trap"], ["-m", "-C", container.name(), "/bin/trap"]] {
        let output = output::run(&mut careless(&run::cnsenter(words)))?;
        ensure!(output.code == Some(127) && !output.stdout.contains("the host"), "{output:?}");
    }
    Ok(())
}

#[test]
fn a_working_directory_inside_is_inside() -> Result<()> {
    let container = Container::run(image::busybox()?, &["--pid", "host"], &["sleep", "100000"])?;
    container.exec(&[], &["ln", "-s", "/proc/self/fd/7/etc", "/fd"])?;
    container.exec(&[], &["ln", "-s", "/proc/self/root/../proc/self/cwd", "/magic"])?;
    container.exec(&[], &["ln", "-s", "../../../../bin", "/plain"])?;
    let pid = container.pid()?.to_string();
    let control = output::run(&mut careless(&nsenter(["-m", "-W", "/fd", "-t", &pid, "ls"])))?;
    ensure!(control.stdout.contains("debian_version"), "nsenter did not fall: {control:?}");
    for (folder, code) in [("-W/fd", 125), ("-W/magic", 125), ("-W/plain", 0)] {
        let output = output::run(&mut careless(&run::cnsenter(["-m", folder, container.name(), "pwd"])))?;
        ensure!(output.code == Some(code), "{folder}: {output:?}");
        ensure!(output.stdout == if code == 0 { "/bin\n" } else { "" }, "{folder}: {output:?}");
    }
    Ok(())
}

#[test]
fn an_engine_that_hangs_up_is_an_error_and_no_death() -> Result<()> {
    let engine = Engine::start(|_, stream| {
        let _ = stream.shutdown(std::net::Shutdown::Both);
    })?;
    let host = format!("unix://{}", engine.socket().display());
    for _ in 0..40 {
        let output = run::run(["-H", &host, "--net", "web", "true"])?;
        ensure!(
            output.code == Some(run::OWN) && output.stderr.starts_with("cnsenter: cannot ask Docker"),
            "{output:?}"
        );
    }
    Ok(())
}

#[test]
fn sigpipe_is_the_programs_own_affair() -> Result<()> {
    let container = Container::run(image::busybox()?, &[], &["sleep", "100000"])?;
    let mut ours = run::cnsenter(["--net", container.name(), "grep", "SigIgn", "/proc/self/status"]);
    let mut theirs = Command::new("grep");
    theirs.args(["SigIgn", "/proc/self/status"]);
    ensure!(output::stdout(&mut ours)? == output::stdout(&mut theirs)?);
    Ok(())
}

#[test]
fn an_engines_words_are_no_line_of_a_script() -> Result<()> {
    let scratch = Scratch::new()?;
    let mark = scratch.path().join("mark");
    // The file's exact name is taken when the engine fails, and the engine's words are noted.
    let words = format!(r#"{{"message":"one\ntouch {}\nthree \u001b]0;x\u0007"}}"#, mark.display());
    let engine = Engine::answering(500, &words)?;
    let host = format!("unix://{}", engine.socket().display());
    // The file is there once a container has used the host's network.
    let _user = Container::run(image::busybox()?, &["--network", "host"], &["sleep", "100000"])?;
    let printed = run::run(["-H", &host, "--print", "--sandbox", "default", "true"])?;
    ensure!(printed.success() && printed.stdout.contains("three"), "{printed:?}");
    ensure!(!printed.stdout.contains('\x1b'), "{printed:?}");
    run::with_input(&mut Command::new("sh"), printed.stdout.as_bytes())?;
    ensure!(!mark.exists(), "a line of the engine's was run");
    Ok(())
}

#[test]
fn an_answer_without_end_is_bounded() -> Result<()> {
    let engine = Engine::start(|_, stream| {
        use std::io::Write;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"Id\":\"");
        let block = [b'0'; 1 << 16];
        while stream.write_all(&block).is_ok() {}
    })?;
    let host = format!("unix://{}", engine.socket().display());
    // 256 MiB of address space: the bound, twice over while a buffer grows, fits; a gigabyte does not.
    let line = run::cnsenter(["--timeout", "60s", "-H", &host, "--net", "web", "true"]);
    let mut limited = run::on_default_engine(Command::new("bash"));
    limited.args(["-c", "ulimit -v 262144; exec \"$@\"", "bash"]).arg(line.get_program()).args(line.get_args());
    let output = output::run(&mut limited)?;
    ensure!(output.code == Some(run::OWN) && output.stderr.contains("cannot ask Docker"), "{output:?}");
    Ok(())
}

#[test]
fn a_copy_that_the_kernel_has_its_hand_on_is_sealed_all_the_same() -> Result<()> {
    let container = Container::run(image::busybox()?, &[], &["sleep", "100000"])?;
    let folder = Scratch::new()?;
    let log = folder.path().join("trace");
    let line = run::cnsenter(["-m", container.name(), "echo", "there"]);
    let traced = |when: &str| {
        let mut command = run::on_default_engine(Command::new("strace"));
        // Where there can be no mount of it, a copy in memory is what it runs from.
        command.args(["-e", "trace=fcntl,open_tree", "-e", "inject=open_tree:error=EPERM"]);
        command.args(["-e", &format!("inject=fcntl:error=EBUSY:when={when}"), "-o"]).arg(&log);
        command.arg(line.get_program()).args(line.get_args());
        command
    };
    // The fifth fcntl(2) is the one that seals.
    ensure!(output::stdout(&mut traced("5"))? == "there");
    let calls = std::fs::read_to_string(&log)?;
    ensure!(calls.contains("F_SEAL_WRITE) = -1 EBUSY") && calls.contains("F_SEAL_FUTURE_WRITE) = 0"), "{calls}");
    // A system that never says that anything is sealed: an error, and no end of copies.
    let output = output::run(&mut traced("4+4"))?;
    ensure!(output.code == Some(run::OWN) && output.stderr.contains("seals"), "{output:?}");
    Ok(())
}

#[test]
fn those_who_wait_do_not_show_the_callers_environment() -> Result<()> {
    let container = Container::run(image::busybox()?, &[], &["sleep", "100000"])?;
    let shown = |options: &[&str]| -> Result<bool> {
        let words = [options, &[container.name(), "sh", "-c", "echo ready; exec sleep 100000"]].concat();
        let mut line = run::cnsenter(words);
        let mut child = line.env("SECRET", "of the host").stdout(Stdio::piped()).spawn()?;
        let mut said = [0; 6];
        child.stdout.take().context("no pipe")?.read_exact(&mut said)?;
        let environment = std::fs::read(format!("/proc/{}/environ", child.id()))?;
        child.kill()?;
        child.wait()?;
        Ok(String::from_utf8_lossy(&environment).contains("SECRET"))
    };
    ensure!(!shown(&[])? && !shown(&["-m", "-p"])?, "it is there to read");
    ensure!(shown(&["--keep-env"])? && shown(&["--raw"])?, "the control");
    Ok(())
}
