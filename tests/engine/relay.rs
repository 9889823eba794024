//! What the two waiting processes must not swallow, and when they must not stay behind: signals that reach the caller
//! alone, a program in a group of its own, stops and continues that overtake each other. What reaches the whole group,
//! and job control in a shell, belongs in `process`.

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use testbed::pty::Session;
use testbed::{Container, Scratch, image, output, wait};

use crate::run;
use crate::spellings::sides::children;

const LIMIT: Duration = Duration::from_secs(10);

/// Caller, keeper and program, from a caller whose program is already there.
fn chain(caller: u32, program: &str) -> Result<[u32; 3]> {
    wait::until(LIMIT, &format!("{program} below {caller}"), || {
        let keeper = *children(caller).first()?;
        let lowest = *children(keeper).first()?;
        (name(lowest)? == program).then_some([caller, keeper, lowest])
    })
}

fn name(pid: u32) -> Option<String> {
    Some(std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim_end().to_owned())
}

fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

fn hold(pid: u32) -> Result<OwnedFd> {
    Ok(pidfd_open(Pid::from_raw(pid.cast_signed()).context("pid 0")?, PidfdFlags::empty())?)
}

fn ends(pidfd: &OwnedFd) -> Result<bool> {
    let limit = Timespec { tv_sec: LIMIT.as_secs().cast_signed(), tv_nsec: 0 };
    Ok(poll(&mut [PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN)], Some(&limit))? > 0)
}

fn send(pid: u32, signal: Signal) -> Result<()> {
    Ok(kill_process(Pid::from_raw(pid.cast_signed()).context("pid 0")?, signal)?)
}

fn running() -> Result<Container> {
    Container::run(image::busybox()?, &[], &["sleep", "100000"])
}

fn entering(container: &Container, program: &[&str]) -> Command {
    // On the caller's own terminal: one of the container's has tests of its own.
    let mut words = vec!["--no-pty", "-p", container.name()];
    words.extend(program);
    run::cnsenter(words)
}

fn spawn(command: &mut Command) -> Result<Child> {
    Ok(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?)
}

#[test]
fn a_window_that_is_closed_ends_all_three() -> Result<()> {
    let container = running()?;
    let mut session = Session::spawn(&mut entering(&container, &["sleep", "1000"]))?;
    let all = chain(session.pid(), "sleep")?.map(hold);
    session.hang_up()?;
    for pidfd in all {
        ensure!(ends(&pidfd?)?, "somebody outlived the terminal");
    }
    Ok(())
}

#[test]
fn an_alarm_that_was_set_before_still_ends_it() -> Result<()> {
    let container = running()?;
    // perl is essential in Debian. alarm(2) survives exec, and is how some scripts limit a command's time.
    let line = entering(&container, &["sleep", "1000"]);
    let mut command = Command::new("perl");
    command.args(["-e", "alarm 1; exec @ARGV"]).arg(line.get_program()).args(line.get_args());
    let status = spawn(&mut command)?.wait()?;
    ensure!(status.signal() == Some(14), "{status:?}");
    Ok(())
}

#[test]
fn ctrl_c_reaches_a_program_that_has_left_the_group() -> Result<()> {
    let container = running()?;
    let mut session = Session::spawn(&mut entering(&container, &["setsid", "sleep", "1000"]))?;
    let [_, _, program] = chain(session.pid(), "sleep")?;
    let program = hold(program)?;
    session.type_text("\x03")?;
    ensure!(ends(&program)?, "it did not get the interrupt");
    ensure!(session.finish()?.0 == 130);
    Ok(())
}

#[test]
fn reading_from_the_background_stops_caller_and_program_and_not_the_keeper() -> Result<()> {
    let container = running()?;
    let mut session = Session::spawn(Command::new("bash").args(["--norc", "--noprofile", "-i"]).env("PS1", "ready> "))?;
    session.expect("ready> ")?;
    let line = entering(&container, &["cat"]);
    let words: Vec<_> = line.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    session.type_text(&format!("{} {} &\n", line.get_program().display(), words.join(" ")))?;
    let caller = wait::until(LIMIT, "a job", || children(session.pid()).first().copied())?;
    let [caller, keeper, program] = chain(caller, "cat")?;
    wait::until(LIMIT, "caller and program to stop", || {
        (state(caller) == Some('T') && state(program) == Some('T')).then_some(())
    })?;
    wait::until(LIMIT, "the keeper to sleep", || (state(keeper) == Some('S')).then_some(()))?;
    // With everybody stopped but the keeper, nothing keeps the container from being removed.
    container.docker(&["rm", "-f"])?;
    wait::until(LIMIT, "the program to be reaped", || state(program).is_none().then_some(()))
}

