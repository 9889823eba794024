//! Whose a network namespace is, by who is in it, and by the names of the files that keep it.

use std::cell::OnceCell;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use resolve::{Network, Records, Reference, Settings};
use survey::{Descriptor, Held, Kind, Namespaces, Process};

use crate::exit;
use crate::subcommand::inventory::{self, Inventory, Item};

/// An engine makes a network before the container's first process is in it, and removes it after the last. One that is
/// older than this, and empty, was left behind.
const STARTING: Duration = Duration::from_secs(60);

/// Whose it is.
pub(super) enum Owner<'a> {
    /// The host's own, and that of containers that have no other.
    Host(Vec<&'a Item>),
    /// Containers', the one whose it is before those that share it.
    Containers(Vec<&'a Item>),
    /// Swarm's, for published ports.
    Ingress,
    /// Of an overlay network of swarm's, or of its load balancer. The ID may be the beginning of one.
    Overlay { id: String, name: Option<String>, balancer: bool },
    /// ip-netns(8)'s.
    Named(String),
    /// A process's or thread's that is in it, and the container that it is in but for the network.
    Process { pid: i32, name: Option<String>, of: Option<&'a Item> },
    /// Nobody's who is known: a file keeps it.
    File,
    /// Nothing keeps it but an open descriptor, of a process in that container.
    Descriptor { descriptor: Descriptor, name: Option<String>, of: Option<&'a Item> },
    /// An engine made it, and no container has it.
    Leaked,
}

impl Owner<'_> {
    /// For programs, and where it stands in the list: what needs a look comes last.
    fn class(&self) -> (u8, &'static str) {
        match self {
            Self::Host(_) => (0, "host"),
            Self::Containers(_) => (1, "container"),
            Self::Ingress => (2, "ingress"),
            Self::Overlay { balancer: false, .. } => (2, "overlay"),
            Self::Overlay { balancer: true, .. } => (2, "load-balancer"),
            Self::Named(_) => (3, "ip-netns"),
            Self::Process { .. } => (4, "process"),
            Self::File => (5, "file"),
            Self::Descriptor { .. } => (6, "descriptor"),
            Self::Leaked => (7, "leaked"),
        }
    }

    pub(super) fn rank(&self) -> u8 {
        self.class().0
    }

    pub(super) fn kind(&self) -> &'static str {
        self.class().1
    }

    pub(super) fn text(&self) -> String {
        let process = |pid: &i32, name: &Option<String>, of: &Option<&Item>| {
            let of = of.map(|item| format!(" in {}", reference(item))).unwrap_or_default();
            match name {
                Some(name) => format!("{name} ({pid}){of}"),
                None => format!("{pid}{of}"),
            }
        };
        match self {
            Self::Host(items) => list("the host".to_owned(), items),
            Self::Containers(items) => match items.split_first() {
                Some((first, others)) => list(reference(first), others),
                None => String::new(),
            },
            Self::Ingress => "swarm ingress".to_owned(),
            Self::Overlay { id, name, balancer } => {
                let balancer = if *balancer { " (load balancer)" } else { "" };
                format!("overlay {}{balancer}", name.as_ref().unwrap_or(id))
            }
            Self::Named(name) => format!("ip netns {name}"),
            Self::Process { pid, name, of } => format!("process {}", process(pid, name, of)),
            Self::File => "kept by a file".to_owned(),
            Self::Descriptor { descriptor: Descriptor { pid, fd }, name, of } => {
                format!("held by a descriptor: {fd} of {}", process(pid, name, of))
            }
            Self::Leaked => "leaked: no container has it".to_owned(),
        }
    }

    pub(super) fn containers(&self) -> &[&Item] {
        match self {
            Self::Host(items) | Self::Containers(items) => items,
            _ => &[],
        }
    }

    /// ID and name of the overlay network.
    pub(super) fn network(&self) -> Option<(&str, Option<&str>)> {
        match self {
            Self::Overlay { id, name, .. } => Some((id, name.as_deref())),
            _ => None,
        }
    }
}

fn list(first: String, others: &[&Item]) -> String {
    std::iter::once(first).chain(others.iter().map(|item| reference(item))).collect::<Vec<_>>().join(", ")
}

/// A container by the name by which people know it, spelled so that it can be entered; with its state, if it does not run.
fn reference(item: &Item) -> String {
    let container = &item.listed.container;
    let reference = match &container.pod {
        Some(_) => container.reference(),
        None => Reference::Name {
            runtime: Some(container.runtime),
            namespace: container.namespace.clone(),
            name: container.name.clone(),
        },
    };
    match container.pid {
        Some(_) => reference.to_string(),
        None => format!("{reference} ({})", inventory::state(&container.state)),
    }
}

/// What it takes to tell.
pub(super) struct Owners<'a> {
    inventory: &'a Inventory,
    settings: &'a Settings,
    records: Records,
    /// ID and name of the engine's networks. Asked for where one of swarm's is met, and once.
    networks: OnceCell<Vec<(String, String)>>,
}

