//! What is known of this host, each part read when it is first needed, and once: most words need little of it.

use std::cell::{Cell, OnceCell};

use resolve::{Container, Evidence, Owner as Recorded, Records, Reference, Settings};
use serde_json::{Value, json};
use survey::{Inode, Kind, Namespaces};

use super::found::{self, Owner};

/// This host.
pub(super) struct Host<'a> {
    settings: &'a Settings,
    pub(super) records: Records,
    namespaces: OnceCell<Namespaces>,
    /// An engine did not answer: it is not waited for again.
    is_silent: Cell<bool>,
}

impl<'a> Host<'a> {
    pub(super) fn of(settings: &'a Settings) -> Self {
        let records = Records::of(settings);
        Self { settings, records, namespaces: OnceCell::new(), is_silent: Cell::new(false) }
    }

    /// Its own namespace of a kind.
    pub(super) fn inode(&self, kind: Kind) -> Option<Inode> {
        self.namespaces.get_or_init(Namespaces::of_host).get(kind)
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
            Recorded::Recorded(container) => Owner::Container(container),
            Recorded::Unrecorded { runtime, id } => {
                let asked = self.ask(&Reference::of(runtime, id.as_str()));
                asked.map_or_else(|| Owner::Unrecorded(runtime, id), Owner::from)
            }
        }
    }

    /// The container of that name, by its engine.
    pub(super) fn ask(&self, reference: &Reference) -> Option<Container> {
        if self.is_silent.get() {
            return None;
        }
        match resolve::resolve(reference, self.settings) {
            Ok(container) => Some(container),
            Err(error) => {
                self.is_silent.set(matches!(error, resolve::Error::Engine { .. }));
                None
            }
        }
    }

    /// All that lists show of a container.
    pub(super) fn json(&self, container: &Container) -> Value {
        let listed = resolve::describe(container.clone(), self.settings);
        json!({
            "runtime": container.runtime.scheme(),
            "id": listed.container.id,
            "name": listed.container.name,
            "reference": found::reference(container).to_string(),
        })
    }
}