#[test]
fn a_continue_that_overtakes_the_stop_leaves_nobody_stopped_alone() -> Result<()> {
    let container = running()?;
    let mut child = spawn(entering(&container, &["sleep", "1000"]).process_group(0))?;
    let all = chain(child.id(), "sleep")?;
    for round in 0..200 {
        send(child.id(), Signal::TSTP)?;
        send(child.id(), Signal::CONT)?;
        wait::until(LIMIT, &format!("nobody to be stopped, round {round}"), || {
            let [caller, keeper, program] = all.map(state);
            if (caller, program) == (Some('T'), Some('T')) {
                // A stop takes back a continue that its process has not read yet, signal(7). What counts is that the
                // next one finds both.
                send(child.id(), Signal::CONT).ok()?;
            }
            ([caller, keeper, program] == [Some('S'); 3]).then_some(())
        })?;
    }
    // And a continue by another way than through the caller.
    send(all[2], Signal::STOP)?;
    wait::until(LIMIT, "the caller to stop", || (state(all[0]) == Some('T')).then_some(()))?;
    send(all[2], Signal::CONT)?;
    wait::until(LIMIT, "the caller to go on", || (state(all[0]) == Some('S')).then_some(()))?;
    send(child.id(), Signal::TERM)?;
    ensure!(child.wait()?.signal() == Some(15));
    Ok(())
}

#[test]
fn a_program_that_stops_its_group_does_not_stop_the_keeper() -> Result<()> {
    let container = running()?;
    let stop = ["sh", "-c", "sleep 1000 & kill -STOP 0"];
    let session = Session::spawn(&mut entering(&container, &stop))?;
    let [caller, keeper, program] = chain(session.pid(), "sh")?;
    wait::until(LIMIT, "the program to stop", || (state(program) == Some('T')).then_some(()))?;
    wait::until(LIMIT, "the caller to stop", || (state(caller) == Some('T')).then_some(()))?;
    wait::until(LIMIT, "the keeper to sleep", || (state(keeper) == Some('S')).then_some(()))?;
    let caller = hold(caller)?;
    container.docker(&["rm", "-f"])?;
    wait::until(LIMIT, "the program to be reaped", || state(program).is_none().then_some(()))?;
    // And the caller does not stay behind, stopped.
    ensure!(ends(&caller)?, "the caller is still there");
    ensure!(session.finish()?.0 == 137);
    Ok(())
}

#[test]
fn a_program_that_kills_its_group_spares_the_script_that_called() -> Result<()> {
    let container = running()?;
    let pid = container.pid()?.to_string();
    // Without a terminal, which would need the program in the caller's group.
    let script = |line: &Command| -> Result<testbed::Output> {
        let mut command = Command::new("setsid");
        command.args(["--wait", "bash", "-c", "\"$@\"; echo alive", "bash"]).arg(line.get_program());
        output::run(command.args(line.get_args()).args(["sh", "-c", "kill -KILL 0"]))
    };
    let mut nsenter = Command::new("nsenter");
    let control = script(nsenter.args(["-p", "-t", &pid]))?;
    ensure!(!control.stdout.contains("alive"), "nsenter spares it: {control:?}");
    let output = script(&entering(&container, &[]))?;
    ensure!(output.stdout == "alive\n", "{output:?}");
    Ok(())
}

/// Makes its parent the tracer of a thread, which then nobody else can reap.
const TRACED: &str = "
#include <pthread.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <unistd.h>
static void *traced(void *nothing) { ptrace(PTRACE_TRACEME, 0, 0, 0); puts(\"ready\"); fflush(stdout); for (;;) pause(); }
int main(void) { pthread_t thread; pthread_create(&thread, 0, traced, 0); for (;;) pause(); }
";

#[test]
fn a_program_that_makes_the_keeper_its_tracer_is_reaped() -> Result<()> {
    let container = running()?;
    let folder = Scratch::new()?;
    let [source, program] = ["traced.c", "traced"].map(|name| folder.path().join(name).display().to_string());
    std::fs::write(&source, TRACED)?;
    // The C compiler that Rust links with.
    output::stdout(Command::new("cc").args(["-pthread", "-o", &program, &source]))?;
    let mut child = entering(&container, &[&program]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut said = [0; 5];
    child.stdout.take().context("no pipe")?.read_exact(&mut said)?;
    container.docker(&["rm", "-f"])?;
    let caller = hold(child.id())?;
    ensure!(ends(&caller)?, "cnsenter waits for ever");
    ensure!(child.wait()?.signal() == Some(9));
    Ok(())
}
