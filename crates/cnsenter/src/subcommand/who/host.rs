//! What is known of this host, each part read when it is first needed, and once: most words need little of it.

use std::cell::{Cell, OnceCell};

use resolve::{Evidence, Listed, Owner as Recorded, Records, Reference, Settings};
use serde_json::Value;
use survey::{Home, Inode, Kind, Link, Namespaces};

use super::super::inventory::{self, Inventory};
use super::found::Owner;

/// This host.
pub(super) struct Host<'a> {
    settings: &'a Settings,
    pub(super) records: Records,
    namespaces: OnceCell<Namespaces>,
    links: OnceCell<Vec<Link>>,
    init_processes: OnceCell<Vec<i32>>,
    pub(super) near: OnceCell<Vec<Home>>,
    pub(super) numbers: OnceCell<Vec<Option<i32>>>,
    /// An engine did not answer: it is not waited for again.
    is_silent: Cell<bool>,
}

impl<'a> Host<'a> {
    pub(super) fn of(settings: &'a Settings) -> Self {
        Self {
            settings,
            records: Records::of(settings),
            namespaces: OnceCell::new(),
            links: OnceCell::new(),
            init_processes: OnceCell::new(),
            near: OnceCell::new(),
            numbers: OnceCell::new(),
            is_silent: Cell::new(false),
        }
    }

    /// Its own namespace of a kind.
    pub(super) fn inode(&self, kind: Kind) -> Option<Inode> {
        self.namespaces().get(kind)
    }

    fn namespaces(&self) -> &Namespaces {
        self.namespaces.get_or_init(Namespaces::of_host)
    }

    /// The interfaces of the network of this process: the host's, as a rule.
    pub(super) fn links(&self) -> &[Link] {
        self.links.get_or_init(survey::bare_links)
    }

    /// The init process of each container whose runtime notes it where that is quick to read.
    pub(super) fn init_processes(&self) -> &[i32] {
        self.init_processes.get_or_init(|| self.records.init_processes())
    }

    /// The containers that each of these processes is in; of those in one container's cgroup one alone.
    pub(super) fn of_processes(&self, pids: &[i32]) -> Vec<(i32, Vec<(Owner, Evidence)>)> {
        let known = |(owner, evidence)| (self.known(owner), evidence);
        let all = self.records.of_processes(pids).into_iter();
        all.map(|(pid, owners)| (pid, owners.into_iter().map(known).collect())).collect()
    }

    /// A container, with what its engine says of it where nothing is on record.
    pub(super) fn known(&self, owner: Recorded) -> Owner {
        match owner {
            Recorded::Recorded(found) => Owner::Container(found),
            Recorded::Unrecorded { runtime, id } => {
                let asked = self.ask(&Reference::of(runtime, id.as_str()));
                asked.map_or_else(|| Owner::Unrecorded(runtime, id), Owner::from)
            }
        }
    }

    /// The container of that name, by its engine.
    pub(super) fn ask(&self, reference: &Reference) -> Option<Listed> {
        if self.is_silent.get() {
            return None;
        }
        match resolve::resolve(reference, self.settings) {
            Ok(container) => Some(resolve::describe(container, self.settings)),
            Err(error) => {
                self.is_silent.set(matches!(error, resolve::Error::Engine { .. }));
                None
            }
        }
    }

    /// A container as lists show it.
    pub(super) fn json(&self, found: &Listed) -> Value {
        let host = self.namespaces().clone();
        let mut inventory = Inventory { items: vec![inventory::item(found.clone())], unasked: Vec::new(), host };
        inventory.look_into_networks();
        inventory.items.first().map_or(Value::Null, |item| inventory::json(item, &inventory))
    }
}
