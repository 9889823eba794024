//! The options that say which engines are asked, as every subcommand that lists containers has them: spelled as on the
//! way in, since they are the same rows of the same table.

use std::path::PathBuf;

use clap::builder::ValueParser;
use clap::{ArgAction, ArgMatches, Command};
use resolve::Settings;

use crate::cli::options::{Group, Id, OPTIONS};
use crate::cli::{self, help};
use crate::settings::{self, Engines};

/// Adds them.
pub(super) fn add(command: Command) -> Command {
    let duration = ValueParser::new(|text: &str| cli::duration(text).map_err(|error| error.message));
    let engine = OPTIONS.iter().filter(|option| option.group == Group::Engine);
    engine.fold(command, |command, option| {
        let arg = help::arg(option);
        command.arg(match option.id {
            Id::StateRoot => arg.action(ArgAction::Append).value_parser(clap::value_parser!(PathBuf)),
            Id::Timeout => arg.value_parser(duration.clone()),
            _ => arg,
        })
    })
}

/// What they say.
pub(super) fn settings(matches: &ArgMatches) -> Settings {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    settings::settings(Engines {
        host: text("host"),
        context: text("context"),
        state_roots: matches.get_many("state-root").into_iter().flatten().cloned().collect(),
        timeout: matches.get_one("timeout").copied().unwrap_or(cli::DEFAULT_TIMEOUT),
    })
}
