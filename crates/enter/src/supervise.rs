//! The processes that wait while the program runs in a pid namespace: they pass signals on, stop when it stops, and
//! end the way it ends. Joining does not belong here.
//!
//! There are two. The caller's own process is the one that a shell controls: it stops when the program stops. Its
//! child, the keeper, joins the namespaces, forks the program and never stops, so that the program is always reaped.
//! Whichever is killed takes those below along.
//!
//! Process groups know no pid namespaces: a program's `kill(0, …)` reaches every process of its group, on the host too.
//! So the keeper has a group of its own, and the program has one unless a terminal is there, whose job control needs
//! it in the caller's.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{self, SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::fs::{Mode, OFlags};
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, PidfdFlags, WaitOptions, WaitStatus, wait};

use crate::target::has_ended;
use crate::{Error, sys};

/// Our exit status where parent and child have lost each other; nobody is there to see it, as a rule.
const LOST: i32 = 125;

/// The mark of a signal that came from the terminal: sigqueue(3), `si_int`.
const BY_TERMINAL: i32 = 0x747479;

/// What ties a child to its parent.
#[derive(Debug)]
pub(crate) struct Leash {
    /// The parent; nothing on a kernel without pidfds.
    parent: Option<OwnedFd>,
    /// Whether the caller has a controlling terminal.
    terminal: bool,
}

impl Leash {
    /// Asks the kernel to kill this process when its parent ends. To be said again after each change of credentials,
    /// which makes the kernel forget it: PR_SET_PDEATHSIG(2const).
    pub(crate) fn tie(&self) -> Result<(), Error> {
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
            .map_err(Error::system("cannot tie the program to cnsenter"))?;
        if self.parent.as_ref().is_some_and(has_ended) {
            // It ended before the kernel was asked, and nobody is left to tell.
            std::process::exit(LOST);
        }
        Ok(())
    }

    fn signal_parent(&self, number: Signal) {
        let named = rustix::process::Signal::from_named_raw(number as i32);
        match (&self.parent, named) {
            (Some(parent), Some(named)) => drop(rustix::process::pidfd_send_signal(parent, named)),
            _ => drop(signal::kill(nix::unistd::getppid(), number)),
        }
    }
}

/// Forks, and returns in the child only, tied to the parent by the leash. The parent waits, and ends as the child
/// does. `above` is what the keeper hangs on itself; the caller hangs on nothing.
pub(crate) fn fork(above: Option<&Leash>) -> Result<Leash, Error> {
    let own = rustix::process::getpid();
    let parent = rustix::process::pidfd_open(own, PidfdFlags::empty()).ok();
    let leash = Leash { parent, terminal: above.map_or_else(has_terminal, |above| above.terminal) };
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: no handler is installed, a disposition that the caller may have left at "ignore" becomes the default one:
    // children that are ignored cannot be waited for.
    unsafe { signal::sigaction(Signal::SIGCHLD, &default) }.map_err(Error::system("cannot watch for the program"))?;
    // Before the fork, so that no signal falls between.
    let mut before = SigSet::empty();
    let watched = watched_signals();
    signal::sigprocmask(SigmaskHow::SIG_BLOCK, Some(&watched), Some(&mut before))
        .map_err(Error::system("cannot hold signals"))?;
    let (gate, open_gate) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(Error::system("cannot make a pipe"))?;
    let forked = sys::fork().map_err(|errno| match (above, errno) {
        // fork(2): the init process of the pid namespace has ended.
        (Some(_), Errno::ENOMEM) => Error::PidNamespaceEnded,
        _ => Error::system("cannot fork")(errno),
    })?;
    match forked {
        Some(child) => {
            if above.is_some() {
                // Before the program may run, and be able to stop its group.
                let _ = rustix::process::setpgid(None, None);
            }
            drop(open_gate);
            attend(child, above, &watched)
        }
        None => {
            drop(open_gate);
            let _ = rustix::io::read(&gate, &mut [0; 1]);
            if above.is_some() && !leash.terminal {
                rustix::process::setpgid(None, None).map_err(Error::system("cannot make a process group"))?;
            }
            signal::sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None)
                .map_err(Error::system("cannot release signals"))?;
            leash.tie()?;
            Ok(leash)
        }
    }
}

