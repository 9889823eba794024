//! What to do about a failure, in one line. What failed is said elsewhere.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use enter::Error as EnterError;
use nix::errno::Errno;
use resolve::{
    Candidate, Container, Elsewhere, Error as ResolveError, Failure as EngineFailure, Reference, Runtime, Source,
    State, Unknown,
};

use super::{Failure, client};
use crate::cli::Args;
use crate::cli::options::{self, Value};
use crate::environment::Error as VariablesError;
use crate::plan::Refusal;

/// The hint for a failure, where there is one.
pub(super) fn hint(failure: &Failure, args: &Args, words: &[OsString]) -> Option<String> {
    match failure {
        Failure::Unresolved(error) => resolving(error, args, words),
        Failure::Refused(refusal) => refused(refusal),
        Failure::NotEntered { error, container } => not_entered(error, container.as_deref(), args, words),
        Failure::Variables(VariablesError::Line { .. }) => {
            Some("a line is NAME=VALUE, NAME for your own, or a comment after #".to_owned())
        }
        Failure::Variables(_) | Failure::Output(_) => None,
    }
}

/// A reading of an ambiguous word, so that it can be pasted back.
pub(super) fn candidate(candidate: &Candidate) -> String {
    match candidate {
        Candidate::Container { reference, name, runtime } => {
            let by = if reference.starts_with(runtime.scheme()) { "" } else { runtime.name() };
            format!("{reference}   (container {name}{}{by})", if by.is_empty() { "" } else { " of " })
        }
        Candidate::File(path) => format!("--net={}   (network namespace)", path.display()),
    }
}

fn resolving(error: &ResolveError, args: &Args, words: &[OsString]) -> Option<String> {
    Some(match error {
        ResolveError::NoSuchContainer(unknown) => {
            let Unknown { reference, similar, folder, asked, .. } = &**unknown;
            let runtime = reference.runtime().or(asked.first().map(|asked| asked.runtime)).unwrap_or(Runtime::Docker);
            let blind = asked.iter().any(|asked| asked.forbidden) && !rustix::process::geteuid().is_root();
            match (&similar[..], folder) {
                _ if blind => sudo(words),
                ([], _) if reference.plain().is_some_and(process_exists) => {
                    format!("to enter the process of that number: -t {reference}")
                }
                ([], Some(folder)) => {
                    format!("{} lists containers, ls {} network namespaces", client::list(runtime), folder.display())
                }
                ([], None) => match reference {
                    Reference::Pod { .. } => "crictl pods lists those of this node".to_owned(),
                    Reference::Service { .. } => "docker compose ls -a lists the projects".to_owned(),
                    Reference::Name { .. } => format!("{} lists what there is", client::list(runtime)),
                },
                (names, _) => format!("did you mean {}?", names.join(", ")),
            }
        }
        ResolveError::Absent(_) => "--state-root names a folder of state that is in no usual place".to_owned(),
        ResolveError::Ambiguous { .. } => "name one of these".to_owned(),
        ResolveError::Engine { runtime, failure, .. } => engine(*runtime, failure, args, words),
        ResolveError::Remote { origin } => match origin.address.starts_with("ssh://") {
            true if args.host.is_some() || args.context.is_some() => {
                format!("run it there, without -H and --context: ssh -t {}", origin.address)
            }
            true => format!("run it there: ssh -t {} {}", origin.address, line_for_ssh(words)),
            false => "run cnsenter on that machine, or name a local engine: -H unix:///var/run/docker.sock".to_owned(),
        },
        ResolveError::Address { .. } => "an engine of this machine is unix:///PATH/OF/ITS/SOCKET".to_owned(),
        ResolveError::NoSuchContext { .. } => "docker context ls lists them".to_owned(),
        ResolveError::Configuration { .. } => "-H unix:///var/run/docker.sock does without it".to_owned(),
        ResolveError::NotRunning(container) => state(container),
        ResolveError::WaitedInVain { last, .. } => match last {
            Some(container) => format!("last seen: {}", super::state::sentence(container)),
            None => "nothing of that name was ever there".to_owned(),
        },
        ResolveError::Folder(_) => sudo(words),
        ResolveError::NoSandbox(_) => "--net joins the network of its process".to_owned(),
        ResolveError::NetworkLoop(name) => format!("docker inspect -f '{{{{.HostConfig.NetworkMode}}}}' {name}"),
        ResolveError::Specification { .. } | ResolveError::Executor(_) => return None,
    })
}

