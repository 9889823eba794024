//! `cnsenter netns`: lists every network namespace of this host, and what keeps it.

use clap::{Arg, ArgAction, ArgMatches, Command};
use resolve::Asking;

use super::{engines, inventory, output, table};
use crate::exit::Failure;

/// Its command line.
pub(super) fn command() -> Command {
    let command = Command::new("netns")
        .about("Lists every network namespace of this host, and what keeps it")
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print JSON: docs/json.md"));
    engines::add(command)
}

/// Does it; the exit status.
pub(super) fn run(matches: &ArgMatches) -> Result<u8, Failure> {
    let inventory = inventory::take(&engines::settings(matches), Asking::Engines)?;
    if matches.get_flag("json") {
        let all = inventory.items.iter().map(|item| inventory::json(item, &inventory));
        output::json(&all.collect())?;
    } else {
        let mut rows = table::Table::new(&["NAME"]);
        inventory.items.iter().for_each(|item| rows.row(vec![item.listed.container.name.clone()]));
        rows.show()?;
    }
    Ok(0)
}
