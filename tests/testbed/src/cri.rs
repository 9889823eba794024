//! Pods, made through the CRI plugin of the machine's own containerd as the kubelet makes them. What is on the wire
//! is in `cri/client`, and containers without a pod are in `containerd`.

mod client;
mod message;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::{LABEL, PREFIX, containerd, image, ns, wait};
use client::call;
use message::{Mode, Namespaces, PodConfig};

/// Asks the CRI plugin for its versions. An error means that none answers.
pub fn version() -> Result<String> {
    let answer: message::VersionResponse = call("RuntimeService/Version", &message::VersionRequest {})?;
    Ok(format!("{} {}, CRI {}", answer.name, answer.version, answer.api))
}

/// Makes sure that the CRI plugin has the image of pods' sandboxes and that of containers; returns the latter's name.
pub fn images() -> Result<String> {
    import(image::pause()?)?;
    import(image::busybox()?)
}

fn import(name: &str) -> Result<String> {
    let reference = containerd::import(containerd::CRI_NAMESPACE, name)?;
    let request = message::ImageStatus { image: Some(message::ImageSpec { image: reference.clone() }) };
    // The plugin hears of an imported image by an event.
    wait::until(Duration::from_secs(10), &format!("the CRI plugin to know {reference}"), || {
        call::<message::ImageAnswer>("ImageService/ImageStatus", &request).ok()?.image
    })?;
    Ok(reference)
}

/// A pod, removed with its containers when dropped.
#[derive(Debug)]
pub struct Pod {
    config: PodConfig,
    /// Its sandboxes' IDs, the oldest first.
    sandboxes: Vec<String>,
    /// How many containers of each name there have been.
    attempts: Mutex<HashMap<String, u32>>,
}

impl Pod {
    /// Starts a pod in a Kubernetes namespace, with a network of its own. The name must begin with [`PREFIX`].
    pub fn run(name: &str, namespace: &str) -> Result<Pod> {
        Self::make(name, namespace, Mode::Pod)
    }

    /// The same on the host's network.
    pub fn run_on_host_network(name: &str, namespace: &str) -> Result<Pod> {
        Self::make(name, namespace, Mode::Node)
    }

    /// With a network of its own, under a name of one's own choice: a pod is removed by its label.
    pub fn named(name: &str, namespace: &str) -> Result<Pod> {
        Self::start(name, namespace, Mode::Pod)
    }

    fn make(name: &str, namespace: &str, network: Mode) -> Result<Pod> {
        ensure!(name.starts_with(PREFIX), "the pod {name} does not begin with {PREFIX}");
        Self::start(name, namespace, network)
    }

    fn start(name: &str, namespace: &str, network: Mode) -> Result<Pod> {
        import(image::pause()?)?;
        let uid = unique_uid();
        let metadata = message::PodMetadata { name: name.to_owned(), uid, namespace: namespace.to_owned(), attempt: 0 };
        let security = message::PodSecurity { namespaces: Some(namespaces(network)) };
        let linux = message::LinuxPod { cgroup_parent: cgroup(&metadata.uid), security: Some(security) };
        let config = PodConfig {
            labels: labels(&metadata),
            // A pod on the host's network has the host's name.
            hostname: if network == Mode::Node { String::new() } else { name.to_owned() },
            metadata: Some(metadata),
            linux: Some(linux),
            ..PodConfig::default()
        };
        let mut pod = Pod { config, sandboxes: Vec::new(), attempts: Mutex::default() };
        pod.run_sandbox()?;
        Ok(pod)
    }

    fn run_sandbox(&mut self) -> Result<()> {
        let request = message::RunPod { config: Some(self.config.clone()) };
        let answer: message::Id = call("RuntimeService/RunPodSandbox", &request)?;
        self.sandboxes.push(answer.id);
        Ok(())
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.metadata().map_or("", |it| &it.name)
    }

