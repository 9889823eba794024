//! From arguments and container to plan and command: with `identity.rs` and `environment.rs`, which it calls, the only
//! file that knows `resolve` and `enter` both. Pure: what it decides is opened and carried out by `enter`.

use std::ffi::OsString;

use enter::{
    Command, Environment, Join, Namespace, Plan, Program, Proof, Source, Streams, Target, View, ViewFiles,
    WorkingDirectory,
};
use resolve::{Container, Elsewhere, Network, Sandbox, Source as Said, Specification, State};

use crate::cli::{Args, NamespaceWord, TargetWord};
use crate::environment::environment;
use crate::identity::{Wishes, identity};

/// What a reference was resolved to.
#[derive(Debug)]
pub(crate) enum Resolved {
    /// Nothing to resolve: a pid, or files alone.
    Nothing,
    /// A container.
    Container(Container),
    /// `--sandbox`.
    Sandbox(Sandbox),
}

impl Resolved {
    /// The container behind it.
    pub(crate) fn container(&self) -> Option<&Container> {
        match self {
            Self::Nothing => None,
            Self::Container(container) => Some(container),
            Self::Sandbox(sandbox) => sandbox.container.as_ref(),
        }
    }
}

/// A plan, its command, and what the person should know before it is carried out.
#[derive(Debug)]
pub(crate) struct Planned {
    /// What to join.
    pub plan: Plan,
    /// What to become.
    pub command: Command,
    /// A line each.
    pub notices: Vec<String>,
}

/// Why a container cannot be entered, though it was found.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// It has no process.
    #[error("container {} is not running", .0.name)]
    NotRunning(Box<Container>),
    /// Something other than its network was asked for, and a file has nothing else.
    #[error("{0} is a network namespace without a container")]
    FileAlone(String),
    /// Its engine's processes are not this machine's, or not those that we can see.
    #[error("container {name} is not within reach: {}", whereabouts(.elsewhere))]
    Elsewhere {
        /// The container's name.
        name: String,
        /// Where its engine is.
        elsewhere: Elsewhere,
    },
    /// Its sandbox file is a namespace nowhere, and no process is there to go through.
    #[error("{0} is no namespace as seen from here")]
    Invisible(String),
}

fn whereabouts(elsewhere: &Elsewhere) -> &'static str {
    match elsewhere {
        Elsewhere::OtherPidNamespace => "its engine is in another pid namespace, whose numbers mean nothing here",
        Elsewhere::VirtualMachine => "its engine, Docker Desktop, runs in a virtual machine, and so does it",
    }
}

/// What of the caller has a say.
#[derive(Debug, Default)]
pub(crate) struct Caller {
    /// Whether stdin and stdout are terminals.
    pub on_terminal: bool,
    /// TERM, the one thing of the caller's environment that a container's programs get, and only on a terminal.
    pub term: Option<OsString>,
    /// `-E` and `--env-file`, read.
    pub variables: Vec<OsString>,
}

