//! `cnsenter inspect`: shows all that there is to know of a container on one screen. Here are its command line and the way
//! from a word to a container; what is looked at belongs in `inspect/facts.rs`, how it is shown in `screen.rs` and
//! `document.rs`.

mod document;
mod facts;
mod mounts;
mod network;
mod rights;
mod row;
mod screen;

use std::ffi::OsString;

use clap::{Arg, ArgAction, ArgMatches, Command};
use resolve::Reference;
use serde_json::Value;

use super::{engines, output, table};
use crate::exit::{self, Failure, Line};
use crate::settings::{Engines, settings};
use facts::Facts;

/// Its command line.
pub(super) fn command() -> Command {
    let command = Command::new("inspect")
        .about("Shows all that there is to know of a container on one screen")
        .arg(
            Arg::new("target")
                .value_name("TARGET")
                .required(true)
                .num_args(1..)
                .value_parser(|word: &str| word.parse::<Reference>().map_err(|error| exit::plain(&error.to_string())))
                .help("A container, named in any way in which it can be entered"),
        )
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print JSON: docs/json.md"));
    engines::add(command)
}

/// Does it; the exit status. All are tried: what failed is said, and makes the status. `words` is the command line.
pub(super) fn run(matches: &ArgMatches, words: &[OsString]) -> Result<u8, Failure> {
    let engines = engines::engines(matches);
    let as_json = matches.get_flag("json");
    let mut status = 0;
    let mut documents = Vec::new();
    let mut shown = 0;
    for reference in matches.get_many::<Reference>("target").into_iter().flatten() {
        match crate::without_sigpipe(|| look(reference, &engines)) {
            Ok(facts) if as_json => documents.push(document::of(&facts)),
            Ok(facts) => {
                let separator = if shown > 0 { "\n" } else { "" };
                let screen = screen::of(&facts, table::width(), exit::coloured(&std::io::stdout()));
                crate::show(&format!("{separator}{screen}"))?;
                shown += 1;
            }
            Err(failure) => {
                let line = Line { words, engines: engines.clone(), args: None };
                status = exit::report(&failure, &line);
            }
        }
    }
    if as_json {
        output::json(&Value::Array(documents))?;
    }
    Ok(status)
}

fn look(reference: &Reference, engines: &Engines) -> Result<Facts, Failure> {
    let settings = settings(engines.clone());
    let container = resolve::resolve(reference, &settings)?;
    let notices = [crate::plan::by_state(&container), crate::plan::by_host_name(&container)];
    notices.iter().flatten().for_each(|notice| exit::notice(notice));
    facts::gather(container, &settings, engines.words())
}
