//! Docker's API on a unix socket of this machine, which podman speaks as well. What engines keep on disk does not belong
//! here, nor which engine is asked first.

mod network;
mod summary;
mod transport;

use std::collections::HashMap;
use std::error::Error as _;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::time::{Duration, Instant, SystemTime};

#[cfg(any(test, fuzzing))]
pub(crate) use summary::code_in;

use bollard::Docker;
use bollard::errors::Error as Bollard;
use bollard::models::{ContainerInspectResponse, ContainerState, ContainerStateStatusEnum, ContainerSummary};
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::StreamExt;

pub(crate) use self::network::networks;
use crate::Runtime;
use crate::container::{Container, Elsewhere, Files, Pod, Source, State};
use crate::endpoint::{Endpoint, Origin, Settings};
use crate::error::{Error, Failure};
use crate::runtime::{docker, oci, process, storage};
use crate::wanted::Wanted;

/// How many containers with the same labels are asked for one by one.
const MOST_ASKED: usize = 64;

/// An engine that can be asked.
#[derive(Debug)]
pub(crate) struct Engine {
    runtime: Runtime,
    origin: Origin,
    /// The process that listens on its socket: the daemon, or whoever started it (systemd).
    listener: Option<i32>,
    docker: Docker,
    timeout: Duration,
    /// For all that is asked together.
    deadline: Instant,
}

impl Engine {
    /// Connects: what fails here is told by the system's own words, and the socket says who listens.
    pub(crate) fn open(
        runtime: Runtime,
        endpoint: Endpoint,
        timeout: Duration,
        deadline: Instant,
    ) -> Result<Self, Error> {
        let Endpoint { socket, origin } = endpoint;
        let failed = |failure, origin| Error::Engine { runtime, failure, origin };
        let connection = match transport::connect_to(&socket) {
            Ok(connection) => connection,
            Err(error) => return Err(failed(system(&error), origin)),
        };
        let listener = transport::listener(&connection);
        match transport::client(socket, connection) {
            Ok(docker) => Ok(Self { runtime, origin, listener, docker, timeout, deadline }),
            Err(error) => Err(failed(failure(&error), origin)),
        }
    }

    /// Those of a runtime that can be asked; none where it has no API.
    pub(crate) fn of(runtime: Runtime, settings: &Settings) -> Vec<Self> {
        let endpoints = match runtime {
            Runtime::Docker => settings.endpoint().into_iter().collect(),
            Runtime::Podman => settings.podman().unwrap_or_default(),
            _ => Vec::new(),
        };
        let now = Instant::now();
        let deadline = now.checked_add(settings.timeout).unwrap_or(now);
        let open = |endpoint| Self::open(runtime, endpoint, settings.timeout, deadline).ok();
        endpoints.into_iter().filter_map(open).collect()
    }

    /// Where it is asked.
    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Asks for what is wanted; nothing where the engine does not know it.
    pub(crate) async fn find(&self, wanted: &Wanted<'_>) -> Result<Vec<Container>, Error> {
        log::info!("asking {} at {} for {wanted}", self.runtime.name(), self.origin);
        let labels = match wanted {
            Wanted::Name { name, .. } | Wanted::Id(name) => return self.find_by_name(name).await,
            Wanted::Text(_) | Wanted::All => return Ok(Vec::new()),
            Wanted::Pod { namespace, pod, .. } => {
                vec![format!("io.kubernetes.pod.namespace={namespace}"), format!("io.kubernetes.pod.name={pod}")]
            }
            Wanted::Service { project, service, .. } => {
                vec![format!("com.docker.compose.project={project}"), format!("com.docker.compose.service={service}")]
            }
        };
        self.inspect_all(self.list("label", &labels).await?).await
    }

    /// Exact name, full ID, unique prefix, in the engine's own order. A name that podman does not know may be a pod's.
    async fn find_by_name(&self, name: &str) -> Result<Vec<Container>, Error> {
        match self.answer(name).await? {
            Ok(answer) => Ok(vec![self.container(answer)?]),
            Err(Bollard::DockerResponseServerError { status_code: 404, .. }) => match self.runtime {
                Runtime::Podman => self.infra_of_pod(name).await,
                _ => Ok(Vec::new()),
            },
            // 500 in older engines and in podman, 400 in newer ones.
            Err(Bollard::DockerResponseServerError { message, .. }) if is_ambiguous(&message) => {
                let mut matching = self.list("", &[]).await?;
                matching.retain(|(id, _)| id.starts_with(name));
                self.inspect_all(matching).await
            }
            Err(error) => Err(self.failed(failure(&error))),
        }
    }

    /// All that the engine says of one container.
    pub(crate) async fn answer(&self, name: &str) -> Result<Result<ContainerInspectResponse, Bollard>, Error> {
        self.ask(self.docker.inspect_container(name, None)).await
    }

    /// podman's pods share the namespaces of one of their containers.
    async fn infra_of_pod(&self, pod: &str) -> Result<Vec<Container>, Error> {
        // Where there is no such pod, podman's answer is an error of its own.
        let mut members = self.list("pod", &[pod.to_owned()]).await.unwrap_or_default();
        members.retain(|(_, name)| name.ends_with(storage::INFRA));
        let of_pod = Some(Pod { namespace: None, name: pod.to_owned(), container: None });
        let infra = self.inspect_all(members).await?;
        Ok(infra.into_iter().map(|container| Container { pod: of_pod.clone(), ..container }).collect())
    }

