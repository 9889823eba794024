//! What may stand at the cursor of a command line that enters: rules 1 to 5 of the command line, read by its own parser.

use std::ffi::{OsStr, OsString};

use resolve::Settings;

use super::values::{self, Which};
use super::{Answer, Candidate, NOTHING, Subcommand, What, options};
use crate::cli::options::{Found, Id, OPTIONS, Opt, Value, by_long, by_short};
use crate::cli::{self, Action, Args, Stop};
use crate::{engines, settings};

/// What may follow these words, where this much is typed.
pub(super) fn answer(before: &[OsString], typed: &str) -> Answer {
    let (args, stopped) = cli::begin(before.iter().cloned());
    match stopped {
        Ok(()) if matches!(args.action, Action::Enter | Action::Print) => {}
        Err(Stop::Value(option, _)) => return value(&args, option, 0, typed),
        _ => return NOTHING.into(),
    }
    let wants_target = args.target.is_none() && cli::needs_target(&args);
    if wants_target && args.dashes_first {
        return NOTHING.into();
    }
    // The first word that is no option, or where it would stand; `cnsenter` is before all of them.
    let first = 1 + before.len() - args.words.len();
    let what = match (&args.words[..], wants_target) {
        ([], _) if typed.starts_with('-') && !args.dashes_first => return option(&args, typed),
        ([], true) => What::Words(first_word(&args, before.is_empty(), typed)),
        ([_], true) if !typed.is_empty() && "--".starts_with(typed) => {
            What::Words(vec![Candidate { word: "--".to_owned(), what: "The program follows".to_owned() }])
        }
        ([_, dashes, ..], true) if dashes == "--" => What::Program(first + 2),
        (_, true) => What::Program(first + 1),
        (_, false) => What::Program(first),
    };
    what.into()
}

fn first_word(args: &Args, is_first: bool, typed: &str) -> Vec<Candidate> {
    let mut words = targets(args, typed);
    if is_first {
        // Whatever else is called so.
        words.retain(|candidate| Subcommand::named(OsStr::new(&candidate.word)).is_none());
        words.extend(Subcommand::ALL.map(|it| Candidate { word: it.name().to_owned(), what: it.about() }));
    }
    words
}

fn targets(args: &Args, typed: &str) -> Vec<Candidate> {
    let which = if args.wait.is_some() { Which::All } else { Which::Running };
    let mut words = values::containers(settings(args), typed, which);
    if args.sandbox {
        words.extend(values::sandboxes());
    }
    words
}

fn settings(args: &Args) -> Settings {
    settings::settings(engines(args))
}

/// A word that begins with a dash: an option's name, with or without a value attached.
fn option(args: &Args, typed: &str) -> Answer {
    if let Some(long) = typed.strip_prefix("--") {
        return match long.split_once('=').map(|(name, attached)| (by_long(name, false), attached)) {
            Some((Found::One(option), attached)) => value(args, option, typed.len() - attached.len(), typed),
            Some(_) => NOTHING.into(),
            None => names().into(),
        };
    }
    for (at, letter) in typed.char_indices().skip(1) {
        let rest = &typed[at + letter.len_utf8()..];
        match by_short(letter, false) {
            None => return NOTHING.into(),
            Some(Opt { value: Value::None, .. }) => {}
            Some(_) if rest.is_empty() => break,
            Some(option) => {
                let attached = rest.strip_prefix('=').unwrap_or(rest);
                return value(args, option, typed.len() - attached.len(), typed);
            }
        }
    }
    match typed {
        "-" => names(),
        // Letters that mean something as they are: what is missing is the blank.
        _ => What::Words(vec![Candidate { word: typed.to_owned(), what: String::new() }]),
    }
    .into()
}

fn names() -> What {
    options(&mut OPTIONS.iter().map(|option| (option.short, Some(option.long), option.help.to_owned())))
}

/// The value of an option, of which what is typed after so many bytes is there.
fn value(args: &Args, option: &Opt, after: usize, typed: &str) -> Answer {
    let typed = &typed[after..];
    let what = match option.id {
        Id::Target => What::Words(targets(args, typed)),
        id => values::of_option(id, &|| settings(args), typed),
    };
    match (what, typed.strip_prefix("unix://")) {
        (What::File, Some(_)) if option.id == Id::Host => Answer { after: after + "unix://".len(), what: What::File },
        (what, _) => Answer { after, what },
    }
}
