//! Every option, once: its spellings, its value, its place in the help. The parser, the help, the man pages and the
//! completions read this table. What an option does belongs in `plan.rs`.

mod find;

pub use find::{Found, by_long, by_short};

/// An option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Id {
    /// `-a`
    All,
    /// `-t`
    Target,
    /// `-m`
    Mount,
    /// `-u`
    Uts,
    /// `-i`
    Ipc,
    /// `-n`
    Net,
    /// `-N`
    NetSocket,
    /// `-p`
    Pid,
    /// `-C`
    Cgroup,
    /// `-U`
    User,
    /// `--user-parent`
    UserParent,
    /// `-T`
    Time,
    /// `-S`
    Setuid,
    /// `-G`
    Setgid,
    /// `--preserve-credentials`
    PreserveCredentials,
    /// `--keep-caps`
    KeepCaps,
    /// `-r`
    Root,
    /// `-w`
    Wd,
    /// `-W`
    Wdns,
    /// `-e`
    Env,
    /// `-F`
    NoFork,
    /// `-c`
    JoinCgroup,
    /// `-Z`
    FollowContext,
    /// `-h`
    Help,
    /// `-V`
    Version,
    /// `--sandbox`
    Sandbox,
    /// `--raw`
    Raw,
    /// `--keep-env`
    KeepEnv,
    /// `-E`
    SetEnv,
    /// `--env-file`
    EnvFile,
    /// `--workdir`
    Workdir,
    /// `--as`
    As,
    /// `--privileged`
    Privileged,
    /// `--pty`
    Pty,
    /// `--no-pty`
    NoPty,
    /// `-H`
    Host,
    /// `--context`
    Context,
    /// `--wait`
    Wait,
    /// `--state-root`
    StateRoot,
    /// `--timeout`
    Timeout,
    /// `--print`
    Print,
    /// `-v`
    Verbose,
}

/// Whether an option takes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// It takes none.
    None,
    /// It may: attached, `-nFILE`, `-n=FILE` or `--net=FILE`.
    Optional(&'static str),
    /// It must: attached or the next word.
    Required(&'static str),
}

impl Value {
    /// What the help calls it.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Optional(name) | Self::Required(name) => Some(name),
        }
    }
}

/// Where an option stands in the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// What to enter.
    Target,
    /// Which namespaces.
    Namespaces,
    /// What the program gets.
    Program,
    /// Which engine to ask.
    Engine,
    /// The rest.
    Other,
}

impl Group {
    /// The heading.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Target => "What to enter",
            Self::Namespaces => "Namespaces (none given: all of the container's)",
            Self::Program => "The program",
            Self::Engine => "The engine",
            Self::Other => "General",
        }
    }
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Opt {
    /// Which one.
    pub id: Id,
    /// `-X`.
    pub short: Option<char>,
    /// `--NAME`.
    pub long: &'static str,
    /// Its value.
    pub value: Value,
    /// Where it stands in the help.
    pub group: Group,
    /// Whether nsenter has it.
    pub of_nsenter: bool,
    /// One line.
    pub help: &'static str,
}

const fn nsenter(id: Id, short: char, long: &'static str, value: Value, group: Group, help: &'static str) -> Opt {
    Opt { id, short: Some(short), long, value, group, of_nsenter: true, help }
}

const fn long(of_nsenter: bool, id: Id, long: &'static str, value: Value, group: Group, help: &'static str) -> Opt {
    Opt { id, short: None, long, value, group, of_nsenter, help }
}

const FILE: Value = Value::Optional("FILE|:NSID");

