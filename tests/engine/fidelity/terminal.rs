//! The same on a terminal: each gives the program one of the container's own.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use testbed::probe::Facts;
use testbed::pty::Session;
use testbed::wait;

use super::excuses::Place;
use super::{PROBE, container, docker_exec, unexcused};
use crate::run::cnsenter;

/// What the probe prints on a terminal of this size, and of the kind that docker says each is.
fn facts(command: &mut Command, rows: u16, columns: u16) -> Result<Facts> {
    // The size is set before the command looks at it: the shell waits for a line.
    let mut held = Command::new("sh");
    held.args(["-c", "read line; exec \"$@\"", "sh"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => held.env(name, value),
            None => held.env_remove(name),
        };
    }
    let mut session = Session::spawn(held.env("TERM", "xterm"))?;
    session.resize(rows, columns)?;
    session.type_text("go\n")?;
    let (code, text) = session.finish_within(Duration::from_secs(60))?;
    ensure!(code == 0, "exit {code}: {text}");
    let text = text.trim_start_matches("go").trim_start();
    Facts::read(text)
}

#[test]
fn on_a_terminal() -> Result<()> {
    let mut failures = Vec::new();
    for options in [&[][..], &["--user", "app"], &["--tty", "--interactive"], &["--cap-drop", "ALL", "--read-only"]] {
        let container = container(options)?;
        let terminals = || container.exec(&["--user", "0"], &["/bin/busybox", "ls", "/dev/pts"]);
        let before = terminals()?;
        let theirs = facts(docker_exec(&["--interactive", "--tty"], &container).arg(PROBE), 33, 97)?;
        // Docker gives its terminal back a little later, and the numbers are to be the same.
        wait::until(Duration::from_secs(30), "docker's terminal to go", || {
            (terminals().ok()? == before).then_some(())
        })?;
        let ours = facts(&mut cnsenter([container.name(), PROBE]), 33, 97)?;
        ensure!(ours.get("terminal.size") == Some("[33, 97, 0, 0]"), "the size is {:?}", ours.get("terminal.size"));
        let differences = unexcused(Place::DockerTerminal, &theirs, &ours);
        if !differences.is_empty() {
            failures.push(format!("{options:?}:\n{}", differences.join("\n")));
        }
    }
    ensure!(failures.is_empty(), "on a terminal:\n{}", failures.join("\n"));
    Ok(())
}
