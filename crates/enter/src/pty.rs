//! The program's pseudo-terminal and the caller's terminal: opened, sized, in raw mode while the program runs, and as it
//! was afterwards. What is copied between the two belongs in `relay.rs`.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;

use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::pty::OpenptFlags;
use rustix::termios::{InputModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

use crate::{Error, inside};

/// statfs(2) magic of devpts.
const DEVPTS_MAGIC: i64 = 0x1cd1;
/// The device that makes a new pseudo-terminal each time it is opened, pts(4).
const MULTIPLEXER: (u32, u32) = (5, 2);

/// How it is opened.
const MASTER: OFlags = OFlags::RDWR.union(OFlags::NOCTTY).union(OFlags::NONBLOCK);

/// Both sides of a new pseudo-terminal.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) master: OwnedFd,
    pub(crate) slave: OwnedFd,
}

impl Pair {
    /// Of the devpts that is mounted beneath this root, so that the name which tty(1) prints is there; without one, of
    /// the host's.
    pub(crate) fn open(root: Option<BorrowedFd<'_>>, notices: &mut Vec<String>) -> Result<Self, Error> {
        const WHAT: &str = "cannot make a pseudo-terminal";
        let inside =
            root.and_then(|root| ["dev/ptmx", "dev/pts/ptmx"].iter().find_map(|path| open_beneath(root, path)));
        let master = match inside {
            Some(master) => master,
            None => {
                if root.is_some() {
                    notices.push("no /dev/pts is mounted inside: the terminal is one of the host's".to_owned());
                }
                rustix::fs::open("/dev/ptmx", MASTER | OFlags::CLOEXEC, Mode::empty()).map_err(Error::system(WHAT))?
            }
        };
        rustix::pty::unlockpt(&master).map_err(Error::system(WHAT))?;
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        // By the descriptor: no path of the container's is looked up.
        let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags).map_err(Error::system(WHAT))?;
        Ok(Self { master, slave })
    }

    pub(crate) fn descriptors(&self) -> [RawFd; 2] {
        [self.master.as_raw_fd(), self.slave.as_raw_fd()]
    }
}

/// A container may have anything under this name, and opening a device can do things. So it is looked at first.
fn open_beneath(root: BorrowedFd<'_>, path: &str) -> Option<OwnedFd> {
    let found = inside::open(root, Path::new(path), OFlags::PATH).ok()?;
    let (status, system) = (rustix::fs::fstat(&found).ok()?, rustix::fs::fstatfs(&found).ok()?);
    let device = (rustix::fs::major(status.st_rdev), rustix::fs::minor(status.st_rdev));
    let is_multiplexer = FileType::from_raw_mode(status.st_mode) == FileType::CharacterDevice
        && device == MULTIPLEXER
        && system.f_type == DEVPTS_MAGIC;
    is_multiplexer.then(|| inside::reopen(&found, MASTER))?
}

/// The caller's terminal and the master of the program's.
#[derive(Debug)]
pub(crate) struct Terminal {
    /// The caller's, and its modes before; nothing where its input is something else.
    caller: Option<(OwnedFd, Termios)>,
    master: OwnedFd,
    /// Held, so that a program that closes all of its own can open its terminal again.
    slave: OwnedFd,
    /// Whether the program is there.
    begun: bool,
}

impl Terminal {
    /// The program's terminal becomes as large as the caller's, and as that one has it with UTF-8.
    pub(crate) fn new(caller: Option<OwnedFd>, pair: Pair) -> Self {
        let caller = caller.and_then(|terminal| tcgetattr(&terminal).ok().map(|modes| (terminal, modes)));
        let Pair { master, slave } = pair;
        if let (Some((_, theirs)), Ok(mut modes)) = (&caller, tcgetattr(&slave)) {
            modes.input_modes.set(InputModes::IUTF8, theirs.input_modes.contains(InputModes::IUTF8));
            let _ = tcsetattr(&slave, OptionalActions::Now, &modes);
        }
        let terminal = Self { caller, master, slave, begun: false };
        terminal.resize();
        terminal
    }

    pub(crate) fn descriptors(&self) -> Vec<RawFd> {
        let caller = self.caller.iter().map(|(terminal, _)| terminal.as_raw_fd());
        caller.chain([self.master.as_raw_fd(), self.slave.as_raw_fd()]).collect()
    }

    /// Whether the program is there.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun
    }

    /// The program is there: from now on every key is for it. Who is in the background waits here until it is brought to
    /// the foreground, stopped as the kernel stops whoever changes a terminal from there.
    pub(crate) fn begin(&mut self) {
        self.begun = true;
        if let Some((terminal, modes)) = &self.caller {
            let mut raw = modes.clone();
            raw.make_raw();
            set_from_foreground(terminal.as_fd(), &raw);
        }
        self.resize();
    }

    /// The caller's terminal as it was.
    pub(crate) fn restore(&mut self) {
        if let (true, Some((terminal, modes))) = (self.begun, &self.caller) {
            let _ = tcsetattr(terminal, OptionalActions::Now, modes);
        }
    }

    /// The size of the caller's terminal.
    pub(crate) fn resize(&self) {
        let Some((terminal, _)) = &self.caller else { return };
        if let Ok(size) = rustix::termios::tcgetwinsize(terminal) {
            let _ = rustix::termios::tcsetwinsize(&self.master, size);
        }
    }

    /// The character that says that there is no more input; nothing where the input is a terminal, whose end is that of
    /// everything.
    pub(crate) fn end_of_input(&self) -> Option<u8> {
        let modes = || tcgetattr(&self.slave).ok();
        match self.caller {
            Some(_) => None,
            None => Some(modes().map_or(4, |modes| modes.special_codes[SpecialCodeIndex::VEOF])),
        }
    }
}

/// Sets a terminal's modes. SIGTTOU is let through, which stops who is in the background until it is not; and so is what
/// ends who is stopped there, since nobody reads signals meanwhile.
fn set_from_foreground(terminal: BorrowedFd<'_>, modes: &Termios) {
    let mut through = SigSet::from(Signal::SIGTTOU);
    if rustix::termios::tcgetpgrp(terminal).is_ok_and(|group| group != rustix::process::getpgrp()) {
        through.extend([Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM]);
    }
    let _ = sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&through), None);
    while tcsetattr(terminal, OptionalActions::Now, modes) == Err(rustix::io::Errno::INTR) {}
    let _ = sigprocmask(SigmaskHow::SIG_BLOCK, Some(&through), None);
}