    /// Its namespace in Kubernetes, which is not one of containerd's.
    pub fn namespace(&self) -> &str {
        self.metadata().map_or("", |it| &it.namespace)
    }

    /// Its UID.
    pub fn uid(&self) -> &str {
        self.metadata().map_or("", |it| &it.uid)
    }

    fn metadata(&self) -> Option<&message::PodMetadata> {
        self.config.metadata.as_ref()
    }

    /// The full ID of its newest sandbox.
    pub fn sandbox_id(&self) -> &str {
        self.sandboxes.last().map_or("", String::as_str)
    }

    /// The pid of its newest sandbox, asked anew each time; 0 when it isn't running.
    pub fn sandbox_pid(&self) -> Result<u32> {
        pid("RuntimeService/PodSandboxStatus", self.sandbox_id())
    }

    /// The inode number of its newest sandbox's network namespace.
    pub fn netns(&self) -> Result<u64> {
        ns::inode(self.sandbox_pid()?, "net")
    }

    /// Stops the sandbox and starts its next attempt, as the kubelet does when a sandbox has died. The old one stays,
    /// stopped, and so do its containers. Returns the old one's ID.
    pub fn restart_sandbox(&mut self) -> Result<String> {
        let old = self.sandbox_id().to_owned();
        stop_sandbox(&old)?;
        self.add_sandbox()?;
        Ok(old)
    }

    /// Starts a second sandbox beside the first, which keeps running. Returns the old one's ID.
    pub fn second_sandbox(&mut self) -> Result<String> {
        let old = self.sandbox_id().to_owned();
        self.add_sandbox()?;
        Ok(old)
    }

    fn add_sandbox(&mut self) -> Result<()> {
        if let Some(metadata) = &mut self.config.metadata {
            metadata.attempt += 1;
        }
        self.run_sandbox()
    }

    /// Starts a container of the busybox image in its newest sandbox. A second one of the same name is the next
    /// attempt at it, which the kubelet starts when the first has ended.
    pub fn container(&self, name: &str, program: &[&str]) -> Result<Container> {
        let attempt = self.next_attempt(name);
        let network = self.config.linux.as_ref().and_then(|it| it.security.as_ref()?.namespaces.clone());
        let mut labels = self.config.labels.clone();
        labels.insert("io.kubernetes.container.name".to_owned(), name.to_owned());
        let config = message::ContainerConfig {
            metadata: Some(message::ContainerMetadata { name: name.to_owned(), attempt }),
            image: Some(message::ImageSpec { image: import(image::busybox()?)? }),
            command: program.iter().map(|word| (*word).to_owned()).collect(),
            labels,
            linux: Some(message::LinuxContainer { security: Some(message::ContainerSecurity { namespaces: network }) }),
        };
        let request = message::CreateContainer {
            sandbox: self.sandbox_id().to_owned(),
            config: Some(config),
            pod: Some(self.config.clone()),
        };
        let container = Container(call("RuntimeService/CreateContainer", &request)?);
        call::<message::Nothing>("RuntimeService/StartContainer", &container.0)?;
        Ok(container)
    }

    /// Never the same for a name, not even in another sandbox: the runtime refuses it while a record of it is there.
    fn next_attempt(&self, name: &str) -> u32 {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let next = attempts.entry(name.to_owned()).or_default();
        *next += 1;
        *next - 1
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        for id in &self.sandboxes {
            let _ = remove_sandbox(id);
        }
        // The kubelet makes a cgroup for each pod, and removes it.
        containerd::remove_cgroup(&cgroup(self.uid()));
    }
}

/// A container of a pod, removed when dropped.
#[derive(Debug)]
pub struct Container(message::Id);

impl Container {
    /// Its full ID.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The pid of its first process, asked anew each time; 0 when it isn't running.
    pub fn pid(&self) -> Result<u32> {
        pid("RuntimeService/ContainerStatus", self.id())
    }