    async fn inspect_all(&self, listed: Vec<(String, String)>) -> Result<Vec<Container>, Error> {
        let mut all = Vec::new();
        for (id, _) in listed.into_iter().take(MOST_ASKED) {
            match self.answer(&id).await? {
                Ok(answer) => all.push(self.container(answer)?),
                // Removed since it was listed.
                Err(Bollard::DockerResponseServerError { status_code: 404, .. }) => {}
                Err(error) => return Err(self.failed(failure(&error))),
            }
        }
        Ok(all)
    }

    /// Full ID and name of every container, whatever its state, that passes the filter.
    async fn list(&self, filter: &str, values: &[String]) -> Result<Vec<(String, String)>, Error> {
        let summaries = self.summaries(filter, values).await?;
        let first = |names: Option<Vec<String>>| names.unwrap_or_default().into_iter().next().unwrap_or_default();
        let entry = |summary: ContainerSummary| Some((summary.id?, docker::bare(first(summary.names))));
        Ok(summaries.into_iter().filter_map(entry).collect())
    }

    /// The names of all containers.
    pub(crate) async fn names(&self) -> Result<Vec<String>, Error> {
        Ok(self.list("", &[]).await?.into_iter().map(|(_, name)| name).collect())
    }

    /// Waits until `end` for the event of the container's start, or of its removal, of which those since `since` count.
    /// Whether there was one: an engine that goes away tells of none.
    pub(crate) async fn started(&self, id: &str, name: &str, since: SystemTime, end: Instant) -> bool {
        let since = since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let since = format!("{}.{:09}", since.as_secs(), since.subsec_nanos());
        // By its name as well: another container may take its place, as Compose makes a service anew.
        let filters = HashMap::from([
            ("type", vec!["container"]),
            ("event", vec!["start", "destroy"]),
            ("container", vec![id, name]),
        ]);
        let options = EventsOptionsBuilder::new().since(&since).filters(&filters).build();
        let mut events = pin!(self.docker.events(Some(options)));
        let left = end.saturating_duration_since(Instant::now());
        matches!(tokio::time::timeout(left, events.next()).await, Ok(Some(Ok(_))) | Err(_))
    }

    /// Waits for an answer until the deadline.
    async fn ask<T>(&self, question: impl Future<Output = T>) -> Result<T, Error> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        tokio::time::timeout(left, question).await.map_err(|_| self.failed(Failure::Silent(self.timeout)))
    }

    fn failed(&self, failure: Failure) -> Error {
        Error::Engine { runtime: self.runtime, failure, origin: self.origin.clone() }
    }

    fn container(&self, answer: ContainerInspectResponse) -> Result<Container, Error> {
        let source = Source::Engine { listener: self.listener, elsewhere: self.elsewhere() };
        container(self.runtime, source, answer)
            .ok_or_else(|| self.failed(Failure::Garbage("its answer has no ID or no state".to_owned())))
    }

    /// Why the engine's pids mean nothing here, if so.
    fn elsewhere(&self) -> Option<Elsewhere> {
        // Docker Desktop's socket, and the program behind it, which passes everything on to a virtual machine.
        let program = self.listener.and_then(|pid| std::fs::read_to_string(process::of(pid, "comm")).ok());
        if self.origin.address.contains("/.docker/desktop/")
            || program.is_some_and(|name| name.starts_with("com.docker"))
        {
            return Some(Elsewhere::VirtualMachine);
        }
        if !process::numbers_are_ours() {
            // The host's /proc in a container: its numbers are the engine's, or the cgroup will not be the container's.
            return None;
        }
        let Some(listener) = self.listener else { return Some(Elsewhere::OtherPidNamespace) };
        let [ours, theirs] =
            [PathBuf::from("/proc/self/ns/pid"), process::of(listener, "ns/pid")].map(std::fs::read_link);
        matches!((ours, theirs), (Ok(ours), Ok(theirs)) if ours != theirs).then_some(Elsewhere::OtherPidNamespace)
    }
}

fn is_ambiguous(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("multiple ids found") || message.contains("more than one result")
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
fn container(runtime: Runtime, source: Source, answer: ContainerInspectResponse) -> Option<Container> {
    let id = answer.id.filter(|id| !id.is_empty())?;
    let state = answer.state?;
    let config = answer.config.unwrap_or_default();
    let host = answer.host_config.unwrap_or_default();
    let mode = host.network_mode.unwrap_or_default();
    let key = answer.network_settings.and_then(|network| network.sandbox_key);
    let labels = config.labels.unwrap_or_default();
    let files = [answer.resolv_conf_path, answer.hosts_path, answer.hostname_path].map(|path| path.map(PathBuf::from));
    let mounts = answer.mounts.unwrap_or_default();
    let label = |name: &str| labels.get(name).map(String::as_str);
    let name = docker::bare(answer.name.unwrap_or_default());
    Some(Container {
        runtime,
        namespace: None,
        id,
        pid: state.pid.and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 0),
        start: None,
        network: docker::network(&mode, key.map(PathBuf::from)),
        env: oci::environment(config.env.unwrap_or_default(), config.hostname.unwrap_or_default()),
        added_groups: match runtime {
            Runtime::Docker => host.group_add.unwrap_or_default(),
            _ => Vec::new(),
        },
        files: Files::recorded(files, mounts.iter().filter_map(|mount| mount.destination.as_deref())),
        state: self::state(state),
        pod: docker::pod(&name),
        name,
        service: oci::service(label),
        source,
    })
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
