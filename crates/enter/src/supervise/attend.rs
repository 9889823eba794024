//! What a process does while the program below it runs: it passes signals on, serves the streams, stops when the program
//! stops, and ends the way it ends. Who is forked by whom belongs in `supervise.rs`.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::libc;
use nix::sys::signal::{self, SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};
use rustix::process::{Pid, WaitOptions, WaitStatus, wait, waitpid};

use super::{LOST, Leash, Parent, Session, Setting};
use crate::cgroup::Cgroups;
use crate::relay::Relay;
use crate::{Error, sys};

/// The mark of a signal that came from the terminal: sigqueue(3), `si_int`.
const BY_TERMINAL: i32 = 0x747479;
/// The mark of the keeper's word that the program has stopped.
const HAS_STOPPED: i32 = 0x737470;

/// All that can be passed on or dealt with: not those that mean a fault of our own.
pub(super) fn watched_signals() -> SigSet {
    let mut watched = SigSet::all();
    for fault in [
        Signal::SIGSEGV,
        Signal::SIGBUS,
        Signal::SIGFPE,
        Signal::SIGILL,
        Signal::SIGTRAP,
        Signal::SIGSYS,
        Signal::SIGABRT,
    ] {
        watched.remove(fault);
    }
    watched
}

/// A process that waits.
struct Waiting<'a> {
    /// The one below: the keeper, the setter, then the program.
    child: Pid,
    session: Session,
    /// What the keeper hangs on itself; the caller hangs on nothing.
    above: Option<Leash>,
    /// What the caller serves.
    relay: Option<Relay>,
    /// Whether the child is the keeper.
    above_keeper: bool,
    /// Where the setter says whom it has made, as long as it is the child.
    report: Option<OwnedFd>,
    /// Those that the program waits to be moved into.
    cgroups: Option<&'a Cgroups>,
    /// The other end of the child's leash.
    end: OwnedFd,
    /// What came in for the program while it was not there yet.
    early: Vec<i32>,
}

/// Waits, and ends as the child does. Returns only what kept the program from being made.
pub(super) fn attend(
    child: Pid,
    parent: Parent,
    session: Session,
    watched: &SigSet,
    end: OwnedFd,
    setting: Option<Setting<'_>>,
) -> Result<Error, Error> {
    let signals =
        SignalFd::with_flags(watched, SfdFlags::SFD_CLOEXEC).map_err(Error::system("cannot watch for signals"))?;
    let (above, relay, above_keeper) = match parent {
        Parent::Caller { relay, above_keeper } => (None, relay, above_keeper),
        Parent::Keeper(leash) => (Some(leash), None, false),
    };
    let (report, cgroups) = setting.map(|setting| (setting.report, setting.cgroups)).unzip();
    let (cgroups, early) = (cgroups.flatten(), Vec::new());
    let mut waiting = Waiting { child, session, above, relay, above_keeper, report, cgroups, end, early };
    waiting.keep_only(&signals);
    loop {
        if let Some(relay) = &mut waiting.relay {
            relay.serve_until(signals.as_fd());
        }
        let Ok(Some(received)) = signals.read_signal() else { continue };
        if received.ssi_signo.cast_signed() != libc::SIGCHLD {
            waiting.pass_on(&received);
            continue;
        }
        while let Some(status) = waiting.changed() {
            if let Some(error) = waiting.act(status, &signals) {
                return Ok(error);
            }
        }
    }
}

