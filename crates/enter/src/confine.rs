//! Taking on a prepared identity: the last thing before the program, since it takes away the right to do anything else.
//! Looking it up belongs in `identity.rs`, what is asked for by number in `credentials.rs`.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::unistd::{Gid, Uid, setgid, setuid};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::stdio;
use rustix::thread::{self, CapabilitiesSecureBits, CapabilitySet, CapabilitySets};

use crate::error::Failure;
use crate::identity::{Capabilities, Prepared};
use crate::opened::Opened;
use crate::plan::{Plan, Streams};
use crate::sys::own;
use crate::{Error, credentials, limits};

/// What a process has whose ancestors never asked for another, in nanoseconds: PR_SET_TIMERSLACK(2const).
const TIMER_SLACK: u64 = 50_000;

/// Takes it on in runc's order: what needs privilege before the user is changed, the filter as late as it may be.
pub(crate) fn apply(prepared: &Prepared, plan: &Plan, opened: &Opened) -> Result<(), Error> {
    let rights = &prepared.rights;
    if let Some(label) = &rights.label {
        label.take(opened.proc.as_ref().ok_or(Error::NoProc)?.as_fd())?;
    }
    leave_the_keyring(prepared.keyring.as_deref())?;
    forget_the_caller(prepared.personality);
    if let Some(umask) = prepared.umask {
        rustix::process::umask(Mode::from_raw_mode(umask));
    }
    // Nothing is opened any more that a low limit could stop.
    prepared.limits.apply()?;
    if rights.no_new_privileges {
        thread::set_no_new_privs(true).map_err(Error::system("cannot give up new privileges"))?;
    } else {
        // To install it takes CAP_SYS_ADMIN, which is about to go.
        install_filter(prepared)?;
    }
    if let Some(sets) = &rights.capabilities {
        check(sets)?;
        bound(sets.bounding)?;
        keep_capabilities(true)?;
    }
    become_user(prepared, plan, opened)?;
    match &rights.capabilities {
        Some(sets) => {
            keep_capabilities(false)?;
            set(sets)?;
        }
        None => inherit_none()?,
    }
    if plan.credentials.keep_capabilities && opened.user {
        credentials::keep_capabilities()?;
    }
    // Where fs.suid_dumpable says so, the kernel has just undone it.
    credentials::hide()
}

/// What is left for the moment before exec: a filter that needs no privilege comes after every call that it may forbid.
pub(crate) fn finish(prepared: &Prepared) -> Result<(), Error> {
    match prepared.rights.no_new_privileges {
        true => install_filter(prepared),
        false => Ok(()),
    }
}

/// A file of this process, of the host's `/proc`: the container's could be anything.
pub(crate) fn open_own(proc: BorrowedFd<'_>, file: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(proc, Path::new("self").join(file), flags | OFlags::CLOEXEC, Mode::empty())
}

/// Scheduling as a daemon's children have it, whatever the caller's shell is niced to. Before joining, since it takes a
/// privilege of the host to be as important as others again; who lacks it stays as unimportant.
pub(crate) fn run_as_others_do() {
    tell("scheduler", own::reset_scheduler());
    if rustix::process::getpriority_process(None) != Ok(0) {
        tell("nice value", rustix::process::setpriority_process(None, 0));
    }
    tell("I/O priority", own::reset_io_priority());
}

/// What would remind the program of who called: all that exec hands on.
fn forget_the_caller(personality: u32) {
    own::ignore_no_signals();
    tell("signal mask", sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None));
    tell("processors", own::run_anywhere());
    tell("personality", own::set_personality(personality));
    if thread::current_timer_slack() != Ok(TIMER_SLACK) {
        tell("timer slack", thread::set_current_timer_slack(std::num::NonZeroU64::new(TIMER_SLACK)));
    }
    if thread::transparent_huge_pages_are_disabled() == Ok(true) {
        tell("huge pages", thread::disable_transparent_huge_pages(false));
    }
    if thread::capabilities_secure_bits().is_ok_and(|bits| !bits.is_empty()) {
        tell("secure bits", thread::set_capabilities_secure_bits(CapabilitiesSecureBits::empty()));
    }
}

fn tell<E: std::fmt::Display>(what: &str, done: Result<(), E>) {
    if let Err(error) = done {
        log::info!("the caller's {what} is kept: {error}");
    }
}

/// For a program of the container's that has no identity of it: the caller's keys and memory stay behind.
pub(crate) fn stand_apart() -> Result<(), Error> {
    leave_the_keyring(None)?;
    limits::forbid_cores().map_err(Error::system("cannot forbid core dumps"))
}

/// The keys of the caller's session are none of the container's.
fn leave_the_keyring(name: Option<&CStr>) -> Result<(), Error> {
    let joined = match own::join_session_keyring(name) {
        // The container's programs may have closed theirs.
        Err(Errno::EACCES | Errno::EKEYREVOKED | Errno::EKEYEXPIRED) if name.is_some() => {
            own::join_session_keyring(None)
        }
        joined => joined,
    };
    match joined {
        // A kernel without keys; or a filter, ours in a container, that keeps the program from them as well.
        Ok(()) | Err(Errno::ENOSYS | Errno::EPERM) => Ok(()),
        Err(errno) => Err(Error::system("cannot leave the caller's session keyring")(errno)),
    }
}

