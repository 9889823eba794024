//! Which containers live in one another's namespaces.

use resolve::Network;
use survey::Kind;

use super::{Inventory, Item};

/// The namespaces that a container has for itself unless somebody said otherwise, so that sharing one is worth a word: not
/// those of users, time and cgroups.
const SHOWN: [Kind; 5] = [Kind::Net, Kind::Ipc, Kind::Pid, Kind::Uts, Kind::Mount];

/// Another container, and the namespaces that it shares.
#[derive(Clone, Debug)]
pub(in crate::subcommand) struct Shared<'a> {
    pub(in crate::subcommand) item: &'a Item,
    pub(in crate::subcommand) kinds: Vec<Kind>,
}

impl Inventory {
    /// What it has of the host's.
    pub(in crate::subcommand) fn shared_with_host(&self, item: &Item) -> Vec<Kind> {
        SHOWN.into_iter().filter(|kind| item.shares_with_host(&self.host, *kind)).collect()
    }

    /// The others that share a namespace with it, other than the host's.
    pub(in crate::subcommand) fn shared_with(&self, item: &Item) -> Vec<Shared<'_>> {
        let own = |kind: &Kind| item.namespaces.get(*kind).is_some() && !item.shares_with_host(&self.host, *kind);
        let own: Vec<Kind> = SHOWN.into_iter().filter(own).collect();
        let share = |other: &Item, kind: &Kind| other.namespaces.get(*kind) == item.namespaces.get(*kind);
        let others = self.items.iter().filter(|other| !is_same(other, item));
        let shared = others.map(|other| Shared {
            item: other,
            kinds: own.iter().copied().filter(|kind| share(other, kind)).collect(),
        });
        shared.filter(|shared| !shared.kinds.is_empty()).collect()
    }

    /// The same in few words: of each kind the one whose namespace it is, or all the others where that is itself. Those in
    /// whose namespaces it lives come first.
    pub(in crate::subcommand) fn neighbours(&self, item: &Item) -> Vec<Shared<'_>> {
        let mut all = self.shared_with(item);
        all.sort_unstable_by_key(|shared| seniority(shared.item));
        let mut told = Vec::new();
        for shared in &mut all {
            shared.kinds.retain(|kind| !told.contains(kind));
            if seniority(shared.item) < seniority(item) {
                told.extend_from_slice(&shared.kinds);
            }
        }
        all.retain(|shared| !shared.kinds.is_empty());
        all
    }

    /// The one whose namespaces it lives in: the sandbox of its pod, the container that `--network container:` named, or
    /// else the one that was there before. Of several the one that was there first.
    pub(in crate::subcommand) fn owner(&self, item: &Item) -> Option<Shared<'_>> {
        let first = self.neighbours(item).into_iter().next();
        first.filter(|first| seniority(first.item) < seniority(item))
    }
}

fn is_same(a: &Item, b: &Item) -> bool {
    let (a, b) = (&a.listed.container, &b.listed.container);
    (a.runtime, &a.namespace, &a.id) == (b.runtime, &b.namespace, &b.id)
}

/// The lower, the more it is the one that the others live with.
pub(in crate::subcommand) fn seniority(item: &Item) -> impl Ord + use<> {
    let container = &item.listed.container;
    let is_member = container.pod.as_ref().is_none_or(|pod| pod.container.is_some());
    let refers = matches!(container.network, Network::Container(_));
    (is_member, refers, item.started, container.runtime, container.id.clone())
}
