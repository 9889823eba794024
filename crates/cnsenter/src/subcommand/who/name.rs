//! The container that a word names: what the disks say first, the engines last.

use resolve::{Container, Reference};

use super::found::{Found, Owner};
use super::host::Host;

/// The containers of that name or ID; several where its beginning fits several.
pub(super) fn find(reference: &Reference, host: &Host<'_>) -> Vec<Found> {
    let found = host.records.named(reference);
    let how = |container: &Container| match reference {
        Reference::Name { name, .. } if *name == container.name => "its name".to_owned(),
        Reference::Name { name, .. } if *name == container.id => "its ID".to_owned(),
        Reference::Name { name, .. } if container.id.starts_with(name.as_str()) => "its ID begins so".to_owned(),
        _ => "named so".to_owned(),
    };
    found.into_iter().map(|container| Found { how: how(&container), owner: container.into(), kind: "name" }).collect()
}

/// The same by its engine, which nobody's disks know.
pub(super) fn by_engine(word: &str, host: &Host<'_>) -> Vec<Found> {
    let container = word.parse().ok().and_then(|reference| host.ask(&reference));
    let found = |container: Container| {
        let how = format!("by {}'s word", container.runtime.name());
        Found { owner: Owner::from(container), how, kind: "name" }
    };
    container.map(found).into_iter().collect()
}
