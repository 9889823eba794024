//! The engine's netns folder: which file is whose network. Joining one belongs to `enter`; the containers themselves
//! are found by `search`.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::container::{Container, Network, Source, State};
use crate::endpoint::Settings;
use crate::error::{Candidate, Error, Unknown};
use crate::reference::Reference;
use crate::roots::Roots;
use crate::runtime::process;
use crate::search;

/// Where Docker keeps its network namespaces, unless its record says otherwise (`/var/run` is a link to `/run`).
pub(crate) const DEFAULT_FOLDER: &str = "/var/run/docker/netns";

/// What the engine itself calls its daemon and where it notes its pid.
const DAEMON: &str = "dockerd";
const PID_FILES: [&str; 2] = ["/run/docker.pid", "/run/snap.docker/docker.pid"];

/// A file's name is that many characters of the sandbox ID.
const NAME_LENGTH: usize = 12;

/// A hexadecimal word shorter than this is not taken for the beginning of a sandbox ID.
const SHORTEST_PREFIX: usize = 4;

/// How long a chain of `--network container:…` may be.
const LONGEST_CHAIN: usize = 8;

/// A network namespace that an engine keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sandbox {
    /// The container that it was named by; none for a file that was named itself.
    pub container: Option<Container>,
    /// The container whose sandbox it is, where the one that was named shares it (`--network container:…`).
    pub owner: Option<String>,
    /// The file to join.
    pub file: SandboxFile,
    /// Whether it is the host's own network.
    pub of_host: bool,
    /// Why the engine could not be asked whether the name is a container's as well.
    pub unasked: Option<String>,
}

/// The file of a sandbox, and where it can be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxFile {
    /// As the engine's record has it.
    pub recorded: PathBuf,
    /// Where it is a namespace for this process: the same, or through the daemon's root folder when the daemon has
    /// a mount namespace of its own. `None`: nowhere.
    pub visible: Option<PathBuf>,
}

/// What a file of the netns folder is, as this process sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visibility {
    /// A namespace.
    Namespace,
    /// A file with nothing mounted on it: the mount is in another mount namespace, or gone.
    PlainFile,
    /// Nothing.
    Missing,
    /// We may not look.
    Forbidden,
}

/// The file system of namespaces, statfs(2).
const NSFS_MAGIC: i64 = 0x6e73_6673;

/// Tells whether `file` is on nsfs.
pub(crate) fn visibility(file: &Path) -> Visibility {
    match rustix::fs::statfs(file) {
        Ok(found) if found.f_type == NSFS_MAGIC => Visibility::Namespace,
        Ok(_) => Visibility::PlainFile,
        Err(rustix::io::Errno::ACCESS | rustix::io::Errno::PERM) => Visibility::Forbidden,
        Err(_) => Visibility::Missing,
    }
}

/// Finds the sandbox that `reference` names.
pub(crate) fn find(reference: &Reference, settings: &Settings) -> Result<Sandbox, Error> {
    let start = Instant::now();
    let container = match search::find(reference, settings) {
        Ok(container) => container,
        Err(Error::NoSuchContainer(unknown)) if reference.plain().is_some() => {
            let word = reference.plain().unwrap_or_default();
            return match one_of(word, files(word)?)? {
                Some(file) => Ok(of_file(file, unknown.unasked)),
                None => {
                    let folder = Some(PathBuf::from(DEFAULT_FOLDER));
                    Err(Error::NoSuchContainer(Box::new(Unknown { folder, ..*unknown })))
                }
            };
        }
        Err(error) => return without_engine(reference, error),
    };
    of_named(reference, container, settings, start)
}

/// The sandbox of a container that is known already, by the words that led to it.
pub(crate) fn of_named(
    reference: &Reference,
    container: Container,
    settings: &Settings,
    start: Instant,
) -> Result<Sandbox, Error> {
    if let Some(word) = reference.plain() {
        check_for_rivals(word, &container)?;
    }
    of_container(container, settings, start)
}

/// The engine cannot say whether the name is a container's. A file of exactly that name is taken all the same.
fn without_engine(reference: &Reference, error: Error) -> Result<Sandbox, Error> {
    let exact = |word: &str| Some(files(word).ok()?.into_iter().find(|found| found.exact)?.file);
    match (&error, reference.plain().and_then(exact)) {
        (Error::Engine { .. }, Some(file)) => Ok(of_file(file, Some(error.to_string()))),
        _ => Err(error),
    }
}

