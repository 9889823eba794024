//! What can go wrong between a plan and its program. The words say what is the matter; what to do about it is said by
//! the binary, which knows the command line.

use std::ffi::OsString;
use std::path::PathBuf;

use nix::errno::Errno;

/// Why the program was not reached.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The process has ended.
    #[error("no process with pid {0}")]
    NoProcess(i32),
    /// The process lives, and is not the one that was meant.
    #[error("process {pid} is not the one that was meant: {reason}")]
    Impostor {
        /// Its pid.
        pid: i32,
        /// What was found instead of the proof.
        reason: String,
    },
    /// `PID:INODE` asks for something that this kernel does not tell.
    #[error("this kernel gives no inode numbers to pidfds, so {pid}:{inode} cannot be checked")]
    NoPidfdInodes {
        /// The pid.
        pid: i32,
        /// The inode number that was given.
        inode: u64,
    },
    /// A namespace, folder, environment, … needs a target, and the plan has none.
    #[error("no target to take {0} from")]
    NoTarget(&'static str),
    /// There is nothing to join.
    #[error("no namespace to join")]
    NothingToJoin,
    /// A file could not be opened or read.
    #[error("cannot open {}: {}", .path.display(), .errno.desc())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        errno: Errno,
    },
    /// The file is not a namespace.
    #[error("{} is not a namespace, but {kind}", .path.display())]
    NotNamespace {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        kind: &'static str,
    },
    /// The file is a namespace of another kind.
    #[error("{} is not a {wanted} namespace", .path.display())]
    WrongKind {
        /// The file.
        path: PathBuf,
        /// The kind that was asked for.
        wanted: &'static str,
    },
    /// The file is not the namespace that the target is in.
    #[error("{} is not the network of process {pid}", .path.display())]
    OtherNamespace {
        /// The file.
        path: PathBuf,
        /// The target.
        pid: i32,
    },
    /// No namespace has this ID.
    #[error("cannot open the namespace with ID {id}: {}", .errno.desc())]
    NamespaceId {
        /// The ID.
        id: u64,
        /// Why.
        errno: Errno,
    },
    /// The target's socket could not be taken, or has no network namespace.
    #[error("cannot take the network of descriptor {fd} of process {pid}: {}", .errno.desc())]
    Socket {
        /// The number of the descriptor in the target.
        fd: i32,
        /// The target.
        pid: i32,
        /// Why.
        errno: Errno,
    },
    /// setns(2) failed.
    #[error("cannot join the {namespace} namespace of {origin}: {}", .errno.desc())]
    Join {
        /// Which kind.
        namespace: &'static str,
        /// A file, or the process.
        origin: String,
        /// Why.
        errno: Errno,
    },
    /// A user namespace cannot be joined a second time.
    #[error("already in the user namespace of {0}")]
    AlreadyInUser(String),
    /// cgroup v1, or nothing at all, is mounted on `/sys/fs/cgroup`.
    #[error("the target's cgroup can be joined where cgroup v2 alone is mounted, and it isn't here")]
    CgroupVersion,
    /// Whoever joins a frozen cgroup is frozen.
    #[error("the cgroup {} is frozen", .0.display())]
    Frozen(PathBuf),
    /// A cgroup of the target takes no newcomer.
    #[error("cannot join the cgroup {}: {}", .path.display(), .errno.desc())]
    Cgroup {
        /// Its folder.
        path: PathBuf,
        /// Why.
        errno: Errno,
    },
    /// The container's seccomp profile cannot be taken on.
    #[error("cannot take on the container's seccomp profile: {0}")]
    Seccomp(String),
    /// The view's mounts could not be kept from the host.
    #[error("cannot make mounts that the host does not see: {}", .0.desc())]
    Private(Errno),
    /// A mount of the view failed.
    #[error("cannot show the container's {}: {}", .path.display(), .errno.desc())]
    Show {
        /// What was to be shown in place of the host's.
        path: PathBuf,
        /// Why.
        errno: Errno,
    },
    /// The process has more than one thread.
    #[error("cannot join namespaces from a process of several threads")]
    Threads,
    /// Processes and namespaces are looked up there.
    #[error("no /proc is mounted here")]
    NoProc,
    /// Nothing can be started in a pid namespace whose init process has ended.
    #[error("the pid namespace has ended: its init process is gone")]
    PidNamespaceEnded,
    /// A name that is nobody's in the container.
    #[error("no {kind} {} in the container's {path}", .name.display())]
    NoAccount {
        /// `user` or `group`.
        kind: &'static str,
        /// The name.
        name: OsString,
        /// The file that was searched.
        path: &'static str,
    },
    /// A number that no user or group has.
    #[error("{0} is no user or group: they go from 0 to 2147483647")]
    IdOutOfRange(i64),
    /// A file of the container that is not what it should be, or that leads out of it.
    #[error("cannot read {} of the container: {}", .path.display(), unfit(*.errno))]
    InContainer {
        /// The file, as the container sees it.
        path: PathBuf,
        /// Why.
        errno: Errno,
    },
    /// Its processes may look into ours, and so into the host.
    #[error("the processes beside {0} may trace a tool of the host's and take over the host through it")]
    Tracers(i32),
    /// Something that the container's programs have cannot be given to another one.
    #[error("cannot give the program the container's {what}: {}", .errno.desc())]
    CannotGive {
        /// A limit, a label, …
        what: String,
        /// Why.
        errno: Errno,
    },
    /// Capabilities that the container's programs have.
    #[error("the container's programs have {0}, which the caller lacks and cannot give")]
    Lacking(String),
    /// Something of a process that has to be taken on.
    #[error("this kernel does not tell the {0} of a process")]
    Untold(&'static str),
    /// The container's seccomp filter lets nobody be made who has no more rights than its own programs.
    #[error("the container's seccomp filter forbids {call}: {}", .errno.desc())]
    Filtered {
        /// What it forbids.
        call: &'static str,
        /// What it says.
        errno: Errno,
    },
    /// A system call that has no reason to fail.
    #[error("{what}: {}", .errno.desc())]
    System {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        errno: Errno,
    },
    /// The program is nowhere.
    #[error("no such program: {}", .program.display())]
    NoProgram {
        /// The program.
        program: OsString,
        /// The folders that were searched; none where the program's name is a path.
        searched: Option<OsString>,
    },
    /// The program is there, and what should run it is not: the interpreter of a script, or the dynamic loader.
    #[error("cannot execute {}: it is there, but its interpreter or loader is not", .program.display())]
    NoInterpreter {
        /// The program.
        program: OsString,
    },
    /// The program is there, and cannot be executed.
    #[error("cannot execute {}: {}", .program.display(), .errno.desc())]
    CannotExecute {
        /// The program.
        program: OsString,
        /// Why.
        errno: Errno,
    },
}