fn install_filter(prepared: &Prepared) -> Result<(), Error> {
    prepared.rights.filter.as_ref().map_or(Ok(()), crate::seccomp::Compiled::install)
}

fn become_user(prepared: &Prepared, plan: &Plan, opened: &Opened) -> Result<(), Error> {
    let asked = credentials::asked(plan, opened)?;
    let own = (!plan.credentials.preserve).then_some(&prepared.ids);
    let uid = asked.user.or(own.map(|ids| ids.uid));
    let gid = asked.group.or(own.map(|ids| ids.gid));
    if let Some(uid) = uid {
        own_the_streams(Uid::from_raw(uid), plan);
    }
    if let Some(gid) = gid {
        let groups = match (asked.group, own) {
            (None, Some(ids)) => ids.groups.iter().copied().map(Gid::from_raw).collect(),
            _ => Vec::new(),
        };
        credentials::set_groups(&groups, opened)?;
        setgid(Gid::from_raw(gid)).map_err(Error::system("cannot set the group"))?;
    }
    if let Some(uid) = uid {
        setuid(Uid::from_raw(uid)).map_err(Error::system("cannot set the user"))?;
    }
    Ok(())
}

/// The program may open its streams again under their names, as it may with the engines: pipes, and a terminal that is
/// its own. What belongs to the caller otherwise is left alone.
fn own_the_streams(uid: Uid, plan: &Plan) {
    let streams: [fn() -> BorrowedFd<'static>; 3] = [stdio::stdin, stdio::stdout, stdio::stderr];
    for stream in streams.map(|stream| stream()) {
        let Ok(found) = rustix::fs::fstat(stream) else { continue };
        let to_give = match FileType::from_raw_mode(found.st_mode) {
            FileType::Fifo => crate::stdio::is_nameless(stream),
            FileType::CharacterDevice => plan.streams == Streams::Terminal && rustix::termios::isatty(stream),
            _ => false,
        };
        if to_give && found.st_uid != uid.as_raw() {
            tell("stream", nix::unistd::fchown(stream, Some(uid), None));
        }
    }
}

/// What cannot be given is said before anything is taken away.
fn check(wanted: &Capabilities) -> Result<(), Error> {
    let own = thread::capabilities(None).map_err(Error::system("cannot read the capabilities"))?;
    let missing = (wanted.permitted | wanted.effective) & !own.permitted.bits();
    match missing {
        0 => Ok(()),
        _ => Err(Error::Lacking(names(CapabilitySet::from_bits_retain(missing)))),
    }
}

fn names(set: CapabilitySet) -> String {
    set.iter_names().map(|(name, _)| format!("CAP_{name}")).collect::<Vec<_>>().join(", ")
}

/// Takes all but these out of the bounding set.
fn bound(wanted: u64) -> Result<(), Error> {
    for capability in (0..u64::BITS).map(|number| 1 << number).filter(|bit| wanted & bit == 0) {
        let capability = CapabilitySet::from_bits_retain(capability);
        match thread::remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            // Nor does the kernel know those above.
            Err(rustix::io::Errno::INVAL) => break,
            Err(_) if thread::capability_is_in_bounding_set(capability) == Ok(false) => {}
            Err(errno) => {
                return Err(Error::CannotGive {
                    what: format!("bounding set, without {}", names(capability)),
                    errno: Failure::from(errno).0,
                });
            }
        }
    }
    Ok(())
}

fn keep_capabilities(keep: bool) -> Result<(), Error> {
    thread::set_keep_capabilities(keep).map_err(Error::system("cannot keep the capabilities"))
}

fn set(wanted: &Capabilities) -> Result<(), Error> {
    const WHAT: &str = "cannot set the capabilities";
    let sets = CapabilitySets {
        effective: CapabilitySet::from_bits_retain(wanted.effective),
        permitted: CapabilitySet::from_bits_retain(wanted.permitted),
        inheritable: CapabilitySet::from_bits_retain(wanted.inheritable),
    };
    // Lowering the inheritable set lowers the ambient one with it.
    inherit_none()?;
    thread::set_capabilities(None, sets).map_err(Error::system(WHAT))?;
    let ambient = wanted.ambient & wanted.permitted & wanted.inheritable;
    for capability in CapabilitySet::from_bits_retain(ambient).iter() {
        thread::configure_capability_in_ambient_set(capability, true).map_err(Error::system(WHAT))?;
    }
    Ok(())
}

/// The caller's inheritable and ambient capabilities are no program's of the container.
fn inherit_none() -> Result<(), Error> {
    const WHAT: &str = "cannot drop the inheritable capabilities";
    let sets = thread::capabilities(None).map_err(Error::system(WHAT))?;
    if sets.inheritable.is_empty() {
        return Ok(());
    }
    let sets = CapabilitySets { inheritable: CapabilitySet::empty(), ..sets };
    thread::set_capabilities(None, sets).map_err(Error::system(WHAT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_named_as_people_know_them() {
        assert_eq!(names(CapabilitySet::SYS_ADMIN | CapabilitySet::CHOWN), "CAP_CHOWN, CAP_SYS_ADMIN");
    }

    #[test]
    fn what_nobody_has_is_named() {
        let wanted = Capabilities { permitted: 1 << 63, ..Capabilities::default() };
        assert!(check(&wanted).is_err());
        assert!(check(&Capabilities::default()).is_ok());
    }
}
