//! The subcommands: what finds what to enter. This file reads their command lines and dispatches: one file each. Nothing
//! here is on the way from argv to exec.

mod completions;
mod engines;
mod inspect;
mod inventory;
mod ls;
mod man;
mod netns;
mod output;
mod table;
mod who;

use std::ffi::{OsStr, OsString};

use clap::{ArgMatches, Command};

use crate::cli::help;
use crate::exit::{self, Failure, Line};

/// Docker's sandboxes, among the folders where engines and ip-netns(8) keep network namespaces.
const SANDBOXES: &str = "/run/docker/netns";
const NETNS_FOLDERS: [&str; 2] = [SANDBOXES, "/run/netns"];

/// A subcommand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subcommand {
    Ls,
    Netns,
    Inspect,
    Who,
    Completions,
    Man,
}

impl Subcommand {
    /// All of them, as the help lists them.
    pub(crate) const ALL: [Self; 6] = [Self::Ls, Self::Netns, Self::Inspect, Self::Who, Self::Completions, Self::Man];

    /// How it is spelled.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ls => "ls",
            Self::Netns => "netns",
            Self::Inspect => "inspect",
            Self::Who => "who",
            Self::Completions => "completions",
            Self::Man => "man",
        }
    }

    /// The one of that name.
    pub(crate) fn named(word: &OsStr) -> Option<Self> {
        Self::ALL.into_iter().find(|subcommand| word == subcommand.name())
    }

    /// Its command line as clap knows it: for parsing, its help, its man page and the completions.
    pub(crate) fn command(self) -> Command {
        let command = match self {
            Self::Ls => ls::command(),
            Self::Netns => netns::command(),
            Self::Inspect => inspect::command(),
            Self::Who => who::command(),
            Self::Completions => completions::command(),
            Self::Man => man::command(),
        };
        command.bin_name(format!("cnsenter {}", self.name())).styles(help::styles()).infer_long_args(true)
    }

    /// What it does, in a line.
    pub(crate) fn about(self) -> String {
        self.command().get_about().map(ToString::to_string).unwrap_or_default()
    }

    /// Does what the words say, of which the first is its name; the exit status.
    pub(crate) fn run(self, words: &[OsString]) -> u8 {
        let matches = match self.command().try_get_matches_from(words) {
            Ok(matches) => matches,
            Err(error) => return exit::clap(self.name(), &error),
        };
        match self.act(&matches, words) {
            Ok(status) => status,
            Err(failure) => exit::report(&failure, &Line { words, engines: engines::engines(&matches), args: None }),
        }
    }

    fn act(self, matches: &ArgMatches, words: &[OsString]) -> Result<u8, Failure> {
        match self {
            Self::Ls => ls::run(matches),
            Self::Netns => netns::run(matches),
            Self::Inspect => inspect::run(matches, words),
            Self::Who => who::run(matches),
            Self::Completions => completions::run(matches),
            Self::Man => man::run(matches),
        }
    }
}
