//! The container that a word names: what the disks say first, the engines last.

use resolve::{Container, Listed, Reference};

use super::found::Found;
use super::host::Host;

/// The containers of that name or ID; several where its beginning fits several.
pub(super) fn find(reference: &Reference, host: &Host<'_>) -> Vec<Found> {
    let found = host.records.named(reference);
    let how = |of: &Container| match reference {
        Reference::Name { name, .. } if *name == of.name => "its name".to_owned(),
        Reference::Name { name, .. } if *name == of.id => "its ID".to_owned(),
        Reference::Name { name, .. } if of.id.starts_with(name.as_str()) => "its ID begins so".to_owned(),
        _ => "named so".to_owned(),
    };
    found.into_iter().map(|found| Found { how: how(&found.container), owner: found.into(), kind: "name" }).collect()
}

/// The same by its engine, which nobody's disks know.
pub(super) fn by_engine(word: &str, host: &Host<'_>) -> Vec<Found> {
    let asked = word.parse().ok().and_then(|reference| host.ask(&reference));
    let found = |asked: Listed| {
        let how = format!("by {}'s word", asked.container.runtime.name());
        Found { owner: asked.into(), how, kind: "name" }
    };
    asked.map(found).into_iter().collect()
}
