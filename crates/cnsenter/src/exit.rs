//! Failures for people: one message, one hint, one exit status. What failed is said by the libraries; what to do about
//! it is said here and in `exit/hint.rs`, which know the command line.

mod clap;
mod client;
mod hint;
pub(crate) mod state;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};

use enter::Error as EnterError;
use resolve::{Asked, Container, Error as ResolveError, Unasked};

use crate::cli::{Args, UsageError};
use crate::environment::Error as VariablesError;
use crate::plan::Refusal;
use crate::settings::Engines;

pub(crate) use clap::clap;

/// cnsenter's own failure.
const OWN: u8 = 125;
/// As nsenter says it.
const OWN_AS_NSENTER: u8 = 1;
/// Found, and cannot be executed.
const CANNOT_EXECUTE: u8 = 126;
/// Not found.
const NO_PROGRAM: u8 = 127;

/// Why the program was not reached.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The reference led nowhere.
    Unresolved(ResolveError),
    /// It led to something that cannot be entered.
    Refused(Refusal),
    /// A file of variables could not be taken.
    Variables(VariablesError),
    /// Entering failed, and with which container.
    NotEntered { error: EnterError, container: Option<Box<Container>> },
    /// What the kernel has to say could not be read.
    Unread(survey::Error),
    /// What was to be shown could not be written.
    Output(io::Error),
    /// Of the runtimes that are here none could be asked, and none left anything to be read in its place.
    NobodyAnswers(Vec<Unasked>),
}

/// The command line, for the hints that go by what it says.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    /// Its words, for the hints that repeat them.
    pub(crate) words: &'a [OsString],
    /// Which engines it names.
    pub(crate) engines: Engines,
    /// What it wants to enter; nothing where it is a subcommand's.
    pub(crate) args: Option<&'a Args>,
}

impl From<ResolveError> for Failure {
    fn from(error: ResolveError) -> Self {
        Self::Unresolved(error)
    }
}

impl From<survey::Error> for Failure {
    fn from(error: survey::Error) -> Self {
        Self::Unread(error)
    }
}

impl From<EnterError> for Failure {
    fn from(error: EnterError) -> Self {
        Self::NotEntered { error, container: None }
    }
}

/// Says what is wrong with the command line.
pub(crate) fn usage(error: &UsageError) -> u8 {
    say(&error.message, &[], error.hint.as_deref());
    if error.as_nsenter { OWN_AS_NSENTER } else { OWN }
}

/// Says what failed and what to do about it.
pub(crate) fn report(failure: &Failure, line: &Line<'_>) -> u8 {
    let own = if line.args.is_some_and(Args::as_nsenter) { OWN_AS_NSENTER } else { OWN };
    let mut details = Vec::new();
    let (message, status) = match failure {
        Failure::Unresolved(ResolveError::NotRunning(container)) | Failure::Refused(Refusal::NotRunning(container)) => {
            (state::sentence(container), own)
        }
        Failure::Unresolved(error @ ResolveError::Ambiguous { candidates, .. }) => {
            details = candidates.iter().map(hint::candidate).collect();
            (format!("{error}:"), own)
        }
        Failure::Unresolved(error @ ResolveError::NoSuchContainer(unknown)) => {
            let line = |asked: &Asked| format!("{}: {}", asked.runtime.scheme(), asked.said);
            details = unknown.asked.iter().map(line).collect();
            (error.to_string(), own)
        }
        Failure::Unresolved(error) => (error.to_string(), own),
        Failure::Refused(refusal) => (refusal.to_string(), own),
        Failure::Variables(error) => (error.to_string(), own),
        Failure::NotEntered { error, container } => (hint::entering(error, container.as_deref()), status(error, own)),
        Failure::Unread(error) => (error.to_string(), own),
        Failure::Output(error) => (format!("cannot write: {error}"), own),
        Failure::NobodyAnswers(unasked) => {
            let line = |unasked: &Unasked| format!("{}: {}", unasked.runtime.scheme(), unasked.reason);
            details = unasked.iter().map(line).collect();
            ("no runtime of this host could be asked".to_owned(), own)
        }
    };
    say(&message, &details, hint::hint(failure, line).as_deref());
    status
}

fn status(error: &EnterError, own: u8) -> u8 {
    match error {
        EnterError::NoProgram { .. } | EnterError::NoInterpreter { .. } => NO_PROGRAM,
        EnterError::CannotExecute { .. } => CANNOT_EXECUTE,
        _ => own,
    }
}

/// Something that the person should know, and that stops nothing.
pub(crate) fn notice(text: &str) {
    line("\x1b[1;33m", "cnsenter:", &format!("note: {text}"));
}

/// What failed when the program had ended already.
pub(crate) fn failure(text: &str) {
    say(text, &[], None);
}

/// One of many things was not found; the others were.
pub(crate) fn missing(message: &str, hint: &str) {
    say(message, &[], Some(hint));
}

fn say(message: &str, details: &[String], hint: Option<&str>) {
    line("\x1b[1;31m", "cnsenter:", message);
    for detail in details {
        let _ = writeln!(io::stderr(), "    {}", plain(detail));
    }
    if let Some(hint) = hint {
        line("\x1b[1;36m", "hint:", hint);
    }
}

/// A line on stderr. A full disk behind it, say, is no reason to do anything else than without.
fn line(colour: &str, head: &str, text: &str) {
    let (colour, reset) = if coloured(&io::stderr()) { (colour, "\x1b[0m") } else { ("", "") };
    let _ = writeln!(io::stderr(), "{colour}{head}{reset} {}", plain(text));
}

/// Without control characters: names, paths and messages come from images and engines, and a terminal obeys them. Nor
/// does a newline of theirs begin a line of ours.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if is_obeyed(c) { c.escape_default().to_string() } else { c.to_string() }).collect()
}

/// Control characters, and letters that change the direction or the line of those after them.
pub(crate) fn is_obeyed(letter: char) -> bool {
    let turns = ['\u{61c}', '\u{200e}', '\u{200f}'].contains(&letter);
    letter.is_control() || turns || matches!(letter, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// On a terminal, unless NO_COLOR says otherwise (<https://no-color.org>).
pub(crate) fn coloured(stream: &impl IsTerminal) -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let plain = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    !unwanted && !plain && stream.is_terminal()
}
