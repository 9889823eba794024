//! What may stand at the cursor of a command line that enters: rules 1 to 5 of the command line, read by its own parser.

use std::ffi::OsString;

use resolve::Settings;

use super::values::{self, Which};
use super::{Answer, Candidate, is_subcommand, options, subcommands};
use crate::cli::options::{Found, Id, OPTIONS, Opt, Value, by_long, by_short};
use crate::cli::{self, Action, Args, Stop};
use crate::{engines, settings};

/// What may follow these words, where this much is typed.
pub(super) fn answer(before: &[OsString], typed: &str) -> Answer {
    let (args, stopped) = cli::begin(before.iter().cloned());
    match stopped {
        Ok(()) => {}
        Err(Stop::Value(option, _)) => return value(&args, option, "", typed),
        Err(Stop::Usage(_)) => return Answer::nothing(),
    }
    if !matches!(args.action, Action::Enter | Action::Print) {
        return Answer::nothing();
    }
    let wants_target = args.target.is_none() && cli::needs_target(&args);
    // The first word that is no option, or where it would stand.
    let first = before.len() - args.words.len();
    if wants_target && args.dashes_first {
        return Answer::nothing();
    }
    match (&args.words[..], wants_target) {
        ([], _) if typed.starts_with('-') && !args.dashes_first => option(&args, typed),
        ([], true) => target(&args, before.is_empty(), typed),
        ([], false) | (_, false) => Answer::Program(first + 1),
        ([_], true) if !typed.is_empty() && "--".starts_with(typed) => {
            Answer::Words(vec![Candidate { word: "--".to_owned(), what: "the program follows".to_owned() }])
        }
        ([_, dashes, ..], true) if dashes == "--" => Answer::Program(first + 3),
        (_, true) => Answer::Program(first + 2),
    }
}

fn target(args: &Args, is_first: bool, typed: &str) -> Answer {
    let mut words = targets(args, typed);
    if is_first {
        words.retain(|candidate| !is_subcommand(&candidate.word));
        words.extend(subcommands(typed));
    }
    Answer::Words(words)
}

fn targets(args: &Args, typed: &str) -> Vec<Candidate> {
    let which = if args.wait.is_some() { Which::All } else { Which::Running };
    let mut words = values::containers(&settings(args), typed, which);
    if args.sandbox {
        words.extend(values::sandboxes(typed));
    }
    words
}

fn settings(args: &Args) -> Settings {
    settings::settings(engines(args))
}

/// A word that begins with a dash: an option's name, with or without a value attached.
fn option(args: &Args, typed: &str) -> Answer {
    let all = || OPTIONS.iter().map(|option| (option.short, Some(option.long), option.help.to_owned()));
    if let Some(long) = typed.strip_prefix("--") {
        return match long.split_once('=').map(|(name, attached)| (by_long(name, false), attached)) {
            Some((Found::One(option), attached)) => {
                value(args, option, &typed[..typed.len() - attached.len()], attached)
            }
            Some(_) => Answer::nothing(),
            None => Answer::Words(options(typed, all())),
        };
    }
    for (at, letter) in typed.char_indices().skip(1) {
        let rest = &typed[at + letter.len_utf8()..];
        match by_short(letter, false) {
            None => return Answer::nothing(),
            Some(Opt { value: Value::None, .. }) => {}
            Some(_) if rest.is_empty() => break,
            Some(option) => {
                let attached = rest.strip_prefix('=').unwrap_or(rest);
                return value(args, option, &typed[..typed.len() - attached.len()], attached);
            }
        }
    }
    match typed {
        "-" => Answer::Words(options(typed, all())),
        // Letters that mean something as they are: what is missing is the blank.
        _ => Answer::Words(vec![Candidate { word: typed.to_owned(), what: String::new() }]),
    }
}

/// The value of an option, of which this much is typed after `prefix`.
fn value(args: &Args, option: &Opt, prefix: &str, typed: &str) -> Answer {
    match option.id {
        Id::Target => {
            let words = targets(args, typed).into_iter();
            Answer::Words(words.map(|it| Candidate { word: format!("{prefix}{}", it.word), ..it }).collect())
        }
        id => values::of_option(id, || settings(args), prefix, typed),
    }
}