/// The table, in the order of the help.
pub const OPTIONS: &[Opt] = &[
    nsenter(
        Id::Target,
        't',
        "target",
        Value::Required("PID[:INODE]|TARGET"),
        Group::Target,
        "Enter this process, or this container",
    ),
    long(
        false,
        Id::Sandbox,
        "sandbox",
        Value::None,
        Group::Target,
        "Join the network by the engine's file; TARGET may name the file",
    ),
    long(
        false,
        Id::Wait,
        "wait",
        Value::Optional("DURATION"),
        Group::Target,
        "Wait until the container runs (again), then enter at once",
    ),
    nsenter(Id::All, 'a', "all", Value::None, Group::Namespaces, "Enter all namespaces"),
    nsenter(Id::Mount, 'm', "mount", FILE, Group::Namespaces, "Enter the mount namespace: the container's files"),
    nsenter(Id::Uts, 'u', "uts", FILE, Group::Namespaces, "Enter the UTS namespace: the host name"),
    nsenter(Id::Ipc, 'i', "ipc", FILE, Group::Namespaces, "Enter the IPC namespace: System V IPC, message queues"),
    nsenter(Id::Net, 'n', "net", FILE, Group::Namespaces, "Enter the network namespace"),
    nsenter(
        Id::NetSocket,
        'N',
        "net-socket",
        Value::Required("FD"),
        Group::Namespaces,
        "Enter the network namespace of the target's socket FD",
    ),
    nsenter(Id::Pid, 'p', "pid", FILE, Group::Namespaces, "Enter the pid namespace: the process numbers"),
    nsenter(Id::Cgroup, 'C', "cgroup", FILE, Group::Namespaces, "Enter the cgroup namespace"),
    nsenter(Id::User, 'U', "user", FILE, Group::Namespaces, "Enter the user namespace"),
    long(true, Id::UserParent, "user-parent", Value::None, Group::Namespaces, "Enter the parent of the user namespace"),
    nsenter(Id::Time, 'T', "time", FILE, Group::Namespaces, "Enter the time namespace"),
    nsenter(
        Id::Setuid,
        'S',
        "setuid",
        Value::Required("UID|follow"),
        Group::Program,
        "Set the user; follow: the target's",
    ),
    nsenter(
        Id::Setgid,
        'G',
        "setgid",
        Value::Required("GID|follow"),
        Group::Program,
        "Set the group, drop the others; follow: the target's",
    ),
    long(
        true,
        Id::PreserveCredentials,
        "preserve-credentials",
        Value::None,
        Group::Program,
        "Do not touch user and groups",
    ),
    long(
        true,
        Id::KeepCaps,
        "keep-caps",
        Value::None,
        Group::Program,
        "Keep the capabilities that the user namespace gives",
    ),
    nsenter(
        Id::Root,
        'r',
        "root",
        Value::Optional("DIR"),
        Group::Program,
        "Change the root folder to this one, or to the target's",
    ),
    nsenter(
        Id::Wd,
        'w',
        "wd",
        Value::Optional("DIR"),
        Group::Program,
        "Start in this folder of the caller's, or in the target's",
    ),
    nsenter(
        Id::Wdns,
        'W',
        "wdns",
        Value::Optional("DIR"),
        Group::Program,
        "Start in this folder, looked up once inside",
    ),
    nsenter(Id::Env, 'e', "env", Value::None, Group::Program, "Take the environment that the target was started with"),
    long(
        false,
        Id::KeepEnv,
        "keep-env",
        Value::None,
        Group::Program,
        "Keep the caller's environment among the container's files",
    ),
    Opt {
        id: Id::SetEnv,
        short: Some('E'),
        long: "set-env",
        value: Value::Required("NAME[=VALUE]"),
        group: Group::Program,
        of_nsenter: false,
        help: "Set a variable; NAME alone hands on the caller's",
    },
    long(
        false,
        Id::EnvFile,
        "env-file",
        Value::Required("FILE"),
        Group::Program,
        "Set the variables of a file, a line each",
    ),
    long(
        false,
        Id::Workdir,
        "workdir",
        Value::Required("DIR"),
        Group::Program,
        "Start in this folder of the container's",
    ),
    long(
        false,
        Id::As,
        "as",
        Value::Required("USER[:GROUP]"),
        Group::Program,
        "Run as a user of the container's own passwd and group files",
    ),
    long(
        false,
        Id::Privileged,
        "privileged",
        Value::None,
        Group::Program,
        "All capabilities, and nothing of seccomp, AppArmor or SELinux",
    ),
    long(
        false,
        Id::Pty,
        "pty",
        Value::None,
        Group::Program,
        "A terminal of the container's own [default: if started on one]",
    ),
    long(false, Id::NoPty, "no-pty", Value::None, Group::Program, "No terminal for a container's program, but pipes"),
    nsenter(
        Id::NoFork,
        'F',
        "no-fork",
        Value::None,
        Group::Program,
        "Do not fork, even where the pid namespace is entered",
    ),
    nsenter(Id::JoinCgroup, 'c', "join-cgroup", Value::None, Group::Program, "Join the target's cgroup (cgroup v2)"),
    nsenter(Id::FollowContext, 'Z', "follow-context", Value::None, Group::Program, "Take the target's SELinux context"),
    long(false, Id::Raw, "raw", Value::None, Group::Program, "Join namespaces and nothing more, as nsenter does"),
    Opt {
        id: Id::Host,
        short: Some('H'),
        long: "host",
        value: Value::Required("SOCKET"),
        group: Group::Engine,
        of_nsenter: false,
        help: "The engine's socket [default: DOCKER_HOST, else the context's]",
    },
    long(
        false,
        Id::Context,
        "context",
        Value::Required("NAME"),
        Group::Engine,
        "The Docker context [default: DOCKER_CONTEXT, else the current one]",
    ),
    long(
        false,
        Id::StateRoot,
        "state-root",
        Value::Required("DIR"),
        Group::Engine,
        "Look for a runtime's state in this folder, too; may be repeated",
    ),
    long(
        false,
        Id::Timeout,
        "timeout",
        Value::Required("DURATION"),
        Group::Engine,
        "How long the engines may take to answer [default: 2s]",
    ),
    long(
        false,
        Id::Print,
        "print",
        Value::None,
        Group::Other,
        "Show the plan and the nsenter line that does the same, and run nothing",
    ),
    Opt {
        id: Id::Verbose,
        short: Some('v'),
        long: "verbose",
        value: Value::None,
        group: Group::Other,
        of_nsenter: false,
        help: "Say each step as it is taken",
    },
    nsenter(Id::Help, 'h', "help", Value::None, Group::Other, "Show this help"),
    nsenter(Id::Version, 'V', "version", Value::None, Group::Other, "Show the version"),
];