/// Decides. `recorded` is what the runtime says of the container's programs, where one is to be run as they are.
///
/// # Errors
/// [`Refusal`] where what was found cannot give what was asked for.
pub(crate) fn plan(
    args: &Args,
    resolved: &Resolved,
    recorded: Option<Specification>,
    caller: Caller,
) -> Result<Planned, Refusal> {
    let mut notices = Vec::new();
    let mut plan = Plan {
        target: target(args, resolved)?,
        joins: joins(args),
        all: args.all || args.names_none(),
        user_parent: args.user_parent,
        root: args.root.clone(),
        working_directory: args.working_directory.clone().or_else(|| recorded.as_ref().and_then(folder)),
        join_cgroup: args.join_cgroup,
        follow_context: args.follow_context,
        credentials: args.credentials.clone(),
        no_fork: args.no_fork,
        view: view(args, resolved),
        identity: None,
        apart: args.runs_theirs(),
        // By a file or without one: it is the container that was named whose processes see the tool.
        refuse_tracers: resolved.container().is_some()
            && args.names(Namespace::Pid)
            && !args.enters_files()
            && !args.raw,
        streams: streams(args, &caller),
    };
    if let Resolved::Sandbox(sandbox) = resolved {
        plan.joins.retain(|join| join.namespace != Namespace::Net);
        if sandbox.container.is_none() && (plan.takes_of_target() || args.env_of_target) {
            return Err(Refusal::FileAlone(sandbox.file.recorded.display().to_string()));
        }
        plan.joins.push(Join { namespace: Namespace::Net, from: sandbox_source(sandbox, &mut notices)? });
        plan.joins.sort_unstable_by_key(|join| join.namespace);
        notices.extend(sandbox.unasked.as_ref().map(|reason| format!("{reason}; going by the file's name alone")));
    }
    notices.extend(resolved.container().and_then(by_state));
    notices.extend(resolved.container().and_then(by_host_name));
    if let Some(name) = uses_host_network(resolved, &plan) {
        notices.push(format!("container {name} uses the host's own network (--network host)"));
    }
    if let (Some(WorkingDirectory::Path(folder)), Some(_), true) =
        (&plan.working_directory, resolved.container(), args.enters_files())
    {
        let folder = folder.display();
        notices.push(format!(
            "the working directory {folder} is the host's, among the container's files (--workdir: inside)"
        ));
    }
    let terminal = caller.term.filter(|_| plan.streams == Streams::Terminal || caller.on_terminal);
    let command = Command {
        environment: environment(args, resolved.container(), recorded.as_ref(), terminal),
        variables: caller.variables,
        home_of_user: args.leaves_environment() && !args.env_of_target,
        program: program(args),
    };
    if let Some(container) = resolved.container().filter(|_| args.enters_whole()) {
        let wishes = Wishes { user: args.user.as_deref(), privileged: args.privileged };
        plan.identity = Some(identity(wishes, container, recorded, &mut notices));
    }
    let elsewhere = resolved.container().and_then(|container| match container.source {
        Said::Engine { elsewhere, .. } => Some((container, elsewhere?)),
        _ => None,
    });
    // A sandbox is joined by its file, whatever has become of the process, and wherever that is.
    let takes_of_target = plan.takes_of_target() || command.environment == Environment::Target;
    if !takes_of_target && (plan.view.is_none() || elsewhere.is_some()) {
        plan.target = None;
    }
    if let (Some(_), Some((container, elsewhere))) = (&plan.target, elsewhere) {
        return Err(Refusal::Elsewhere { name: container.name.clone(), elsewhere });
    }
    Ok(Planned { plan, command, notices })
}

/// What to say where the engine that goes first did not answer.
pub(crate) fn by_state(container: &Container) -> Option<String> {
    match &container.source {
        Said::State { folder, instead_of: Some(reason) } => {
            Some(format!("{reason}; going by what is on disk, {}", folder.display()))
        }
        _ => None,
    }
}

/// What to say of podman's pods, whose names are not on disk.
pub(crate) fn by_host_name(container: &Container) -> Option<String> {
    let pod = container.pod.as_ref().filter(|pod| pod.namespace.is_none())?;
    let of_state = matches!(container.source, Said::State { .. });
    of_state.then(|| format!("podman keeps the names of its pods to itself: {} is this one's host name", pod.name))
}

/// The container whose network is joined, and is no other than the host's.
fn uses_host_network<'a>(resolved: &'a Resolved, plan: &Plan) -> Option<&'a str> {
    let container = resolved.container()?;
    let joins_net = |join: &Join| join.namespace == Namespace::Net && join.from == Source::Target;
    let of_host = match resolved {
        Resolved::Sandbox(sandbox) => sandbox.of_host,
        _ => matches!(container.network, Network::Host(_)) && (plan.all || plan.joins.iter().any(joins_net)),
    };
    of_host.then_some(&container.name)
}

fn target(args: &Args, resolved: &Resolved) -> Result<Option<Target>, Refusal> {
    if let Some(TargetWord::Process { pid, inode }) = args.target {
        let proof = inode.map_or(Proof::Nothing, Proof::PidfdInode);
        return Ok(Some(Target { pid, proof }));
    }
    let Some(container) = resolved.container() else { return Ok(None) };
    target_of(container).map(Some)
}

