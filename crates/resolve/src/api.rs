//! Docker's answers, read through its API on a unix socket of this machine. What its files on disk say, and what other
//! runtimes say, does not belong here.

mod transport;

use std::error::Error as _;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bollard::Docker;
use bollard::errors::Error as Bollard;
use bollard::models::{ContainerInspectResponse, ContainerState, ContainerStateStatusEnum, ContainerSummary};
use bollard::query_parameters::ListContainersOptionsBuilder;

use super::Runtime;
use crate::container::{Container, Network, State};
use crate::endpoint::{Endpoint, Origin, Settings};
use crate::error::{Candidate, Error, Failure};
use crate::reference::Reference;

/// What Docker gives to the programs of an image that sets no PATH.
const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How many names a message offers at most.
const SIMILAR: usize = 3;

/// A Docker engine that can be asked.
#[derive(Debug)]
pub(crate) struct Engine {
    origin: Origin,
    /// The process that listens on its socket: the daemon, or whoever started it (systemd).
    pub(crate) listener: Option<i32>,
    docker: Docker,
    /// Of one thread: joining a mount or user namespace needs a process that has no other, setns(2). Dropped with the
    /// engine, before anything is joined.
    executor: tokio::runtime::Runtime,
    timeout: Duration,
    /// For all that is asked together.
    deadline: Instant,
}

impl Engine {
    /// Finds the engine and connects: what fails here is told by the system's own words, and the socket says who listens.
    pub(crate) fn open(settings: &Settings) -> Result<Self, Error> {
        let now = Instant::now();
        let deadline = now.checked_add(settings.timeout).unwrap_or(now);
        let Endpoint { socket, origin } = settings.endpoint()?;
        let connection = match transport::connect_to(&socket) {
            Ok(connection) => connection,
            Err(error) => return Err(Error::Engine { failure: system(&error), origin }),
        };
        let listener = transport::listener(&connection);
        let executor =
            tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().map_err(Error::Executor)?;
        match transport::client(socket, connection) {
            Ok(docker) => Ok(Self { origin, listener, docker, executor, timeout: settings.timeout, deadline }),
            Err(error) => Err(Error::Engine { failure: failure(&error), origin }),
        }
    }

    /// Asks for one container: exact name, full ID, unique prefix, in the engine's own order.
    pub(crate) fn inspect(&self, reference: &Reference) -> Result<Container, Error> {
        let name = &reference.name;
        log::info!("asking Docker at {} for {name}", self.origin);
        match self.ask(self.docker.inspect_container(name, None))? {
            Ok(answer) => container(answer)
                .ok_or_else(|| self.failed(Failure::Garbage("its answer has no ID or no state".to_owned()))),
            Err(Bollard::DockerResponseServerError { status_code: 404, .. }) => {
                let known = self.list().unwrap_or_default();
                let similar = nearest(name, known.into_iter().map(|(_, name)| name));
                Err(Error::NoSuchContainer { reference: reference.clone(), similar, folder: None })
            }
            // 500 in older engines, 400 in newer ones.
            Err(Bollard::DockerResponseServerError { message, .. })
                if message.to_ascii_lowercase().contains("multiple ids found") =>
            {
                Err(Error::Ambiguous { word: name.clone(), candidates: with_prefix(self.list()?, name) })
            }
            Err(error) => Err(self.failed(failure(&error))),
        }
    }

    /// Full ID and name of every container, whatever its state.
    fn list(&self) -> Result<Vec<(String, String)>, Error> {
        let options = ListContainersOptionsBuilder::new().all(true).build();
        let summaries = self.ask(self.docker.list_containers(Some(options)))?;
        let summaries = summaries.map_err(|error| self.failed(failure(&error)))?;
        let first = |names: Option<Vec<String>>| names.unwrap_or_default().into_iter().next().unwrap_or_default();
        let entry = |summary: ContainerSummary| Some((summary.id?, bare(first(summary.names))));
        Ok(summaries.into_iter().filter_map(entry).collect())
    }

