//! What Docker's records mean, and what it leaves on disk: `config.v2.json` of every container, and its OCI runtime's
//! records of those that run. Asking the daemon belongs in `api.rs`.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::record::{Init, Record};
use super::{Runtime, containerd, oci, process};
use crate::container::{Container, Files, Network, Pod, Source, State};
use crate::file;
use crate::listed::{Attached, Listed, Published, host_ip, seconds};
use crate::report::Report;
use crate::roots::Roots;
use crate::wanted::Wanted;

/// `config.v2.json`. Everything may be missing, or null.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Config {
    name: Option<String>,
    created: Option<String>,
    state: Option<Recorded>,
    config: Option<Inner>,
    network_settings: Option<NetworkSettings>,
    resolv_conf_path: Option<PathBuf>,
    hosts_path: Option<PathBuf>,
    hostname_path: Option<PathBuf>,
    /// By where it is mounted.
    mount_points: Option<BTreeMap<String, IgnoredAny>>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Recorded {
    running: bool,
    paused: bool,
    restarting: bool,
    removal_in_progress: bool,
    dead: bool,
    pid: i32,
    exit_code: i64,
    started_at: Option<String>,
    finished_at: Option<String>,
    health: Option<Health>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Health {
    status: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Inner {
    hostname: Option<String>,
    env: Option<Vec<String>>,
    labels: Option<BTreeMap<String, String>>,
    image: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct NetworkSettings {
    sandbox_key: Option<PathBuf>,
    networks: Option<BTreeMap<String, Option<Endpoint>>>,
    ports: Option<BTreeMap<String, Option<Vec<Binding>>>>,
}

/// A container's end of a network.
#[derive(Default, Deserialize)]
struct Endpoint {
    #[serde(rename = "NetworkID")]
    id: Option<String>,
    #[serde(rename = "IPAddress")]
    address: Option<String>,
    #[serde(rename = "GlobalIPv6Address")]
    address_v6: Option<String>,
    #[serde(rename = "MacAddress")]
    mac: Option<String>,
}

/// A port of the host's that leads to one of a container's.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Binding {
    host_ip: Option<String>,
    host_port: Option<String>,
}

/// What a check of health may say; other words mean that there is none.
pub const HEALTH: [&str; 3] = ["starting", "healthy", "unhealthy"];

/// `hostconfig.json`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct HostConfig {
    network_mode: Option<String>,
    group_add: Option<Vec<String>>,
}

/// Every container that may be what is wanted.
pub(crate) fn state(roots: &Roots, wanted: &Wanted<'_>) -> Option<Report> {
    let mut report = Report::default();
    let records: Vec<_> = roots.docker_exec.iter().flat_map(|exec| folders_of_records(exec)).collect();
    for data in &roots.docker_data {
        let folder = data.join("containers");
        match std::fs::read_dir(&folder) {
            Ok(_) => report.looked_in(data),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                report.forbidden(data);
                continue;
            }
            Err(_) => continue,
        }
        for id in wanted.folders(&folder) {
            let folder = folder.join(&id);
            let path = folder.join("config.v2.json");
            let Ok(bytes) = file::read(&path, file::LARGEST).inspect_err(|error| file::skipped(&path, error)) else {
                continue;
            };
            report.passed();
            if !wanted.may_be(&id, &bytes) {
                continue;
            }
            match parse(&bytes) {
                Ok(config) => report.add(listed(&records, data, id, config, *wanted == Wanted::All)),
                Err(error) => file::skipped(&path, &error),
            }
        }
    }
    if *wanted == Wanted::All {
        // An engine may have been told another folder for its data alone.
        let known: HashSet<_> = report.listed.iter().map(|listed| listed.container.id.as_str()).collect();
        if records.iter().flat_map(|folder| file::names(folder)).any(|id| !known.contains(id.as_str())) {
            report.partial();
        }
    }
    report.if_anything()
}

/// `config.v2.json`.
pub(crate) fn parse(bytes: &[u8]) -> serde_json::Result<Config> {
    serde_json::from_slice(bytes)
}

