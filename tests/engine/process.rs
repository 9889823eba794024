//! Life and death of the program and of those that wait for it: forks, signals, terminals, descriptors, pipes. What is
//! joined on the way belongs in `options`.

mod descriptors;
mod life;
mod signals;
mod terminal;

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use testbed::wait;

use crate::spellings::sides::{Side, children};

/// Long enough for a busy machine, and short of what a person would call hanging.
const LIMIT: Duration = Duration::from_secs(10);

/// A command that has said `ready`, with the processes below it; all are killed when dropped.
struct Running {
    child: Child,
    output: ChildStdout,
    /// From the child down to the program, each with what holds it, whatever becomes of its pid.
    chain: Vec<(u32, OwnedFd)>,
}

impl Running {
    /// Runs a script, which has to say `ready`, in a shell of its own below the side's program.
    fn start(side: &Side, options: &[&str], script: &str) -> Result<Running> {
        Self::spawn(&mut side.command(&owned(&[options, &["bash", "-c", script]].concat())))
    }

    fn spawn(command: &mut Command) -> Result<Running> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().context("no pipe")?;
        let chain = vec![(child.id(), hold(child.id())?)];
        let mut running = Running { child, output, chain };
        let line = running.read(Some(b'\n'))?;
        while let Some(below) = children(running.lowest()).first() {
            running.chain.push((*below, hold(*below)?));
        }
        ensure!(line == "ready\n", "it said {line:?} and not ready");
        Ok(running)
    }

    fn pid(&self, depth: usize) -> Result<u32> {
        Ok(self.chain.get(depth).with_context(|| format!("no process {depth}: {:?}", self.chain))?.0)
    }

    /// The program.
    fn lowest(&self) -> u32 {
        self.chain.last().map_or(0, |(pid, _)| *pid)
    }

    fn kill(&self, depth: usize, signal: Signal) -> Result<()> {
        let (_, pidfd) = self.chain.get(depth).with_context(|| format!("no process {depth}: {:?}", self.chain))?;
        Ok(pidfd_send_signal(pidfd, signal)?)
    }

    fn kill_lowest(&self, signal: Signal) -> Result<()> {
        self.kill(self.chain.len() - 1, signal)
    }

    /// Whether it ends soon.
    fn ends(&self, depth: usize, limit: Duration) -> Result<bool> {
        let (_, pidfd) = self.chain.get(depth).with_context(|| format!("no process {depth}: {:?}", self.chain))?;
        ready(pidfd.as_fd(), limit)
    }

    /// Reads what it says, to the end or to this byte.
    fn read(&mut self, last: Option<u8>) -> Result<String> {
        let mut bytes = Vec::new();
        while last.is_none() || bytes.last().copied() != last {
            ensure!(ready(self.output.as_fd(), LIMIT)?, "it says no more than {:?}", String::from_utf8_lossy(&bytes));
            let mut byte = [0];
            if self.output.read(&mut byte)? == 0 {
                break;
            }
            bytes.extend(byte);
        }
        Ok(String::from_utf8(bytes)?)
    }

    /// What it says from now on, and how the child ends.
    fn finish(mut self) -> Result<(String, ExitStatus)> {
        let text = self.read(None)?;
        ensure!(self.ends(0, LIMIT)?, "it does not end, after {text:?}");
        Ok((text, self.child.wait()?))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // From below: a parent that is stopped would not see its child's end.
        for (_, pidfd) in self.chain.iter().rev() {
            let _ = pidfd_send_signal(pidfd, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// The letter of a process's state, `T` for a stopped one; nothing once it is gone.
fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

fn until_state(pid: u32, wanted: impl Fn(Option<char>) -> bool, what: &str) -> Result<()> {
    wait::until(LIMIT, what, || wanted(state(pid)).then_some(()))
}

/// Holds a process, so that its end is an event, and its pid not another's.
fn hold(pid: u32) -> Result<OwnedFd> {
    let pid = Pid::from_raw(pid.cast_signed()).context("pid 0")?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

/// Whether there is something to read, or a process has ended, before the limit.
fn ready(fd: BorrowedFd<'_>, limit: Duration) -> Result<bool> {
    let limit = Timespec { tv_sec: limit.as_secs() as i64, tv_nsec: limit.subsec_nanos().into() };
    Ok(poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], Some(&limit))? > 0)
}