/// A word that names a container and a file that is not the container's is no name. What matches exactly goes before
/// what matches by its beginning.
fn check_for_rivals(word: &str, container: &Container) -> Result<(), Error> {
    let exact = word == container.name || word == container.id;
    let theirs = |file: &Path| match &container.network {
        Network::Sandbox(key) | Network::Host(Some(key)) => key.file_name() == file.file_name(),
        Network::Host(None) | Network::Container(_) | Network::None => false,
    };
    // Whoever may not look will not join either.
    let files = files(word).unwrap_or_default();
    let mut rivals = files.into_iter().filter(|found| found.exact >= exact && !theirs(&found.file)).peekable();
    if rivals.peek().is_none() {
        return Ok(());
    }
    let reference = container.reference().to_string();
    let candidate = Candidate::Container { reference, name: container.name.clone(), runtime: container.runtime };
    let candidates = std::iter::once(candidate).chain(rivals.map(|found| Candidate::File(found.file))).collect();
    Err(Error::Ambiguous { word: word.to_owned(), candidates })
}

fn of_file(file: PathBuf, unasked: Option<String>) -> Sandbox {
    Sandbox { container: None, owner: None, file: locate(file, None), of_host: false, unasked }
}

/// The sandbox of a container that runs, or of the one whose network it shares.
fn of_container(container: Container, settings: &Settings, start: Instant) -> Result<Sandbox, Error> {
    let mut owner = container.clone();
    for _ in 0..LONGEST_CHAIN {
        // An engine goes on to report the key of a container that has ended.
        if !matches!(owner.state, State::Running | State::Paused) {
            return Err(Error::NotRunning(Box::new(owner)));
        }
        let of_host = matches!(owner.network, Network::Host(_));
        match owner.network {
            Network::Sandbox(key) | Network::Host(Some(key)) => {
                let shared = owner.id != container.id;
                return Ok(Sandbox {
                    file: locate(key, container.listener()),
                    owner: shared.then_some(owner.name),
                    container: Some(container),
                    of_host,
                    unasked: None,
                });
            }
            Network::Container(ref other) => {
                log::info!("{} shares the network of {other}", owner.name);
                let other = Reference::of(owner.runtime, other.as_str());
                // All that is asked together has one timeout.
                let timeout = settings.timeout.saturating_sub(start.elapsed());
                let settings = &Settings { timeout, ..settings.clone() };
                // An engine that did not answer is not asked again.
                let known = match owner.source {
                    Source::State { .. } => search::by_state(&other, &owner, &Roots::of_settings(settings))?,
                    Source::Engine { .. } => None,
                };
                owner = match known {
                    Some(known) => known,
                    None => search::find(&other, settings)?,
                };
            }
            Network::Host(None) | Network::None => return Err(Error::NoSandbox(owner.name)),
        }
    }
    Err(Error::NetworkLoop(container.name))
}

/// Where the file is a namespace for this process.
fn locate(recorded: PathBuf, listener: Option<i32>) -> SandboxFile {
    // Whoever may not look is told so when the file is opened.
    if matches!(visibility(&recorded), Visibility::Namespace | Visibility::Forbidden) {
        return SandboxFile { visible: Some(recorded.clone()), recorded };
    }
    let visible = through_daemon(&recorded, listener).filter(|path| visibility(path) == Visibility::Namespace);
    SandboxFile { recorded, visible }
}

/// The same file in the daemon's mount namespace. `/var/run` is a link, absolute as a rule, and would lead back to
/// ours.
fn through_daemon(recorded: &Path, listener: Option<i32>) -> Option<PathBuf> {
    let inside = recorded
        .strip_prefix("/var/run")
        .map_or_else(|_| recorded.strip_prefix("/").map(Path::to_owned), |rest| Ok(Path::new("run").join(rest)));
    let noted = |file: &str| std::fs::read_to_string(file).ok()?.trim().parse().ok();
    let pid = listener.into_iter().chain(PID_FILES.iter().filter_map(|file| noted(file))).find(is_daemon)?;
    Some(Path::new("/proc").join(pid.to_string()).join("root").join(inside.ok()?))
}