/// A container by its record. In a list of all, what it is not asked for is left out, and the file that has it unread.
fn listed(records: &[PathBuf], data: &Path, id: String, config: Config, among_all: bool) -> Listed {
    let mut recorded = config.state.unwrap_or_default();
    let health = recorded.health.take().and_then(|health| health.status);
    let record = records.iter().find_map(|folder| Record::head(&folder.join(&id)));
    let root = record.as_ref().and_then(|record| record.root());
    let Init { state, pid, start } = match record {
        Some(record) => running(&recorded, record.init(&id)),
        None => without_record(&recorded, &id),
    };
    let mut settings = config.network_settings.unwrap_or_default();
    let key = settings.sandbox_key.take().filter(|key| !key.as_os_str().is_empty());
    let (networks, ports) = settings.shown();
    let host = match &key {
        Some(_) if among_all => {
            let of_host = networks.iter().any(|it| it.network == "host").then(|| "host".to_owned());
            HostConfig { network_mode: of_host, group_add: None }
        }
        _ => file::json(&data.join("containers").join(&id).join("hostconfig.json"), file::LARGEST).unwrap_or_default(),
    };
    let inner = config.config.unwrap_or_default();
    let labels = inner.labels.unwrap_or_default();
    let mounts = config.mount_points.unwrap_or_default();
    let files = [config.resolv_conf_path, config.hosts_path, config.hostname_path];
    let label = |name: &str| labels.get(name).map(String::as_str);
    let name = config.name.map(bare).filter(|name| !name.is_empty());
    let container = Container {
        runtime: Runtime::Docker,
        namespace: None,
        pid,
        start,
        state,
        network: network(host.network_mode.as_deref().unwrap_or_default(), key),
        env: oci::environment(inner.env.unwrap_or_default(), inner.hostname.unwrap_or_default()),
        added_groups: host.group_add.unwrap_or_default(),
        files: Files::recorded(files, mounts.keys().map(String::as_str)),
        pod: name.as_deref().and_then(pod),
        service: oci::service(label),
        source: Source::State { folder: data.to_owned(), instead_of: None },
        name: name.unwrap_or_else(|| id.clone()),
        id,
    };
    Listed {
        image: inner.image.filter(|image| !image.is_empty()),
        health: health.filter(|word| HEALTH.contains(&word.as_str())),
        networks,
        ports,
        created: config.created.as_deref().and_then(seconds),
        root: root.or_else(|| root_of(data, &container.id)),
        labels,
        container,
    }
}

impl NetworkSettings {
    /// What lists show of them.
    fn shown(self) -> (Vec<Attached>, Vec<Published>) {
        let ports = self.ports.into_iter().flatten().flat_map(published);
        (self.networks.into_iter().flatten().map(attached).collect(), ports.collect())
    }
}

#[cfg(any(test, fuzzing))]
impl Config {
    /// What lists show of its networks.
    pub(crate) fn shown(self) -> (Vec<Attached>, Vec<Published>) {
        self.network_settings.unwrap_or_default().shown()
    }
}

fn attached((network, endpoint): (String, Option<Endpoint>)) -> Attached {
    let Endpoint { id, address, address_v6, mac } = endpoint.unwrap_or_default();
    Attached::new(network, id, [address, address_v6], mac)
}

/// The host's ports that lead to one of a container's, which is written `80/tcp`.
fn published((port, bindings): (String, Option<Vec<Binding>>)) -> Vec<Published> {
    let Some((port, protocol)) = port.split_once('/').and_then(|(port, of)| Some((port.parse().ok()?, of))) else {
        return Vec::new();
    };
    let one = |binding: Binding| {
        let host_port = binding.host_port?.parse().ok().filter(|port| *port > 0)?;
        let host_ip = host_ip(binding.host_ip.as_deref());
        Some(Published { host_ip, host_port, port, protocol: protocol.to_owned() })
    };
    bindings.into_iter().flatten().filter_map(one).collect()
}