impl Error {
    /// For [`Result::map_err`]: names the step.
    pub(crate) fn system<E: Into<Failure>>(what: &'static str) -> impl Fn(E) -> Self {
        move |failure| Self::System { what, errno: failure.into().0 }
    }

    /// Whether the kernel refused for lack of privilege.
    pub fn is_denied(&self) -> bool {
        matches!(self.errno(), Some(Errno::EPERM | Errno::EACCES))
    }

    /// Whether a file was missing.
    pub fn is_missing(&self) -> bool {
        self.errno() == Some(Errno::ENOENT)
    }

    /// The error number behind it, where there is one.
    fn errno(&self) -> Option<Errno> {
        match self {
            Self::Private(errno)
            | Self::Open { errno, .. }
            | Self::NamespaceId { errno, .. }
            | Self::Cgroup { errno, .. }
            | Self::Socket { errno, .. }
            | Self::Join { errno, .. }
            | Self::Show { errno, .. }
            | Self::System { errno, .. }
            | Self::CannotGive { errno, .. }
            | Self::CannotExecute { errno, .. } => Some(*errno),
            _ => None,
        }
    }
}

/// Why a file of a container is not read.
fn unfit(errno: Errno) -> &'static str {
    match errno {
        Errno::EINVAL => "it is no regular file",
        Errno::EFBIG => "it is too large",
        Errno::ELOOP => "its links lead nowhere, or through /proc",
        other => other.desc(),
    }
}

/// An error number of either library.
pub(crate) struct Failure(pub(crate) Errno);

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Self(errno)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::from(&error)
    }
}

impl From<&std::io::Error> for Failure {
    fn from(error: &std::io::Error) -> Self {
        Self(Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EIO as i32)))
    }
}

impl From<rustix::io::Errno> for Failure {
    fn from(errno: rustix::io::Errno) -> Self {
        Self(Errno::from_raw(errno.raw_os_error()))
    }
}
