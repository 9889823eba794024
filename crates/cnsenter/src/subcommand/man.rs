//! `cnsenter man`: shows the manual, made when it is asked for: of what clap knows of a command line, and of what was
//! written for it (`man/texts.rs`). How a page looks, in roff or without it, belongs in `man/page.rs`.

mod page;
mod texts;

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, IsTerminal, Seek, Write};

use clap::{Arg, ArgAction, ArgMatches, Command};
use rustix::fs::MemfdFlags;

use super::{Subcommand, table};
use crate::cli::help;
use crate::exit::Failure;
use crate::show;
use page::{Block, Page};

/// How wide text is where nothing says how wide it may be, and where it would be tiring to read, in columns.
const WIDTH: usize = 80;
const WIDEST: usize = 100;

/// Its command line.
pub(super) fn command() -> Command {
    Command::new("man")
        .about("Shows the manual, or that of a subcommand")
        .arg(
            Arg::new("page")
                .value_name("SUBCOMMAND")
                .value_parser(Subcommand::ALL.map(Subcommand::name))
                .help("Whose, in place of cnsenter's own"),
        )
        .arg(Arg::new("roff").long("roff").action(ArgAction::SetTrue).help("Print the page's source, for man(1)"))
}

/// Does it; the exit status.
pub(super) fn run(matches: &ArgMatches) -> Result<u8, Failure> {
    let named = matches.get_one::<String>("page").map(OsString::from);
    let page = page(named.and_then(|name| Subcommand::named(&name)));
    if matches.get_flag("roff") {
        show(&page.roff())?;
    } else if !io::stdout().is_terminal() {
        show(&page.text(WIDTH))?;
    } else {
        shown_by("man /dev/stdin", &page.roff());
        let text = page.text(table::width().unwrap_or(WIDTH).min(WIDEST));
        for variable in ["MANPAGER", "PAGER"] {
            shown_by(&std::env::var(variable).unwrap_or_default(), &text);
        }
        shown_by("less", &text);
        show(&text)?;
    }
    Ok(0)
}

/// Becomes the program that shows this, its standard input; returns if it is not there.
fn shown_by(line: &str, text: &str) {
    let words: Vec<_> = shlex::split(line).into_iter().flatten().filter_map(|word| CString::new(word).ok()).collect();
    let Some(program) = words.first() else { return };
    let input = || -> io::Result<()> {
        let mut file = File::from(rustix::fs::memfd_create(c"page", MemfdFlags::CLOEXEC)?);
        file.write_all(text.as_bytes())?;
        file.rewind()?;
        Ok(rustix::stdio::dup2_stdin(file)?)
    };
    if input().is_ok() {
        let _ = nix::unistd::execvp(program, &words);
    }
}

/// The page of a subcommand, or cnsenter's own.
fn page(of: Option<Subcommand>) -> Page {
    let mut command = of.map_or_else(help::command, Subcommand::command);
    command.build();
    let texts = texts::of(of);
    let paragraphs = |all: &[&str]| all.iter().map(|text| Block::of_paragraph(text)).collect::<Vec<_>>();
    let terms = |all: &[(&str, &str)]| all.iter().map(|(term, what)| Block::term(term, "", what)).collect::<Vec<_>>();
    let usage = match of {
        None => help::USAGES.join("\n"),
        Some(_) => command.render_usage().to_string().trim_start_matches("Usage: ").to_owned(),
    };
    let mut description = paragraphs(texts.description);
    let mut subcommands = Vec::new();
    if let Some(more) = command.get_after_help() {
        description.extend(more.to_string().split("\n\n").map(Block::of_paragraph));
    }
    if of.is_none() {
        description.extend(help::TARGETS.split("\n\n").map(Block::of_paragraph));
        let term = |it: Subcommand| Block::term(it.name(), "", &format!("{}: cnsenter-{}(1)", it.about(), it.name()));
        subcommands.extend(Subcommand::ALL.map(term));
    }
    Page {
        name: of.map_or_else(|| "cnsenter".to_owned(), |it| format!("cnsenter-{}", it.name())),
        about: command.get_about().map(ToString::to_string).unwrap_or_default(),
        sections: vec![
            ("SYNOPSIS", vec![Block::Lines(usage)]),
            ("DESCRIPTION", description),
            ("OPTIONS", options(&command)),
            ("SUBCOMMANDS", subcommands),
            ("EXAMPLES", terms(texts.examples)),
            ("EXIT STATUS", terms(texts.statuses)),
            ("ENVIRONMENT", terms(&texts.environment.concat())),
            ("FILES", terms(texts.files)),
            ("SECURITY", paragraphs(texts.security)),
            ("SEE ALSO", paragraphs(&[texts.see_also])),
        ],
    }
}

/// All that clap knows of arguments, under the headings of the help.
fn options(command: &Command) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut heading = None;
    let rank = |arg: &Arg| if arg.is_positional() { 0 } else { 1 + u8::from(arg.get_help_heading().is_some()) };
    let ranked = |wanted: u8| command.get_arguments().filter(move |arg| rank(arg) == wanted && !arg.is_hide_set());
    for arg in ranked(0).chain(ranked(1)).chain(ranked(2)) {
        if arg.get_help_heading() != heading {
            heading = arg.get_help_heading();
            blocks.extend(heading.map(|heading| Block::Heading(heading.to_owned())));
        }
        let short = arg.get_short().map(|letter| format!("-{letter}"));
        let long = arg.get_long().map(|long| format!("--{long}"));
        let spelled: Vec<_> = short.into_iter().chain(long).collect();
        let names = arg.get_value_names().unwrap_or_default().iter().map(|name| name.as_str()).collect::<Vec<_>>();
        let value = match (names.join(" "), arg) {
            _ if !arg.get_action().takes_values() => String::new(),
            (names, arg) if arg.is_positional() => names,
            (names, arg) if arg.is_require_equals_set() => format!("[={names}]"),
            (names, _) => format!(" {names}"),
        };
        let mut what = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let possible: Vec<_> = arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
        if !possible.is_empty() && arg.get_action().takes_values() {
            what.push_str(&format!(" [{}]", possible.join(", ")));
        }
        blocks.push(Block::term(&spelled.join(", "), &value, &what));
    }
    blocks
}
