//! Machines of this machine's own systemd-nspawn, which needs no daemon as long as nobody is told of them. What
//! systemd-machined would note of one is written by hand, since it runs under systemd only: that part is a fake.

use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal};

use crate::guard::unique_name;
use crate::{PREFIX, rootfs};

/// Where systemd-machined notes machines.
const MACHINES: &str = "/run/systemd/machines";

/// Where nspawn has a folder for each machine that runs.
const TRACES: &str = "/run/systemd/nspawn/propagate";

/// How long a machine may take to end. It takes milliseconds.
const LIMIT: Duration = Duration::from_secs(10);

/// A machine that is not registered, stopped when dropped.
#[derive(Debug)]
pub struct Machine {
    name: String,
    nspawn: Child,
    leader: u32,
    /// The leader, to wait for its end.
    pidfd: OwnedFd,
}

impl Machine {
    /// Starts a machine with a network namespace of its own, under a name that is made up.
    pub fn start() -> Result<Machine> {
        Self::start_as(&unique_name(), &[])
    }

    /// The same under a name of one's own choice, with more of nspawn's options.
    pub fn start_as(name: &str, options: &[&str]) -> Result<Machine> {
        ensure!(name.starts_with(PREFIX), "{name} is no name of the tests");
        // A test that is killed drops no guard: nspawn then gets the signal from the kernel, and ends its machine.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "systemd-nspawn", "--quiet", "--register=no", "--keep-unit"]);
        // Read-only, a folder may be the root of any number of machines.
        command
            .args(["--pipe", "--private-network", "--read-only", "--machine", name, "-D"])
            .arg(rootfs::busybox()?)
            .args(options);
        // The word is printed by the program that stays, inside: the machine is complete by then.
        command.args(["/bin/sh", "-c", "echo up; exec sleep 1000000"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut nspawn = command.spawn().context("cannot run setpriv")?;
        match wait_for_leader(&mut nspawn) {
            Ok((leader, pidfd)) => Ok(Machine { name: name.to_owned(), nspawn, leader, pidfd }),
            Err(error) => {
                let _ = nspawn.kill();
                let said = nspawn.wait_with_output().map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
                Err(error.context(said.unwrap_or_default()))
            }
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The pid of its first process.
    pub fn leader(&self) -> u32 {
        self.leader
    }

    /// The pid of its systemd-nspawn.
    pub fn supervisor(&self) -> u32 {
        self.nspawn.id()
    }

    /// Ends it; returns when nothing of it runs any more.
    pub fn stop(&mut self) -> Result<()> {
        if self.nspawn.try_wait()?.is_some() {
            return Ok(());
        }
        // nspawn ends its machine, and then itself; killed, it could not tidy up.
        let nspawn = Pid::from_child(&self.nspawn);
        rustix::process::kill_process(nspawn, Signal::TERM)?;
        let nspawn = rustix::process::pidfd_open(nspawn, PidfdFlags::empty())?;
        if !has_ended(&nspawn)? {
            self.nspawn.kill()?;
        }
        self.nspawn.wait()?;
        if !has_ended(&self.pidfd)? {
            rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL)?;
            bail!("the first process of {} outlived systemd-nspawn", self.name);
        }
        Ok(())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

/// A machine's file as systemd-machined writes it, removed when dropped. A fake: the real one is told by nspawn.
#[derive(Debug)]
pub struct Record {
    path: PathBuf,
}

impl Record {
    /// Notes a machine with this first process, which the unit runs. `unit` is as systemd shows it.
    pub fn write(name: &str, leader: u32, unit: &str) -> Result<Record> {
        Self::write_lines(name, &format!("SERVICE=systemd-nspawn\nCLASS=container\nLEADER={leader}\n"), unit)
    }

    /// The same with other lines on what it is.
    pub fn write_lines(name: &str, lines: &str, unit: &str) -> Result<Record> {
        ensure!(name.starts_with(PREFIX), "{name} is no name of the tests");
        std::fs::create_dir_all(MACHINES)?;
        let path = Path::new(MACHINES).join(name);
        ensure!(!path.exists(), "{} is there already", path.display());
        let unit = unit.replace('\\', r"\\");
        let times = "REALTIME=1700000000000000\nMONOTONIC=1000000\n";
        let text = format!("# This is private data. Do not parse.\nNAME={name}\nSCOPE={unit}\n{lines}{times}");
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Record { path })
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Removes what killed tests left: notes of machines, and the traces of machines whose nspawn was killed; how many it was.
pub fn remove_all() -> Result<usize> {
    let mut count = 0;
    for folder in [MACHINES, TRACES] {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(PREFIX) {
                let path = entry.path();
                if path.is_dir() {
                    std::fs::remove_dir_all(path)?
                } else {
                    std::fs::remove_file(path)?
                }
                count += 1;
            }
        }
    }
    Ok(count)
}

/// Waits for the word from inside, and finds who said it.
fn wait_for_leader(nspawn: &mut Child) -> Result<(u32, OwnedFd)> {
    let mut line = String::new();
    BufReader::new(nspawn.stdout.as_mut().context("no standard output")?).read_line(&mut line)?;
    ensure!(line == "up\n", "the machine did not start, and said {line:?}");
    let pid = nspawn.id();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    for child in children.split_ascii_whitespace() {
        let status = std::fs::read_to_string(format!("/proc/{child}/status")).unwrap_or_default();
        let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
        if numbers.split_ascii_whitespace().skip(1).last() == Some("1") {
            let leader = child.parse()?;
            let pid = Pid::from_raw(leader).context("no pid")?;
            return Ok((u32::try_from(leader)?, rustix::process::pidfd_open(pid, PidfdFlags::empty())?));
        }
    }
    bail!("none of the processes {children:?} is the first of a machine")
}

/// Waits for the end of a process.
fn has_ended(pidfd: &OwnedFd) -> Result<bool> {
    let limit = Timespec::try_from(LIMIT)?;
    Ok(rustix::event::poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&limit))? == 1)
}
