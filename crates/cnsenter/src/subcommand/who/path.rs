//! Whose a path is: a namespace's file, a cgroup, a folder of overlay2.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use resolve::{Listed, Owner as Recorded};
use survey::Inode;

use super::found::{Found, Owner};
use super::host::Host;
use super::namespace;

/// The file system of namespaces, statfs(2).
const NSFS_MAGIC: i64 = 0x6e73_6673;

/// Whoever it belongs to.
pub(super) fn find(path: &Path, host: &Host<'_>) -> Vec<Found> {
    if let Some(inode) = namespace_file(path) {
        let mut all = namespace::find(None, inode, host);
        if all.is_empty() {
            let owner = Owner::Network { inode, file: path.to_owned() };
            all.push(Found { owner, how: "a namespace in which no process is".to_owned(), kind: "file" });
        }
        return all.into_iter().map(|found| Found { kind: "file", ..found }).collect();
    }
    let found = layers(host.records.of_path(path));
    if found.is_empty() { of_cgroup(path, host) } else { found }
}

/// The container whose own layer that is.
pub(super) fn of_layer(id: &str, host: &Host<'_>) -> Vec<Found> {
    layers(host.records.of_layer(id))
}

fn layers(of: Vec<Listed>) -> Vec<Found> {
    let found = |of: Listed| Found { owner: of.into(), how: "its own layer".to_owned(), kind: "layer" };
    of.into_iter().map(found).collect()
}

/// The container whose cgroup that is, or everybody in it.
fn of_cgroup(path: &Path, host: &Host<'_>) -> Vec<Found> {
    let kind = "cgroup";
    let folder = host.records.folder(path);
    let name = folder.as_ref().map_or(path.to_string_lossy(), |folder| folder.path.as_str().into());
    match (host.records.of_cgroup(&name), folder) {
        (Some(owner @ Recorded::Recorded(_)), _) | (Some(owner), Some(_)) => {
            vec![Found { owner: host.known(owner), how: "its cgroup".to_owned(), kind }]
        }
        (_, Some(folder)) => {
            let all = namespace::of_members(&folder.processes, "cgroup", host).into_iter();
            all.map(|found| Found { kind, ..found }).collect()
        }
        (_, None) => Vec::new(),
    }
}

fn namespace_file(path: &Path) -> Option<Inode> {
    let is_one = rustix::fs::statfs(path).ok()?.f_type == NSFS_MAGIC;
    is_one.then(|| std::fs::metadata(path).ok()).flatten().map(|file| Inode(file.ino()))
}