    /// Waits for an answer until the deadline.
    fn ask<T>(&self, question: impl Future<Output = T>) -> Result<T, Error> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        self.executor
            .block_on(async { tokio::time::timeout(left, question).await })
            .map_err(|_| self.failed(Failure::Silent(self.timeout)))
    }

    fn failed(&self, failure: Failure) -> Error {
        Error::Engine { failure, origin: self.origin.clone() }
    }
}

/// A name without the slash that Docker puts before it.
fn bare(name: String) -> String {
    name.strip_prefix('/').map(str::to_owned).unwrap_or(name)
}

/// The names that are nearest to `word`, best first: those that contain it, and those a slip of the keyboard away.
fn nearest(word: &str, names: impl Iterator<Item = String>) -> Vec<String> {
    let lower = word.to_ascii_lowercase();
    let mut ranked: Vec<(usize, String)> = names
        .filter_map(|name| {
            let candidate = name.to_ascii_lowercase();
            let distance = strsim::osa_distance(&lower, &candidate);
            let close = distance <= (lower.len() / 3).max(1) || (lower.len() > 2 && candidate.contains(&lower));
            close.then_some((distance, name))
        })
        .collect();
    ranked.sort();
    ranked.into_iter().take(SIMILAR).map(|(_, name)| name).collect()
}

/// The containers whose ID begins with `prefix`.
fn with_prefix(all: Vec<(String, String)>, prefix: &str) -> Vec<Candidate> {
    let mut matching: Vec<_> = all.into_iter().filter(|(id, _)| id.starts_with(prefix)).collect();
    matching.sort_by(|a, b| a.1.cmp(&b.1));
    // Long enough to tell them apart, and at least as long as Docker prints them.
    let common = |a: &str, b: &str| a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let longest = matching
        .iter()
        .enumerate()
        .flat_map(|(i, (a, _))| matching[i + 1..].iter().map(move |(b, _)| common(a, b)))
        .max();
    let length = longest.map_or(12, |common| (common + 1).max(12));
    let candidate = |(id, name): (String, String)| Candidate::Container {
        reference: format!("docker://{}", id.get(..length).unwrap_or(&id)),
        name,
    };
    matching.into_iter().map(candidate).collect()
}

/// What an error of bollard's means for a person.
fn failure(error: &bollard::errors::Error) -> Failure {
    match error {
        Bollard::DockerResponseServerError { status_code, message } => {
            Failure::Status { status: *status_code, message: message.trim().to_owned() }
        }
        Bollard::JsonDataError { message, .. } => Failure::Garbage(message.clone()),
        Bollard::JsonSerdeError { err } => Failure::Garbage(err.to_string()),
        Bollard::IOError { err } => system(err),
        other => {
            let mut source = other.source();
            while let Some(cause) = source {
                if let Some(error) = cause.downcast_ref::<io::Error>() {
                    return system(error);
                }
                match cause.source() {
                    None => return Failure::Garbage(cause.to_string()),
                    next => source = next,
                }
            }
            Failure::Garbage(other.to_string())
        }
    }
}

fn system(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Failure::Forbidden,
        io::ErrorKind::NotFound => Failure::NoSocket,
        io::ErrorKind::ConnectionRefused => Failure::Refused,
        io::ErrorKind::WouldBlock => Failure::Other("its queue of connections is full".to_owned()),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => {
            Failure::Garbage("it closed the connection".to_owned())
        }
        _ => Failure::Other(error.to_string()),
    }
}

