//! What may stand at the cursor of a subcommand's command line, by what clap knows of it.

use std::ffi::OsString;

use clap::{Arg, Command};
use resolve::Settings;

use super::values::{self, Which};
use super::{Answer, Candidate, NOTHING, Subcommand, What, options};
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
    let is_option = waiting.is_none() && typed.starts_with('-') && !dashes;
    let attached = typed.strip_prefix("--").and_then(|long| long.split_once('=')).filter(|_| is_option);
    let shown: Vec<_> = command.get_positionals().filter(|arg| !arg.is_hide_set()).collect();
    let (arg, after) = match attached {
        Some((name, value)) => (long(&command, name), typed.len() - value.len()),
        None if is_option => {
            let help = |arg: &Arg| arg.get_help().map(ToString::to_string).unwrap_or_default();
            let all = command.get_arguments().filter(|arg| !arg.is_positional());
            return options(&mut all.map(|arg| (arg.get_short(), arg.get_long(), help(arg)))).into();
        }
        None => {
            let last = || shown.last().filter(|last| takes_many(last));
            (waiting.or_else(|| shown.get(positional).or_else(last).copied()), 0)
        }
    };
    let settings = || {
        let words = std::iter::once(OsString::from(subcommand.name())).chain(before.iter().cloned());
        let lenient = subcommand.command().ignore_errors(true).try_get_matches_from(words);
        lenient.map(|matches| engines::settings(&matches)).unwrap_or_default()
    };
    Answer { after, what: arg.map_or(NOTHING, |arg| value(subcommand, arg, &settings, &typed[after..])) }
}

fn value(subcommand: Subcommand, arg: &Arg, settings: &dyn Fn() -> Settings, typed: &str) -> What {
    if let Some(option) = OPTIONS.iter().find(|option| option.group == Group::Engine && arg.get_id() == option.long) {
        return values::of_option(option.id, settings, typed);
    }
    What::Words(match (subcommand, arg.get_id().as_str()) {
        (Subcommand::Inspect, "target") => values::containers(settings(), typed, Which::All),
        (Subcommand::Who, "what") => values::interfaces(),
        (Subcommand::Ls, "filter") => values::filters(typed),
        _ => {
            let words = arg.get_possible_values();
            words.iter().map(|it| Candidate { word: it.get_name().to_owned(), what: String::new() }).collect()
        }
    })
}

/// The option of `-ab` or `--name` (without its first dash) whose value is the next word.
fn wanting<'a>(command: &'a Command, spelled: &str) -> Option<&'a Arg> {
    let found = match spelled.strip_prefix('-') {
        Some(name) => long(command, name),
        None => {
            let takes =
                |letter| command.get_arguments().find(|arg| arg.get_short() == Some(letter) && takes_value(arg));
            let (at, arg) = spelled.char_indices().find_map(|(at, letter)| Some((at, takes(letter)?)))?;
            Some(arg).filter(|_| spelled[at..].chars().count() == 1)
        }
    };
    found.filter(|arg| takes_value(arg) && !arg.is_require_equals_set())
}

/// The option of that name, abbreviated or not.
fn long<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    let begins = |arg: &&Arg| arg.get_long().is_some_and(|long| long.starts_with(name));
    let whole = |arg: &&Arg| arg.get_long() == Some(name);
    command.get_arguments().find(whole).or_else(|| command.get_arguments().find(begins))
}

fn takes_value(arg: &Arg) -> bool {
    arg.get_action().takes_values()
}

fn takes_many(arg: &Arg) -> bool {
    arg.get_num_args().is_some_and(|range| range.max_values() > 1)
}
