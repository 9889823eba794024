//! The options that say which engines are asked, as every subcommand that lists containers has them: spelled as on the
//! way in, since they are the same rows of the same table.

use std::ffi::OsString;
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

/// The words that say the same of where engines are, for lines to be pasted.
pub(super) fn words(engines: &Engines) -> Vec<OsString> {
    let text = |name, text: &Option<String>| text.as_ref().map(|text| (name, OsString::from(text)));
    let roots = engines.state_roots.iter().map(|root| ("--state-root", root.clone().into_os_string()));
    let all = text("--host", &engines.host).into_iter().chain(text("--context", &engines.context)).chain(roots);
    all.flat_map(|(name, value)| [name.into(), value]).collect()
}
