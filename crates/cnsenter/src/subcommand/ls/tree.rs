//! `cnsenter ls --tree`: each container below the one whose namespaces it shares, or below the host.

use survey::Kind;

use super::columns::{addresses, kinds, name, number, state, with};
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
}

/// The tree in the making.
struct Tree<'a> {
    inventory: &'a Inventory,
    places: Vec<Place<'a>>,
    /// Whether IDs are shown in full.
    whole: bool,
    table: Table,
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
    let places = items.iter().map(|item| place(item, items, inventory)).collect();
    let mut tree = Tree { inventory, places, whole, table: Table::of(columns) };
    if tree.places.iter().any(|place| place.below_host) {
        let mut cells = vec!["(host)".to_owned()];
        cells.resize(columns.len() - 2, String::new());
        cells.extend([number(inventory.host.get(Kind::Net).map(|inode| inode.0)), String::new()]);
        tree.table.row(cells);
        tree.below(&|place| place.below_host, "");
    }
    for at in 0..tree.places.len() {
        let Place { item, owner: None, below_host: false } = tree.places[at] else { continue };
        tree.row(at, String::new());
        tree.below(&|place| is(place.owner, item), "");
    }
    tree.table
}

fn is(owner: Option<&Item>, item: &Item) -> bool {
    owner.is_some_and(|owner| std::ptr::eq(owner, item))
}

fn place<'a>(item: &'a Item, shown: &[&'a Item], inventory: &'a Inventory) -> Place<'a> {
    let owner = inventory.owner(item).map(|owner| owner.item);
    let below_host = owner.is_none() && !inventory.shared_with_host(item).is_empty();
    Place { item, owner: owner.filter(|owner| shown.iter().any(|shown| is(Some(shown), owner))), below_host }
}

impl Tree<'_> {
    fn below(&mut self, fits: &dyn Fn(&Place<'_>) -> bool, stem: &str) {
        let members: Vec<_> = (0..self.places.len()).filter(|at| fits(&self.places[*at])).collect();
        for (nth, at) in members.iter().enumerate() {
            let last = usize::from(nth + 1 == members.len());
            self.row(*at, format!("{stem}{}", BRANCH[last]));
            let item = self.places[*at].item;
            self.below(&|place| is(place.owner, item), &format!("{stem}{}", STEM[last]));
        }
    }

    fn row(&mut self, at: usize, drawn: String) {
        let Place { item, .. } = self.places[at];
        let container = &item.listed.container;
        self.table.row([
            drawn + &name(item),
            self.shares(&self.places[at]),
            container.runtime.scheme().to_owned(),
            id(item, self.whole).to_owned(),
            state(item),
            number(container.pid),
            number(item.network().map(|inode| inode.0)),
            addresses(item),
        ]);
    }

    /// What it shares: with what it stands below, which is not named, and with those that stand elsewhere.
    fn shares(&self, place: &Place<'_>) -> String {
        let others = self.inventory.neighbours(place.item);
        let (above, elsewhere): (Vec<_>, Vec<_>) = others.iter().partition(|other| is(place.owner, other.item));
        let of_host = kinds(&self.inventory.shared_with_host(place.item));
        let mut parts: Vec<_> = above.iter().map(|owner| kinds(&owner.kinds)).collect();
        match place.below_host {
            _ if of_host.is_empty() => {}
            true => parts.push(of_host),
            false => parts.push(format!("host:{of_host}")),
        }
        let is_below = |other: &Item| self.places.iter().any(|it| is(it.owner, place.item) && is(Some(it.item), other));
        parts.extend(elsewhere.iter().filter(|other| !is_below(other.item)).map(|other| with(other)));
        parts.join(" ")
    }
}
