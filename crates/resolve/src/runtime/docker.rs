//! Docker's answers, read through its API on a unix socket of this machine. What its files on disk say, and what other
//! runtimes say, does not belong here.

pub(crate) mod transport;

use std::error::Error as _;
use std::io;
use std::path::PathBuf;

use bollard::Docker;
use bollard::models::{ContainerInspectResponse, ContainerState, ContainerStateStatusEnum};
use bollard::query_parameters::ListContainersOptionsBuilder;

use super::Runtime;
use crate::container::{Container, Network, State};
use crate::endpoint::Settings;
use crate::error::{Candidate, Error, Failure};
use crate::reference::Reference;

/// What Docker gives to the programs of an image that sets no PATH.
const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How many names a message offers at most.
const SIMILAR: usize = 3;

/// Asks the engine for one container: exact name, full ID, unique prefix, in the engine's own order.
pub(super) async fn inspect(reference: &Reference, settings: &Settings) -> Result<Container, Error> {
    let endpoint = settings.endpoint()?;
    log::info!("asking Docker at {} for {}", endpoint.origin, reference.name);
    let fail = |error| Error::Engine { failure: failure(&error), origin: endpoint.origin.clone() };
    let docker = transport::client(&endpoint.socket).map_err(fail)?;
    match docker.inspect_container(&reference.name, None).await {
        Ok(answer) => Ok(container(answer)),
        Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => {
            let known = list(&docker).await.unwrap_or_default();
            let similar = nearest(&reference.name, known.into_iter().map(|(_, name)| name));
            Err(Error::NoSuchContainer { reference: reference.clone(), similar, folder: None })
        }
        // 500 in older engines, 400 in newer ones.
        Err(bollard::errors::Error::DockerResponseServerError { message, .. })
            if message.to_ascii_lowercase().contains("multiple ids found") =>
        {
            let candidates = with_prefix(&docker, &reference.name).await.unwrap_or_default();
            Err(Error::Ambiguous { word: reference.name.clone(), candidates })
        }
        Err(error) => Err(fail(error)),
    }
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

async fn with_prefix(docker: &Docker, prefix: &str) -> Result<Vec<Candidate>, bollard::errors::Error> {
    let mut matching: Vec<_> = list(docker).await?.into_iter().filter(|(id, _)| id.starts_with(prefix)).collect();
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
        reference: format!("docker://{}", &id[..length.min(id.len())]),
        name,
    };
    Ok(matching.into_iter().map(candidate).collect())
}

/// Full ID and name of every container, whatever its state.
async fn list(docker: &Docker) -> Result<Vec<(String, String)>, bollard::errors::Error> {
    let options = ListContainersOptionsBuilder::new().all(true).build();
    let summaries = docker.list_containers(Some(options)).await?;
    let entry = |names: Option<Vec<String>>| names.unwrap_or_default().into_iter().next().unwrap_or_default();
    Ok(summaries
        .into_iter()
        .filter_map(|summary| {
            let name = entry(summary.names);
            Some((summary.id?, name.trim_start_matches('/').to_owned()))
        })
        .collect())
}

/// What an error of bollard's means for a person.
fn failure(error: &bollard::errors::Error) -> Failure {
    use bollard::errors::Error as Bollard;
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

fn container(answer: ContainerInspectResponse) -> Container {
    let state = answer.state.unwrap_or_default();
    let config = answer.config.unwrap_or_default();
    let mode = answer.host_config.and_then(|host| host.network_mode).unwrap_or_default();
    let key = answer.network_settings.and_then(|network| network.sandbox_key).filter(|key| !key.is_empty());
    Container {
        runtime: Runtime::Docker,
        id: answer.id.unwrap_or_default(),
        name: answer.name.unwrap_or_default().trim_start_matches('/').to_owned(),
        pid: state.pid.and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 0),
        network: network(&mode, key.map(PathBuf::from)),
        env: environment(config.env.unwrap_or_default(), config.hostname.unwrap_or_default()),
        state: self::state(state),
    }
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
