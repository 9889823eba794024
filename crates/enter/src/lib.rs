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
mod observed;
mod opened;
mod patience;
mod plan;
mod program;
mod pty;
mod relay;
mod seal;
mod seccomp;
mod status;
mod stdio;
mod supervise;
mod sys;
mod target;
mod view;

use std::convert::Infallible;
use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};

use accounts::Accounts;
use relay::Relay;
use rustix::fs::{Mode, OFlags};
use stdio::Stdio;
use supervise::{Leash, Parent, Session, Setter};

pub use accounts::Ids;
pub use command::{Command, Environment, Program};
pub use error::Error;
pub use identity::{Capabilities, Confinement, Identity, Limit, User};
pub use namespace::Namespace;
pub use observed::Observed;
pub use opened::Opened;
pub use plan::{Credentials, Directory, Id, Join, Plan, Proof, Source, Streams, Target, WorkingDirectory};
pub use seal::seal;
#[doc(hidden)]
pub use seccomp::{Compiled, compile};
pub use seccomp::{Seccomp, SeccompArgument, SeccompDialect, SeccompRule};
pub use status::Status;
pub use target::added_by_all;
pub use view::{View, ViewFiles};

/// The `HOME` that the program of a container gets where nothing sets it, for showing: that of its user in the target's
/// own passwd file.
pub fn home(plan: &Plan) -> Option<OsString> {
    let uid = match plan.credentials.user {
        Some(Id::Number(uid)) => uid,
        _ => user(plan).map_or_else(|| rustix::process::geteuid().as_raw(), |(uid, _)| uid),
    };
    Some(Accounts::read(root(plan)?.as_fd()).home_of(uid))
}

/// The user and the group of the container that its program gets, for showing, where the runtime's record or `--as` says so.
pub fn user(plan: &Plan) -> Option<(u32, u32)> {
    match &plan.identity.as_ref()?.user {
        User::Recorded { uid, gid, .. } => Some((*uid, *gid)),
        User::Named { text, added } => {
            let found = Accounts::read(root(plan)?.as_fd()).look_up(text, added).ok()?;
            Some((found.uid, found.gid))
        }
        User::OfTarget => None,
    }
}

/// The folder that holds the target's own accounts, for showing.
fn root(plan: &Plan) -> Option<OwnedFd> {
    let path = format!("/proc/{}/root", plan.target.as_ref()?.pid);
    rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()
}

/// Joins what `opened` holds for `plan` and becomes `command`. Returns only on failure; where a fork was needed, it
/// returns in the child, and the parents wait to end the way the child ends.
///
/// # Errors
/// Each step has its own [`Error`]; nothing is left behind by a step that failed, since this process ends with it.
pub fn enter(plan: &Plan, command: &Command, mut opened: Opened) -> Result<Infallible, Error> {
    let (relay, mut stdio, session) = streams(plan, &mut opened)?;
    let leash = match (opened.forks(plan), opened.identity.is_some()) {
        // The container's own programs: what is born in its pid namespace is confined already.
        (true, true) => {
            let keeper = supervise::fork(Parent::Caller { relay, above_keeper: true }, session)?;
            let setter = Setter::fork(keeper, session, &opened.cgroups)?;
            stdio.place()?;
            join::join(plan, &mut opened)?;
            let newcomer = Newcomer::take_on(plan, command, opened, stdio)?;
            if newcomer.identity.as_ref().is_some_and(|identity| identity.rights.may_trace()) {
                newcomer.finish()?;
            }
            setter.keep_only(&newcomer.stdio);
            let leash = setter.bear()?;
            return newcomer.become_program(command, Some(&leash));
        }
        (true, false) => {
            let keeper = supervise::fork(Parent::Caller { relay, above_keeper: true }, session)?;
            join::join(plan, &mut opened)?;
            keeper.tie()?;
            let leash = supervise::fork(Parent::Keeper(keeper), session)?;
            stdio.place()?;
            Some(leash)
        }
        (false, _) => {
            let parent = relay.map(|relay| Parent::Caller { relay: Some(relay), above_keeper: false });
            let leash = parent.map(|parent| supervise::fork(parent, session)).transpose()?;
            stdio.place()?;
            opened.cgroups.join()?;
            join::join(plan, &mut opened)?;
            leash
        }
    };
    Newcomer::take_on(plan, command, opened, stdio)?.become_program(command, leash.as_ref())
}

/// What the caller serves, what the program gets in place of the caller's streams, and the session it is in. With nothing
/// to serve, no fork is needed for it.
fn streams(plan: &Plan, opened: &mut Opened) -> Result<(Option<Relay>, Stdio, Session), Error> {
    Ok(match (plan.streams, opened.pty.take()) {
        (Streams::Inherited, _) | (Streams::Terminal, None) => {
            let session = if opened.forks(plan) { Session::inherited() } else { Session::Shared };
            (None, Stdio::default(), session)
        }
        (Streams::Relayed, _) => {
            let (relay, stdio) = stdio::relayed(opened.owner, opened.null.take().as_ref())?;
            // A session of its own takes a fork as well, and is needed where /dev/tty would lead to the caller's.
            let serves = !relay.is_idle() || supervise::has_terminal();
            (serves.then_some(relay), stdio, Session::Own)
        }
        (Streams::Terminal, Some(pair)) => {
            let (relay, stdio) = stdio::terminal(pair, opened.owner)?;
            (Some(relay), stdio, Session::Terminal)
        }
    })
}

/// A process that has joined and taken on everything, and holds nothing of the host's any more.
struct Newcomer {
    stdio: Stdio,
    identity: Option<identity::Prepared>,
    /// The target's.
    environment: Option<Vec<u8>>,
    home: Option<OsString>,
}

impl Newcomer {
    /// After joining: what the program is shown, and who it is.
    fn take_on(plan: &Plan, command: &Command, mut opened: Opened, stdio: Stdio) -> Result<Self, Error> {
        if let Some(view) = opened.view.take() {
            view.show()?;
        }
        opened.join_cgroup()?;
        let identity = opened.identity.take();
        match &identity {
            Some(identity) => confine::apply(identity, plan, &opened)?,
            None if plan.identity.is_some() => return Err(Error::NoTarget("an identity")),
            None => {
                if plan.apart {
                    confine::stand_apart()?;
                }
                credentials::apply(plan, &opened)?;
            }
        }
        let home = match &identity {
            Some(identity) => Some(identity.home.clone()),
            None if command.home_of_user && opened.entered_files => program::home_of_own(),
            None => None,
        };
        Ok(Self { stdio, identity, environment: opened.environment.take(), home })
    }

    fn finish(&self) -> Result<(), Error> {
        self.identity.as_ref().map_or(Ok(()), confine::finish)
    }

    fn become_program(self, command: &Command, leash: Option<&Leash>) -> Result<Infallible, Error> {
        leash.map_or(Ok(()), Leash::begin)?;
        self.stdio.complete();
        let became = match &self.identity {
            Some(identity) if !identity.rights.may_trace() => self.finish(),
            _ => Ok(()),
        };
        let became = became.and_then(|()| program::exec(command, self.environment.as_deref(), self.home.as_deref()));
        self.stdio.take_back();
        became
    }
}
