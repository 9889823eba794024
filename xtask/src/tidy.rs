//! `cargo xtask tidy`: the invariants that no compiler checks, each named when it is broken. This file walks the
//! tree and reports; what a text may hold is `rules`, what may depend on what is `deps`.

mod deps;
mod rules;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};
use testbed::output;

use crate::run;

/// One broken rule: where (`file`, or `file:line`), and what.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The file, with the line where there is one.
    pub(crate) place: String,
    /// The rule, as a sentence.
    pub(crate) what: String,
}

/// Checks everything, prints what is broken, and fails if anything is.
pub(crate) fn run() -> Result<()> {
    let files = files()?;
    let mut findings = rules::top_level(&files);
    for file in &files {
        // What isn't text has no lines to check.
        let Ok(text) = std::fs::read_to_string(run::root().join(file)) else { continue };
        findings.extend(rules::check(file, &text));
        findings.extend(rules::pictures(file, &text, &files));
    }
    let metadata = run::metadata(true)?;
    findings.extend(deps::check(&metadata));
    for finding in &findings {
        println!("{}: {}", finding.place, finding.what);
    }
    let failed = !findings.is_empty();
    if run::is_installed("cargo-deny") {
        run::visibly(run::cargo().args(["deny", "--offline", "check", "licenses", "bans", "sources"]))?;
    }
    if failed {
        bail!("broken in {} places\nhint: docs/architecture.md says why each rule is there", findings.len());
    }
    println!("tidy: {} files, nothing to mend", files.len());
    Ok(())
}

/// The files of the tree that git knows or would take, relative to the root.
fn files() -> Result<Vec<String>> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(run::root());
    let text = output::stdout(&mut git)?;
    let files = text.split('\0').filter(|file| !file.is_empty()).map(str::to_owned);
    // One that was removed but is still in the index is no file.
    Ok(files.filter(|file| PathBuf::from(run::root()).join(file).is_file()).collect())
}
