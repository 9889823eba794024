//! The machine's own containerd for `cargo xtask engine`: started beside dockerd, with a configuration under which its
//! CRI plugin runs pods without a registry; and stopped. What tests do with it is `testbed`'s.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use testbed::containerd::{self, CRI_NAMESPACE, NAMESPACE, SOCKET, ctr};
use testbed::{LABEL, cri, engine, image, output, wait};

use super::comm;

/// What `up` writes: a folder that a reboot empties, as it ends containerd.
const STATE: &str = "/run/cnsenter-testbed-containerd";
const LOG: &str = "/var/log/cnsenter-testbed-containerd.log";
/// containerd's own state, at its default path.
const RUN: &str = "/run/containerd";

/// Starts containerd unless one answers, and prints what answers.
pub(super) fn up() -> Result<()> {
    let how = match containerd::version() {
        Ok(_) => "already running".to_owned(),
        Err(_) => {
            start()?;
            format!("started; its log is {LOG}")
        }
    };
    println!("containerd: {}, {how}", containerd::version()?);
    let hint = format!("the containerd at {SOCKET} has no CRI plugin\nhint: stop it, and `up` starts one that has");
    let version = cri::version().context(hint)?;
    // The plugin is up when it has the images, and not before.
    println!("pods: {version}, image {}", cri::images()?);
    Ok(())
}

/// Removes what the tests made, and stops containerd if `up` started it.
pub(super) fn down() -> Result<()> {
    if containerd::version().is_ok() {
        let pods = if cri::version().is_ok() { cri::remove_all()? } else { 0 };
        let mut containers = remove_containers(CRI_NAMESPACE)?;
        for namespace in ctr(&["namespaces", "ls", "-q"])?.split_whitespace().filter(|it| it.starts_with(NAMESPACE)) {
            containers += remove_containers(namespace)?;
            remove_namespace(namespace)?;
        }
        println!("removed: {containers} containers and {pods} pods of the tests from containerd");
    }
    let parents = Path::new(cri::CGROUPS).ancestors().filter(|path| path.parent().is_some());
    parents.for_each(|path| containerd::remove_cgroup(&path.to_string_lossy()));
    containerd::remove_cgroup(CRI_NAMESPACE);
    let pid_file = Path::new(STATE).join("pid");
    let Ok(pid) = fs::read_to_string(&pid_file) else {
        println!("containerd: not started by `cargo xtask engine up`, left as it is");
        return Ok(());
    };
    if comm(&pid).as_deref() == Some("containerd") {
        if is_docker_on_it() {
            println!("containerd: left running, since the Docker engine uses it");
            return Ok(());
        }
        output::stdout(Command::new("kill").arg(&pid))?;
        let gone = || comm(&pid).is_none_or(|name| name != "containerd").then_some(());
        wait::until(Duration::from_secs(30), "containerd to stop", gone)?;
        println!("containerd: stopped");
    }
    Ok(fs::remove_dir_all(STATE)?)
}

/// A dockerd that starts while a containerd answers at the default path takes that one in place of its own.
fn is_docker_on_it() -> bool {
    let own = fs::read_to_string("/run/docker/containerd/containerd.pid").unwrap_or_default();
    engine::version().is_ok() && comm(own.trim()).as_deref() != Some("containerd")
}

/// Removes the containers that carry our label, which they have from their image.
fn remove_containers(namespace: &str) -> Result<usize> {
    let (key, value) = LABEL.split_once('=').unwrap_or((LABEL, ""));
    let ids = ctr(&["-n", namespace, "containers", "ls", "-q", &format!("labels.\"{key}\"=={value}")])?;
    for id in ids.split_whitespace() {
        // Most have no task any more, and only what is frozen can be resumed.
        let _ = ctr(&["-n", namespace, "tasks", "resume", id]);
        let _ = ctr(&["-n", namespace, "tasks", "rm", "--force", id]);
        ctr(&["-n", namespace, "containers", "rm", id])?;
    }
    Ok(ids.split_whitespace().count())
}

/// Removes a namespace of ours with its images, and the empty folders and cgroups that containerd leaves of one.
fn remove_namespace(namespace: &str) -> Result<()> {
    for image in ctr(&["-n", namespace, "images", "ls", "-q"])?.split_whitespace() {
        ctr(&["-n", namespace, "images", "rm", "--sync", image])?;
    }
    // The content's leases go with the images, but not at the same moment.
    wait::until(Duration::from_secs(20), &format!("containerd's namespace {namespace} to be empty"), || {
        ctr(&["namespaces", "rm", namespace]).ok()
    })?;
    for parent in [&format!("{RUN}/runc"), &format!("{RUN}/{TASKS}"), &format!("/var/lib/containerd/{TASKS}")] {
        let _ = fs::remove_dir(Path::new(parent).join(namespace));
    }
    containerd::remove_cgroup(namespace);
    Ok(())
}

const TASKS: &str = "io.containerd.runtime.v2.task";

/// Starts containerd at its default paths and waits until it answers.
fn start() -> Result<()> {
    // Its sockets stay behind when it is killed; it replaces them itself.
    let state = Path::new(STATE);
    fs::create_dir_all(state.join("cni"))?;
    fs::write(state.join("config.toml"), config())?;
    fs::write(state.join("cni/cnsenter-test.conflist"), NETWORK.replace("STATE", STATE))?;
    let mut command = Command::new("/usr/bin/containerd");
    command.arg("--config").arg(state.join("config.toml"));
    let answers = || containerd::version().is_ok() && cri::version().is_ok();
    super::launch("containerd", &mut command, &state.join("pid"), LOG, Duration::from_secs(30), answers)
        .inspect_err(|_| drop(fs::remove_dir_all(STATE)))
}

/// Defaults, but for what a machine without a registry or with fewer capabilities needs.
fn config() -> String {
    let pause = image::PAUSE;
    format!(
        r#"version = 2

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/{pause}:latest"
  # A machine may lack CAP_SYS_RESOURCE, and a sandbox's score would be below containerd's own.
  restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "{STATE}/cni"
"#
    )
}

/// The pods' network: a pair of devices for each pod, gone with it, and no bridge that would stay.
const NETWORK: &str = r#"{
  "cniVersion": "0.4.0",
  "name": "cnsenter-test",
  "plugins": [
    {
      "type": "ptp",
      "ipam": { "type": "host-local", "subnet": "10.213.77.0/24", "dataDir": "STATE/addresses" }
    }
  ]
}
"#;
