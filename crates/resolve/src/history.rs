//! How the runs of a container went, and how its next one is to begin: by Docker's record on disk, else by what the engine
//! says. Other runtimes than Docker and podman note nothing of the kind.

use std::collections::HashMap;

use bollard::models::{ContainerInspectResponse, ContainerState, MountPoint, PortBinding};
use serde::Deserialize;

use crate::api::Engine;
use crate::roots::Roots;
use crate::search::executor;
use crate::{Container, Runtime, Settings, file};

/// How much of what a check of health said is kept, in characters.
const SAID: usize = 200;

/// So many billionths of a CPU are one, and so many microseconds is a quota of time meant for unless another period is
/// said: the kernel's own.
const NANO: u64 = 1_000_000_000;
const PERIOD: u64 = 100_000;

/// How the runs of a container went.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// What it runs, a word each.
    pub command: Vec<String>,
    /// How often the engine started it again by itself.
    pub restarts: u64,
    /// When it does so: `no`, `always`, `unless-stopped`, `on-failure:5`.
    pub restart_policy: String,
    /// The kernel killed a process of the last run for want of memory.
    pub oom_killed: bool,
    /// Why it could not be started; empty where it could.
    pub error: String,
    /// What the check of its health says, where it has one.
    pub health: Option<Health>,
    /// Whether its filter of system calls is the engine's own, by what was asked for: none of `--security-opt seccomp=…`.
    pub default_seccomp: bool,
    /// The DNS servers that it was given, which Docker's own asks on a network that somebody made; none are the engine's.
    pub dns: Vec<String>,
    /// The ports that it publishes, as `docker run --publish` takes them: `8080:80/tcp`; or `--publish-all`.
    pub publish: Vec<String>,
    /// Its volumes and bound folders, as `docker run --volume` takes them: `/srv:/data:ro`; of another driver's by name.
    pub mounts: Vec<String>,
    /// What it is started with: bytes of memory, processes and threads, CPUs' worth of time. None is no limit.
    pub memory_limit: Option<u64>,
    #[allow(missing_docs)]
    pub pids_limit: Option<u64>,
    #[allow(missing_docs)]
    pub cpu_limit: Option<f64>,
}

/// What the check of a container's health says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// `starting`, `healthy`, `unhealthy`.
    pub status: String,
    /// How often in a row it has failed.
    pub failing: u64,
    /// What the last check said, its beginning.
    pub said: String,
}

/// What of `config.v2.json` is what the engine answers, in the same words.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Record {
    state: Option<ContainerState>,
    restart_count: Option<i64>,
    path: Option<String>,
    args: Option<Vec<String>>,
}

/// Its mounts, by where they are. Read apart: the next kind of them is not to hide the rest.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Mounts {
    mount_points: HashMap<String, MountPoint>,
}

/// How the runs of a container went; `None` where nobody says.
pub(crate) fn read(container: &Container, settings: &Settings) -> Option<History> {
    let answer = match container.runtime {
        Runtime::Docker => by_state(container, settings).or_else(|| by_engine(container, settings)),
        Runtime::Podman => by_engine(container, settings),
        _ => None,
    };
    answer.map(of_answer)
}

/// Docker writes its records before it tells of a change. Everything in them may be missing, or null.
fn by_state(container: &Container, settings: &Settings) -> Option<ContainerInspectResponse> {
    let folders = Roots::of_settings(settings).docker_data;
    let mut folders = folders.iter().map(|data| (data, data.join("containers").join(&container.id)));
    let (data, folder) = folders.find(|(_, folder)| folder.is_dir())?;
    let path = folder.join("config.v2.json");
    let bytes = file::read(&path, file::LARGEST).inspect_err(|error| file::skipped(&path, error)).ok()?;
    let record = serde_json::from_slice(&bytes).inspect_err(|error| file::skipped(&path, error));
    let Record { state, restart_count, path, args } = record.ok()?;
    let mounts: Mounts = serde_json::from_slice(&bytes).unwrap_or_default();
    let host_config = file::json(&folder.join("hostconfig.json"), file::LARGEST)?;
    let found = |mut mount: MountPoint| {
        // Of a volume that Docker keeps itself, there is the name alone.
        if mount.source.as_ref().is_none_or(String::is_empty) {
            let is_own = mount.driver.as_deref() == Some("local");
            let folder = |name: String| format!("{}/volumes/{name}/_data", data.display());
            mount.source = mount.name.take().map(|name| if is_own { folder(name) } else { name });
        }
        mount
    };
    let mounts = Some(mounts.mount_points.into_values().map(found).collect());
    Some(ContainerInspectResponse { state, restart_count, path, args, host_config, mounts, ..Default::default() })
}

/// An engine that did not answer for the container itself is not asked again.
fn by_engine(container: &Container, settings: &Settings) -> Option<ContainerInspectResponse> {
    if container.folder().is_some() {
        return None;
    }
    let executor = executor().ok()?;
    let engines = Engine::of(container.runtime, settings);
    engines.iter().find_map(|engine| executor.block_on(engine.answer(&container.id)).ok()?.ok())
}

