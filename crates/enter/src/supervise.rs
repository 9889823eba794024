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

/// Our exit status where something was lost: parent and child each other, when nobody is there to see it, as a rule; or
/// what a program without errors has written.
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

    /// Waits for the parent's word.
    fn wait(&self) {
        if rustix::io::read(&self.line, &mut [0; 1]) != Ok(1) {
            std::process::exit(LOST);
        }
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
    match fork_by(parent, session, None, sys::fork)? {
        Forked::Child(leash) => Ok(leash),
        Forked::AtLimit(_) => Err(Error::system("cannot fork")(Errno::EAGAIN)),
    }
}

/// How a fork returns.
enum Forked {
    /// In the child.
    Child(Leash),
    /// In the keeper, on its own leash: the container has as many processes as it may have.
    AtLimit(Leash),
}

/// Forks, with whatever system call does it. `setter` is what the keeper needs to make a program through one.
fn fork_by(
    parent: Parent,
    session: Session,
    setter: Option<attend::Making<'_>>,
    forks: impl FnOnce() -> Result<Option<Pid>, Errno>,
) -> Result<Forked, Error> {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: no handler is installed, a disposition that the caller may have left at "ignore" becomes the default one:
    // children that are ignored cannot be waited for.
    unsafe { signal::sigaction(Signal::SIGCHLD, &default) }.map_err(Error::system("cannot watch for the program"))?;
    // Before the fork, so that no signal falls between.
    let mut before = SigSet::empty();
    let watched = attend::watched_signals();
    signal::sigprocmask(SigmaskHow::SIG_BLOCK, Some(&watched), Some(&mut before))
        .map_err(Error::system("cannot hold signals"))?;
    let release = || {
        signal::sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None)
            .map_err(Error::system("cannot release signals"))
    };
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
            let leash = attend::attend(child, parent, session, &watched, end, setter)?;
            release()?;
            Ok(Forked::AtLimit(leash))
        }
        None => {
            drop((end, parent, setter));
            let leash = Leash { line, caller, session };
            leash.wait();
            release()?;
            leash.tie()?;
            Ok(Forked::Child(leash))
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
    /// Whether it is in the container's cgroups, and the program will be.
    inside: bool,
}

impl Setter {
    /// Forks it off the keeper, and returns in it, in the container's cgroups. Where these are full (pids.max), it stays
    /// outside of them at a second try, and the keeper moves the program: that is always allowed.
    pub(crate) fn fork(mut keeper: Leash, session: Session, cgroups: &Cgroups) -> Result<Self, Error> {
        for inside in [true, false] {
            // The keeper reads what is there when the setter has ended, and is a writer itself until then.
            let flags = PipeFlags::CLOEXEC | PipeFlags::NONBLOCK;
            let (read, report) = rustix::pipe::pipe_with(flags).map_err(Error::system("cannot make a pipe"))?;
            let born_there = Cell::new(false);
            let forks = || match cgroups.v2().filter(|_| inside) {
                Some(folder) => {
                    born_there.set(true);
                    sys::fork_into(folder).or_else(|_| {
                        // Before Linux 5.7, or a cgroup that is full, or gets processes by moving only.
                        born_there.set(false);
                        sys::fork()
                    })
                }
                None => sys::fork(),
            };
            let making = attend::Making { report: read, moves: (!inside).then_some(cgroups) };
            match fork_by(Parent::Keeper(keeper), session, Some(making), forks)? {
                Forked::AtLimit(own) => keeper = own,
                Forked::Child(leash) => {
                    if inside {
                        cgroups.join_v1()?;
                        if !born_there.get() {
                            cgroups.join_v2()?;
                        }
                    }
                    return Ok(Self { leash, report, inside });
                }
            }
        }
        Err(Error::system("cannot fork")(Errno::EAGAIN))
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
        let tell = |number: i32| {
            let number = number.to_ne_bytes();
            let written = rustix::io::write(&self.report, &number);
            std::process::exit(if written == Ok(number.len()) { 0 } else { LOST });
        };
        match sys::fork_for_parent() {
            Ok(None) => {
                signal::sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None)
                    .map_err(Error::system("cannot release signals"))?;
                if !self.inside {
                    // Until it has been moved.
                    self.leash.wait();
                }
                Ok(self.leash)
            }
            Ok(Some(program)) => tell(program.as_raw_nonzero().get()),
            Err(Errno::EAGAIN) if self.inside => tell(attend::AT_LIMIT),
            Err(Errno::ENOMEM) => Err(Error::PidNamespaceEnded),
            Err(errno @ Errno::EAGAIN) => Err(Error::system("cannot fork")(errno)),
            Err(errno) => Err(Error::Filtered { call: "clone", errno }),
        }
    }
}
