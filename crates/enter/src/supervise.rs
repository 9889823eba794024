//! The processes between the caller and the program: who forks whom, and what ties each to the one above. What they do
//! while the program runs is in `supervise/attend.rs`; joining does not belong here.
//!
//! The caller's own process is the one that a shell controls: it stops when the program stops, and serves the program's
//! streams where they are relayed. Where a pid namespace is joined, its child, the keeper, stays outside of it and never
//! stops, so that the program is always reaped: an unreaped zombie would hold the container's pid namespace. Whichever
//! is killed takes those below along.
//!
//! Where the container's own programs run, a container whose processes may trace any other (CAP_SYS_PTRACE) must not meet
//! one of ours that has more rights than its own. So the keeper joins nothing and forks the setter, which joins
//! everything, confines itself as the program is to be, and only then makes the program: by CLONE_PARENT, as a child of
//! the keeper. A pid namespace applies to children only, so that the setter is outside of it all the while, and what is
//! born inside never had more rights than the container's programs have. (Were the setter its parent, the namespace's
//! init process would inherit the program when the setter ends, and we could neither wait for it nor die with it.)
//!
//! Process groups know no pid namespaces: a program's `kill(0, …)` reaches every process of its group, on the host too.
//! So the keeper has a group of its own, and the program has one, or a whole session, unless it shares the caller's
//! terminal, whose job control needs it in the caller's group.

mod attend;

use std::cell::Cell;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::signal::{self, SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal};
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, PidfdFlags};

use crate::cgroup::Cgroups;
use crate::relay::Relay;
use crate::stdio::Stdio;
use crate::{Error, sys};

/// Our exit status where parent and child have lost each other; nobody is there to see it, as a rule.
const LOST: i32 = 125;

/// How the program stands to the caller's terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Session {
    /// In the caller's session and group, whose terminal it shares.
    Shared,
    /// In the caller's session, which has no terminal, and in a group of its own.
    Group,
    /// In a session of its own without a terminal.
    Own,
    /// In a session of its own whose terminal is standard input.
    Terminal,
}

impl Session {
    /// That of a program whose streams are the caller's.
    pub(crate) fn inherited() -> Self {
        if has_terminal() { Self::Shared } else { Self::Group }
    }

    /// Whether what the caller's terminal does to its foreground group never reaches the program by itself.
    fn is_apart(self) -> bool {
        matches!(self, Self::Own | Self::Terminal)
    }

    /// Begins it, in the program.
    fn begin(self) -> Result<(), Error> {
        match self {
            Self::Shared => Ok(()),
            Self::Group => rustix::process::setpgid(None, None).map_err(Error::system("cannot make a process group")),
            Self::Own | Self::Terminal => {
                rustix::process::setsid().map_err(Error::system("cannot begin a session"))?;
                match self {
                    Self::Terminal => rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())
                        .map_err(Error::system("cannot take the pseudo-terminal")),
                    _ => Ok(()),
                }
            }
        }
    }
}

/// Whether this process has a controlling terminal.
pub(crate) fn has_terminal() -> bool {
    let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    // tty(4): there is none to open. Any other failure says nothing about it.
    !matches!(rustix::fs::open("/dev/tty", flags, Mode::empty()), Err(rustix::io::Errno::NXIO))
}

/// What ties a child to its parent.
#[derive(Debug)]
pub(crate) struct Leash {
    /// Hangs up when the parent ends. Not its pidfd: by that, who may trace us could reach for the parent's descriptors.
    line: OwnedFd,
    /// The caller, which the keeper stops and continues; nothing on a kernel without pidfds, or in a program.
    caller: Option<OwnedFd>,
    session: Session,
}

impl Leash {
    /// Asks the kernel to kill this process when its parent ends. To be said again after each change of credentials,
    /// which makes the kernel forget it: PR_SET_PDEATHSIG(2const).
    pub(crate) fn tie(&self) -> Result<(), Error> {
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
            .map_err(Error::system("cannot tie the program to cnsenter"))?;
        let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut line = [PollFd::new(&self.line, PollFlags::IN)];
        if rustix::event::poll(&mut line, Some(&now)).is_ok_and(|ended| ended > 0) {
            // It ended before the kernel was asked, and nobody is left to tell.
            std::process::exit(LOST);
        }
        Ok(())
    }

    /// The last step of a program before it is one.
    pub(crate) fn begin(&self) -> Result<(), Error> {
        self.session.begin()?;
        self.tie()
    }
}

/// Who forks.
#[derive(Debug)]
pub(crate) enum Parent {
    /// The process that a shell controls.
    Caller {
        /// What it serves while the program runs.
        relay: Option<Relay>,
        /// Whether its child is a keeper, and not the program itself.
        above_keeper: bool,
    },
    /// The one that reaps the program, on its leash.
    Keeper(Leash),
}

/// Forks, and returns in the child only, tied to the parent by the leash. The parent waits, and ends as the child does.
pub(crate) fn fork(parent: Parent, session: Session) -> Result<Leash, Error> {
    fork_by(parent, session, None, sys::fork)
}