impl<'a> Owners<'a> {
    pub(super) fn new(inventory: &'a Inventory, settings: &'a Settings) -> Self {
        Self { inventory, settings, records: Records::of(settings), networks: OnceCell::new() }
    }

    pub(super) fn of(&self, held: &Held) -> Owner<'a> {
        let is_in = |item: &&Item| item.network() == Some(held.inode);
        let mut items: Vec<&Item> = self.inventory.items.iter().filter(is_in).collect();
        items.sort_unstable_by_key(|item| inventory::seniority(item));
        if self.inventory.host.get(Kind::Net) == Some(held.inode) {
            return Owner::Host(items);
        }
        if !items.is_empty() {
            return Owner::Containers(items);
        }
        let keepers: Vec<_> = held.files.iter().map(|file| (self.keeper(file), file)).collect();
        if let Some(owner) = keepers.iter().find_map(|(keeper, _)| self.by_name(keeper)) {
            return owner;
        }
        if let Some(&pid) = held.processes.first().or(held.threads.first()) {
            return Owner::Process { pid, name: process_name(pid), of: self.around(pid) };
        }
        if keepers.iter().any(|(keeper, file)| matches!(keeper, Keeper::Engine(_)) && self.is_left_behind(file)) {
            return Owner::Leaked;
        }
        match held.descriptors.first() {
            Some(&descriptor) if held.files.is_empty() => {
                let (name, of) = (process_name(descriptor.pid), self.around(descriptor.pid));
                Owner::Descriptor { descriptor, name, of }
            }
            _ => Owner::File,
        }
    }

    /// Who keeps it by a file. In mounts of their own, a container and an ordinary user call files as they like.
    fn keeper(&self, file: &Path) -> Keeper {
        match in_its_root(file) {
            Some((pid, _)) if !self.is_of_host(pid) => Keeper::Other,
            Some((_, below)) => Keeper::of(&below),
            None => Keeper::of(file),
        }
    }

    /// Whether a process is the host's though its mounts are its own, as an engine's may be.
    fn is_of_host(&self, pid: i32) -> bool {
        let own = Namespaces::of_process(pid).unwrap_or_default();
        let is_shared = |kind| own.get(kind).is_some() && own.get(kind) == self.inventory.host.get(kind);
        is_shared(Kind::User) && is_shared(Kind::Pid) && self.records.of_process(pid).is_empty()
    }

    /// By what a file's name says.
    fn by_name(&self, keeper: &Keeper) -> Option<Owner<'a>> {
        let overlay = |id: &String, balancer| {
            let known = self.networks().iter().find(|(full, _)| full.starts_with(id.as_str()));
            let (id, name) = known.map_or_else(|| (id.clone(), None), |(id, name)| (id.clone(), Some(name.clone())));
            Owner::Overlay { id, name, balancer }
        };
        match keeper {
            Keeper::Ingress => Some(Owner::Ingress),
            Keeper::Overlay(id) => Some(overlay(id, false)),
            Keeper::Balancer(id) => Some(overlay(id, true)),
            Keeper::Named(name) => Some(Owner::Named(name.clone())),
            // One that does not run has none, as a rule.
            Keeper::Engine(name) => {
                let is_its = |item: &&Item| match &item.listed.container.network {
                    Network::Sandbox(key) => key.file_name() == Some(OsStr::new(name)),
                    Network::Host(_) | Network::Container(_) | Network::None => false,
                };
                let items: Vec<_> = self.inventory.items.iter().filter(is_its).collect();
                (!items.is_empty()).then_some(Owner::Containers(items))
            }
            Keeper::Other => None,
        }
    }

    fn networks(&self) -> &[(String, String)] {
        self.networks.get_or_init(|| {
            let networks = crate::without_sigpipe(|| resolve::networks(self.settings));
            networks.unwrap_or_else(|error| {
                exit::notice(&format!("overlay networks are shown by their IDs: {error}"));
                Vec::new()
            })
        })
    }

    /// The container whose other namespaces a process is in.
    fn around(&self, pid: i32) -> Option<&'a Item> {
        let inode = Namespaces::of_process(pid).ok()?.get(Kind::Pid)?;
        let is_around = |item: &&Item| item.namespaces.get(Kind::Pid) == Some(inode);
        self.inventory.items.iter().find(is_around).filter(|_| self.inventory.host.get(Kind::Pid) != Some(inode))
    }

    /// Whether an engine's file belongs to no container: all were asked, and it is not being made.
    fn is_left_behind(&self, file: &Path) -> bool {
        let all_known = self.inventory.unasked.iter().all(|unasked| unasked.by_state);
        let age = || SystemTime::now().duration_since(survey::mounted_over(file)?).ok();
        all_known && age().is_some_and(|age| age > STARTING)
    }
}

