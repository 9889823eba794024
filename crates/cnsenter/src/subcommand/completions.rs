//! `cnsenter completions`: prints the script that completes command lines in a shell, and answers that script, which asks
//! at each TAB. What may stand at the cursor belongs in `entry.rs` and `words.rs`, what the candidates are in `values.rs`.
//!
//! clap_complete's engine, which asks the program as well, is not used: to it, `nginx` in `--net nginx` is the value of
//! `--net`, and it has no word for a command line within a command line.

mod entry;
mod values;
mod words;

use std::ffi::OsString;

use clap::{Arg, ArgMatches, Command};

use super::Subcommand;
use crate::exit::{Failure, plain};
use crate::show;

/// Each shell, with its script.
const SHELLS: [(&str, &str); 3] = [
    ("bash", include_str!("completions/cnsenter.bash")),
    ("zsh", include_str!("completions/cnsenter.zsh")),
    ("fish", include_str!("completions/cnsenter.fish")),
];

/// Where the scripts go.
const WHERE: &str = "\
For all users:
  cnsenter completions bash > /usr/share/bash-completion/completions/cnsenter
  cnsenter completions zsh > /usr/share/zsh/vendor-completions/_cnsenter
  cnsenter completions fish > /usr/share/fish/vendor_completions.d/cnsenter.fish

In this shell alone:
  source <(cnsenter completions bash)        bash, zsh
  cnsenter completions fish | source         fish";

/// Something that may stand at the cursor.
#[derive(Debug)]
struct Candidate {
    word: String,
    /// What it is, in a few words.
    what: String,
}

/// What may stand at the cursor, in the place of what is typed there.
#[derive(Debug)]
struct Answer {
    /// So many bytes of what is typed stay: `--net=`.
    after: usize,
    what: What,
}

#[derive(Debug)]
enum What {
    /// Those of these that what is typed is the beginning of.
    Words(Vec<Candidate>),
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A part of another command line, whose program is the word of that number, `cnsenter` being 0.
    Program(usize),
}

impl From<What> for Answer {
    fn from(what: What) -> Self {
        Self { after: 0, what }
    }
}

const NOTHING: What = What::Words(Vec::new());

/// Its command line.
pub(super) fn command() -> Command {
    Command::new("completions")
        .about("Prints the completion of a shell, with names as they are at that moment")
        .arg(
            Arg::new("shell")
                .value_name("SHELL")
                .required(true)
                .value_parser(SHELLS.map(|(shell, _)| shell))
                .help("Whose"),
        )
        .arg(Arg::new("line").last(true).num_args(0..).hide(true).value_parser(clap::value_parser!(OsString)))
        .after_help(WHERE)
}

/// Does it; the exit status.
pub(super) fn run(matches: &ArgMatches) -> Result<u8, Failure> {
    let shell = matches.get_one::<String>("shell").map(String::as_str);
    match matches.get_many::<OsString>("line") {
        // The words of a command line without its first, the last being the one that is typed, up to the cursor.
        Some(line) => {
            let mut line: Vec<OsString> = line.cloned().collect();
            // zsh and fish hand over what the words mean; fish not for the last.
            match (shell, &mut line[..]) {
                (Some("bash"), all) => all.iter_mut().for_each(unquote),
                (Some("fish"), [.., last]) => unquote(last),
                _ => {}
            }
            let typed = line.pop().unwrap_or_default();
            let typed = typed.to_string_lossy();
            show(&text(&answer(&line, &typed), &typed))?;
        }
        None => {
            let script = SHELLS.into_iter().find(|(name, _)| Some(*name) == shell).map(|(_, script)| script);
            show(script.unwrap_or_default())?;
        }
    }
    Ok(0)
}

fn answer(before: &[OsString], typed: &str) -> Answer {
    match before.first().and_then(|first| Subcommand::named(first)) {
        Some(subcommand) => words::answer(subcommand, &before[1..], typed),
        None => entry::answer(before, typed),
    }
}

/// For the script: a line that says what there is, and a line each word.
fn text(answer: &Answer, typed: &str) -> String {
    let (kept, rest) = typed.split_at(answer.after);
    let words = match &answer.what {
        What::Words(words) => words,
        What::File => return format!("files {}\n", kept.chars().count()),
        What::Folder => return format!("folders {}\n", kept.chars().count()),
        What::Program(at) => return format!("program {at}\n"),
    };
    let mut text = "words\n".to_owned();
    for Candidate { word, what } in words {
        // Names come from images and hosts. What is no line of text can be typed by nobody.
        if word.starts_with(rest) && plain(word) == *word {
            text.push_str(&format!("{kept}{word}\t{}\n", plain(what)));
        }
    }
    text
}

/// What a word of a shell means, as far as that can be told without evaluating it; its last quote may be open.
fn unquote(word: &mut OsString) {
    let Some(text) = word.to_str() else { return };
    let closed = ["", "'", "\""].into_iter().find_map(|quote| shlex::split(&format!("{text}{quote}")));
    if let Some([meant]) = closed.as_deref() {
        *word = OsString::from(meant);
    }
}

/// How options are spelled.
fn options(all: &mut dyn Iterator<Item = (Option<char>, Option<&str>, String)>) -> What {
    let mut words = Vec::new();
    for (short, long, what) in all {
        if let Some(short) = short {
            words.push(Candidate { word: format!("-{short}"), what: what.clone() });
        }
        if let Some(long) = long {
            words.push(Candidate { word: format!("--{long}"), what });
        }
    }
    What::Words(words)
}
