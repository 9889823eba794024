//! Processes that hold a pid: a guard that ends its process, and a new process under the pid of a dead one,
//! which the kernel gives by bad luck only.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::wait;

/// A process that is killed and reaped when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts a command that reads and prints nothing.
    pub fn spawn(command: &mut Command) -> Result<Process> {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().with_context(|| format!("cannot run {}", command.get_program().display()))?;
        Ok(Process { child })
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The child, to send it signals or to wait for its end.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Kills a process that is not a child of ours and waits until whoever its parent is has reaped it: its pid is free.
pub fn end(pid: u32) -> Result<()> {
    let process = Pid::from_raw(pid.cast_signed()).context("no process has the number 0")?;
    kill_process(process, Signal::KILL)?;
    wait::until(Duration::from_secs(10), &format!("the end of process {pid}"), || {
        (!Path::new(&format!("/proc/{pid}")).exists()).then_some(())
    })
}

/// Starts `command` under a pid that is free, as if the kernel's counter had come round to it.
///
/// `/proc/sys/kernel/ns_last_pid` says where the counter stands; somebody else's fork may come in between, so
/// it is tried again, and a process that got another pid is ended. Root only.
pub fn recycle(pid: u32, command: &mut Command) -> Result<Process> {
    const LAST: &str = "/proc/sys/kernel/ns_last_pid";
    for _ in 0..500 {
        if std::fs::exists(format!("/proc/{pid}"))? {
            bail!("pid {pid} is in use: it can be recycled only after its process was reaped");
        }
        std::fs::write(LAST, (pid - 1).to_string()).with_context(|| format!("cannot write {LAST}"))?;
        let process = Process::spawn(command)?;
        if process.pid() == pid {
            return Ok(process);
        }
    }
    bail!("pid {pid} went to other processes each of 500 times")
}