/// Forks, with whatever system call does it. `setting` is for the keeper of a setter.
fn fork_by(
    parent: Parent,
    session: Session,
    setting: Option<Setting<'_>>,
    forks: impl FnOnce() -> Result<Option<Pid>, Errno>,
) -> Result<Leash, Error> {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: no handler is installed, a disposition that the caller may have left at "ignore" becomes the default one:
    // children that are ignored cannot be waited for.
    unsafe { signal::sigaction(Signal::SIGCHLD, &default) }.map_err(Error::system("cannot watch for the program"))?;
    // Before the fork, so that no signal falls between.
    let mut before = SigSet::empty();
    let watched = attend::watched_signals();
    signal::sigprocmask(SigmaskHow::SIG_BLOCK, Some(&watched), Some(&mut before))
        .map_err(Error::system("cannot hold signals"))?;
    let (line, end) = pipe()?;
    let is_caller = matches!(parent, Parent::Caller { .. });
    let own = || rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty()).ok();
    let caller = if is_caller { own() } else { None };
    let forked = forks().map_err(|errno| match errno {
        // fork(2): the init process of the pid namespace has ended.
        Errno::ENOMEM if !is_caller => Error::PidNamespaceEnded,
        _ => Error::system("cannot fork")(errno),
    })?;
    match forked {
        Some(child) => {
            if !is_caller {
                // Before the program may run, and be able to stop its group.
                let _ = rustix::process::setpgid(None, None);
            }
            drop(line);
            let _ = rustix::io::write(&end, &[0]);
            Err(attend::attend(child, parent, session, &watched, end, setting)?)
        }
        None => {
            drop((end, parent, setting));
            if rustix::io::read(&line, &mut [0; 1]) != Ok(1) {
                std::process::exit(LOST);
            }
            signal::sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None)
                .map_err(Error::system("cannot release signals"))?;
            let leash = Leash { line, caller, session };
            leash.tie()?;
            Ok(leash)
        }
    }
}

fn pipe() -> Result<(OwnedFd, OwnedFd), Error> {
    rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(Error::system("cannot make a pipe"))
}

/// The process that joins and confines itself outside of the pid namespace, to make the program inside.
#[derive(Debug)]
pub(crate) struct Setter {
    leash: Leash,
    report: OwnedFd,
    /// Whether the keeper moves the program into its cgroups, and not the setter itself.
    is_outside: bool,
}

/// What the keeper has to do with a setter.
#[derive(Debug)]
struct Setting<'a> {
    /// Where the setter says whom it has made.
    report: OwnedFd,
    /// Into which the program is to be moved, before it may go on.
    cgroups: Option<&'a Cgroups>,
}

impl Setter {
    /// Forks it off the keeper, and returns in it, in the container's cgroups; where these are full, outside of them.
    pub(crate) fn fork(keeper: Leash, session: Session, cgroups: &Cgroups) -> Result<Self, Error> {
        let (read, report) = pipe()?;
        let is_outside = cgroups.are_full();
        let born_there = Cell::new(false);
        let forks = || match cgroups.v2() {
            Some(folder) if !is_outside => {
                born_there.set(true);
                sys::fork_into(folder).or_else(|_| {
                    // Before Linux 5.7, or a cgroup that gets processes by moving only.
                    born_there.set(false);
                    sys::fork()
                })
            }
            _ => sys::fork(),
        };
        let setting = Setting { report: read, cgroups: is_outside.then_some(cgroups) };
        let leash = fork_by(Parent::Keeper(keeper), session, Some(setting), forks)?;
        if !is_outside {
            cgroups.join_v1()?;
            if !born_there.get() {
                cgroups.join_v2()?;
            }
        }
        Ok(Self { leash, report, is_outside })
    }

    /// Closes what the program is not to be born with: by what is open, who may trace it could get out.
    pub(crate) fn keep_only(&self, stdio: &Stdio) {
        let mut kept = stdio.descriptors();
        kept.extend([self.leash.line.as_raw_fd(), self.report.as_raw_fd()]);
        kept.sort_unstable();
        // Their owners have been dropped, or belong to the library, which uses none of them.
        sys::close_all_but(&kept);
    }

    /// Makes the program, and returns in it only. From here on every system call passes the container's filter.
    pub(crate) fn bear(self) -> Result<Leash, Error> {
        let mut before = SigSet::empty();
        // A signal to the setter must not keep the keeper from learning who the program is.
        signal::sigprocmask(SigmaskHow::SIG_BLOCK, Some(&SigSet::all()), Some(&mut before))
            .map_err(Error::system("cannot hold signals"))?;
        match sys::fork_for_parent() {
            Ok(None) => {
                signal::sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None)
                    .map_err(Error::system("cannot release signals"))?;
                if self.is_outside && rustix::io::read(&self.leash.line, &mut [0; 1]) != Ok(1) {
                    std::process::exit(LOST);
                }
                Ok(self.leash)
            }
            Ok(Some(program)) => {
                let number = program.as_raw_nonzero().get().to_ne_bytes();
                let written = rustix::io::write(&self.report, &number);
                std::process::exit(if written == Ok(number.len()) { 0 } else { LOST });
            }
            Err(Errno::ENOMEM) => Err(Error::PidNamespaceEnded),
            Err(Errno::EAGAIN) => Err(Error::system("a limit forbids another process there")(Errno::EAGAIN)),
            Err(errno) => Err(Error::Filtered { call: "clone", errno }),
        }
    }
}
