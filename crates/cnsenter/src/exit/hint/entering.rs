//! What failed on entering, and what to do about it. What failed before belongs in `hint.rs`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use enter::Error as EnterError;
use nix::errno::Errno;
use resolve::{Container, Runtime};

use super::{in_first_pid_namespace, sudo};
use crate::cli::Args;
use crate::cli::options::{self, Group, OPTIONS, Value};
use crate::exit::client;

/// What failed on entering, in terms of the container where there is one.
pub(crate) fn entering(error: &EnterError, container: Option<&Container>) -> String {
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

pub(super) fn not_entered(
    error: &EnterError,
    container: Option<&Container>,
    args: &Args,
    words: &[OsString],
) -> Option<String> {
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
        EnterError::NoProgram { searched, .. } => no_program(searched.as_ref(), container, args)?,
        EnterError::NoInterpreter { .. } => no_interpreter(args),
        EnterError::CannotExecute { errno: Errno::E2BIG, .. } => {
            "arguments and environment count together, -E and --env-file among them".to_owned()
        }
        EnterError::CannotExecute { .. } => {
            "is it executable for this user, and its file system not mounted noexec?".to_owned()
        }
        EnterError::Tracers(_) => {
            "--mount too enters its files, and runs its own tools; --raw takes the risk".to_owned()
        }
        EnterError::Show { .. } | EnterError::Private(_) => {
            "--raw joins all the same, and shows the host's names, /sys and /proc in there".to_owned()
        }
        EnterError::NoAccount { kind, path, .. } => match container {
            Some(container) => {
                format!("cnsenter {} cat {path} shows who there is; a number needs no {kind} there", container.name)
            }
            None => format!("a number needs no {kind} there"),
        },
        EnterError::InContainer { .. } => "--as UID:GID needs none of its files".to_owned(),
        EnterError::CannotGive { .. } | EnterError::Lacking(_) => {
            "--raw enters with what the caller has, and none of the container's confinement".to_owned()
        }
        EnterError::Filtered { .. } => "--privileged enters without the filter".to_owned(),
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
    let is = |option: &str| {
        let attached = [option, "=", &path.to_string_lossy()].concat();
        words.iter().any(|word| *word == *attached) || words.windows(2).any(|pair| pair[0] == option && pair[1] == path)
    };
    let shown = path.display();
    cluster(path, words).or_else(|| match () {
        () if is("--workdir") => Some("--workdir names a folder of the container's, not of the host's".to_owned()),
        () if is("--user") => {
            Some(format!("--user=FILE is a namespace's file; as a user of the container's: --as {shown}"))
        }
        () if shown.to_string().contains("netns") => {
            Some("ls /run/docker/netns /run/netns lists network namespaces".to_owned())
        }
        () => namespace(path, words),
    })
}

/// `--net=web`: a container's name in the place of a file's.
fn namespace(path: &Path, words: &[OsString]) -> Option<String> {
    let name = path.to_str().filter(|name| !name.contains('/'))?;
    let is = |option: &&str| OPTIONS.iter().any(|it| it.group == Group::Namespaces && option[2..] == *it.long);
    let option = words.iter().find_map(|word| {
        let option = word.to_str()?.strip_suffix(name)?.strip_suffix('=')?;
        Some(option).filter(|option| option.starts_with("--")).filter(is)
    })?;
    Some(format!("{option}=FILE is a namespace's file; a container is a word of its own: {option} {name}"))
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
    if words[index] == "-it" {
        return Some(
            "docker exec's -it is not needed: a program gets a terminal by itself; nsenter's is -i -t".to_owned(),
        );
    }
    let first = clustered(&words[index])?;
    let mut apart: Vec<_> = first.chars().chain(file.chars()).map(|letter| format!("-{letter}")).collect();
    if matches!(last.value, Value::Required(_)) {
        apart.extend(words.get(index + 1).map(|word| word.to_string_lossy().into_owned()));
    }
    Some(format!("-{first}{file} is -{first} with the file {file}; write {}", apart.join(" ")))
}

/// What helps with a container that has no tools.
const KEEP: &str = "--net or --pid alone keeps the host's tools";

/// Where it was looked for: whose files, and in which folders of them.
fn no_program(searched: Option<&OsString>, container: Option<&Container>, args: &Args) -> Option<String> {
    let whose =
        container.map_or("the target's files".to_owned(), |container| format!("the files of {}", container.name));
    match (searched, args.enters_files()) {
        (Some(path), true) => Some(format!("searched {} among {whose}; {KEEP}", path.display())),
        (Some(path), false) => Some(format!("searched {} among the host's files", path.display())),
        (None, true) => Some(format!("it is not among {whose}; {KEEP}")),
        (None, false) => None,
    }
}

fn no_interpreter(args: &Args) -> String {
    match args.enters_files() {
        true => KEEP.to_owned(),
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