fn engine(runtime: Runtime, failure: &EngineFailure, args: &Args, words: &[OsString]) -> String {
    match failure {
        EngineFailure::NoSocket => {
            format!("is {} running? For another socket: -H unix://PATH; for a process: -t PID", runtime.name())
        }
        EngineFailure::Forbidden => sudo(words),
        EngineFailure::Refused => format!("the engine is not running: systemctl status {}", runtime.scheme()),
        EngineFailure::Silent(_) => format!(
            "the engine hangs; --state-root DIR goes by what it left there, --timeout waits longer than {}",
            humantime::format_duration(args.timeout)
        ),
        EngineFailure::Status { .. } | EngineFailure::Garbage(_) | EngineFailure::Other(_) => {
            format!("the engine's log says more: journalctl -u {}", runtime.scheme())
        }
    }
}

fn refused(refusal: &Refusal) -> Option<String> {
    Some(match refusal {
        Refusal::NotRunning(container) => state(container),
        Refusal::Elsewhere { elsewhere: Elsewhere::OtherPidNamespace, .. } => {
            "run cnsenter where the engine runs: on the host, or in a container with --pid=host; --sandbox needs no pid"
                .to_owned()
        }
        Refusal::Elsewhere { elsewhere: Elsewhere::VirtualMachine, name } => {
            format!("docker exec {name}, or a container with --pid=host --privileged and cnsenter in it")
        }
        Refusal::FileAlone(_) => "no process is known that has the rest: leave out all but --sandbox".to_owned(),
        Refusal::Invisible(file) => match Path::new(file).exists() {
            true => "the engine keeps it in a mount namespace of its own, or its container has ended".to_owned(),
            false => "its container has ended, or the engine keeps it elsewhere".to_owned(),
        },
    })
}

/// What helps with a container that has no process to enter.
fn state(container: &Container) -> String {
    let (name, runtime) = (&container.name, container.runtime);
    let start = client::start(container);
    match container.state {
        State::Created => format!("{start}; --wait enters it as soon as it runs"),
        State::Exited { .. } => match client::logs(runtime, name) {
            Some(logs) => format!("{logs} shows why, {start} starts it; --wait enters it then"),
            None => format!("{start} starts it; --wait enters it then"),
        },
        State::Restarting { .. } => match client::logs(runtime, name) {
            Some(logs) => format!("--wait enters its next run; {logs} shows why it ended"),
            None => "--wait enters its next run".to_owned(),
        },
        State::Removing => "there will be nothing to enter".to_owned(),
        State::Dead => format!("{} rm -f {name}", client::program(runtime)),
        State::Stopped => format!("{start} starts it; --wait enters it then"),
        State::Gone { .. } if !in_first_pid_namespace() => {
            "cnsenter is in a container itself, and cannot see the host's processes: run it with --pid=host".to_owned()
        }
        State::Gone { .. } => {
            let why = match &container.source {
                Source::State { instead_of: Some(reason), .. } => format!("{reason}; "),
                _ => String::new(),
            };
            format!("{why}what the runtime left on disk is older than its end; --wait enters its next run")
        }
        State::Running | State::Paused => format!("try again; {} shows its record", client::inspect(runtime, name)),
    }
}

/// Whether our pid namespace is the one that the machine was started with, by the number that the kernel gives it,
/// `include/uapi/linux/nsfs.h`.
fn in_first_pid_namespace() -> bool {
    std::fs::read_link("/proc/self/ns/pid").is_ok_and(|link| link.as_os_str() == "pid:[4026531836]")
}

