//! What is to be joined, as plain data: made from a command line without I/O, printed by `--print`, carried out by
//! [`crate::enter`]. Nothing here is opened.

use std::path::PathBuf;

use crate::{Identity, Namespace, View};

/// Everything that happens between the start and the program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The process whose namespaces, root, environment, … are taken.
    pub target: Option<Target>,
    /// The namespaces that were asked for, each once.
    pub joins: Vec<Join>,
    /// Add every namespace of the target that is not in `joins`, and differs from ours.
    pub all: bool,
    /// Join the parent of the target's user namespace.
    pub user_parent: bool,
    /// chroot(2) there.
    pub root: Option<Directory>,
    /// chdir(2) there.
    pub working_directory: Option<WorkingDirectory>,
    /// Move into the target's cgroup (v2).
    pub join_cgroup: bool,
    /// Take the target's SELinux context for the program.
    pub follow_context: bool,
    /// User and groups.
    pub credentials: Credentials,
    /// Never fork, not even where a pid namespace is joined.
    pub no_fork: bool,
    /// What host tools are shown of the target; none where the target's files are entered, or nothing is to be shown.
    pub view: Option<View>,
    /// The container's own user, rights, limits and cgroups, where its programs run as it would run them.
    pub identity: Option<Identity>,
    /// The program is one of the container's, though it has no identity of it: nothing of the caller's is to be found in
    /// its session keyring, or in a core that it leaves.
    pub apart: bool,
    /// Refuse a target whose processes may trace the program: a tool of the host's among them is a way out to the host.
    pub refuse_tracers: bool,
    /// How the program's terminal and streams are handed on.
    pub streams: Streams,
}

/// How the program's terminal and streams are handed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Streams {
    /// They are the caller's own descriptors.
    #[default]
    Inherited,
    /// Those that are regular files are relayed through a pipe, so that nothing inside can open the file again.
    Relayed,
    /// All are a fresh pseudo-terminal of the target's devpts; the caller's terminal is in raw mode meanwhile.
    Terminal,
}

impl Plan {
    /// Whether anything is taken of the target, or compared with it.
    pub fn takes_of_target(&self) -> bool {
        let of_target = |join: &Join| !matches!(join.from, Source::File(_) | Source::Id(_));
        self.all
            || self.user_parent
            || self.join_cgroup
            || self.follow_context
            || self.joins.iter().any(of_target)
            || self.root == Some(Directory::Target)
            || self.working_directory == Some(WorkingDirectory::Target)
            || [self.credentials.user, self.credentials.group].contains(&Some(Id::Follow))
    }
}

/// A process, and what proves that the pid still is its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Process or thread ID, in our pid namespace.
    pub pid: i32,
    /// What is checked once a descriptor holds the process, before anything is joined.
    pub proof: Proof,
}

/// Something that a reused pid cannot have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The pid was given by the caller, who answers for it.
    Nothing,
    /// The inode number of its pidfd, unique since boot (Linux 6.9).
    PidfdInode(u64),
    /// A component of its cgroup's path is, or contains between `-` and `.`, this container ID.
    Cgroup(String),
    /// When it started, in clock ticks since boot: field 22 of `/proc/PID/stat`, proc_pid_stat(5).
    Start(u64),
}

/// A namespace to join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// Which kind.
    pub namespace: Namespace,
    /// From where.
    pub from: Source,
}

/// Where a namespace is taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The target's.
    Target,
    /// A file of that kind, under `/proc` or bind-mounted elsewhere.
    File(PathBuf),
    /// As `File`, and it must be the one that the target is in.
    FileOfTarget(PathBuf),
    /// The namespace with this ID (Linux 6.18).
    Id(u64),
    /// The network namespace of the socket that the target has open under this number.
    Socket(i32),
}

/// A folder that the caller can see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Directory {
    /// The target's own.
    Target,
    /// This path, opened before joining.
    Path(PathBuf),
}

/// The working directory of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkingDirectory {
    /// The target's own.
    Target,
    /// This path, opened before joining.
    Path(PathBuf),
    /// This path, opened after joining.
    Inside(PathBuf),
}

/// User and groups of the program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The user; with a user namespace 0 unless said otherwise.
    pub user: Option<Id>,
    /// The group; with a user namespace 0 unless said otherwise. Supplementary groups are dropped with it.
    pub group: Option<Id>,
    /// Leave all IDs alone.
    pub preserve: bool,
    /// With a user namespace: keep the capabilities that it gives across exec.
    pub keep_capabilities: bool,
}

/// A user or group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Id {
    /// This number.
    Number(u32),
    /// The owner of `/proc/PID` of the target.
    Follow,
}
