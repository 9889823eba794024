//! Folders of a cgroup and of a layer, as people paste them. Whose a cgroup is by its name belongs in `records.rs`.

use std::path::{Path, PathBuf};

use super::Records;
use crate::file;
use crate::listed::Listed;
use crate::runtime::{cgroup, storage};

/// How many folders of a cgroup are looked through.
const MOST_FOLDERS: usize = 256;

/// In which slices a unit is looked for that is named without its path.
const SLICES: [&str; 3] = ["", "system.slice", "machine.slice"];

/// What folders of layers are called.
const OVERLAYS: [&str; 2] = ["overlay2", "overlay"];

/// A cgroup that is there, in some hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Its path below the hierarchy's root, as `/proc/PID/cgroup` has it.
    pub path: String,
    /// The processes in it and below it, as far as it is looked through.
    pub processes: Vec<i32>,
    /// Whether it was looked through to its end: whoever rules there may make as many below as they like.
    pub is_whole: bool,
}

impl Records {
    /// The cgroup of a path: one below a mount point of cgroups, or one as `/proc/PID/cgroup` has it, or a unit's name.
    /// `None` where no hierarchy has it.
    pub fn folder(&self, path: &Path) -> Option<Folder> {
        let mounts = cgroup::hierarchies();
        let below = mounts.iter().filter_map(|mount| path.strip_prefix(mount).ok());
        let below = below.min_by_key(|rest| rest.components().count());
        let path = below.unwrap_or(path.strip_prefix("/").unwrap_or(path));
        let is_plain = path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        let alone = path.components().count() == 1;
        let slices = if alone { &SLICES[..] } else { &SLICES[..1] };
        let all = slices.iter().map(|slice| Path::new(slice).join(path)).filter(|_| is_plain);
        all.filter_map(|path| {
            let folders = mounts.iter().map(|mount| mount.join(&path)).filter(|folder| folder.is_dir());
            let mut all = folders.map(|folder| processes(&folder)).peekable();
            all.peek()?;
            let (processes, is_whole) = all.find(|(processes, _)| !processes.is_empty()).unwrap_or((Vec::new(), true));
            Some(Folder { path: format!("/{}", path.to_str()?), processes, is_whole })
        })
        .next()
    }

    /// The containers whose own layer a path leads to, or through: by the layer's ID, or by where it is mounted.
    pub fn of_path(&self, path: &Path) -> Vec<Listed> {
        let mut parts = path.iter().filter_map(|part| part.to_str());
        let layer = parts.find(|part| OVERLAYS.contains(part)).and_then(|_| parts.next());
        let found = layer.map(|layer| self.of_layer(layer)).unwrap_or_default();
        if found.is_empty() { self.of_mount(path) } else { found }
    }

    /// The container whose root is mounted in its bundle, and has its changes below this folder: containerd's.
    fn of_mount(&self, path: &Path) -> Vec<Listed> {
        let mounts = file::read(Path::new("/proc/self/mountinfo"), file::LARGEST).unwrap_or_default();
        let mounts = String::from_utf8_lossy(&mounts);
        let mut points = mounts.lines().filter_map(overlay);
        let is_its = |changes: &Path| changes.parent().is_some_and(|folder| path.starts_with(folder));
        let Some((point, _)) = points.find(|(_, changes)| is_its(changes)) else { return Vec::new() };
        let mut parts = point.iter().rev().skip(1).filter_map(|part| part.to_str());
        let (Some(id), Some(namespace)) = (parts.next(), parts.next()) else { return Vec::new() };
        let mut found = self.of_id(id);
        found.retain(|found| found.container.namespace.as_deref() == Some(namespace));
        found
    }

    /// The containers whose own layer is in the folder of this name.
    pub fn of_layer(&self, layer: &str) -> Vec<Listed> {
        let layer = layer.strip_suffix("-init").unwrap_or(layer);
        let of_docker = self.roots.docker_data.iter().flat_map(|data| {
            // Each container has a folder by its ID, whatever the driver is called.
            let mounts = file::ending(&data.join("image"), "").into_iter().map(|driver| driver.join("layerdb/mounts"));
            mounts.flat_map(|mounts| containers(&mounts, layer))
        });
        let of_storage = storage::of_layer(&self.roots, layer);
        of_docker.chain(of_storage).flat_map(|id| self.of_id(&id)).collect()
    }
}

/// Where an overlay is mounted, and the folder of its changes.
fn overlay(line: &str) -> Option<(PathBuf, PathBuf)> {
    let (before, after) = line.split_once(" - overlay ")?;
    let point = cgroup::unescaped(before.split(' ').nth(4)?);
    let changes = after.split([' ', ',']).find_map(|option| option.strip_prefix("upperdir="))?;
    Some((point.into(), cgroup::unescaped(changes).into()))
}

/// The IDs of the containers which have this layer, by the folder in which each has one.
fn containers(mounts: &Path, layer: &str) -> Vec<String> {
    let has = |id: &String| {
        let noted = file::read(&mounts.join(id).join("mount-id"), file::LARGEST).unwrap_or_default();
        noted == layer.as_bytes()
    };
    file::names(mounts).into_iter().filter(has).collect()
}

/// The processes in a cgroup and below it, and whether those are all.
fn processes(folder: &Path) -> (Vec<i32>, bool) {
    let mut open = vec![folder.to_owned()];
    let mut found = Vec::new();
    for _ in 0..MOST_FOLDERS {
        let Some(folder) = open.pop() else { break };
        let procs = file::read(&folder.join("cgroup.procs"), file::LARGEST).unwrap_or_default();
        found.extend(String::from_utf8_lossy(&procs).lines().filter_map(|pid| pid.parse::<i32>().ok()));
        let below = file::names(&folder).into_iter().map(|name| folder.join(name));
        open.extend(below.filter(|path: &PathBuf| path.is_dir()));
    }
    found.retain(|pid| *pid > 0);
    (found, open.is_empty())
}