/// A process of the host's root that is called dockerd. The name alone could be anybody's; a container's process has
/// another pid namespace, an ordinary user's another owner.
fn is_daemon(pid: &i32) -> bool {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let same = |namespace: &str| {
        let [ours, theirs] = [Path::new("/proc/self"), &process].map(|of| std::fs::read_link(of.join(namespace)));
        matches!((ours, theirs), (Ok(ours), Ok(theirs)) if ours == theirs)
    };
    let named = std::fs::read_to_string(process.join("comm")).is_ok_and(|name| name.trim_end() == DAEMON);
    let of_root = std::fs::metadata(&process).is_ok_and(|found| found.uid() == 0);
    // A container may have the host's pid namespace, and call itself so; its cgroup tells.
    named && of_root && same("ns/pid") && same("ns/user") && !process::is_in_container(*pid)
}

/// A file that a word may stand for.
struct Found {
    file: PathBuf,
    exact: bool,
}

/// The files of the engine's folder that `word` stands for.
fn files(word: &str) -> Result<Vec<Found>, Error> {
    let entries = match std::fs::read_dir(DEFAULT_FOLDER) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Err(Error::Folder(DEFAULT_FOLDER.into())),
        Err(_) => return Ok(Vec::new()),
    };
    let names: Vec<_> = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    Ok(matching(word, &names))
}

/// The files that `word` stands for: by name, by sandbox ID, by the beginning of one.
fn matching(word: &str, names: &[String]) -> Vec<Found> {
    let hexadecimal = word.bytes().all(|b| b.is_ascii_hexdigit());
    let head = word.get(..NAME_LENGTH).filter(|_| hexadecimal && word.len() <= 64);
    names
        .iter()
        .filter_map(|name| {
            let exact = name == word || (word.len() == 64 && head == Some(name));
            let prefix = hexadecimal
                && name.len() == NAME_LENGTH
                && ((word.len() >= SHORTEST_PREFIX && name.starts_with(word)) || head == Some(name));
            (exact || prefix).then(|| Found { file: Path::new(DEFAULT_FOLDER).join(name), exact })
        })
        .collect()
}

fn one_of(word: &str, mut files: Vec<Found>) -> Result<Option<PathBuf>, Error> {
    if let Some(found) = files.iter().position(|found| found.exact) {
        return Ok(Some(files.swap_remove(found).file));
    }
    if files.len() > 1 {
        let candidates = files.into_iter().map(|found| Candidate::File(found.file)).collect();
        return Err(Error::Ambiguous { word: word.to_owned(), candidates });
    }
    Ok(files.pop().map(|found| found.file))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(word: &str) -> Vec<(String, bool)> {
        let names = ["a5e6c4190230", "a5e6ffffffff", "default", "ingress_sbox", "1-q7zk0abcde", "lb_q7zk0abcd"];
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let name = |found: &Found| found.file.file_name().unwrap().to_string_lossy().into_owned();
        matching(word, &names).iter().map(|found| (name(found), found.exact)).collect()
    }

    #[test]
    fn a_file_is_found_by_name_sandbox_id_and_prefix() {
        let full = format!("a5e6c4190230{}", "0".repeat(52));
        let one = |name: &str, exact| vec![(name.to_owned(), exact)];
        assert_eq!(found("a5e6c4190230"), one("a5e6c4190230", true));
        assert_eq!(found(&full), one("a5e6c4190230", true));
        assert_eq!(found(&full[..20]), one("a5e6c4190230", false));
        assert_eq!(found("a5e6c"), one("a5e6c4190230", false));
        assert_eq!(found("a5e6").len(), 2);
        assert_eq!(found("ingress_sbox"), one("ingress_sbox", true));
        assert_eq!(found("lb_q7zk0abcd"), one("lb_q7zk0abcd", true));
        assert!(found("a5").is_empty(), "too short to be an ID");
        assert!(found("ingress").is_empty(), "names match whole");
        assert!(found("defa").is_empty());
    }

    #[test]
    fn a_plain_file_is_not_a_namespace() {
        assert_eq!(visibility(Path::new("/proc/self/ns/net")), Visibility::Namespace);
        assert_eq!(visibility(Path::new("/etc/passwd")), Visibility::PlainFile);
        assert_eq!(visibility(Path::new("/nonexistent")), Visibility::Missing);
    }
}
