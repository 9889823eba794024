//! What may stand at the cursor of a subcommand's command line, by what clap knows of it.

use std::ffi::OsString;

use clap::{Arg, Command};

use super::values::{self, Which};
use super::{Answer, Candidate, Subcommand, options};
use crate::cli::options::{Group, OPTIONS};
use crate::subcommand::engines;

/// What may follow these words of it, where this much is typed.
pub(super) fn answer(subcommand: Subcommand, before: &[OsString], typed: &str) -> Answer {
    let mut command = subcommand.command();
    command.build();
    let mut waiting = None;
    let (mut positional, mut dashes) = (0, false);
    for word in before {
        let word = word.to_string_lossy();
        if waiting.take().is_some() {
            continue;
        }
        match word.strip_prefix('-') {
            Some("-") if !dashes => dashes = true,
            Some(rest) if !dashes && !rest.is_empty() => waiting = wanting(&command, rest),
            _ => positional += 1,
        }
    }
    let settings = || {
        let words = std::iter::once(OsString::from(subcommand.name())).chain(before.iter().cloned());
        let lenient = subcommand.command().ignore_errors(true).try_get_matches_from(words);
        lenient.map(|matches| engines::settings(&matches)).unwrap_or_default()
    };
    let value = |arg: &Arg, prefix: &str, typed: &str| {
        let row = OPTIONS.iter().find(|option| option.group == Group::Engine && arg.get_id() == option.long);
        let words = match (row, subcommand, arg.get_id().as_str()) {
            (Some(option), ..) => return values::of_option(option.id, settings, prefix, typed),
            (_, Subcommand::Inspect, "target") => values::containers(&settings(), typed, Which::All),
            (_, Subcommand::Who, "what") => values::interfaces(typed),
            _ => possible(arg, typed),
        };
        Answer::Words(words.into_iter().map(|it| Candidate { word: format!("{prefix}{}", it.word), ..it }).collect())
    };
    if let Some(arg) = waiting {
        return value(arg, "", typed);
    }
    if typed.starts_with('-') && !dashes {
        return match typed.strip_prefix("--").and_then(|long| long.split_once('=')) {
            Some((name, attached)) => match command.get_arguments().find(|arg| arg.get_long() == Some(name)) {
                Some(arg) => value(arg, &typed[..typed.len() - attached.len()], attached),
                None => Answer::nothing(),
            },
            None => {
                let shown = command.get_opts().chain(command.get_arguments().filter(|arg| !takes_value(arg)));
                let help = |arg: &Arg| arg.get_help().map(ToString::to_string).unwrap_or_default();
                Answer::Words(options(typed, shown.map(|arg| (arg.get_short(), arg.get_long(), help(arg)))))
            }
        };
    }
    let shown: Vec<_> = command.get_positionals().filter(|arg| !arg.is_hide_set()).collect();
    match shown.get(positional).or_else(|| shown.last().filter(|last| takes_many(last))) {
        Some(arg) => value(arg, "", typed),
        None => Answer::nothing(),
    }
}

/// The option of `-ab` or `--name` (without its first dash) whose value is the next word.
fn wanting<'a>(command: &'a Command, spelled: &str) -> Option<&'a Arg> {
    let found = match spelled.strip_prefix('-') {
        // Abbreviated or not.
        Some(long) => {
            let named =
                |fits: &dyn Fn(&str) -> bool| command.get_arguments().find(|arg| arg.get_long().is_some_and(fits));
            named(&|name| name == long).or_else(|| named(&|name| name.starts_with(long)))
        }
        None => {
            let takes =
                |letter| command.get_arguments().find(|arg| arg.get_short() == Some(letter) && takes_value(arg));
            let (at, arg) = spelled.char_indices().find_map(|(at, letter)| Some((at, takes(letter)?)))?;
            Some(arg).filter(|_| spelled[at..].chars().count() == 1)
        }
    };
    found.filter(|arg| takes_value(arg) && !arg.is_require_equals_set())
}

fn takes_value(arg: &Arg) -> bool {
    arg.get_action().takes_values()
}

fn takes_many(arg: &Arg) -> bool {
    arg.get_num_args().is_some_and(|range| range.max_values() > 1)
}

fn possible(arg: &Arg, typed: &str) -> Vec<Candidate> {
    let values = arg.get_possible_values();
    let matching = values.iter().filter(|value| !value.is_hide_set() && value.get_name().starts_with(typed));
    let what = |value: &clap::builder::PossibleValue| value.get_help().map(ToString::to_string).unwrap_or_default();
    matching.map(|value| Candidate { word: value.get_name().to_owned(), what: what(value) }).collect()
}
