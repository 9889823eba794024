//! A command on a terminal of its own: job control, window sizes, and whatever a program does only when it
//! sees a terminal. Commands without one are in `output`.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// A session whose leader is the command and whose terminal is ours; hung up when dropped.
#[derive(Debug)]
pub struct Session {
    child: Child,
    terminal: File,
    seen: String,
}

impl Session {
    /// Starts a command as the leader of a new session, its input, output and errors being a new terminal.
    pub fn spawn(command: &mut Command) -> Result<Session> {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&terminal)?;
        unlockpt(&terminal)?;
        let name = ptsname(&terminal, Vec::new())?;
        let side = || -> Result<OwnedFd> {
            let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
            Ok(rustix::fs::open(name.as_c_str(), flags, rustix::fs::Mode::empty())?)
        };
        command.stdin(side()?).stdout(side()?).stderr(side()?);
        // SAFETY: between fork and exec the closure makes two system calls and allocates nothing.
        unsafe {
            command.pre_exec(|| {
                rustix::process::setsid()?;
                rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
                Ok(())
            });
        }
        let child = command.spawn().with_context(|| format!("cannot run {}", command.get_program().display()))?;
        // The command holds open descriptors of the terminal: without this its end would never be seen here.
        command.stdin(std::process::Stdio::null());
        command.stdout(std::process::Stdio::null());
        command.stderr(std::process::Stdio::null());
        Ok(Session { child, terminal: File::from(terminal), seen: String::new() })
    }

    /// The pid of the session's leader.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Types text, as if on the keyboard: `\x03` is Ctrl-C, `\x1a` is Ctrl-Z, `\n` ends a line.
    pub fn type_text(&mut self, text: &str) -> Result<()> {
        self.terminal.write_all(text.as_bytes()).context("cannot type into the terminal")
    }

    /// Reads until the screen has shown `text` since the last call that found something; what was shown up to
    /// and with it.
    pub fn expect(&mut self, text: &str) -> Result<String> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(at) = self.seen.find(text) {
                let rest = self.seen.split_off(at + text.len());
                return Ok(std::mem::replace(&mut self.seen, rest));
            }
            if !self.read(deadline)? {
                bail!("the terminal never showed {text:?}, but:\n{}", self.seen);
            }
        }
    }

    /// Reads to the end of the session: the exit status (128 + N for signal N), and what had not been read yet.
    pub fn finish(self) -> Result<(i32, String)> {
        self.finish_within(Duration::from_secs(10))
    }

    /// The same with another limit than ten seconds.
    pub fn finish_within(mut self, limit: Duration) -> Result<(i32, String)> {
        let deadline = Instant::now() + limit;
        while self.read(deadline)? {}
        if Instant::now() >= deadline {
            bail!("the session did not end, after showing:\n{}", self.seen);
        }
        let status = self.child.wait()?;
        let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
        Ok((code.unwrap_or(-1), std::mem::take(&mut self.seen)))
    }

    /// Sets the terminal's size, as a window that is resized does.
    pub fn resize(&self, rows: u16, columns: u16) -> Result<()> {
        let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        Ok(rustix::termios::tcsetwinsize(&self.terminal, size)?)
    }

    /// Closes the terminal, as a window that is closed does. The command lives on, unless it minds.
    pub fn hang_up(&mut self) -> Result<()> {
        self.terminal = File::open("/dev/null")?;
        Ok(())
    }

    /// One read into `seen`; false at the end of the session or at the deadline.
    fn read(&mut self, deadline: Instant) -> Result<bool> {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        let mut fds = [PollFd::from_borrowed_fd(self.terminal.as_fd(), PollFlags::IN)];
        if poll(&mut fds, Some(&left))? == 0 {
            return Ok(false);
        }
        let mut buffer = [0; 4096];
        // Linux answers EIO once nobody has the other side open.
        let size = self.terminal.read(&mut buffer).unwrap_or(0);
        self.seen.push_str(&String::from_utf8_lossy(&buffer[..size]));
        Ok(size > 0)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
