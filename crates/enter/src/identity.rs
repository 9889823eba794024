//! Who the program is and what it may do, where it runs as the container's own programs do: as plain data, and prepared
//! before anything is joined. How it is applied belongs in `confine.rs`; the users of a container in `accounts.rs`.

use std::ffi::OsString;
use std::os::fd::{BorrowedFd, RawFd};

use crate::Error;
use crate::accounts::{Accounts, Ids};
use crate::seccomp::Seccomp;
use crate::target::Process;

/// What the container's own programs are and may do. Everything here is of the container; what the caller's `-S` and `-G`
/// say comes from [`crate::Credentials`], and goes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// User and groups.
    pub user: User,
    /// Capabilities, seccomp, LSM; `None` keeps the caller's (`--privileged`).
    pub confinement: Option<Confinement>,
    /// Resource limits, setrlimit(2): what is not named is the caller's. Those of the target where nothing is recorded.
    pub limits: Option<Vec<Limit>>,
    /// `/proc/PID/oom_score_adj`; the target's where nothing is recorded.
    pub oom_score_adj: Option<i32>,
    /// umask(2); the target's where nothing is recorded.
    pub umask: Option<u32>,
}

/// User and groups of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum User {
    /// As recorded.
    Recorded {
        /// User ID, as the container's user namespace has it.
        uid: u32,
        /// Group ID.
        gid: u32,
        /// Supplementary groups.
        groups: Vec<u32>,
    },
    /// `USER[:GROUP]`, names or numbers, looked up in the container's own passwd and group files: `--as`. The groups
    /// that are added are those that the runtime was asked to add (`--group-add`).
    Named {
        /// The words.
        text: OsString,
        /// Recorded groups that every program of the container has.
        added: Vec<u32>,
    },
    /// Those of the target process.
    OfTarget,
}

/// What the program may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confinement {
    /// As recorded.
    Recorded {
        /// The five sets, capabilities(7).
        capabilities: Capabilities,
        /// PR_SET_NO_NEW_PRIVS(2const).
        no_new_privileges: bool,
        /// The filter, seccomp(2).
        seccomp: Option<Seccomp>,
        /// The AppArmor profile or SELinux context.
        label: Option<String>,
    },
    /// That of the target process, as far as `/proc` shows it: all but its seccomp filter.
    OfTarget,
}

/// The five sets of capabilities(7), bit N for capability N.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// What exec can ever give.
    pub bounding: u64,
    /// What counts.
    pub effective: u64,
    /// What may count.
    pub permitted: u64,
    /// What exec keeps for files that say so.
    pub inheritable: u64,
    /// What exec keeps.
    pub ambient: u64,
}

/// A resource limit, setrlimit(2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// `RLIMIT_NOFILE` and its like.
    pub name: String,
    /// The soft limit; `u64::MAX` is none.
    pub soft: u64,
    /// The hard limit; `u64::MAX` is none.
    pub hard: u64,
}

/// An identity whose every part has been looked up and compiled, so that nothing of it can fail for a reason of the
/// container's once it is applied.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// User and groups; nothing where they stay the caller's.
    pub(crate) ids: Option<Ids>,
    /// `HOME` of a program whose environment does not say.
    pub(crate) home: OsString,
}

impl Prepared {
    /// Looks everything up. `root` is the target's root folder.
    pub(crate) fn new(identity: &Identity, _process: &Process, root: BorrowedFd<'_>) -> Result<Self, Error> {
        let accounts = Accounts::read(root);
        let ids = match &identity.user {
            User::Recorded { uid, gid, groups } => Some(Ids { uid: *uid, gid: *gid, groups: groups.clone() }),
            User::Named { text, added } => Some(accounts.look_up(text, added)?),
            User::OfTarget => None,
        };
        let home = accounts.home_of(ids.as_ref().map_or(0, |ids| ids.uid));
        Ok(Self { ids, home })
    }

    /// What it holds open.
    pub(crate) fn descriptors(&self) -> Vec<RawFd> {
        Vec::new()
    }
}
