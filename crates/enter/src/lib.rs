//! `enter` joins the namespaces that a [`Plan`] lists and becomes the program of a [`Command`], in one straight line:
//! open and hold everything, verify, join, take on the identity, exec.
//!
//! Here belongs what setns(2), pidfds and process semantics ask for. Does not belong here: containers and their
//! engines (`resolve`), flags and messages for people (the binary), threads, an asynchronous runtime.

mod accounts;
mod cgroup;
mod command;
mod confine;
mod credentials;
mod error;
mod identity;
mod inside;
mod join;
mod label;
mod limits;
mod namespace;
mod opened;
mod plan;
mod program;
mod seal;
mod seccomp;
mod status;
mod supervise;
mod sys;
mod target;
mod view;

use std::convert::Infallible;
use std::ffi::OsString;
use std::os::fd::AsFd;

use accounts::Accounts;
use rustix::fs::{Mode, OFlags};

pub use command::{Command, Environment, Program};
pub use error::Error;
pub use identity::{Capabilities, Confinement, Identity, Limit, User};
pub use namespace::Namespace;
pub use opened::Opened;
pub use plan::{Credentials, Directory, Id, Join, Plan, Proof, Source, Streams, Target, WorkingDirectory};
pub use seal::seal;
#[doc(hidden)]
pub use seccomp::{Compiled, compile};
pub use seccomp::{Seccomp, SeccompArgument, SeccompDialect, SeccompRule};
pub use target::added_by_all;
pub use view::{View, ViewFiles};

/// The `HOME` that the program of a container gets where nothing sets it, for showing: that of its user in the target's
/// own passwd file.
pub fn home(plan: &Plan) -> Option<OsString> {
    let path = format!("/proc/{}/root", plan.target.as_ref()?.pid);
    let root = rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let accounts = Accounts::read(root.as_fd());
    let uid = match (&plan.identity, plan.credentials.user) {
        (_, Some(Id::Number(uid))) => uid,
        (Some(Identity { user: User::Recorded { uid, .. }, .. }), _) => *uid,
        (Some(Identity { user: User::Named { text, added }, .. }), _) => accounts.look_up(text, added).ok()?.uid,
        _ => rustix::process::geteuid().as_raw(),
    };
    Some(accounts.home_of(uid))
}

/// Joins what `opened` holds for `plan` and becomes `command`. Returns only on failure; where a fork was needed, it
/// returns in the child, and the parents wait to end the way the child ends.
///
/// # Errors
/// Each step has its own [`Error`]; nothing is left behind by a step that failed, since this process ends with it.
pub fn enter(plan: &Plan, command: &Command, mut opened: Opened) -> Result<Infallible, Error> {
    let leash = if opened.forks(plan) {
        // The first fork stays outside of the pid namespace and never stops, so that whatever becomes of the caller
        // (stopped by Ctrl-Z, say) somebody reaps the program: an unreaped zombie would hold the container's pid
        // namespace, and `docker rm -f` would wait for it in vain.
        let keeper = supervise::fork(None)?;
        join::join(plan, &mut opened)?;
        keeper.tie()?;
        Some(supervise::fork(Some(&keeper))?)
    } else {
        join::join(plan, &mut opened)?;
        None
    };
    if let Some(view) = opened.view.take() {
        view.show()?;
    }
    opened.join_cgroup()?;
    opened.cgroups.join()?;
    let identity = opened.identity.take();
    match &identity {
        Some(identity) => confine::apply(identity, plan, &opened)?,
        None if plan.identity.is_some() => return Err(Error::NoTarget("an identity")),
        None => credentials::apply(plan, &opened)?,
    }
    let home = match &identity {
        Some(identity) => Some(identity.home.clone()),
        None if command.home_of_user && opened.entered_files => program::home_of_own(),
        None => None,
    };
    if let Some(leash) = leash {
        leash.tie()?;
    }
    let environment = opened.environment.take();
    drop(opened);
    if let Some(identity) = &identity {
        confine::finish(identity)?;
    }
    program::exec(command, environment.as_deref(), home.as_deref())
}
