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
    let duration = ValueParser::new(cli::duration);
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

/// What they say, with the environment.
pub(super) fn settings(matches: &ArgMatches) -> Settings {
    settings::settings(engines(matches))
}

/// What they say; nothing where the subcommand has none of them.
pub(super) fn engines(matches: &ArgMatches) -> Engines {
    let text = |name: &str| matches.try_get_one::<String>(name).ok().flatten().cloned();
    let folders = matches.try_get_many::<PathBuf>("state-root").ok().flatten();
    let timeout = matches.try_get_one("timeout").ok().flatten();
    Engines {
        host: text("host"),
        context: text("context"),
        state_roots: folders.into_iter().flatten().cloned().collect(),
        timeout: timeout.copied().unwrap_or(cli::DEFAULT_TIMEOUT),
    }
}
