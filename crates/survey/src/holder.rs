//! Which network namespaces there are, and what keeps each: processes, threads, files, descriptors. What is in one belongs
//! in `network.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::{Error, Inode, Kind, Namespaces, files, mount};

/// So many files of one network are told: an ordinary user may mount it ten thousand times.
const MOST_FILES: usize = 64;

/// How far to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Processes, and what is mounted: quick.
    Names,
    /// Threads, descriptors and other mount namespaces as well: reads every descriptor of this host.
    Everything,
}

/// A descriptor of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// The process.
    pub pid: i32,
    /// The number.
    pub fd: i32,
}

/// A network namespace, and what keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its number.
    pub inode: Inode,
    /// The processes whose network it is.
    pub processes: Vec<i32>,
    /// The threads whose network it is though it is not their process's.
    pub threads: Vec<i32>,
    /// Where it is mounted, in this mount namespace or else (as seen through `/proc/PID/root`) in others.
    pub files: Vec<PathBuf>,
    /// Open descriptors of it.
    pub descriptors: Vec<Descriptor>,
}

/// A way to a network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Home {
    /// A process's.
    Process(i32),
    /// A file.
    File(PathBuf),
    /// A descriptor of another process.
    Descriptor(Descriptor),
}

impl Held {
    /// A network of which nothing else is known.
    pub fn new(inode: Inode) -> Self {
        Self { inode, processes: Vec::new(), threads: Vec::new(), files: Vec::new(), descriptors: Vec::new() }
    }

    /// Adds a way to it.
    pub fn add(&mut self, home: Home) {
        match home {
            Home::Process(pid) => self.processes.push(pid),
            Home::File(path) => self.files.push(path),
            Home::Descriptor(descriptor) => self.descriptors.push(descriptor),
        }
    }

    /// The best way to it.
    pub fn home(&self) -> Option<Home> {
        self.homes().next()
    }

    /// All ways to it, the best first: what keeps it may go away meanwhile.
    pub fn homes(&self) -> impl Iterator<Item = Home> {
        let processes = self.processes.iter().chain(&self.threads).map(|pid| Home::Process(*pid));
        let files = self.files.iter().cloned().map(Home::File);
        processes.chain(files).chain(self.descriptors.iter().copied().map(Home::Descriptor))
    }
}

/// The network namespaces of this host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    /// Those that something keeps: the host's own first, then by their numbers.
    pub held: Vec<Held>,
    /// The processes that may not be looked at: each may be in a network that is not listed.
    pub unseen: Vec<i32>,
}

/// Every network namespace of this host that something keeps.
///
/// # Errors
/// [`Error::Read`] where `/proc` cannot be read at all.
pub fn networks(depth: Depth) -> Result<Networks, Error> {
    let proc = Path::new("/proc");
    // What cannot be read has no entries, and this one has to.
    std::fs::read_dir(proc).map_err(|cause| Error::read(proc, cause))?;
    let mut found = Found::default();
    found.add_mounts(Path::new("/proc/thread-self"), Path::new("/"));
    let own = Inode::read(Path::new("/proc/thread-self/ns/mnt"), Kind::Mount).ok();
    let mut mounts_seen = BTreeSet::new();
    mounts_seen.extend(own);
    let processes = files::numbers(proc);
    for &pid in &processes {
        let process = proc.join(pid.to_string());
        let net = Inode::read(&process.join("ns/net"), Kind::Net);
        match &net {
            Ok(inode) => found.held(*inode).processes.push(pid),
            // The kernel says the same of one that has just ended.
            Err(cause) if cause.kind() == ErrorKind::PermissionDenied && process.exists() => {
                found.unseen.push(pid);
                continue;
            }
            // It has ended, or its first thread has.
            Err(_) => {}
        }
        if depth == Depth::Everything {
            found.add_threads(&process, pid, net.ok());
            found.add_descriptors(&process, pid);
            let mounts = Inode::read(&process.join("ns/mnt"), Kind::Mount).ok();
            if mounts.is_some_and(|mounts| mounts_seen.insert(mounts)) {
                found.add_mounts(&process, &process.join("root"));
            }
        }
    }
    let host = Namespaces::of_host().get(Kind::Net);
    let mut held: Vec<_> = found.networks.into_values().collect();
    held.sort_unstable_by_key(|held| (Some(held.inode) != host, held.inode));
    Ok(Networks { held, unseen: found.unseen })
}

/// What was found so far.
#[derive(Default)]
struct Found {
    networks: BTreeMap<Inode, Held>,
    unseen: Vec<i32>,
}

impl Found {
    fn held(&mut self, inode: Inode) -> &mut Held {
        self.networks.entry(inode).or_insert_with(|| Held::new(inode))
    }

    /// Files in the mount namespace of a process, whose root folder is `root` here.
    fn add_mounts(&mut self, process: &Path, root: &Path) {
        // Ours are the administrator's.
        let served = if root == Path::new("/") { Vec::new() } else { mount::served(process) };
        for mount in mount::mounts(process, &["nsfs"]).into_iter().flatten() {
            let Some(inode) = Inode::of_link(mount.root.as_os_str().as_encoded_bytes(), Kind::Net) else { continue };
            let Ok(below) = mount.point.strip_prefix("/") else { continue };
            let path = root.join(below);
            let files = &mut self.held(inode).files;
            // Most other mount namespaces are copies of ours.
            if files.len() == MOST_FILES || files.contains(&mount.point) || files.contains(&path) {
                continue;
            }
            let is_out_of_reach = served.iter().any(|point| mount.point.starts_with(point));
            // Something else may be mounted over it.
            if is_out_of_reach || !std::fs::metadata(&path).is_ok_and(|file| file.ino() != inode.0) {
                files.push(path);
            }
        }
    }

    fn add_threads(&mut self, process: &Path, pid: i32, net: Option<Inode>) {
        let tasks = process.join("task");
        // Most have one thread: `.`, `..` and that one are three.
        if net.is_some() && std::fs::metadata(&tasks).is_ok_and(|folder| folder.nlink() <= 3) {
            return;
        }
        for thread in files::numbers(&tasks) {
            let theirs = Inode::read(&tasks.join(thread.to_string()).join("ns/net"), Kind::Net);
            if let Ok(inode) = theirs
                && thread != pid
                && Some(inode) != net
            {
                self.held(inode).threads.push(thread);
            }
        }
    }

    fn add_descriptors(&mut self, process: &Path, pid: i32) {
        let folder = process.join("fd");
        for fd in files::numbers(&folder) {
            if let Ok(inode) = Inode::read(&folder.join(fd.to_string()), Kind::Net) {
                self.held(inode).descriptors.push(Descriptor { pid, fd });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_is_found_with_us_in_it() {
        let own = Inode::read(Path::new("/proc/thread-self/ns/net"), Kind::Net).unwrap();
        let file = std::fs::File::open("/proc/thread-self/ns/net").unwrap();
        let us = std::process::id().cast_signed();
        let descriptor = Descriptor { pid: us, fd: std::os::fd::AsRawFd::as_raw_fd(&file) };
        let found = networks(Depth::Everything).unwrap();
        let held = found.held.iter().find(|held| held.inode == own).unwrap();
        assert!(held.processes.contains(&us) && held.descriptors.contains(&descriptor), "{held:?}");
        assert!(held.home().is_some());
        let names = networks(Depth::Names).unwrap();
        assert!(names.held.iter().all(|held| held.descriptors.is_empty() && held.threads.is_empty()));
    }
}