    /// Runs a program inside and returns its standard output without the last newline.
    pub fn exec(&self, program: &[&str]) -> Result<String> {
        let command = program.iter().map(|word| (*word).to_owned()).collect();
        let request = message::ExecSync { id: self.id().to_owned(), command, timeout: 30 };
        let answer: message::ExecAnswer = call("RuntimeService/ExecSync", &request)?;
        if answer.code != 0 {
            bail!("{program:?} ended with {}: {}", answer.code, String::from_utf8_lossy(&answer.stderr));
        }
        Ok(String::from_utf8_lossy(&answer.stdout).trim_end_matches('\n').to_owned())
    }

    /// Kills it. Its record stays.
    pub fn kill(&self) -> Result<()> {
        call::<message::Nothing>(
            "RuntimeService/StopContainer",
            &message::StopContainer { id: self.0.id.clone(), timeout: 0 },
        )?;
        Ok(())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = call::<message::Nothing>("RuntimeService/RemoveContainer", &self.0);
    }
}

/// Removes every pod and image that the tests made, and returns how many pods there were.
pub fn remove_all() -> Result<usize> {
    let (key, value) = LABEL.split_once('=').unwrap_or((LABEL, ""));
    let labels = HashMap::from([(key.to_owned(), value.to_owned())]);
    let request = message::ListPods { filter: Some(message::PodFilter { labels }) };
    let pods: message::PodList = call("RuntimeService/ListPodSandbox", &request)?;
    for pod in &pods.items {
        remove_sandbox(&pod.id)?;
        containerd::remove_cgroup(&cgroup(pod.metadata.as_ref().map_or("", |it| &it.uid)));
    }
    for name in [image::PAUSE, image::BUSYBOX] {
        let image = message::ImageSpec { image: format!("docker.io/{name}:latest") };
        call::<message::Nothing>("ImageService/RemoveImage", &message::ImageStatus { image: Some(image) })?;
    }
    Ok(pods.items.len())
}

fn stop_sandbox(id: &str) -> Result<()> {
    call::<message::Nothing>("RuntimeService/StopPodSandbox", &message::Id { id: id.to_owned() })?;
    Ok(())
}

fn remove_sandbox(id: &str) -> Result<()> {
    stop_sandbox(id)?;
    call::<message::Nothing>("RuntimeService/RemovePodSandbox", &message::Id { id: id.to_owned() })?;
    Ok(())
}

/// The pid out of what containerd adds to a status that is asked for in full.
fn pid(method: &str, id: &str) -> Result<u32> {
    let request = message::StatusRequest { id: id.to_owned(), verbose: true };
    let answer: message::StatusResponse = call(method, &request)?;
    let info: Value = serde_json::from_str(answer.info.get("info").map_or("{}", String::as_str))?;
    let pid = info["pid"].as_u64().with_context(|| format!("the status of {id} names no pid"))?;
    Ok(pid.try_into()?)
}

/// The kubelet gives each container a pid namespace of its own, unless the pod says otherwise.
fn namespaces(network: Mode) -> Namespaces {
    Namespaces { network: network.into(), pid: Mode::Container.into(), ipc: Mode::Pod.into() }
}

/// The kubelet's labels, and ours.
fn labels(pod: &message::PodMetadata) -> HashMap<String, String> {
    let (key, value) = LABEL.split_once('=').unwrap_or((LABEL, ""));
    let labels = [
        ("io.kubernetes.pod.name", pod.name.as_str()),
        ("io.kubernetes.pod.namespace", &pod.namespace),
        ("io.kubernetes.pod.uid", &pod.uid),
        (key, value),
    ];
    labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// Where the kubelet puts a pod without resource limits.
fn cgroup(uid: &str) -> String {
    format!("{CGROUPS}/pod{uid}")
}

/// The cgroup of all pods without resource limits.
pub const CGROUPS: &str = "/kubepods/besteffort";

/// A pod's UID that no other test has, of the form that Kubernetes gives it.
fn unique_uid() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("{:08x}-c25e-4e7e-8000-{number:012x}", std::process::id())
}
