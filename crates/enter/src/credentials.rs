//! User, groups and capabilities of the program: the last thing before exec, since they take away the right to do
//! anything else. Which ones are asked for is said by the plan.

use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;
use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};
use rustix::fs::{AtFlags, OFlags};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{CapabilitySet, configure_capability_in_ambient_set};

use crate::opened::Opened;
use crate::plan::{Id, Plan};
use crate::{Error, confine};

/// Lets no process of the container look into this one. A program can be looked into again, since exec resets it.
pub(crate) fn hide() -> Result<(), Error> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(Error::system("cannot hide from the container"))
}

/// Drops the supplementary groups where the caller may; inside of the user namespace it is tried again.
pub(crate) fn drop_groups_before_joining() {
    let _ = setgroups(&[]);
}

/// Who was asked for by number, or by following the target.
pub(crate) struct Asked {
    pub(crate) user: Option<u32>,
    pub(crate) group: Option<u32>,
}

/// What the plan says, as numbers.
pub(crate) fn asked(plan: &Plan, opened: &Opened) -> Result<Asked, Error> {
    let (owner, group) = match &opened.folder {
        None => (0, 0),
        Some(folder) => {
            let found = rustix::fs::fstat(folder).map_err(Error::system("cannot look at the target"))?;
            // What a process leaves behind belongs to root, so it has to be there still.
            rustix::fs::statat(folder, "comm", AtFlags::empty()).map_err(|_| Error::NoProcess(opened.pid()))?;
            (found.st_uid, found.st_gid)
        }
    };
    let number = |id: Option<Id>, follow: u32| match id? {
        Id::Number(number) => Some(number),
        Id::Follow => Some(follow),
    };
    let wanted = &plan.credentials;
    Ok(Asked { user: number(wanted.user, owner), group: number(wanted.group, group) })
}

/// Takes on what the plan says. Joining a user namespace means user and group 0 there, unless said otherwise.
pub(crate) fn apply(plan: &Plan, opened: &Opened) -> Result<(), Error> {
    let wanted = &plan.credentials;
    let default = (opened.user && !wanted.preserve).then_some(0);
    let asked = asked(plan, opened)?;
    if let Some(gid) = asked.group.or(default) {
        set_groups(&[], opened)?;
        setgid(Gid::from_raw(gid)).map_err(Error::system("cannot set the group"))?;
    }
    if let Some(uid) = asked.user.or(default) {
        setuid(Uid::from_raw(uid)).map_err(Error::system("cannot set the user"))?;
    }
    if wanted.keep_capabilities && opened.user {
        keep_capabilities()?;
    }
    // Where fs.suid_dumpable says so, the kernel has just undone it.
    hide()
}

/// The supplementary groups; none drops them.
pub(crate) fn set_groups(groups: &[Gid], opened: &Opened) -> Result<(), Error> {
    match setgroups(groups) {
        // Nobody can set groups in a namespace that its owner made without privilege: user_namespaces(7).
        Err(Errno::EPERM) if setgroups_denied(opened) => {
            log::info!("setgroups is denied here, groups are kept");
            Ok(())
        }
        other => other.map_err(Error::system(match groups {
            [] => "cannot drop the supplementary groups",
            _ => "cannot set the supplementary groups",
        })),
    }
}

/// Asked of the host's `/proc`: the container's could say anything.
fn setgroups_denied(opened: &Opened) -> bool {
    let Some(proc) = &opened.proc else { return false };
    let file = confine::open_own(proc.as_fd(), Path::new("setgroups"), OFlags::RDONLY);
    let mut text = [0; 16];
    let read = file.and_then(|file| rustix::io::read(&file, &mut text));
    read.is_ok_and(|length| text[..length].starts_with(b"deny"))
}

/// Permitted capabilities become inheritable and ambient, so that exec leaves them to a program of any user.
pub(crate) fn keep_capabilities() -> Result<(), Error> {
    const WHAT: &str = "cannot keep the capabilities";
    let mut sets = rustix::thread::capabilities(None).map_err(Error::system(WHAT))?;
    sets.inheritable = sets.permitted;
    rustix::thread::set_capabilities(None, sets).map_err(Error::system(WHAT))?;
    for capability in sets.permitted.iter() {
        // A kernel knows fewer of them than this library, or more: what it does not know cannot be kept.
        match configure_capability_in_ambient_set(capability, true) {
            Ok(()) | Err(rustix::io::Errno::INVAL) => {}
            Err(errno) => return Err(Error::system(WHAT)(errno)),
        }
    }
    log::info!("kept {} capabilities", CapabilitySet::iter(&sets.permitted).count());
    Ok(())
}
