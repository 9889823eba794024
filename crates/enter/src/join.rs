//! setns(2), in the kernel's order: one thread, two passes, root and working directory after. Opening does not belong
//! here, and nothing here looks up a path on the host's side.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use rustix::fs::{Mode, OFlags};
use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};

use crate::error::Failure;
use crate::opened::{Held, Opened, open_the_rest};
use crate::plan::{Plan, WorkingDirectory};
use crate::{Error, Namespace, credentials, inside, sys};

/// Joins everything that is held.
pub(crate) fn join(plan: &Plan, opened: &mut Opened) -> Result<(), Error> {
    // A container's process may look at a newcomer whose ids and capabilities are not more than its own, as long as
    // it can be dumped: CVE-2016-9962.
    credentials::hide()?;
    if opened.user && !plan.credentials.preserve {
        credentials::drop_groups_before_joining();
    }
    // With privilege, the user namespace is joined last: it may be the one that takes the privilege away. Without, it
    // is joined first, since it gives the privilege for the others.
    pass(opened, |namespace| namespace != Namespace::User, Errors::AreForLater)?;
    pass(opened, |_| true, Errors::Count)?;
    change_root(opened)?;
    change_directory(plan, opened)
}

/// What a pass does with a namespace that cannot be joined.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Errors {
    /// Leave it to the next pass.
    AreForLater,
    /// Report it.
    Count,
}

fn pass(opened: &mut Opened, select: impl Fn(Namespace) -> bool, errors: Errors) -> Result<(), Error> {
    let mut together = ThreadNameSpaceType::empty();
    for held in opened.namespaces.iter().filter(|held| held.file.is_none() && select(held.namespace)) {
        together |= held.namespace.flag();
    }
    if !together.is_empty() {
        match through_pidfd(opened, together) {
            Ok(()) => {
                let joined = |held: &mut Held| held.file.is_none() && select(held.namespace);
                let joined: Vec<_> = opened.namespaces.extract_if(.., joined).collect();
                joined.iter().for_each(|held| opened.has_joined(held));
            }
            // A kernel that takes no pidfd (before 5.8) says EINVAL, to the first call. Later on /proc may be the
            // container's.
            Err(Errno::EINVAL) if !opened.entered_files => open_the_rest(opened)?,
            Err(_) if errors == Errors::AreForLater => {}
            Err(_) => one_by_one(opened)?,
        }
    }
    for held in std::mem::take(&mut opened.namespaces) {
        let Some(file) = held.file.as_ref().filter(|_| select(held.namespace)) else {
            opened.namespaces.push(held);
            continue;
        };
        match move_into_thread_name_spaces(file.as_fd(), held.namespace.flag()) {
            Ok(()) => opened.has_joined(&held),
            Err(_) if held.already_ours => {}
            Err(_) if errors == Errors::AreForLater => opened.namespaces.push(held),
            Err(errno) => return Err(failed(&held, Failure::from(errno).0)),
        }
    }
    Ok(())
}

fn through_pidfd(opened: &Opened, namespaces: ThreadNameSpaceType) -> Result<(), Errno> {
    let process = opened.process.as_ref();
    let pidfd = process.and_then(|process| process.pidfd.as_ref()).ok_or(Errno::EINVAL)?;
    move_into_thread_name_spaces(pidfd.as_fd(), namespaces).map_err(|errno| Failure::from(errno).0)
}

/// All together failed: finds out which, so that it can be named.
fn one_by_one(opened: &mut Opened) -> Result<(), Error> {
    for held in std::mem::take(&mut opened.namespaces) {
        if held.file.is_some() {
            opened.namespaces.push(held);
            continue;
        }
        match through_pidfd(opened, held.namespace.flag()) {
            Ok(()) => opened.has_joined(&held),
            Err(_) if held.already_ours => {}
            Err(Errno::ESRCH) => return Err(Error::NoProcess(opened.pid())),
            Err(errno) => return Err(failed(&held, errno)),
        }
    }
    Ok(())
}

fn failed(held: &Held, errno: Errno) -> Error {
    // The kernel gives the same number for a namespace of another kind and for our own user namespace.
    if errno == Errno::EINVAL {
        let kind = held.file.as_ref().and_then(|file| sys::kind_of_namespace(file.as_fd()).ok());
        if kind.is_some_and(|kind| kind != held.namespace.flag().bits()) {
            return Error::WrongKind { path: held.origin.clone().into(), wanted: held.namespace.name() };
        }
        if held.namespace == Namespace::User {
            return Error::AlreadyInUser(held.origin.clone());
        }
    }
    Error::Join { namespace: held.namespace.name(), origin: held.origin.clone(), errno }
}

fn change_root(opened: &mut Opened) -> Result<(), Error> {
    let Some(root) = opened.root.take() else { return Ok(()) };
    rustix::process::fchdir(&root).map_err(Error::system("cannot enter the new root"))?;
    rustix::process::chroot(".").map_err(Error::system("cannot change root"))?;
    opened.entered_files = true;
    // Nothing outside of the new root stays within reach: nsenter goes back to the working directory it had.
    rustix::process::chdir("/").map_err(Error::system("cannot enter the new root"))
}

fn change_directory(plan: &Plan, opened: &mut Opened) -> Result<(), Error> {
    if let Some(WorkingDirectory::Inside(path)) = &plan.working_directory {
        let changed = match opened.entered_files {
            true => folder_inside(path).and_then(rustix::process::fchdir),
            false => rustix::process::chdir(path),
        };
        return changed.map_err(|errno| Error::Open { path: path.clone(), errno: Failure::from(errno).0 });
    }
    match opened.working_directory.take() {
        Some(folder) => {
            rustix::process::fchdir(&folder).map_err(Error::system("cannot change to the working directory"))
        }
        None => Ok(()),
    }
}

/// A folder of the container: no link of its procfs leads out to another root.
fn folder_inside(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open("/", flags, Mode::empty())?;
    inside::open(root.as_fd(), path, flags)
}
