//! `cnsenter completions`: prints the completion of a shell.

use clap::{ArgMatches, Command};

use crate::exit::Failure;

/// Its command line.
pub(super) fn command() -> Command {
    Command::new("completions").about("Prints the completion of a shell")
}

/// Does it; the exit status.
pub(super) fn run(_matches: &ArgMatches) -> Result<u8, Failure> {
    Ok(0)
}
