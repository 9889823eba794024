//! `cnsenter ls`: lists every container of every runtime on this host. What is known of one belongs in `inventory.rs`;
//! which are wanted in `ls/filter.rs`; each of the other forms of output in its own file.

mod columns;
pub(super) mod filter;
mod pattern;
mod template;
mod tree;

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command};
use resolve::{Asking, State};
use serde_json::Value;

use self::filter::Filter;
use self::template::Template;
use super::inventory::{self, Inventory, Item};
use super::{engines, output};
use crate::exit::{Failure, plain};
use crate::show;

const HELP: &str = "\
KEY of --filter: name, id, label, status, health, network, runtime, image (ancestor), pod, exited.
A filter that is repeated means any of its values, but for label, which means all; name
matches parts, and knows ^ $ . * + ? and |; of an ID, a network's too, the beginning is enough.

TEMPLATE has the fields of --json: '{{.name}} {{.pid}}', '{{.labels.KEY}}',
'{{.interfaces.host_end}}', '{{json .ports}}', 'table {{.name}}\\t{{.state}}'.";

/// Its command line.
pub(super) fn command() -> Command {
    let flag = |name: &'static str, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    let command = Command::new("ls")
        .about("Lists every container of every runtime on this host")
        .after_help(HELP)
        .arg(flag("all", "Those that do not run, too").short('a'))
        .arg(
            Arg::new("filter")
                .long("filter")
                .short('f')
                .value_name("KEY=VALUE")
                .action(ArgAction::Append)
                .value_parser(ValueParser::new(Filter::parse))
                .help("Only those that fit, as docker ps has it; may be repeated"),
        )
        .arg(flag("quiet", "Only the IDs").short('q'))
        .arg(flag("no-trunc", "Whole IDs, and nothing cut to the terminal's width"))
        .arg(flag("wide", "Every column, and nothing cut to the terminal's width"))
        .arg(flag("tree", "Below each container those that share its namespaces"))
        .arg(
            Arg::new("format")
                .long("format")
                .value_name("TEMPLATE")
                .value_parser(ValueParser::new(Template::parse))
                .help("Print this of each, with the fields of --json"),
        )
        .arg(flag("json", "Print JSON: docs/json.md"))
        .group(clap::ArgGroup::new("form").args(["quiet", "wide", "tree", "format", "json"]));
    engines::add(command)
}

/// Does it; the exit status.
pub(super) fn run(matches: &ArgMatches) -> Result<u8, Failure> {
    let filters: Vec<Filter> = matches.get_many("filter").into_iter().flatten().cloned().collect();
    let all = matches.get_flag("all") || filters.iter().any(Filter::is_of_states);
    let settings = engines::settings(matches);
    // No ID is found in a network, and no filter looks into one.
    let inventory = match matches.get_flag("quiet") {
        true => inventory::take_namespaces(&settings, Asking::Engines)?,
        false => inventory::take(&settings, Asking::Engines)?,
    };
    output::notices(&inventory)?;
    let wanted = |item: &&Item| (all || goes_on(item)) && filter::fits(&filters, item);
    let items: Vec<&Item> = inventory.items.iter().filter(wanted).collect();
    let whole = matches.get_flag("no-trunc");
    if matches.get_flag("quiet") {
        show(&items.iter().map(|item| format!("{}\n", plain(id(item, whole)))).collect::<String>())?;
    } else if matches.get_flag("json") {
        output::json(&values(&items, &inventory).collect())?;
    } else if let Some(template) = matches.get_one::<Template>("format") {
        template.show(values(&items, &inventory))?;
    } else {
        let (tree, wide) = (matches.get_flag("tree"), matches.get_flag("wide"));
        let table = match tree {
            true => tree::table(&items, &inventory, whole),
            false => columns::table(&items, &inventory, whole, wide),
        };
        if whole || wide { table.show_whole()? } else { table.show()? }
    }
    Ok(0)
}

fn values<'a>(items: &'a [&Item], inventory: &'a Inventory) -> impl Iterator<Item = Value> + 'a {
    items.iter().map(|item| inventory::json(item, inventory))
}

/// Whether docker ps shows it without `-a`.
fn goes_on(item: &Item) -> bool {
    matches!(item.listed.container.state, State::Running | State::Paused | State::Restarting { .. })
}

fn id(item: &Item, whole: bool) -> &str {
    let container = &item.listed.container;
    if whole { &container.id } else { container.short_id() }
}