/// A container's process, and what proves that it is the container's.
pub(crate) fn target_of(container: &Container) -> Result<Target, Refusal> {
    match (&container.state, container.pid) {
        (State::Running | State::Paused, Some(pid)) => {
            // A start time, where a record has it, proves more than a cgroup, and where there is none.
            let cgroup = || Proof::Cgroup(container.id.clone());
            Ok(Target { pid, proof: container.start.map_or_else(cgroup, Proof::Start) })
        }
        _ => Err(Refusal::NotRunning(Box::new(container.clone()))),
    }
}

fn joins(args: &Args) -> Vec<Join> {
    let mut joins: Vec<_> = args
        .namespaces
        .iter()
        .map(|(namespace, given)| {
            let from = match given {
                None => Source::Target,
                Some(NamespaceWord::File(path)) => Source::File(path.clone()),
                Some(NamespaceWord::Id(id)) => Source::Id(*id),
            };
            Join { namespace: *namespace, from }
        })
        .collect();
    if let Some(fd) = args.net_socket {
        joins.retain(|join| join.namespace != Namespace::Net);
        joins.push(Join { namespace: Namespace::Net, from: Source::Socket(fd) });
    }
    joins
}

/// The sandbox's file; where it is no namespace as seen from here, the daemon's view of it; at last the process.
fn sandbox_source(sandbox: &Sandbox, notices: &mut Vec<String>) -> Result<Source, Refusal> {
    let recorded = &sandbox.file.recorded;
    let running = sandbox.container.as_ref().filter(|container| container.pid.is_some());
    match &sandbox.file.visible {
        Some(visible) if visible == recorded => Ok(match (&sandbox.owner, running) {
            // A container that shares a network keeps the old one when the other is started anew.
            (Some(_), Some(_)) => Source::FileOfTarget(visible.clone()),
            _ => Source::File(visible.clone()),
        }),
        Some(visible) => {
            notices.push(format!(
                "{} is not a namespace in this mount namespace; taken from the daemon's, {}",
                recorded.display(),
                visible.display()
            ));
            Ok(if running.is_some() { Source::FileOfTarget(visible.clone()) } else { Source::File(visible.clone()) })
        }
        None => match running {
            Some(container) => {
                notices.push(format!(
                    "{} is not a namespace in this mount namespace; joining the network of process {} instead",
                    recorded.display(),
                    container.pid.unwrap_or_default()
                ));
                Ok(Source::Target)
            }
            None => Err(Refusal::Invisible(recorded.display().to_string())),
        },
    }
}

/// The working directory of the container's programs.
fn folder(recorded: &Specification) -> Option<WorkingDirectory> {
    recorded.cwd.is_absolute().then(|| WorkingDirectory::Inside(recorded.cwd.clone()))
}

/// What host tools are shown of a container's network, processes and name, while its files are not entered.
fn view(args: &Args, resolved: &Resolved) -> Option<View> {
    let container = resolved.container().filter(|container| container.runs())?;
    if args.raw || args.enters_files() {
        return None;
    }
    let own = |namespace| args.namespaces.iter().any(|(named, given)| *named == namespace && given.is_none());
    let of_host = matches!(container.network, Network::Host(_));
    let view = View {
        network: (own(Namespace::Net) || args.sandbox) && !of_host,
        processes: own(Namespace::Pid),
        host_name: own(Namespace::Uts),
        files: ViewFiles {
            resolv_conf: container.files.resolv_conf.clone(),
            hosts: container.files.hosts.clone(),
            hostname: container.files.hostname.clone(),
        },
    };
    (view.network || view.processes || view.host_name).then_some(view)
}

/// A container's programs get no file of the caller's to open again, and no terminal but one of their own.
fn streams(args: &Args, caller: &Caller) -> Streams {
    let terminal = args.pty.unwrap_or(caller.on_terminal && !args.no_fork) && args.may_have_terminal();
    match (terminal, args.runs_theirs() && !args.no_fork) {
        (true, _) => Streams::Terminal,
        (false, true) => Streams::Relayed,
        (false, false) => Streams::Inherited,
    }
}

fn program(args: &Args) -> Program {
    match args.words.is_empty() {
        true => Program::Shell,
        false => Program::Words(args.words.clone()),
    }
}
