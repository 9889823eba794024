//! The command line: text in, [`Args`] out, no I/O. What follows from the arguments belongs in `plan.rs`.

mod check;
pub mod help;
pub mod options;
mod parse;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use enter::{Credentials, Directory, Namespace, WorkingDirectory};
use resolve::Reference;

pub(crate) use check::{EXEC, needs_target};
pub(crate) use parse::{DEFAULT_TIMEOUT, Stop, begin, duration};

pub use parse::parse;

/// By which name the program was called, and so whose options it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalledAs {
    /// All of them.
    Cnsenter,
    /// Through a link of that name: nsenter's alone, no TARGET.
    Nsenter,
}

/// A parsed command line.
#[derive(Debug)]
pub struct Args {
    /// By which name we were called.
    pub called_as: CalledAs,
    /// What to do.
    pub action: Action,
    /// What to enter; none where files are all that is needed.
    pub target: Option<TargetWord>,
    /// `-n` and its like, each once, in the order of the kernel.
    pub namespaces: Vec<(Namespace, Option<NamespaceWord>)>,
    /// `-a`.
    pub all: bool,
    /// `--sandbox`.
    pub sandbox: bool,
    /// `-N`.
    pub net_socket: Option<i32>,
    /// `--user-parent`.
    pub user_parent: bool,
    /// `-r`.
    pub root: Option<Directory>,
    /// `-w` or `-W`.
    pub working_directory: Option<WorkingDirectory>,
    /// `-S`, `-G`, `--preserve-credentials`, `--keep-caps`.
    pub credentials: Credentials,
    /// `-e`.
    pub env_of_target: bool,
    /// `--keep-env`.
    pub keep_env: bool,
    /// `-E` and `--env-file`, in the order of the command line.
    pub variables: Vec<Variables>,
    /// `--as`.
    pub user: Option<OsString>,
    /// `--privileged`.
    pub privileged: bool,
    /// `--pty`, `--no-pty`.
    pub pty: Option<bool>,
    /// `-F`.
    pub no_fork: bool,
    /// `-c`.
    pub join_cgroup: bool,
    /// `-Z`.
    pub follow_context: bool,
    /// `--raw`.
    pub raw: bool,
    /// `-H`.
    pub host: Option<String>,
    /// `--context`.
    pub context: Option<String>,
    /// `--state-root`, each.
    pub state_roots: Vec<PathBuf>,
    /// `--wait`: how long at most.
    pub wait: Option<Duration>,
    /// `--timeout`.
    pub timeout: Duration,
    /// `-v`.
    pub verbose: bool,
    /// The program and its arguments.
    pub words: Vec<OsString>,
    /// Whether `--` stood before the first of them.
    pub dashes_first: bool,
}

/// What a command line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Enter.
    Enter,
    /// Show what entering would be.
    Print,
    /// `-h`: the short help.
    Help,
    /// `--help`.
    LongHelp,
    /// `-V`.
    Version,
}

/// TARGET, or the value of `-t`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetWord {
    /// `PID[:INODE]`.
    Process {
        /// Process or thread ID.
        pid: i32,
        /// The inode number of its pidfd.
        inode: Option<u64>,
    },
    /// A container, or with `--sandbox` a sandbox.
    Reference(Reference),
}

/// The value of `-n` and its like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamespaceWord {
    /// `=FILE`.
    File(PathBuf),
    /// `=:NSID`.
    Id(u64),
}

/// What sets variables of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Variables {
    /// `NAME=VALUE`, or `NAME` for the caller's.
    One(OsString),
    /// A file of them.
    File(PathBuf),
}

/// A command line that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct UsageError {
    /// What is the matter.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether nsenter itself would have been asked this way: its exit status is 1.
    pub as_nsenter: bool,
}

impl Args {
    /// Whether the namespace is among those that were asked for by name.
    pub fn names(&self, namespace: Namespace) -> bool {
        self.namespaces.iter().any(|(named, _)| *named == namespace)
    }

    /// Whether no namespace was asked for in any way.
    pub fn names_none(&self) -> bool {
        self.namespaces.is_empty() && !self.all && !self.sandbox && !self.user_parent && self.net_socket.is_none()
    }

    /// Whether the program's files will be the target's.
    pub fn enters_files(&self) -> bool {
        self.names(Namespace::Mount) || self.all || self.root.is_some() || (self.names_none() && self.target.is_some())
    }

    /// Whether a container is entered as a whole, so that the program is one of its own.
    pub fn enters_whole(&self) -> bool {
        let container = matches!(self.target, Some(TargetWord::Reference(_)));
        container && !self.raw && !self.sandbox && (self.names_none() || self.all)
    }

    /// Whether a terminal of the container's own may be made.
    pub fn may_have_terminal(&self) -> bool {
        matches!(self.target, Some(TargetWord::Reference(_))) && !self.raw && self.enters_sight()
    }

    /// Whether the container's programs are run, by name or by whatever their folders hold.
    pub fn runs_theirs(&self) -> bool {
        matches!(self.target, Some(TargetWord::Reference(_))) && self.enters_files() && !self.raw
    }

    /// Whether the caller's environment stays behind, the program having another one.
    pub fn leaves_environment(&self) -> bool {
        self.env_of_target || (self.runs_theirs() && !self.keep_env)
    }

    /// Whether the program will find itself among the target's files or processes, and they find it.
    pub fn enters_sight(&self) -> bool {
        self.enters_files() || self.names(Namespace::Pid)
    }

    /// Whether nsenter takes this line as well: its exit status for its own failures is 1, not 125.
    pub fn as_nsenter(&self) -> bool {
        self.called_as == CalledAs::Nsenter || !matches!(self.target, Some(TargetWord::Reference(_)))
    }
}
