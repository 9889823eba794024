//! A person's shell on a terminal: Ctrl-C, Ctrl-Z, `fg`, the window's size, and the prompt that comes back.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use testbed::pty::Session;
use testbed::wait;

use super::{LIMIT, state};
use crate::spellings::sides::{Side, Sides, Target, children};

const PROMPT: &str = "ready> ";

/// An interactive bash with job control.
fn shell() -> Result<Session> {
    let mut session = Session::spawn(Command::new("bash").args(["--norc", "--noprofile", "-i"]).env("PS1", PROMPT))?;
    session.expect(PROMPT)?;
    Ok(session)
}

/// Waits until a program of this name runs at the bottom of the shell's only job, and returns the job's processes.
fn job(session: &Session, name: &str) -> Result<Vec<u32>> {
    wait::until(LIMIT, &format!("{name} to run"), || {
        let mut chain = Vec::new();
        let mut lowest = session.pid();
        while let Some(below) = children(lowest).first() {
            lowest = *below;
            chain.push(lowest);
        }
        let comm = std::fs::read_to_string(format!("/proc/{lowest}/comm")).ok()?;
        (comm.trim_end() == name).then_some(chain)
    })
}

fn all_gone(processes: &[u32]) -> Result<()> {
    let left = || processes.iter().any(|pid| state(*pid).is_some());
    wait::until(LIMIT, "no process left", || (!left()).then_some(()))
}

/// Asks the shell for the last exit status.
fn status(session: &mut Session) -> Result<String> {
    session.type_text("echo status=$?.\n")?;
    session.expect("status=$?.")?;
    session.expect("status=")?;
    let text = session.expect(".")?;
    session.expect(PROMPT)?;
    Ok(text.trim_end_matches('.').to_owned())
}

fn line(side: &Side, options: &str, program: &str) -> String {
    let words: Vec<_> = side.words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    format!("{} {options} {program}\n", words.join(" "))
}

#[test]
fn ctrl_c_ends_the_program_and_the_prompt_is_back() -> Result<()> {
    let target = Target::unshared("--pid --net")?;
    let pid = target.pid();
    let sides = Sides::new()?;
    for side in [sides.newest(), sides.ours(), sides.linked()] {
        for options in ["-n", "-p", "-n -p"] {
            let mut session = shell()?;
            session.type_text(&line(side, &format!("{options} -t {pid}"), "sleep 1000"))?;
            let processes = job(&session, "sleep")?;
            session.type_text("\x03")?;
            session.expect(PROMPT)?;
            let code = status(&mut session)?;
            ensure!(code == "130", "{} {options}: {code}", side.name);
            all_gone(&processes)?;
            session.type_text("exit 3\n")?;
            ensure!(session.finish()?.0 == 3);
        }
    }
    Ok(())
}

#[test]
fn ctrl_z_stops_it_and_fg_goes_on() -> Result<()> {
    let target = Target::unshared("--pid --net")?;
    let pid = target.pid();
    let sides = Sides::new()?;
    // nsenter with a child is no control: it stops itself a second time when it learns late that its child stopped.
    let cases = [(sides.newest(), "-n"), (sides.ours(), "-n"), (sides.ours(), "-p"), (sides.linked(), "-a -r -w")];
    for (side, options) in cases {
        let mut session = shell()?;
        session.type_text(&line(side, &format!("{options} -t {pid}"), "sleep 1000"))?;
        let processes = job(&session, "sleep")?;
        let program = *processes.last().context("a program")?;
        // Twice, since the second time finds what the first left.
        for _ in 0..2 {
            session.type_text("\x1a")?;
            session.expect("Stopped")?;
            session.expect(PROMPT)?;
            ensure!(state(program) == Some('T'), "{} {options}: {:?}", side.name, state(program));
            session.type_text("fg\n")?;
            wait::until(LIMIT, "the program to go on", || (state(program) == Some('S')).then_some(()))?;
            let waiting = format!("{} {options} to go on, {processes:?}", side.name);
            wait::until(LIMIT, &waiting, || (state(processes[0]) == Some('S')).then_some(()))?;
        }
        session.type_text("\x1a")?;
        session.expect("Stopped")?;
        session.expect(PROMPT)?;
        // In the background it goes on as well, and ends when it is told to.
        session.type_text("bg\n")?;
        session.expect(PROMPT)?;
        wait::until(LIMIT, "the program to go on", || (state(program) == Some('S')).then_some(()))?;
        session.type_text("fg\n")?;
        session.expect("sleep 1000")?;
        wait::until(LIMIT, "the foreground", || (foreground(session.pid()) == Some(processes[0])).then_some(()))?;
        session.type_text("\x03")?;
        session.expect(PROMPT)?;
        let code = status(&mut session)?;
        ensure!(code == "130", "{} {options}: {code}", side.name);
        all_gone(&processes)?;
    }
    Ok(())
}

/// The foreground process group of a process's terminal: field 8 of its `stat`.
fn foreground(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.split_whitespace().nth(5)?.parse().ok()
}

#[test]
fn a_shell_inside_is_the_terminals_own() -> Result<()> {
    let target = Target::unshared("--pid --net --uts")?;
    let pid = target.pid();
    let sides = Sides::new()?;
    for side in [sides.newest(), sides.ours()] {
        for options in ["-n", "-a"] {
            let mut session = shell()?;
            let program = "env PS1='inner> ' bash --norc --noprofile -i";
            session.type_text(&line(side, &format!("{options} -t {pid}"), program))?;
            session.expect("-i")?;
            session.expect("inner> ")?;
            // Its jobs are its own: Ctrl-C ends one of them, and not the shell.
            session.type_text("tty; sleep 1000; echo sleep=$?.\n")?;
            session.expect("/dev/pts/")?;
            job(&session, "sleep")?;
            session.type_text("\x03")?;
            session.expect("inner> ")?;
            // A new size arrives.
            session.resize(33, 99)?;
            session.type_text("stty size\n")?;
            session.expect("33 99")?;
            session.type_text("exit 5\n")?;
            session.expect(PROMPT)?;
            let code = status(&mut session)?;
            ensure!(code == "5", "{} {options}: {code}", side.name);
        }
    }
    Ok(())
}

#[test]
fn a_terminal_that_hangs_up_takes_all_along() -> Result<()> {
    let target = Target::unshared("--pid --net")?;
    let pid = target.pid();
    let sides = Sides::new()?;
    let mut session = shell()?;
    session.type_text(&line(sides.ours(), &format!("-p -t {pid}"), "sleep 1000"))?;
    let processes = job(&session, "sleep")?;
    drop(session);
    all_gone(&processes)?;
    Ok(())
}