fn process_name(pid: i32) -> Option<String> {
    Process::read(pid).ok().map(|process| process.name)
}

/// Who keeps a network, by the name of its file.
#[derive(Debug, PartialEq, Eq)]
enum Keeper {
    /// Swarm's ingress.
    Ingress,
    /// Swarm, for an overlay network, by the beginning of its ID.
    Overlay(String),
    /// Swarm, for the load balancer of one.
    Balancer(String),
    /// An engine, for a container: the name is made up.
    Engine(String),
    /// ip-netns(8).
    Named(String),
    /// Somebody else.
    Other,
}

impl Keeper {
    fn of(file: &Path) -> Self {
        let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else { return Self::Other };
        let name = name.to_string_lossy().into_owned();
        // What plugins of CNI's and podman keep there is called by a UUID.
        let by_uuid = ["cni-", "netns-"].iter().any(|start| name.strip_prefix(start).is_some_and(is_uuid));
        if by_uuid {
            return Self::Engine(name);
        }
        if [Path::new("/run/netns"), Path::new("/var/run/netns")].contains(&folder) {
            return Self::Named(name);
        }
        // Docker's, wherever it has been told to keep what runs.
        if folder.file_name() != Some(OsStr::new("netns")) {
            return Self::Other;
        }
        if name == "ingress_sbox" {
            return Self::Ingress;
        }
        if let Some(id) = name.strip_prefix("lb_") {
            return Self::Balancer(id.to_owned());
        }
        match name.split_once('-') {
            Some((epoch, id)) if !epoch.is_empty() && is_of(epoch, u8::is_ascii_digit) => Self::Overlay(id.to_owned()),
            _ if name.len() == 12 && is_of(&name, u8::is_ascii_hexdigit) => Self::Engine(name),
            _ => Self::Other,
        }
    }
}

fn is_of(text: &str, class: fn(&u8) -> bool) -> bool {
    text.as_bytes().iter().all(class)
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// Of a file of another mount namespace, as seen through `/proc/PID/root`: that process, and the path there.
fn in_its_root(file: &Path) -> Option<(i32, PathBuf)> {
    let mut parts = file.strip_prefix("/proc").ok()?.components();
    let pid = parts.next()?.as_os_str().to_str()?.parse().ok()?;
    (parts.next()?.as_os_str() == "root").then(|| (pid, Path::new("/").join(parts.as_path())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_tells_who_keeps_it() {
        let engine = |name: &str| Keeper::Engine(name.to_owned());
        let uuid = "4f0e5a4c-0b0f-4a1e-9d44-0123456789ab";
        for (file, keeper) in [
            ("/run/docker/netns/a5e6c4190230", engine("a5e6c4190230")),
            ("/run/snap.docker/netns/a5e6c4190230", engine("a5e6c4190230")),
            ("/run/docker/netns/ingress_sbox", Keeper::Ingress),
            ("/run/docker/netns/1-q7zk0abcde", Keeper::Overlay("q7zk0abcde".into())),
            ("/run/docker/netns/lb_q7zk0abcd", Keeper::Balancer("q7zk0abcd".into())),
            ("/run/docker/netns/default", Keeper::Other),
            ("/run/netns/lb_q7zk0abcd", Keeper::Named("lb_q7zk0abcd".into())),
            ("/var/run/netns/blue", Keeper::Named("blue".into())),
            (&format!("/run/netns/cni-{uuid}"), engine(&format!("cni-{uuid}"))),
            (&format!("/run/user/7/netns/netns-{uuid}"), engine(&format!("netns-{uuid}"))),
            ("/run/netns/cni-mine", Keeper::Named("cni-mine".into())),
            ("/mnt/a5e6c4190230", Keeper::Other),
            ("/", Keeper::Other),
        ] {
            assert_eq!(Keeper::of(Path::new(file)), keeper, "{file}");
        }
    }

    #[test]
    fn a_file_of_others_mounts_is_told_by_whose_they_are() {
        let of = |file: &str| in_its_root(Path::new(file));
        assert_eq!(of("/proc/12/root/run/netns/blue"), Some((12, "/run/netns/blue".into())));
        assert_eq!(of("/proc/12/root"), Some((12, "/".into())));
        for file in ["/run/netns/12/root/blue", "/proc/self/root/x", "/proc/12/cwd/x", "/proc"] {
            assert_eq!(of(file), None, "{file}");
        }
    }
}
