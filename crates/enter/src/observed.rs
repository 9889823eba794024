//! A process that is looked at and not joined: held and proven as a target is, so that what was read of it by path is its
//! own as long as it is there afterwards. What is opened for joining belongs in `opened.rs`.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use crate::accounts::{Accounts, Ids};
use crate::label::Label;
use crate::patience::patiently;
use crate::status::{self, Status};
use crate::target::Process;
use crate::{Error, Target, inside};

/// A process that is held.
#[derive(Debug)]
pub struct Observed(Process);

impl Observed {
    /// Holds the process first, then checks that it is the one that was meant.
    ///
    /// # Errors
    /// [`Error::NoProcess`] where it has ended, [`Error::Impostor`] where the pid is another's by now.
    pub fn hold(target: &Target) -> Result<Self, Error> {
        Process::open(target).map(Self)
    }

    /// Fails once it has ended: what was read of it by path before a success is its own.
    ///
    /// # Errors
    /// [`Error::NoProcess`].
    pub fn still_there(&self) -> Result<(), Error> {
        self.0.still_there()
    }

    /// What it is and may do, proc_pid_status(5).
    ///
    /// # Errors
    /// [`Error::Open`] where it is not ours to look at.
    pub fn status(&self) -> Result<Status, Error> {
        Status::of(&self.0)
    }

    /// The same user and groups, as its own user namespace has them.
    ///
    /// # Errors
    /// [`Error::Open`] where it is not ours to look at.
    pub fn inside(&self, ids: &Ids) -> Result<Ids, Error> {
        status::as_inside(ids, &self.0)
    }

    /// What its AppArmor or SELinux label is; nothing where it has none.
    pub fn label(&self) -> Option<String> {
        Label::of_target(&self.0).map(Label::text)
    }

    /// Reads a regular file of its own, beneath its root, of at most `largest` bytes: no link leads out, nothing hangs.
    ///
    /// # Errors
    /// The system's own: EFBIG for a larger one, EINVAL for what is no file, and [`io::ErrorKind::TimedOut`].
    pub fn file(&self, path: &Path, largest: u64) -> io::Result<Vec<u8>> {
        let root = self.root()?;
        patiently(|| inside::read(root.as_fd(), path, largest))
    }

    /// What its own passwd(5) calls a user.
    pub fn name_of(&self, uid: u32) -> Option<String> {
        let root = self.root().ok()?;
        let name = || Accounts::read(root.as_fd()).name_of(uid).unwrap_or_default();
        String::from_utf8(patiently(|| Ok(name().into_bytes())).ok()?).ok().filter(|name| !name.is_empty())
    }

    fn root(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(rustix::fs::open(self.0.path("root"), flags, Mode::empty())?)
    }
}
