//! `cnsenter man`: shows the manual, or that of a subcommand.

use clap::{ArgMatches, Command};

use crate::exit::Failure;

/// Its command line.
pub(super) fn command() -> Command {
    Command::new("man").about("Shows the manual, or that of a subcommand")
}

/// Does it; the exit status.
pub(super) fn run(_matches: &ArgMatches) -> Result<u8, Failure> {
    Ok(0)
}
