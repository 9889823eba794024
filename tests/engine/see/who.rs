//! `who` on real engines: every way to ask, for each container of a mixed set. What is true is what docker, podman, ctr,
//! lxc-info, nsenter, ip and `/proc` say.

mod mixed;
mod network;
mod odd;
mod rivals;
mod set;
mod silent;
mod swarm;

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use testbed::Output;

use crate::run::run;

/// A line of the answer: what was asked for, whose it is, and how that was found.
type Row = (String, String, String);

fn who<W: AsRef<str>>(words: &[W]) -> Result<Output> {
    run(std::iter::once("who").chain(words.iter().map(AsRef::as_ref)))
}

/// The lines of an answer.
fn rows(output: &Output) -> Result<Vec<Row>> {
    let row = |line: &str| {
        let mut cells = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned);
        Some((cells.next()?, cells.next()?, cells.next()?))
    };
    output.stdout.lines().map(|line| row(line).with_context(|| format!("{line:?} has too few cells"))).collect()
}

/// Asks for one word; whose it is, which has to be known.
fn owners(word: &str) -> Result<BTreeSet<String>> {
    let output = who(&[word])?;
    assert!(output.success() && output.stderr.is_empty(), "{word}: {output:?}");
    Ok(rows(&output)?.into_iter().map(|(_, owner, _)| owner).collect())
}