fn of_answer(answer: ContainerInspectResponse) -> History {
    let state = answer.state.unwrap_or_default();
    let host = answer.host_config.unwrap_or_default();
    let policy = host.restart_policy.unwrap_or_default();
    let count = |count: Option<i64>| count.and_then(|count| u64::try_from(count).ok());
    // 0 and less stand for none.
    let limit = |limit: Option<i64>| count(limit).filter(|limit| *limit > 0);
    let health = state.health.and_then(|health| {
        let said = health.log.unwrap_or_default().pop().and_then(|check| check.output);
        let status = health.status.map(|status| status.to_string()).unwrap_or_default();
        Health::new(status, count(health.failing_streak), said)
    });
    let mut mounts: Vec<_> = answer.mounts.unwrap_or_default().into_iter().filter_map(volume).collect();
    mounts.sort_unstable();
    let options = host.security_opt.unwrap_or_default();
    let share = |time: u64, of: u64| time as f64 / of as f64;
    let by_quota = || Some(share(limit(host.cpu_quota)?, limit(host.cpu_period).unwrap_or(PERIOD)));
    History {
        command: answer.path.into_iter().chain(answer.args.unwrap_or_default()).collect(),
        restarts: count(answer.restart_count).unwrap_or_default(),
        restart_policy: self::policy(policy.name.as_ref().map(AsRef::as_ref), policy.maximum_retry_count),
        oom_killed: state.oom_killed.unwrap_or_default(),
        error: state.error.unwrap_or_default(),
        health,
        default_seccomp: is_default(options.iter().map(String::as_str)),
        dns: host.dns.unwrap_or_default(),
        publish: match host.network_mode.as_deref() {
            // They are noted, and discarded.
            Some("host" | "none") => Vec::new(),
            _ if host.publish_all_ports == Some(true) => vec!["--publish-all".to_owned()],
            _ => publish(host.port_bindings.unwrap_or_default()),
        },
        mounts,
        memory_limit: limit(host.memory),
        pids_limit: limit(host.pids_limit),
        cpu_limit: limit(host.nano_cpus).map(|cpus| share(cpus, NANO)).or_else(by_quota),
    }
}

/// Engines write an end without an address, or a port, as nothing or as null.
fn publish(bindings: impl IntoIterator<Item = (String, Option<Vec<PortBinding>>)>) -> Vec<String> {
    let ends = |(port, ends): (String, Option<Vec<PortBinding>>)| {
        let end = move |PortBinding { host_ip, host_port }| {
            let host_port = host_port.filter(|port| port != "0").unwrap_or_default();
            match host_ip.filter(|ip| !ip.is_empty()) {
                Some(ip) if ip.contains(':') => format!("[{ip}]:{host_port}:{port}"),
                Some(ip) => format!("{ip}:{host_port}:{port}"),
                None if host_port.is_empty() => port.clone(),
                None => format!("{host_port}:{port}"),
            }
        };
        ends.into_iter().flatten().map(end)
    };
    let mut all: Vec<_> = bindings.into_iter().flat_map(ends).collect();
    all.sort_unstable();
    all
}

fn volume(mount: MountPoint) -> Option<String> {
    let source = mount.source.filter(|source| !source.is_empty()).map(|source| source + ":").unwrap_or_default();
    Some(format!("{source}{}{}", mount.destination?, if mount.rw == Some(false) { ":ro" } else { "" }))
}

fn policy(name: Option<&str>, retries: Option<i64>) -> String {
    let name = name.filter(|name| !name.is_empty()).unwrap_or("no");
    match retries {
        Some(retries @ 1..) => format!("{name}:{retries}"),
        _ => name.to_owned(),
    }
}

fn is_default<'a>(mut options: impl Iterator<Item = &'a str>) -> bool {
    !options.any(|option| option.starts_with("seccomp"))
}

impl Health {
    /// `None` where the container has no check, which engines write as a status as well.
    fn new(status: String, failing: Option<u64>, said: Option<String>) -> Option<Self> {
        let said = said.unwrap_or_default().trim().chars().take(SAID).collect();
        let checks = !status.is_empty() && status != "none";
        checks.then(|| Self { status, failing: failing.unwrap_or_default(), said })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_written_as_docker_takes_it() {
        assert_eq!(policy(None, None), "no");
        assert_eq!(policy(Some(""), Some(0)), "no");
        assert_eq!(policy(Some("always"), Some(0)), "always");
        assert_eq!(policy(Some("on-failure"), Some(3)), "on-failure:3");
    }

    #[test]
    fn ports_are_written_as_docker_takes_them() {
        let end = |ip: Option<&str>, port: Option<&str>| PortBinding {
            host_ip: ip.map(str::to_owned),
            host_port: port.map(str::to_owned),
        };
        let ends = vec![
            end(Some(""), Some("8080")),
            end(Some("::1"), None),
            end(None, Some("0")),
            end(Some("127.0.0.1"), None),
        ];
        let bindings = [("80/tcp".to_owned(), Some(ends)), ("53/udp".to_owned(), None)];
        assert_eq!(publish(bindings), ["127.0.0.1::80/tcp", "80/tcp", "8080:80/tcp", "[::1]::80/tcp"]);
    }

    #[test]
    fn a_container_without_a_check_has_no_health() {
        assert_eq!(Health::new("none".to_owned(), Some(0), None), None);
        assert_eq!(Health::new(String::new(), None, None), None);
        let health = Health::new("unhealthy".to_owned(), Some(4), Some(" no\n".to_owned())).unwrap();
        assert_eq!(health, Health { status: "unhealthy".to_owned(), failing: 4, said: "no".to_owned() });
    }
}