/// Where the storage driver puts a container together: by overlay2's own record, or in the folder of the newer engines
/// that leave images to containerd.
fn root_of(data: &Path, id: &str) -> Option<PathBuf> {
    let mount = file::read(&data.join("image/overlay2/layerdb/mounts").join(id).join("mount-id"), 256).ok();
    let mount = mount.and_then(|mount| String::from_utf8(mount).ok());
    let is_plain = |mount: &String| !mount.is_empty() && mount.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if let Some(mount) = mount.filter(is_plain) {
        return Some(data.join("overlay2").join(mount).join("merged"));
    }
    Some(data.join("rootfs/overlayfs").join(id)).filter(|root| root.is_dir())
}

/// Where the OCI runtimes keep their records below Docker's own folder, whichever runtime a container has.
fn folders_of_records(exec: &Path) -> impl Iterator<Item = PathBuf> + use<'_> {
    let runtimes = file::names(exec).into_iter().filter(|name| name.starts_with("runtime-"));
    runtimes.map(|runtime| exec.join(runtime).join(containerd::DOCKERS))
}

/// Where the OCI runtime may have its record of a container.
pub(crate) fn records(exec: &Path, id: &str) -> impl Iterator<Item = PathBuf> {
    folders_of_records(exec).map(move |folder| folder.join(id))
}

/// The folders of the containerd that Docker starts where the system has none.
pub(crate) fn own_containerd(roots: &Roots) -> impl Iterator<Item = PathBuf> {
    roots.docker_exec.iter().map(|exec| exec.join("containerd/daemon"))
}

/// The bundle of a container that runs: in the folder of the containerd that Docker started, or of the system's.
pub(crate) fn bundle(id: &str, roots: &Roots) -> Option<PathBuf> {
    let own: Vec<_> = own_containerd(roots).collect();
    containerd::bundle(own.iter().chain(&roots.containerd).map(PathBuf::as_path), containerd::DOCKERS, id)
}

/// The OCI runtime's record is newer than Docker's, which a daemon that hangs or died did not keep up to date.
fn running(recorded: &Recorded, init: Init) -> Init {
    match init.state {
        State::Running if recorded.paused => Init { state: State::Paused, ..init },
        State::Gone { .. } if !recorded.running => Init { state: ended(recorded), ..init },
        _ => init,
    }
}

/// There is Docker's word alone: a runtime without records, or a machine that was started anew.
fn without_record(recorded: &Recorded, id: &str) -> Init {
    let claimed = (recorded.running || recorded.paused) && recorded.pid > 0;
    if !claimed {
        return Init::none(ended(recorded));
    }
    match process::start_in_cgroup(recorded.pid, id) {
        Some(start) => {
            let state = if recorded.paused { State::Paused } else { State::Running };
            Init { state, pid: Some(recorded.pid), start: Some(start) }
        }
        None => Init::none(State::Gone { pid: recorded.pid }),
    }
}

fn ended(recorded: &Recorded) -> State {
    let never = |time: &Option<String>| time.as_ref().is_none_or(|time| time.starts_with("0001-"));
    match recorded {
        Recorded { dead: true, .. } => State::Dead,
        Recorded { removal_in_progress: true, .. } => State::Removing,
        Recorded { restarting: true, .. } => State::Restarting { code: recorded.exit_code },
        _ if never(&recorded.started_at) && never(&recorded.finished_at) => State::Created,
        _ => State::Exited { code: recorded.exit_code, finished: recorded.finished_at.clone().unwrap_or_default() },
    }
}

/// A name without the slash that Docker puts before it.
pub(crate) fn bare(name: String) -> String {
    name.strip_prefix('/').map(str::to_owned).unwrap_or(name)
}

/// The network of a container with this mode and SandboxKey.
pub(crate) fn network(mode: &str, key: Option<PathBuf>) -> Network {
    let key = key.filter(|key| !key.as_os_str().is_empty());
    match (mode.strip_prefix("container:"), key) {
        (Some(other), None) => Network::Container(other.to_owned()),
        (_, key) if mode == "host" => Network::Host(key),
        (_, Some(key)) => Network::Sandbox(key),
        (None, None) => Network::None,
    }
}

