//! Life and death of the program and of those that wait for it: forks, signals, terminals, descriptors, pipes. What is
//! joined on the way belongs in `options`.

mod descriptors;
mod life;
mod signals;
mod terminal;

use std::io::{BufRead, BufReader};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use testbed::wait;

use crate::spellings::sides::{Side, children};

/// Long enough for a busy machine, and short of what a person would call hanging.
const LIMIT: Duration = Duration::from_secs(10);

fn pid_of(number: u32) -> Result<Pid> {
    Pid::from_raw(number.cast_signed()).context("pid 0")
}

/// A command that has said `ready`, with the processes below it; all are killed when dropped.
struct Running {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
    /// From the child down to the program.
    chain: Vec<u32>,
}

impl Running {
    /// Runs a script, which has to say `ready`, in a shell of its own below the side's program.
    fn start(side: &Side, options: &[&str], script: &str) -> Result<Running> {
        let words = [options, &["bash", "-c", script]].concat();
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        Self::spawn(&mut side.command(&words))
    }

    fn spawn(command: &mut Command) -> Result<Running> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut output = BufReader::new(child.stdout.take().context("no pipe")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        let mut chain = vec![child.id()];
        while let Some(below) = chain.last().and_then(|lowest| children(*lowest).first().copied()) {
            chain.push(below);
        }
        let running = Running { child, output, chain };
        ensure!(line == "ready\n", "it said {line:?} and not ready");
        Ok(running)
    }

    /// The process below the child, if there is one: the keeper under cnsenter, the program under nsenter.
    fn below(&self, depth: usize) -> Result<Pid> {
        pid_of(*self.chain.get(depth).with_context(|| format!("no process {depth} below: {:?}", self.chain))?)
    }

    fn lowest(&self) -> Result<Pid> {
        self.below(self.chain.len() - 1)
    }

    fn first(&self) -> Result<Pid> {
        self.below(0)
    }

    /// What it says from now on, and how the child ends.
    fn finish(mut self) -> Result<(String, ExitStatus)> {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut self.output, &mut text)?;
        Ok((text, self.child.wait()?))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // From below, while the parents still hold their children's pids; a parent that is stopped cannot end otherwise.
        for pid in self.chain.iter().rev() {
            let parent_lives = *pid == self.child.id() || state(*pid).is_some();
            if let (true, Ok(pid)) =
                (parent_lives && self.child.try_wait().is_ok_and(|ended| ended.is_none()), pid_of(*pid))
            {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The letter of a process's state, `T` for a stopped one; nothing once it is gone.
fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

fn until_state(pid: u32, wanted: impl Fn(Option<char>) -> bool, what: &str) -> Result<()> {
    wait::until(LIMIT, what, || wanted(state(pid)).then_some(()))
}

/// Holds a process, so that its end is an event.
fn hold(pid: Pid) -> Result<OwnedFd> {
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

fn ends_within(pidfd: &OwnedFd, limit: Duration) -> Result<bool> {
    let limit = Timespec { tv_sec: limit.as_secs() as i64, tv_nsec: limit.subsec_nanos().into() };
    Ok(poll(&mut [PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN)], Some(&limit))? > 0)
}