/// What failed on entering, in terms of the container where there is one.
pub(super) fn entering(error: &EnterError, container: Option<&Container>) -> String {
    match (error, container) {
        (EnterError::NoProcess(pid), Some(container)) => {
            format!("container {} ended just now: its process {pid} is gone", container.name)
        }
        (EnterError::Impostor { pid, reason }, Some(container)) => {
            format!("process {pid} is not, or no longer, that of container {}: {reason}", container.name)
        }
        (EnterError::OtherNamespace { path, .. }, Some(container)) => {
            format!("container {} is not in the network of {}", container.name, path.display())
        }
        _ => error.to_string(),
    }
}

fn not_entered(error: &EnterError, container: Option<&Container>, args: &Args, words: &[OsString]) -> Option<String> {
    Some(match error {
        EnterError::NoProcess(_) | EnterError::Impostor { .. } => match container {
            Some(container) => format!(
                "nothing was entered; try again. If it stays so while docker ps shows {} running, the engine's processes \
                 are not this machine's: a virtual machine (Docker Desktop), or another pid namespace",
                container.name
            ),
            None => "nothing was entered; ps -e lists the processes that there are".to_owned(),
        },
        EnterError::NoPidfdInodes { pid, .. } => format!("-t {pid} does without the check (Linux 6.9 has it)"),
        EnterError::NoTarget(_) => "name a container, or a process with -t PID".to_owned(),
        EnterError::NothingToJoin => "name some, --net say, or take -a for all".to_owned(),
        EnterError::NotNamespace { path, .. } => not_namespace(path),
        EnterError::WrongKind { path, .. } if path.is_absolute() => {
            format!("readlink {} shows its kind, or lsns", path.display())
        }
        EnterError::OtherNamespace { .. } => {
            "it kept the network from before the other container was restarted: --net joins the one it has".to_owned()
        }
        EnterError::AlreadyInUser(_) => "leave out --user".to_owned(),
        EnterError::CgroupVersion => "leave out --join-cgroup".to_owned(),
        EnterError::Frozen(_) => {
            let program = client::program(container.map_or(Runtime::Docker, |container| container.runtime));
            format!("{program} unpause it first, or leave out --join-cgroup")
        }
        EnterError::Open { path, .. } if error.is_missing() => missing(path, words)?,
        EnterError::NoProgram { .. } | EnterError::NoInterpreter { .. }
            if args.enters_files() && container.is_some_and(Container::is_sandbox) =>
        {
            let pod = container.map(|container| container.reference().to_string()).unwrap_or_default();
            format!("this is the pod's sandbox, which has next to no files; {pod}/CONTAINER has those of a container")
        }
        EnterError::NoProgram { searched, .. } => no_program(searched.as_ref(), args)?,
        EnterError::NoInterpreter { .. } => no_interpreter(args),
        EnterError::CannotExecute { .. } => {
            "is it executable for this user, and its file system not mounted noexec?".to_owned()
        }
        EnterError::NoProc => "mount -t proc proc /proc".to_owned(),
        EnterError::PidNamespaceEnded => "nothing was entered; a container that was restarted has a new one".to_owned(),
        EnterError::System { what, .. } if what.contains("sealed copy") && error.is_denied() => sealed(),
        // Only the processes of a pid namespace and of those above it can be told to have children there.
        EnterError::Join { namespace: "pid", errno: Errno::EINVAL, .. } if !in_first_pid_namespace() => {
            "cnsenter is in a container itself, and not in one above this: run it with --pid=host".to_owned()
        }
        EnterError::Join { .. } if error.is_denied() && has_other_users(container) => {
            "it is in a user namespace of its own, which gives the right to join: add --user".to_owned()
        }
        _ if error.is_denied() => privilege(error, words)?,
        _ => return None,
    })
}

/// Why memory cannot be executed.
fn sealed() -> String {
    match std::fs::read_to_string("/proc/sys/vm/memfd_noexec").is_ok_and(|level| level.trim_end() == "2") {
        true => "sysctl vm.memfd_noexec=1 allows it; --net alone does without".to_owned(),
        false => "the system's security policy forbids it; --net alone does without".to_owned(),
    }
}