/// All that can be passed on or dealt with: not those that mean a fault of our own.
fn watched_signals() -> SigSet {
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

fn attend(child: Pid, above: Option<&Leash>, watched: &SigSet) -> Result<Leash, Error> {
    let signals =
        SignalFd::with_flags(watched, SfdFlags::SFD_CLOEXEC).map_err(Error::system("cannot watch for signals"))?;
    keep_only(&signals, above);
    loop {
        let Ok(Some(received)) = signals.read_signal() else { continue };
        let number = received.ssi_signo.cast_signed();
        if number == libc::SIGCHLD {
            while let Some(status) = changed(child) {
                act(status, child, above);
            }
            continue;
        }
        match above {
            // Marked, so that the keeper can tell: the program has got it already if it is in the terminal's group.
            None if received.ssi_code == libc::SI_KERNEL && by_terminal(number) => {
                sys::queue(child, number, BY_TERMINAL);
            }
            Some(_)
                if received.ssi_code == libc::SI_QUEUE
                    && received.ssi_int == BY_TERMINAL
                    && is_in_group_of_parent(child) => {}
            _ => sys::kill(child, number),
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

fn has_terminal() -> bool {
    let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    // tty(4): there is none to open. Any other failure says nothing about it.
    !matches!(rustix::fs::open("/dev/tty", flags, Mode::empty()), Err(rustix::io::Errno::NXIO))
}

/// While the program runs, its parents hold no descriptor that was opened for joining, or inherited.
fn keep_only(signals: &SignalFd, above: Option<&Leash>) {
    let parent = above.and_then(|leash| leash.parent.as_ref()).map(AsRawFd::as_raw_fd);
    let mut kept: Vec<_> = std::iter::once(signals.as_fd().as_raw_fd()).chain(parent).collect();
    kept.sort_unstable();
    // Their owners lie in frames that are never returned to: this process waits, then exits.
    sys::close_all_but(&kept);
}

/// What became of the child, if anything did. All others are reaped on the way: a program can make its own threads
/// children of its parent, by PTRACE_TRACEME, and ends only when those are gone.
fn changed(child: Pid) -> Option<WaitStatus> {
    let all = WaitOptions::from_bits_retain(libc::__WALL.cast_unsigned());
    loop {
        match wait(all | WaitOptions::NOHANG | WaitOptions::UNTRACED | WaitOptions::CONTINUED) {
            Ok(Some((pid, status))) if pid == child => return Some(status),
            Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
            Ok(None) => return None,
            Err(_) => std::process::exit(LOST),
        }
    }
}

fn act(status: WaitStatus, child: Pid, above: Option<&Leash>) {
    let ended = status.exit_status().is_some() || status.terminating_signal().is_some();
    // Somebody else may have continued or killed a program that was stopped, or the caller have been continued before it
    // was stopped itself.
    if let (true, Some(above)) = (ended || status.continued(), above) {
        above.signal_parent(Signal::SIGCONT);
    }
    if let Some(code) = status.exit_status() {
        std::process::exit(code);
    }
    if let Some(number) = status.terminating_signal() {
        // Without a second core dump.
        let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
        let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
        sys::die_by(number);
        // It does not kill this process, though it killed the child.
        std::process::exit(128 + number);
    }
    if status.stopped() {
        match above {
            Some(above) => above.signal_parent(Signal::SIGSTOP),
            None => {
                let _ = signal::raise(Signal::SIGSTOP);
                sys::kill(child, libc::SIGCONT);
            }
        }
    }
}
