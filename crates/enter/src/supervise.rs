//! The processes that wait while the program runs in a pid namespace: they pass signals on, stop when it stops, and
//! end the way it ends. Joining does not belong here.
//!
//! There are two. The caller's own process is the one that a shell controls: it stops when the program stops. Its
//! child, the keeper, joins the namespaces, forks the program and never stops, so that the program is always reaped.
//! Whichever is killed takes those below along.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{self, SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::process::{Pid, PidfdFlags, WaitOptions, WaitStatus, waitpid};

use crate::target::has_ended;
use crate::{Error, sys};

/// Our exit status where parent and child have lost each other; nobody is there to see it, as a rule.
const LOST: i32 = 125;

/// Which of the two waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The process that was started by a person or a shell.
    Caller,
    /// Its child, outside of the pid namespace.
    Keeper,
}

/// What ties a child to its parent.
#[derive(Debug)]
pub(crate) struct Leash {
    /// The parent; nothing on a kernel without pidfds.
    parent: Option<OwnedFd>,
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

    fn stop_parent(&self) {
        let _ = match &self.parent {
            Some(parent) => rustix::process::pidfd_send_signal(parent, rustix::process::Signal::STOP)
                .map_err(|errno| Errno::from_raw(errno.raw_os_error())),
            None => signal::kill(nix::unistd::getppid(), Signal::SIGSTOP),
        };
    }
}

/// Forks, and returns in the child only, tied to the parent by the leash. The parent waits, and ends as the child
/// does. `above` is what the keeper itself hangs on.
pub(crate) fn fork(role: Role, above: Option<&Leash>) -> Result<Leash, Error> {
    let own = rustix::process::getpid();
    let leash = Leash { parent: rustix::process::pidfd_open(own, PidfdFlags::empty()).ok() };
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: no handler is installed, a disposition that the caller may have left at "ignore" becomes the default one:
    // children that are ignored cannot be waited for.
    unsafe { signal::sigaction(Signal::SIGCHLD, &default) }.map_err(Error::system("cannot watch for the program"))?;
    // Before the fork, so that no signal falls between.
    let mut before = SigSet::empty();
    let watched = watched_signals();
    signal::sigprocmask(SigmaskHow::SIG_BLOCK, Some(&watched), Some(&mut before))
        .map_err(Error::system("cannot hold signals"))?;
    match sys::fork().map_err(Error::system("cannot fork"))? {
        Some(child) => wait(child, role, above, &watched),
        None => {
            signal::sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None)
                .map_err(Error::system("cannot release signals"))?;
            leash.tie()?;
            Ok(leash)
        }
    }
}

/// All that can be passed on: not those that mean a fault of our own, and not those by which a terminal stops a
/// background process that touches it.
fn watched_signals() -> SigSet {
    let mut watched = SigSet::all();
    for signal in [
        Signal::SIGSEGV,
        Signal::SIGBUS,
        Signal::SIGFPE,
        Signal::SIGILL,
        Signal::SIGTRAP,
        Signal::SIGSYS,
        Signal::SIGABRT,
        Signal::SIGTTIN,
        Signal::SIGTTOU,
    ] {
        watched.remove(signal);
    }
    watched
}

fn wait(child: Pid, role: Role, above: Option<&Leash>, watched: &SigSet) -> Result<Leash, Error> {
    let signals =
        SignalFd::with_flags(watched, SfdFlags::SFD_CLOEXEC).map_err(Error::system("cannot watch for signals"))?;
    keep_only(&signals, above);
    loop {
        let Ok(Some(received)) = signals.read_signal() else { continue };
        let number = received.ssi_signo.cast_signed();
        if number == libc::SIGCHLD {
            while let Some(status) = changed(child) {
                act(status, child, role, above);
            }
        } else if received.ssi_code != libc::SI_KERNEL {
            // What the terminal sends (Ctrl-C, Ctrl-Z, a new size) goes to the whole group, the program included.
            sys::kill(child, number);
        }
    }
}

/// While the program runs, its parents hold no descriptor that was opened for joining, or inherited.
fn keep_only(signals: &SignalFd, above: Option<&Leash>) {
    let parent = above.and_then(|leash| leash.parent.as_ref()).map(AsRawFd::as_raw_fd);
    let mut kept: Vec<_> = std::iter::once(signals.as_fd().as_raw_fd()).chain(parent).collect();
    kept.sort_unstable();
    sys::close_all_but(3, &kept);
}

fn changed(child: Pid) -> Option<WaitStatus> {
    match waitpid(Some(child), WaitOptions::NOHANG | WaitOptions::UNTRACED) {
        Ok(found) => found.map(|(_, status)| status),
        Err(rustix::io::Errno::INTR) => None,
        Err(_) => std::process::exit(LOST),
    }
}

fn act(status: WaitStatus, child: Pid, role: Role, above: Option<&Leash>) {
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
        match (role, above) {
            (Role::Keeper, Some(above)) => above.stop_parent(),
            (Role::Keeper | Role::Caller, _) => {
                let _ = signal::raise(Signal::SIGSTOP);
                sys::kill(child, libc::SIGCONT);
            }
        }
    }
}
