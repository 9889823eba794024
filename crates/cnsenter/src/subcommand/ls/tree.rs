//! `cnsenter ls --tree`: each container below the one whose namespaces it shares, or below the host.

use survey::Kind;

use super::columns::{addresses, kinds, name, number, shares, state};
use super::id;
use crate::subcommand::inventory::{Inventory, Item};
use crate::subcommand::table::{Column, Table};

/// Of a line: what is drawn before it, before the last below it, and before those below these.
const BRANCH: [&str; 2] = ["├─ ", "└─ "];
const STEM: [&str; 2] = ["│  ", "   "];

/// Where a container stands.
struct Place<'a> {
    item: &'a Item,
    /// Whose namespaces it lives in, if that is shown.
    owner: Option<&'a Item>,
    below_host: bool,
    shares: String,
}

/// The tree.
pub(super) fn table(items: &[&Item], inventory: &Inventory, whole: bool) -> Table {
    let column = |heading, least, rank| Column { heading, least, rank };
    let columns = [
        column("NAME", 32, 0),
        column("SHARES", 12, 4),
        column("RUNTIME", usize::MAX, 3),
        column("ID", 12, 1),
        column("STATE", usize::MAX, 2),
        column("PID", usize::MAX, 1),
        column("NETNS", usize::MAX, 6),
        column("IPS", 15, 5),
    ];
    let mut table = Table::of(columns);
    let places: Vec<Place<'_>> = items.iter().map(|item| place(item, items, inventory)).collect();
    let of_host = |place: &Place<'_>| place.below_host;
    if places.iter().any(of_host) {
        let mut cells = vec!["(host)".to_owned()];
        cells.resize(columns.len() - 2, String::new());
        cells.extend([number(inventory.host.get(Kind::Net).map(|inode| inode.0)), String::new()]);
        table.row(cells);
        below(&mut table, &places, &of_host, "", whole);
    }
    for place in places.iter().filter(|place| place.owner.is_none() && !place.below_host) {
        row(&mut table, place, String::new(), whole);
        below(&mut table, &places, &|other| is(other.owner, place.item), "", whole);
    }
    table
}

fn is(owner: Option<&Item>, item: &Item) -> bool {
    owner.is_some_and(|owner| std::ptr::eq(owner, item))
}

fn place<'a>(item: &'a Item, shown: &[&'a Item], inventory: &'a Inventory) -> Place<'a> {
    let of_host = inventory.shared_with_host(item);
    let owner = inventory.owner(item);
    match owner.as_ref().filter(|owner| shown.iter().any(|shown| is(Some(shown), owner.item))) {
        Some(owner) => {
            let host = if of_host.is_empty() { String::new() } else { format!(" host:{}", kinds(&of_host)) };
            Place { item, owner: Some(owner.item), below_host: false, shares: kinds(&owner.kinds) + &host }
        }
        // Of one that is not shown, the name at least.
        None if owner.is_some() => Place { item, owner: None, below_host: false, shares: shares(item, inventory) },
        None => Place { item, owner: None, below_host: !of_host.is_empty(), shares: kinds(&of_host) },
    }
}

fn below(table: &mut Table, all: &[Place<'_>], fits: &dyn Fn(&Place<'_>) -> bool, stem: &str, whole: bool) {
    let members: Vec<_> = all.iter().filter(|place| fits(place)).collect();
    for (at, member) in members.iter().enumerate() {
        let last = usize::from(at + 1 == members.len());
        row(table, member, format!("{stem}{}", BRANCH[last]), whole);
        let stem = format!("{stem}{}", STEM[last]);
        below(table, all, &|other| is(other.owner, member.item), &stem, whole);
    }
}

fn row(table: &mut Table, place: &Place<'_>, drawn: String, whole: bool) {
    let item = place.item;
    let container = &item.listed.container;
    table.row([
        drawn + &name(item),
        place.shares.clone(),
        container.runtime.scheme().to_owned(),
        id(item, whole).to_owned(),
        state(item),
        number(container.pid),
        number(item.network().map(|inode| inode.0)),
        addresses(item),
    ]);
}
