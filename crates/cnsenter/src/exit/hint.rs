//! What to do about a failure, in one line. What failed is said elsewhere.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use resolve::{
    Candidate, Container, Elsewhere, Error as ResolveError, Failure as EngineFailure, Reference, Runtime, Source,
    State, Unknown,
};

use super::{Failure, Line, client};
use crate::cli::EXEC;
use crate::environment::Error as VariablesError;
use crate::plan::Refusal;
use crate::settings::Engines;
use crate::subcommand::Subcommand;

mod entering;

pub(super) use entering::entering;

/// The hint for a failure, where there is one.
pub(super) fn hint(failure: &Failure, line: &Line<'_>) -> Option<String> {
    match failure {
        Failure::Unresolved(error) => resolving(error, line),
        Failure::Refused(refusal) => refused(refusal),
        Failure::NotEntered { error, container } => {
            entering::not_entered(error, container.as_deref(), line.args?, line.words)
        }
        Failure::NobodyAnswers(_) if !rustix::process::geteuid().is_root() => Some(sudo(line.words)),
        Failure::NobodyAnswers(_) => Some("--state-root DIR reads what an engine left there".to_owned()),
        Failure::Variables(VariablesError::Line { .. }) => {
            Some("a line is NAME=VALUE, NAME for your own, or a comment after #".to_owned())
        }
        Failure::Variables(_) | Failure::Unread(_) | Failure::Output(_) => None,
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

fn resolving(error: &ResolveError, line: &Line<'_>) -> Option<String> {
    let Line { words, engines, args } = line;
    let habit = || args.and_then(|_| of_docker_exec(words));
    Some(match error {
        ResolveError::NoSuchContainer(unknown) => {
            let Unknown { reference, similar, folder, asked, .. } = &**unknown;
            let blind = asked.iter().any(|asked| asked.forbidden) && !rustix::process::geteuid().is_root();
            match (&similar[..], folder) {
                _ if blind => sudo(words),
                ([], _) if reference.plain().is_some_and(process_exists) => match args {
                    Some(_) => format!("to enter the process of that number: -t {reference}"),
                    None => format!("cnsenter who {reference} says whose the process of that number is"),
                },
                ([], Some(_)) => {
                    let [ls, netns] = [["ls", "-a"].as_slice(), &["netns"]].map(|words| subcommand(words, engines));
                    format!("{ls} lists containers, {netns} network namespaces")
                }
                ([], None) => match reference {
                    Reference::Service { .. } => "docker compose ls -a lists the projects".to_owned(),
                    Reference::Pod { .. } | Reference::Name { .. } => {
                        let list = format!("{} lists what there is", subcommand(&["ls", "-a"], engines));
                        let meant = args.and(reference.plain()).and_then(of_docker);
                        [Some(list), meant.or_else(habit)].into_iter().flatten().collect::<Vec<_>>().join("; ")
                    }
                },
                (names, _) => format!("did you mean {}?", names.join(", ")),
            }
        }
        ResolveError::Absent(_) => "--state-root names a folder of state that is in no usual place".to_owned(),
        ResolveError::Ambiguous { .. } => habit().unwrap_or_else(|| "name one of these".to_owned()),
        ResolveError::Engine { runtime, failure, .. } => engine(*runtime, failure, line),
        ResolveError::Remote { origin } => match origin.address.starts_with("ssh://") {
            true if engines.host.is_some() || engines.context.is_some() => {
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
        ResolveError::Specification { .. } => {
            "it says what the container's programs may do; --raw and --privileged go without it, and confine nothing"
                .to_owned()
        }
        ResolveError::Executor(_) => return None,
    })
}

fn engine(runtime: Runtime, failure: &EngineFailure, line: &Line<'_>) -> String {
    match failure {
        EngineFailure::NoSocket => {
            format!("is {} running? For another socket: -H unix://PATH; for a process: -t PID", runtime.name())
        }
        EngineFailure::Forbidden => sudo(line.words),
        EngineFailure::Refused => format!("the engine is not running: systemctl status {}", runtime.scheme()),
        EngineFailure::Silent(_) => format!(
            "the engine hangs; --state-root DIR goes by what it left there, --timeout waits longer than {}",
            humantime::format_duration(line.engines.timeout)
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
        State::Running | State::Paused => {
            format!("try again; cnsenter inspect {} shows what is known of it", container.reference())
        }
    }
}

/// Whether our pid namespace is the one that the machine was started with, by the number that the kernel gives it,
/// `include/uapi/linux/nsfs.h`.
fn in_first_pid_namespace() -> bool {
    std::fs::read_link("/proc/self/ns/pid").is_ok_and(|link| link.as_os_str() == "pid:[4026531836]")
}

/// What was meant by a name that nobody has, as a habit from docker and the like: `exec NAME`, `help`, options before the
/// subcommand.
fn of_docker(name: &str) -> Option<String> {
    match name {
        "exec" => Some(EXEC.to_owned()),
        "help" => Some("cnsenter --help shows how it is used".to_owned()),
        _ => Subcommand::named(OsStr::new(name))
            .map(|it| format!("a subcommand is the first word: cnsenter {}", it.name())),
    }
}

/// `-u root NAME`, as a habit from `docker exec`: here the word after `-u` is TARGET.
fn of_docker_exec(words: &[OsString]) -> Option<String> {
    let texts: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    let first = texts.iter().position(|word| !word.starts_with('-'))?;
    let [.., option] = &texts[..first] else { return None };
    let word = &texts[first];
    let ours = match &option[..] {
        "-u" | "--user" => "--as",
        "-w" => "--workdir",
        "-ti" => return Some("docker exec's -ti is not needed: a program gets a terminal by itself".to_owned()),
        _ => return None,
    };
    // With nothing behind it, it is meant as the container.
    (texts.len() > first + 1).then(|| format!("docker exec's {option} {word} is {ours} {word} here"))
}

/// The line to run instead, and why.
fn sudo(words: &[OsString]) -> String {
    format!("joining namespaces needs CAP_SYS_ADMIN, and the engine's socket its group: sudo {}", line(words))
}

/// One of cnsenter's own subcommands, which asks the same engines.
fn subcommand(words: &[&str], engines: &Engines) -> String {
    line(&words.iter().map(OsString::from).chain(engines.words()).collect::<Vec<_>>())
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