/// `None` where the answer is not of a container.
fn container(answer: ContainerInspectResponse) -> Option<Container> {
    let id = answer.id.filter(|id| !id.is_empty())?;
    let state = answer.state?;
    let config = answer.config.unwrap_or_default();
    let mode = answer.host_config.and_then(|host| host.network_mode).unwrap_or_default();
    let key = answer.network_settings.and_then(|network| network.sandbox_key).filter(|key| !key.is_empty());
    Some(Container {
        runtime: Runtime::Docker,
        id,
        name: bare(answer.name.unwrap_or_default()),
        pid: state.pid.and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 0),
        network: network(&mode, key.map(PathBuf::from)),
        env: environment(config.env.unwrap_or_default(), config.hostname.unwrap_or_default()),
        state: self::state(state),
    })
}

fn network(mode: &str, key: Option<PathBuf>) -> Network {
    match (mode.strip_prefix("container:"), key) {
        (Some(other), None) => Network::Container(other.to_owned()),
        (_, Some(key)) if mode == "host" => Network::Host(key),
        (_, Some(key)) => Network::Sandbox(key),
        (None, None) => Network::None,
    }
}

fn state(state: ContainerState) -> State {
    let code = state.exit_code.unwrap_or_default();
    let exited = State::Exited { code, finished: state.finished_at.unwrap_or_default() };
    match state.status {
        Some(ContainerStateStatusEnum::CREATED) => State::Created,
        Some(ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::STOPPING) => State::Running,
        Some(ContainerStateStatusEnum::PAUSED) => State::Paused,
        Some(ContainerStateStatusEnum::RESTARTING) => State::Restarting { code },
        Some(ContainerStateStatusEnum::REMOVING) => State::Removing,
        Some(ContainerStateStatusEnum::EXITED) => exited,
        Some(ContainerStateStatusEnum::DEAD) => State::Dead,
        Some(ContainerStateStatusEnum::EMPTY) | None if state.running == Some(true) => State::Running,
        Some(ContainerStateStatusEnum::EMPTY) | None => exited,
    }
}

/// The environment of the image and of `docker run`, with what the engine puts before and after.
fn environment(configured: Vec<String>, hostname: String) -> Vec<String> {
    let sets = |name: &str| configured.iter().any(|entry| entry.starts_with(name));
    let mut all = Vec::with_capacity(configured.len() + 3);
    if !sets("PATH=") {
        all.push(DEFAULT_PATH.to_owned());
    }
    if !sets("HOSTNAME=") && !hostname.is_empty() {
        all.push(format!("HOSTNAME={hostname}"));
    }
    let home = (!sets("HOME=")).then(|| "HOME=/root".to_owned());
    all.extend(configured);
    all.extend(home);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_come_best_first() {
        let names = || ["nginx", "nginx-proxy", "ngonx", "redis", "postgres"].into_iter().map(String::from);
        assert_eq!(nearest("ngnix", names()), ["nginx"]);
        assert_eq!(nearest("nginx", names()), ["nginx", "ngonx", "nginx-proxy"]);
        assert_eq!(nearest("proxy", names()), ["nginx-proxy"]);
        assert!(nearest("zookeeper", names()).is_empty());
        assert!(nearest("x", names()).is_empty());
    }

    #[test]
    fn an_empty_sandbox_key_is_told_apart_by_the_network_mode() {
        let key = PathBuf::from("/var/run/docker/netns/default");
        assert_eq!(network("host", Some(key.clone())), Network::Host(key.clone()));
        assert_eq!(network("container:abc", None), Network::Container("abc".to_owned()));
        assert_eq!(network("bridge", Some(key.clone())), Network::Sandbox(key));
        assert_eq!(network("bridge", None), Network::None);
    }

    #[test]
    fn what_the_image_sets_wins_over_what_the_engine_adds() {
        let set = |list: &[&str]| list.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            environment(set(&["PATH=/x", "A=1"]), "web".to_owned()),
            ["HOSTNAME=web", "PATH=/x", "A=1", "HOME=/root"]
        );
        assert_eq!(
            environment(set(&["HOME=/h", "HOSTNAME=x"]), "web".to_owned()),
            [DEFAULT_PATH, "HOME=/h", "HOSTNAME=x"]
        );
    }
}