/// The pod that Kubernetes' adapter for Docker spells out in a container's name, `k8s_CONTAINER_POD_NAMESPACE_UID_ATTEMPT`.
/// It is in labels as well, but an image may bring labels of its own.
pub(crate) fn pod(name: &str) -> Option<Pod> {
    let mut parts = name.strip_prefix("k8s_")?.split('_').map(str::to_owned);
    let (container, name, namespace) = (parts.next()?, parts.next()?, parts.next()?);
    parts.next()?;
    let container = (container != "POD").then_some(container);
    Some(Pod { namespace: Some(namespace), name, container })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_sandbox_key_is_told_apart_by_the_network_mode() {
        let key = || Some(PathBuf::from("/var/run/docker/netns/default"));
        assert_eq!(network("host", key()), Network::Host(key()));
        assert_eq!(network("container:abc", Some(PathBuf::new())), Network::Container("abc".to_owned()));
        assert_eq!(network("bridge", key()), Network::Sandbox(key().unwrap()));
        assert_eq!(network("bridge", None), Network::None);
    }

    #[test]
    fn ports_and_addresses_are_read_as_docker_writes_them() {
        let text = r#"{"NetworkSettings":{"Networks":{"bridge":{"NetworkID":"c0ffee","IPAddress":"172.17.0.2","GlobalIPv6Address":"","MacAddress":"02:42:ac:11:00:02"},
            "v6":{"IPAddress":"","GlobalIPv6Address":"fd00::2","MacAddress":""},"none":null},
            "Ports":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"},{"HostIp":"","HostPort":"81"}],"99/udp":null,
            "x/tcp":[{"HostIp":"::","HostPort":"1"}],"53/udp":[{"HostIp":"::1","HostPort":"0"},{"HostIp":"::1","HostPort":"53"}]}}}"#;
        let (networks, ports) = parse(text.as_bytes()).unwrap().shown();
        let of = |network: &str, id: &str, address: &[&str], mac: &str| Attached {
            network: network.to_owned(),
            id: id.to_owned(),
            addresses: address.iter().map(|address| address.parse().unwrap()).collect(),
            mac: mac.to_owned(),
        };
        let bridge = of("bridge", "c0ffee", &["172.17.0.2"], "02:42:ac:11:00:02");
        assert_eq!(networks, [bridge, of("none", "", &[], ""), of("v6", "", &["fd00::2"], "")]);
        let ports: Vec<_> =
            ports.into_iter().map(|it| (it.host_ip.to_string(), it.host_port, it.port, it.protocol)).collect();
        let of = |ip: &str, host, port, protocol: &str| (ip.to_owned(), host, port, protocol.to_owned());
        let expected = [of("::1", 53, 53, "udp"), of("0.0.0.0", 8080, 80, "tcp"), of("0.0.0.0", 81, 80, "tcp")];
        assert_eq!(ports, expected);
    }

    #[test]
    fn a_pod_is_spelled_out_in_the_name() {
        let pod = |name: &str| pod(name).map(|pod| (pod.namespace.unwrap_or_default(), pod.name, pod.container));
        let of = |container: Option<&str>| Some(("shop".to_owned(), "web-0".to_owned(), container.map(str::to_owned)));
        assert_eq!(pod("k8s_app_web-0_shop_1234-5_0"), of(Some("app")));
        assert_eq!(pod("k8s_POD_web-0_shop_1234-5_0"), of(None));
        assert_eq!(pod("web"), None);
        assert_eq!(pod("k8s_app_web-0_shop"), None);
    }

    #[test]
    fn a_record_says_how_a_container_ended() {
        let of = |text: &str| ended(&serde_json::from_str(text).unwrap());
        assert_eq!(of("{}"), State::Created);
        assert_eq!(of(r#"{"Dead":true}"#), State::Dead);
        assert_eq!(of(r#"{"Restarting":true,"ExitCode":3}"#), State::Restarting { code: 3 });
        let exited = State::Exited { code: 137, finished: "2026-01-01T00:00:00Z".to_owned() };
        let text = r#"{"StartedAt":"2026-01-01T00:00:00Z","FinishedAt":"2026-01-01T00:00:00Z","ExitCode":137}"#;
        assert_eq!(of(text), exited);
    }
}
