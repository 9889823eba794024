//! What a process does while the program below it runs: it passes signals on, serves the streams, stops when the program
//! stops, and ends the way it ends. Who is forked by whom belongs in `supervise.rs`.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{self, SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};
use rustix::process::{Pid, WaitOptions, WaitStatus, wait, waitpid};

use super::{LOST, Leash, Parent, Session};
use crate::cgroup::Cgroups;
use crate::error::Failure;
use crate::relay::{Relay, Stream};
use crate::{Error, limits, sys};

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

/// What the keeper needs to make a program through a setter.
#[derive(Debug)]
pub(super) struct Making<'a> {
    /// Where the setter says whom it has made.
    pub(super) report: OwnedFd,
    /// Where the program is to be moved before it goes on, if it is not born there.
    pub(super) moves: Option<&'a Cgroups>,
}

/// The setter's word that there may be no process more.
pub(super) const AT_LIMIT: i32 = 0;

/// A process that waits.
struct Waiting<'a> {
    /// The one below: the keeper, the setter, then the program.
    child: Pid,
    session: Session,
    /// What the child hangs on.
    end: OwnedFd,
    signals: SignalFd,
    /// What the keeper hangs on itself; the caller hangs on nothing.
    above: Option<Leash>,
    /// What the caller serves.
    relay: Option<Relay>,
    /// Whether the child is the keeper.
    above_keeper: bool,
    /// There while the child is the setter.
    making: Option<Making<'a>>,
    /// What came in for the program while it was not there yet.
    early: Vec<i32>,
}

/// What a keeper finds when its setter has ended.
enum Made {
    Program(Pid),
    AtLimit,
    /// The setter has said why, or nobody knows.
    Nothing,
}

/// Waits, and ends as the child does. Returns only in a keeper, and its own leash, where the container has as many
/// processes as it may have; or with what has kept the program from being made.
pub(super) fn attend(
    child: Pid,
    parent: Parent,
    session: Session,
    watched: &SigSet,
    end: OwnedFd,
    making: Option<Making<'_>>,
) -> Result<Leash, Error> {
    let signals =
        SignalFd::with_flags(watched, SfdFlags::SFD_CLOEXEC).map_err(Error::system("cannot watch for signals"))?;
    let (above, relay, above_keeper) = match parent {
        Parent::Caller { relay, above_keeper } => (None, relay, above_keeper),
        Parent::Keeper(leash) => (Some(leash), None, false),
    };
    let mut waiting = Waiting { child, session, end, signals, above, relay, above_keeper, making, early: Vec::new() };
    if waiting.making.is_none() {
        waiting.keep_only();
    }
    loop {
        if let Some(relay) = &mut waiting.relay {
            relay.serve_until(waiting.signals.as_fd());
        }
        let Ok(Some(received)) = waiting.signals.read_signal() else { continue };
        if received.ssi_signo.cast_signed() != libc::SIGCHLD {
            waiting.pass_on(&received);
            continue;
        }
        while let Some(status) = waiting.changed() {
            if let Some(leash) = waiting.act(status)? {
                return Ok(leash);
            }
        }
    }
}

impl Waiting<'_> {
    /// While the program runs, its parents hold no descriptor that was opened for joining, or inherited.
    fn keep_only(&self) {
        let caller = self.above.as_ref().and_then(|leash| leash.caller.as_ref());
        let mut kept: Vec<_> = [Some(&self.end), caller].into_iter().flatten().map(AsRawFd::as_raw_fd).collect();
        kept.push(self.signals.as_fd().as_raw_fd());
        kept.extend(self.relay.iter().flat_map(Relay::descriptors));
        kept.sort_unstable();
        // Their owners lie in frames that are never returned to: this process waits, then exits.
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
        if self.making.is_some() {
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
            let waited = if self.making.is_some() { waitpid(Some(self.child), options) } else { wait(options) };
            match waited {
                Ok(Some((pid, status))) if pid == self.child => return Some(status),
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                Ok(None) => return None,
                Err(_) => std::process::exit(LOST),
            }
        }
    }

    fn act(&mut self, status: WaitStatus) -> Result<Option<Leash>, Error> {
        let ended = status.exit_status().is_some() || status.terminating_signal().is_some();
        let made = if ended { self.made() } else { Made::Nothing };
        match made {
            Made::Program(program) => return self.succeed(program, status).map(|()| None),
            Made::AtLimit => return Ok(self.above.take()),
            Made::Nothing => {}
        }
        // Somebody else may have continued or killed a program that was stopped, or the caller have been continued before
        // it was stopped itself.
        if ended || status.continued() {
            self.signal_caller(Signal::SIGCONT);
        }
        if ended {
            // Where the filter kills in place of refusing.
            if self.making.is_some() && status.terminating_signal() == Some(libc::SIGSYS) {
                return Err(Error::Filtered { call: "a step before the program", errno: Errno::EPERM });
            }
            if let Some(relay) = &mut self.relay {
                relay.finish(&self.signals);
                say_what_was_lost(relay, &status);
            }
            end_as(status);
        }
        if status.stopped() {
            match self.above {
                Some(_) => self.signal_caller(Signal::SIGSTOP),
                None => self.suspend(),
            }
        }
        Ok(None)
    }

    /// Who the setter has made.
    fn made(&self) -> Made {
        let Some(making) = &self.making else { return Made::Nothing };
        let mut number = [0; 4];
        match rustix::io::read(&making.report, &mut number) {
            Ok(4) => Pid::from_raw(i32::from_ne_bytes(number)).map_or(Made::AtLimit, Made::Program),
            _ => Made::Nothing,
        }
    }

    /// The program takes the setter's place.
    fn succeed(&mut self, program: Pid, setter: WaitStatus) -> Result<(), Error> {
        self.child = program;
        if let Some(cgroups) = self.making.take().and_then(|making| making.moves) {
            if let Err(error) = cgroups.move_pid(program) {
                sys::kill(program, libc::SIGKILL);
                return Err(error);
            }
            let _ = rustix::io::write(&self.end, &[0]);
        }
        self.keep_only();
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

/// What could not be copied is said, and output that is lost is no success, whatever the program thinks; that nobody took
/// it any more is what SIGPIPE told it. Of its input nobody knows whether it would have read so far.
fn say_what_was_lost(relay: &Relay, status: &WaitStatus) {
    let mut lost = false;
    for (stream, errno) in relay.failures() {
        let why = Failure::from(errno).0.desc();
        match stream {
            Stream::Input => log::warn!("cannot read all of the program's input: {why}"),
            Stream::Output | Stream::Errors => {
                log::error!("cannot write the program's output: {why}");
                lost = true;
            }
            Stream::Messages => {}
        }
    }
    if lost && (status.exit_status() == Some(0) || status.terminating_signal() == Some(libc::SIGPIPE)) {
        std::process::exit(LOST);
    }
}

/// Ends as another process did.
fn end_as(status: WaitStatus) -> ! {
    if let Some(code) = status.exit_status() {
        std::process::exit(code);
    }
    let number = status.terminating_signal().unwrap_or_default();
    // Without a second core dump.
    let _ = limits::forbid_cores();
    sys::die_by(number);
    // It does not kill this process, though it killed the child.
    std::process::exit(128 + number);
}