impl Waiting<'_> {
    /// While the program runs, its parents hold no descriptor that was opened for joining, or inherited.
    fn keep_only(&self, signals: &SignalFd) {
        let caller = self.above.as_ref().and_then(|leash| leash.caller.as_ref());
        let ours = [Some(&self.end), caller, self.report.as_ref()];
        let mut kept: Vec<_> = ours.into_iter().flatten().map(AsRawFd::as_raw_fd).collect();
        kept.push(signals.as_fd().as_raw_fd());
        kept.extend(self.relay.iter().flat_map(Relay::descriptors));
        kept.extend(self.cgroups.iter().flat_map(|cgroups| cgroups.descriptors()));
        kept.sort_unstable();
        // Their owners lie in frames that are never returned to, but to report an error: this process waits, then exits.
        sys::close_all_but(&kept);
    }

    fn pass_on(&mut self, received: &siginfo) {
        let number = received.ssi_signo.cast_signed();
        let marked = |mark| received.ssi_code == libc::SI_QUEUE && received.ssi_int == mark;
        if let (None, Some(relay)) = (&self.above, &mut self.relay) {
            match number {
                // Of a write of ours to what nobody reads any more.
                libc::SIGPIPE if received.ssi_pid == std::process::id() => return,
                libc::SIGTSTP if marked(HAS_STOPPED) => return self.suspend(),
                libc::SIGWINCH if relay.resize() => return,
                libc::SIGCONT => relay.go_on(),
                _ => {}
            }
        }
        if self.report.is_some() {
            self.early.push(number);
        }
        match self.above {
            // Marked, so that the keeper can tell: the program has got it already if it is in the terminal's group.
            None if received.ssi_code == libc::SI_KERNEL && by_terminal(number) && !self.session.is_apart() => {
                sys::queue(self.child, number, BY_TERMINAL);
            }
            Some(_) if marked(BY_TERMINAL) && is_in_group_of_parent(self.child) => {}
            _ => self.send(number),
        }
    }

    fn send(&self, number: i32) {
        match number {
            // The kernel drops it: nobody in the program's session could continue what is stopped so.
            libc::SIGTSTP if self.session.is_apart() && !self.above_keeper => sys::kill(self.child, libc::SIGSTOP),
            _ => sys::kill(self.child, number),
        }
    }

    /// What became of the child, if anything did. All others are reaped on the way: a program can make its own threads
    /// children of its parent, by PTRACE_TRACEME, and ends only when those are gone.
    fn changed(&self) -> Option<WaitStatus> {
        let all = WaitOptions::from_bits_retain(libc::__WALL.cast_unsigned());
        let options = all | WaitOptions::NOHANG | WaitOptions::UNTRACED | WaitOptions::CONTINUED;
        loop {
            // Beside the setter there is the program, whose end must not be reaped before it is known.
            let waited = if self.report.is_some() { waitpid(Some(self.child), options) } else { wait(options) };
            match waited {
                Ok(Some((pid, status))) if pid == self.child => return Some(status),
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                Ok(None) => return None,
                Err(_) => std::process::exit(LOST),
            }
        }
    }

    fn act(&mut self, status: WaitStatus, signals: &SignalFd) -> Option<Error> {
        let ended = status.exit_status().is_some() || status.terminating_signal().is_some();
        // Somebody else may have continued or killed a program that was stopped, or the caller have been continued before
        // it was stopped itself.
        if ended || status.continued() {
            self.signal_caller(Signal::SIGCONT);
        }
        if ended {
            if self.report.is_some() {
                match self.program() {
                    Some(program) => return self.succeed(program, status, signals).err(),
                    // Where the filter kills in place of refusing.
                    None if status.terminating_signal() == Some(libc::SIGSYS) => {
                        return Some(Error::Filtered {
                            call: "a step before the program",
                            errno: nix::errno::Errno::EPERM,
                        });
                    }
                    None => {}
                }
            }
            if let Some(relay) = &mut self.relay {
                relay.finish(signals);
            }
            end_as(status);
        }
        if status.stopped() {
            match self.above {
                Some(_) => self.signal_caller(Signal::SIGSTOP),
                None => self.suspend(),
            }
        }
        None
    }

    /// Who the setter has made.
    fn program(&self) -> Option<Pid> {
        let mut number = [0; 4];
        let read = rustix::io::read(self.report.as_ref()?, &mut number);
        (read == Ok(number.len())).then(|| Pid::from_raw(i32::from_ne_bytes(number)))?
    }

    /// The program takes the setter's place.
    fn succeed(&mut self, program: Pid, setter: WaitStatus, signals: &SignalFd) -> Result<(), Error> {
        self.child = program;
        self.report = None;
        if let Some(cgroups) = self.cgroups.take() {
            // It waits for a word, and ends without one.
            cgroups.move_pid(program)?;
            let _ = rustix::io::write(&self.end, &[0]);
            self.keep_only(signals);
        }
        // The setter minded none of them, or they were late, or it was killed by the last.
        for number in std::mem::take(&mut self.early) {
            self.send(number);
        }
        if let Some(number) = setter.terminating_signal() {
            sys::kill(program, number);
        }
        Ok(())
    }

    /// Stops this process, the caller's, until a shell lets it go on, and the program with it.
    fn suspend(&mut self) {
        if let Some(relay) = &mut self.relay {
            relay.pause();
        }
        let _ = signal::raise(Signal::SIGSTOP);
        if let Some(relay) = &mut self.relay {
            relay.go_on();
        }
        sys::kill(self.child, libc::SIGCONT);
    }

    /// The keeper's word to the caller.
    fn signal_caller(&self, number: Signal) {
        let Some(above) = &self.above else { return };
        let named = rustix::process::Signal::from_named_raw(number as i32);
        match (&above.caller, named) {
            // It has a terminal to put in order first.
            _ if number == Signal::SIGSTOP && self.session == Session::Terminal => {
                if let Some(caller) = rustix::process::getppid() {
                    sys::queue(caller, libc::SIGTSTP, HAS_STOPPED);
                }
            }
            (Some(caller), Some(named)) => drop(rustix::process::pidfd_send_signal(caller, named)),
            _ => drop(signal::kill(nix::unistd::getppid(), number)),
        }
    }
}

/// What a terminal sends to its whole foreground group. SIGHUP is not one: it goes to the leader of the session alone.
fn by_terminal(number: i32) -> bool {
    const THESE: [i32; 6] = [libc::SIGINT, libc::SIGQUIT, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU, libc::SIGWINCH];
    THESE.contains(&number)
}

fn is_in_group_of_parent(child: Pid) -> bool {
    let group = |pid| rustix::process::getpgid(pid).ok();
    let parent = rustix::process::getppid();
    parent.is_some() && group(Some(child)) == group(parent)
}

/// Ends as another process did.
fn end_as(status: WaitStatus) -> ! {
    if let Some(code) = status.exit_status() {
        std::process::exit(code);
    }
    let number = status.terminating_signal().unwrap_or_default();
    // Without a second core dump.
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
    sys::die_by(number);
    // It does not kill this process, though it killed the child.
    std::process::exit(128 + number);
}
