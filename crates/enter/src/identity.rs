//! Who the program is and what it may do, where it runs as the container's own programs do: as plain data, and prepared
//! before anything is joined. How it is applied belongs in `confine.rs`; the users of a container in `accounts.rs`.

use std::ffi::{CString, OsString};
use std::os::fd::BorrowedFd;
use std::path::Path;

use rustix::fs::OFlags;

use crate::accounts::{Accounts, Ids};
use crate::error::Failure;
use crate::label::Label;
use crate::limits::Limits;
use crate::plan::{Id, Plan};
use crate::seccomp::{Compiled, Seccomp};
use crate::status::{self, Status};
use crate::target::Process;
use crate::{Error, confine, seccomp};

/// A small file of `/proc` larger than this, in bytes, has been made up.
const LARGEST: u64 = 1 << 16;

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
    /// The session keyring that the container's programs share, by its name; else a fresh one. The caller's in no case.
    pub keyring: Option<String>,
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
        /// Groups that every program of the container is in, names or numbers.
        added: Vec<OsString>,
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
    /// User and groups.
    pub(crate) ids: Ids,
    /// `HOME` of a program whose environment does not say.
    pub(crate) home: OsString,
    /// What the program may do.
    pub(crate) rights: Rights,
    /// Resource limits.
    pub(crate) limits: Limits,
    /// umask(2); nothing keeps the caller's.
    pub(crate) umask: Option<u32>,
    /// personality(2).
    pub(crate) personality: u32,
    /// The name of the session keyring.
    pub(crate) keyring: Option<CString>,
}

/// What the program may do.
#[derive(Debug, Default)]
pub(crate) struct Rights {
    /// The five sets; nothing is what exec makes of the caller's.
    pub(crate) capabilities: Option<Capabilities>,
    pub(crate) no_new_privileges: bool,
    pub(crate) filter: Option<Compiled>,
    pub(crate) label: Option<Label>,
}

impl Rights {
    /// Whether programs with these rights may trace others than their own, capabilities(7).
    pub(crate) fn may_trace(&self) -> bool {
        self.capabilities.is_none_or(|sets| sets.may_trace())
    }
}

impl Prepared {
    /// Looks everything up. `root` is the target's root folder, `proc` the host's `/proc`. What takes a privilege that is
    /// lost by joining a user namespace is done here: limits are raised, and the score of the OOM killer is set.
    pub(crate) fn new(
        identity: &Identity,
        plan: &Plan,
        process: &Process,
        (root, proc): (BorrowedFd<'_>, BorrowedFd<'_>),
        notices: &mut Vec<String>,
    ) -> Result<Self, Error> {
        let accounts = Accounts::read(root);
        let status = Status::of(process)?;
        let mut ids = match &identity.user {
            User::Recorded { uid, gid, groups } => Ids { uid: *uid, gid: *gid, groups: groups.clone() },
            User::Named { text, added } => accounts.look_up(text, added)?,
            User::OfTarget => {
                let known = status.ids.as_ref().ok_or(Error::Untold("user and groups"))?;
                status::as_inside(known, process)?
            }
        };
        let mut named = matches!(identity.user, User::Named { .. });
        if !plan.credentials.preserve
            && let Some(Id::Number(uid)) = plan.credentials.user
        {
            ids.uid = uid;
            named = true;
        }
        let rights = match &identity.confinement {
            None => Rights::default(),
            Some(Confinement::Recorded { capabilities, no_new_privileges, seccomp, label }) => Rights {
                capabilities: Some(*capabilities),
                no_new_privileges: *no_new_privileges,
                filter: seccomp.as_ref().map(seccomp::compile).transpose()?,
                label: label.as_deref().and_then(Label::new),
            },
            Some(Confinement::OfTarget) => {
                if status.seccomp != 0 {
                    notices.push(format!(
                        "the seccomp filter of process {} is recorded nowhere, and is not applied",
                        process.pid
                    ));
                }
                Rights {
                    capabilities: Some(status.capabilities.ok_or(Error::Untold("capabilities"))?),
                    no_new_privileges: status.no_new_privileges.unwrap_or_default(),
                    filter: None,
                    label: Label::of_target(process),
                }
            }
        };
        let capabilities = rights.capabilities.map(|sets| if named { sets.of_another_user() } else { sets });
        let limits = Limits::new(identity.limits.as_deref().unwrap_or_default(), &process.read("limits", LARGEST)?)?;
        limits.raise()?;
        confine::run_as_others_do();
        set_oom_score(identity.oom_score_adj, process, proc)?;
        Ok(Self {
            home: accounts.home_of(ids.uid),
            ids,
            rights: Rights { capabilities, ..rights },
            limits,
            umask: identity.umask.or(status.umask),
            personality: personality_of(process),
            keyring: identity.keyring.as_ref().and_then(|name| CString::new(name.as_bytes()).ok()),
        })
    }
}

impl Capabilities {
    /// Whether a process with these, or a program that it executes, may trace any other: CAP_SYS_PTRACE.
    pub(crate) fn may_trace(&self) -> bool {
        const CAP_SYS_PTRACE: u64 = 1 << 19;
        (self.bounding | self.permitted) & CAP_SYS_PTRACE != 0
    }

    /// What a user has who was named for this program: what exec keeps for a user was meant for the container's own. To
    /// root, exec gives all of the bounding set.
    fn of_another_user(self) -> Self {
        Self { inheritable: 0, ambient: 0, ..self }
    }
}

/// Lowering it takes CAP_SYS_RESOURCE on the host.
fn set_oom_score(recorded: Option<i32>, process: &Process, proc: BorrowedFd<'_>) -> Result<(), Error> {
    const FILE: &str = "oom_score_adj";
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    let wanted = match recorded {
        Some(score) => score.to_string(),
        None => text(&process.read(FILE, LARGEST)?),
    };
    let own =
        confine::open_own(proc, Path::new(FILE), OFlags::RDWR).map_err(Error::system("cannot open oom_score_adj"))?;
    let mut found = [0; 16];
    let length = rustix::io::read(&own, &mut found).map_err(Error::system("cannot read oom_score_adj"))?;
    if text(&found[..length]) == wanted {
        return Ok(());
    }
    match rustix::io::pwrite(&own, wanted.as_bytes(), 0) {
        Err(errno) if recorded.is_some() => {
            Err(Error::CannotGive { what: format!("oom_score_adj {wanted}"), errno: Failure::from(errno).0 })
        }
        _ => Ok(()),
    }
}

/// That of the target, where it can be seen. It is the default one, as a rule.
fn personality_of(process: &Process) -> u32 {
    let text = process.read("personality", LARGEST).unwrap_or_default();
    u32::from_str_radix(String::from_utf8_lossy(&text).trim(), 16).unwrap_or_default()
}
