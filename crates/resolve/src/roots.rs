//! Where the runtimes keep their state on this machine: the usual folders, those of the environment, those that
//! `--state-root` names. What lies in them is read by the runtimes.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::Settings;
use crate::endpoint::{DEFAULT_SOCKET, Endpoint};
use crate::file;

/// The folders, each kind in the order in which it is searched. Few of them exist on one machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Roots {
    /// Docker's data: `containers/ID/config.v2.json`.
    pub(crate) docker_data: Vec<PathBuf>,
    /// What Docker keeps while containers run: `runtime-runc/moby/ID/state.json`.
    pub(crate) docker_exec: Vec<PathBuf>,
    /// containerd's state: `io.containerd.runtime.v2.task/NAMESPACE/ID`.
    pub(crate) containerd: Vec<PathBuf>,
    /// containers/storage, both of its roots: `overlay-containers/…`.
    pub(crate) storage: Vec<PathBuf>,
    /// runc, crun and youki: `ID/state.json` or `ID/status`.
    pub(crate) oci: Vec<PathBuf>,
    /// LXC's, LXD's and Incus' containers, running or not: `NAME`.
    pub(crate) lxc: Vec<PathBuf>,
}

/// The part of the Docker daemon's own configuration that moves its folders.
#[derive(Default, Deserialize)]
struct DaemonConfiguration {
    #[serde(rename = "data-root")]
    data: Option<PathBuf>,
    #[serde(rename = "exec-root")]
    exec: Option<PathBuf>,
}

impl Roots {
    /// All that apply. `docker` is the engine that people mean; of another one only `--state-root` knows the folders.
    pub(crate) fn of(settings: &Settings, docker: Option<&Endpoint>) -> Self {
        let mut roots = Self::default();
        // What was said goes first.
        settings.state_roots.iter().for_each(|root| roots.add(root));
        roots.add_docker(settings, docker.map_or(DEFAULT_SOCKET, |docker| &docker.socket));
        let paths = |all: &[&str]| all.iter().map(PathBuf::from).collect::<Vec<_>>();
        roots.containerd.extend(paths(&[
            "/run/containerd",
            "/run/k3s/containerd",
            "/run/k0s/containerd",
            "/var/snap/microk8s/common/run/containerd",
        ]));
        roots.storage.extend(configured_storage());
        roots.storage.extend(paths(&["/run/containers/storage", "/var/lib/containers/storage"]));
        roots.oci.extend(paths(&["/run/runc", "/run/crun", "/run/youki"]));
        roots.lxc.extend(paths(&[
            "/var/lib/lxc",
            "/var/lib/lxd/containers",
            "/var/lib/incus/containers",
            "/var/snap/lxd/common/lxd/containers",
        ]));
        if let Some(run) = &settings.runtime_folder {
            roots.storage.push(run.join("containers"));
            roots.oci.extend(["runc", "crun", "youki"].map(|name| run.join(name)));
            roots.containerd.push(run.join("containerd"));
        }
        if let Some(data) = &settings.data_folder {
            roots.storage.push(data.join("containers/storage"));
            roots.lxc.push(data.join("lxc"));
        }
        roots
    }

    /// All that apply, wherever the engine is that people mean.
    pub(crate) fn of_settings(settings: &Settings) -> Self {
        Self::of(settings, settings.endpoint().ok().as_ref())
    }

    fn add_docker(&mut self, settings: &Settings, socket: &str) {
        let rootless = settings.runtime_folder.as_ref().filter(|run| run.join("docker.sock") == Path::new(socket));
        if let Some(run) = rootless {
            self.docker_exec.push(run.join("docker"));
            self.docker_data.extend(settings.data_folder.as_ref().map(|data| data.join("docker")));
        } else if [DEFAULT_SOCKET, "/run/docker.sock"].contains(&socket) {
            let configured: DaemonConfiguration =
                file::json(Path::new("/etc/docker/daemon.json"), file::LARGEST).unwrap_or_default();
            self.docker_data.extend(configured.data);
            self.docker_exec.extend(configured.exec);
            // A snap listens on the same socket.
            self.docker_data.extend(["/var/lib/docker", "/var/snap/docker/common/var-lib-docker"].map(PathBuf::from));
            self.docker_exec.extend(["/run/docker", "/run/snap.docker"].map(PathBuf::from));
        }
    }