fn not_namespace(path: &Path) -> String {
    match path.to_string_lossy().contains("/netns/") {
        true => "nothing is mounted there: its container has ended, or the engine's mounts are not visible from here"
            .to_owned(),
        false => "a namespace is a file like /proc/PID/ns/net, or one that is bind-mounted from there".to_owned(),
    }
}

/// A file of the command line that is not there.
fn missing(path: &Path, words: &[OsString]) -> Option<String> {
    let list = || "ls /run/docker/netns /run/netns lists network namespaces".to_owned();
    cluster(path, words).or_else(|| path.to_string_lossy().contains("netns").then(list))
}

/// `-mt 1` is `-m` with the file `t`: nsenter's own trap.
fn cluster(path: &Path, words: &[OsString]) -> Option<String> {
    let file = path.to_str()?;
    let option = |letter| options::by_short(letter, false);
    let last = option(file.chars().next_back()?)?;
    if !file.chars().all(|letter| option(letter).is_some()) {
        return None;
    }
    let ours = |word: &&OsString| word.as_bytes().starts_with(b"-");
    let clustered = |word: &OsString| {
        let letters = word.to_str().and_then(|word| word.strip_prefix('-'))?.strip_suffix(file)?;
        (letters.chars().count() == 1).then(|| letters.to_owned())
    };
    let index = words.iter().take_while(ours).position(|word| clustered(word).is_some())?;
    let first = clustered(&words[index])?;
    let mut apart: Vec<_> = first.chars().chain(file.chars()).map(|letter| format!("-{letter}")).collect();
    if matches!(last.value, Value::Required(_)) {
        apart.extend(words.get(index + 1).map(|word| word.to_string_lossy().into_owned()));
    }
    Some(format!("-{first}{file} is -{first} with the file {file}; write {}", apart.join(" ")))
}

fn no_program(searched: Option<&OsString>, args: &Args) -> Option<String> {
    const KEEP: &str = "leave out the mount namespace to keep the host's tools";
    match (searched, args.enters_files()) {
        (Some(path), true) => Some(format!("searched {} among the target's files; {KEEP}", path.display())),
        (Some(path), false) => Some(format!("searched {} among the host's files", path.display())),
        (None, true) => Some(format!("it is not among the target's files; {KEEP}")),
        (None, false) => None,
    }
}

fn no_interpreter(args: &Args) -> String {
    match args.enters_files() {
        true => "leave out the mount namespace to keep the host's tools".to_owned(),
        false => "its first line, or ldd, names what is missing".to_owned(),
    }
}

/// Whether an ordinary user's container has a user namespace of its own.
fn has_other_users(container: Option<&Container>) -> bool {
    let Some(pid) = container.and_then(|container| container.pid) else { return false };
    let link = |of: &str| std::fs::read_link(format!("/proc/{of}/ns/user")).ok();
    let theirs = link(&pid.to_string());
    !rustix::process::geteuid().is_root() && theirs.is_some() && theirs != link("self")
}

/// EPERM and EACCES: who may do it.
fn privilege(error: &EnterError, words: &[OsString]) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some(sudo(words));
    }
    match error {
        EnterError::Join { .. } | EnterError::Open { .. } => {
            Some("this root has no CAP_SYS_ADMIN over the target: run it on the host itself".to_owned())
        }
        _ => None,
    }
}

/// The line to run instead, and why.
fn sudo(words: &[OsString]) -> String {
    format!("joining namespaces needs CAP_SYS_ADMIN, and the engine's socket its group: sudo {}", line(words))
}

fn line(words: &[OsString]) -> String {
    let words = std::iter::once(&b"cnsenter"[..]).chain(words.iter().map(|word| word.as_bytes()));
    String::from_utf8_lossy(&shlex::bytes::try_join(words).unwrap_or_default()).into_owned()
}

/// ssh joins its words with blanks, and a shell takes them apart again.
fn line_for_ssh(words: &[OsString]) -> String {
    let line = line(words);
    match shlex::try_quote(&line) {
        Ok(quoted) if line.contains(['\'', '"', '\\']) => quoted.into_owned(),
        _ => line,
    }
}

fn process_exists(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit()) && Path::new("/proc").join(word).exists()
}
