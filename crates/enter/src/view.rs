//! What host tools are shown of the target in place of the host's: private mounts, made after joining and gone with the
//! program. Nothing is written to the host or the container. What the files say belongs in `view/names.rs`, how they
//! are mounted in `view/mounts.rs`; this file decides what is shown.

mod mounts;
mod names;

use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use crate::Error;
use mounts::Staging;
use names::Shown;

/// What is shown. All of it only where the target's mount namespace is not entered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// The target's network: resolv.conf, hosts, a fresh /sys.
    pub network: bool,
    /// The target's pid namespace: a fresh /proc.
    pub processes: bool,
    /// The target's host name: /etc/hostname.
    pub host_name: bool,
    /// The runtime's own copies, on the host, of what the container sees.
    pub files: ViewFiles,
}

/// Where a runtime keeps what the container sees under `/etc`: read where the target's root says nothing of use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ViewFiles {
    /// `/etc/resolv.conf`.
    pub resolv_conf: Option<PathBuf>,
    /// `/etc/hosts`.
    pub hosts: Option<PathBuf>,
    /// `/etc/hostname`.
    pub hostname: Option<PathBuf>,
}

/// A view whose every file has been read. What it is mounted over is looked up by path after joining, which leads nowhere
/// else than before: the mount namespace still is the caller's.
#[derive(Debug)]
pub(crate) struct Prepared {
    network: Option<Network>,
    host_name: Option<(Ours, Shown)>,
    processes: Option<Ours>,
}

#[derive(Debug)]
struct Network {
    ours: Ours,
    files: Vec<Shown>,
    /// Whether the socket of a name service cache may be there.
    cache: bool,
}

impl Prepared {
    /// Reads what is to be shown. `root` is the target's root folder; a network without processes has none.
    pub(crate) fn new(view: &View, root: Option<BorrowedFd<'_>>, notices: &mut Vec<String>) -> Result<Self, Error> {
        let mut prepared = Self { network: None, host_name: None, processes: None };
        let files = &view.files;
        if view.network {
            let mut shown = Vec::with_capacity(3);
            shown.extend(Shown::of_target("resolv.conf", root, files.resolv_conf.as_deref(), notices));
            shown.extend(Shown::of_target("hosts", root, files.hosts.as_deref(), notices));
            shown.extend(names::without_daemons());
            for missing in shown.iter().filter(|shown| shown.is_missing()) {
                notices.push(format!(
                    "there is no {} here: the container's is shown in a copy of /etc, where no file can be added",
                    missing.path
                ));
            }
            let (ours, cache) = (Ours::new("/proc/self/ns/net"), names::has_cache());
            prepared.network = Some(Network { ours, files: shown, cache });
        }
        if view.host_name {
            let shown = Shown::of_target("hostname", root, files.hostname.as_deref(), notices);
            // Who does without the file does not read it.
            let shown = shown.filter(|shown| !shown.is_missing());
            prepared.host_name = shown.map(|shown| (Ours::new("/proc/self/ns/uts"), shown));
        }
        prepared.processes = view.processes.then(|| Ours::new("/proc/self/ns/pid"));
        Ok(prepared)
    }

    /// Shows it: after joining, in the process that is to become the program, since only a process of a pid namespace can
    /// mount its `/proc`. What turned out to be the host's own is not shown anew.
    pub(crate) fn show(self) -> Result<(), Error> {
        let network = self.network.filter(|network| network.ours.was_left());
        let host_name = self.host_name.filter(|(ours, _)| ours.was_left()).map(|(_, shown)| shown.or_name());
        let processes = self.processes.is_some_and(|ours| ours.was_left());
        if network.is_none() && host_name.is_none() && !processes {
            return Ok(());
        }
        log::info!("showing the target's files in a mount namespace of our own");
        mounts::unshare()?;
        if network.is_some() || host_name.is_some() {
            let files: Vec<_> = network.iter().flat_map(|network| &network.files).chain(&host_name).collect();
            let staging = Staging::fill(&files)?;
            for file in &files {
                staging.lay(file)?;
            }
            if network.as_ref().is_some_and(|network| network.cache) {
                staging.lay_nothing(names::CACHE)?;
            }
            staging.cover(network.is_some())?;
        }
        if processes {
            mounts::show_processes()?;
        }
        Ok(())
    }
}

/// A namespace of ours, before joining.
#[derive(Debug)]
struct Ours {
    path: &'static str,
    /// Device and inode number; nothing where it cannot be told.
    before: Option<(u64, u64)>,
}

impl Ours {
    fn new(path: &'static str) -> Self {
        Self { path, before: identity(path) }
    }

    /// Whether we are in another one now.
    fn was_left(&self) -> bool {
        self.before.is_none() || self.before != identity(self.path)
    }
}

fn identity(path: &str) -> Option<(u64, u64)> {
    rustix::fs::stat(path).ok().map(|found| (found.st_dev, found.st_ino))
}