    /// A folder that was named, told by what is in it.
    fn add(&mut self, root: &Path) {
        let has = |name: &str| root.join(name).exists();
        let root = || root.to_owned();
        let storage = !file::ending(&root(), "-containers").is_empty();
        let kinds = [
            (has("containers"), &mut self.docker_data),
            (has("runtime-runc") || has("containerd/daemon"), &mut self.docker_exec),
            (has("io.containerd.runtime.v2.task"), &mut self.containerd),
            (storage, &mut self.storage),
        ];
        let mut known = false;
        for (is, list) in kinds {
            if is {
                list.push(root());
                known = true;
            }
        }
        if !known {
            // Nothing marks such a folder, and one of LXC's has other files in it.
            self.oci.push(root());
            self.lxc.push(root());
        }
    }
}

/// The folders that `/etc/containers/storage.conf` names, containers-storage.conf(5): two keys of a TOML file.
fn configured_storage() -> Vec<PathBuf> {
    let bytes = file::read(Path::new("/etc/containers/storage.conf"), file::LARGEST).unwrap_or_default();
    storage_in(&String::from_utf8_lossy(&bytes))
}

fn storage_in(text: &str) -> Vec<PathBuf> {
    let value = |line: &str| {
        let (key, value) = line.split_once('=')?;
        let value = value.trim().strip_prefix('"')?.split('"').next()?;
        (matches!(key.trim(), "graphroot" | "runroot") && value.starts_with('/')).then(|| PathBuf::from(value))
    };
    text.lines().filter_map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Origin;

    #[test]
    fn a_named_folder_is_told_by_what_is_in_it() {
        let folder = std::env::temp_dir().join(format!("cnsenter-roots-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let make = |path: &str| {
            std::fs::create_dir_all(folder.join(path)).unwrap();
            folder.join(path.split('/').next().unwrap())
        };
        let named =
            ["a/containers", "b/runtime-runc", "c/io.containerd.runtime.v2.task", "d/overlay-containers", "e/x"];
        let [a, b, c, d, e] = named.map(make);
        let mut roots = Roots::default();
        [&a, &b, &c, &d, &e].into_iter().for_each(|root| roots.add(root));
        let expected = Roots {
            docker_data: vec![a],
            docker_exec: vec![b],
            containerd: vec![c],
            storage: vec![d],
            oci: vec![e.clone()],
            lxc: vec![e],
        };
        assert_eq!(roots, expected);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn storage_on_another_disk_is_found() {
        let text = "[storage]\ndriver = \"overlay\"\n# graphroot = \"/no\"\ngraphroot = \"/disk/storage\" # big\nrunroot=\"/r\"\n";
        assert_eq!(storage_in(text), ["/disk/storage", "/r"].map(PathBuf::from));
    }

    #[test]
    fn another_engine_than_the_usual_one_has_no_usual_folders() {
        let settings = Settings { runtime_folder: Some("/run/user/7".into()), ..Settings::default() };
        let of = |socket: &str| {
            let origin = Origin { address: socket.to_owned(), said_by: None };
            Roots::of(&settings, Some(&Endpoint { socket: socket.to_owned(), origin })).docker_exec
        };
        assert!(of("/run/other.sock").is_empty());
        assert_eq!(of("/run/user/7/docker.sock"), [Path::new("/run/user/7/docker")]);
        assert!(of(DEFAULT_SOCKET).contains(&PathBuf::from("/run/docker")));
    }
}
