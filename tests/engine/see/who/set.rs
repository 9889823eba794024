//! The mixed set: a container of each kind, how it is named, and its first process as its own runtime says.

use anyhow::Result;
use testbed::{Container, Network, containerd, cri, guard, image, lxc, nspawn, oci, podman};

/// Where each of them listens inside, and one of them, on the next one, on the host: where no other run of the tests does.
pub(super) fn port() -> u16 {
    20_000 + (std::process::id() % 10_000) as u16
}

/// The guards of a set, in the order in which they are to be dropped.
pub(super) struct Set {
    pub(super) docker: Vec<Container>,
    podman: Vec<podman::Container>,
    containerd: containerd::Container,
    app: cri::Container,
    pod: cri::Pod,
    lxc: lxc::Container,
    machine: nspawn::Machine,
    by_hand: [oci::Container; 2],
    _networks: (Network, podman::Network),
}

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// As `who` has to call it.
    pub(super) owner: String,
    /// Its ID; its name where it has none.
    pub(super) id: String,
    pub(super) name: String,
    pub(super) pid: u32,
}

impl Set {
    pub(super) fn start() -> Result<Set> {
        let busybox = image::busybox()?;
        let network = Network::create(&[])?;
        let port = port();
        let serve = format!("nc -ll -p {port} -e true & exec sleep 100000");
        let serve = &["sh", "-c", &serve];
        let docker = |args: &[&str]| Container::run(busybox, args, serve);
        let bridged = docker(&["--publish", "80", "--publish", "53/udp"])?;
        let joined = format!("container:{}", bridged.id());
        let joined = Container::run(busybox, &["--network", &joined], &["sleep", "100000"])?;
        let on_network = docker(&["--network", network.name()])?;
        let alone = docker(&["--network", "none"])?;
        let at = format!("127.0.0.1:{}", port + 1);
        let on_host = Container::run(busybox, &["--network", "host"], &["httpd", "-f", "-p", &at])?;
        let of_podman = podman::Network::create()?;
        let attached = podman::Container::run(&["--network", of_podman.name()], serve)?;
        let pod = cri::Pod::run(&guard::unique_name(), "who")?;
        Ok(Set {
            docker: vec![bridged, joined, on_network, alone, on_host],
            podman: vec![attached, podman::Container::run(&[], serve)?],
            containerd: containerd::Container::run(containerd::NAMESPACE, &[], serve)?,
            app: pod.container("app", serve)?,
            pod,
            lxc: lxc::Container::start()?,
            machine: nspawn::Machine::start()?,
            by_hand: [
                oci::Container::run(oci::Runtime::Runc, None, &[], serve)?,
                oci::Container::run(oci::Runtime::Crun, None, &[], serve)?,
            ],
            _networks: (network, of_podman),
        })
    }

    pub(super) fn members(&self) -> Result<Vec<Member>> {
        let mut all = Vec::new();
        let mut add = |owner: String, id: &str, name: &str, pid| {
            all.push(Member { owner, id: id.to_owned(), name: name.to_owned(), pid });
        };
        for of in &self.docker {
            add(format!("docker://{}", of.name()), of.id(), of.name(), of.pid()?);
        }
        for of in &self.podman {
            add(format!("podman://{}", of.name()), of.id(), of.name(), of.pid()?);
        }
        let of = &self.containerd;
        add(format!("containerd://{}/{}", of.namespace(), of.id()), of.id(), of.id(), of.pid()?);
        let pod = format!("pod/{}/{}", self.pod.namespace(), self.pod.name());
        add(format!("{pod}/app"), self.app.id(), &format!("{pod}/app"), self.app.pid()?);
        add(pod.clone(), self.pod.sandbox_id(), &pod, self.pod.sandbox_pid()?);
        let of = &self.lxc;
        add(format!("lxc://{}", of.name()), of.name(), of.name(), of.pid()?);
        let of = &self.machine;
        add(format!("nspawn://{}", of.name()), of.name(), of.name(), of.leader());
        for of in &self.by_hand {
            add(format!("oci://{}", of.id()), of.id(), of.id(), of.pid()?);
        }
        Ok(all)
    }
}
