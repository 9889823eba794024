//! `cargo xtask fuzz`: libFuzzer on every parser of foreign bytes, one after the other. What each of them has to keep is
//! in the `foreign.rs` of `resolve` and `survey`; the tests feed the same parsers for a moment.

use std::process::Command;

use anyhow::{Result, bail};
use testbed::output;

use crate::{interrupt, run};

/// The parsers, by the name of their target.
const TARGETS: [&str; 8] = ["state", "docker", "annotations", "mountinfo", "process", "reference", "netlink", "texts"];

/// Inputs longer than this, in bytes, find nothing new.
const LONGEST: u32 = 8192;

/// Feeds each parser for this long.
pub(crate) fn run(seconds: u32) -> Result<()> {
    interrupt::watch()?;
    if !run::is_installed("cargo-fuzz") {
        bail!("cargo-fuzz is missing\nhint: cargo install cargo-fuzz, and rustup toolchain install nightly");
    }
    println!("| parser | inputs | seconds | found |\n|---|---|---|---|");
    for target in TARGETS {
        interrupt::check()?;
        let mut fuzz = Command::new("cargo");
        fuzz.current_dir(run::root()).env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN");
        fuzz.args(["+nightly", "fuzz", "run", "--fuzz-dir", "tests/fuzz", target, "--"]);
        fuzz.args([&format!("-max_total_time={seconds}"), &format!("-max_len={LONGEST}"), "-print_final_stats=1"]);
        let output = output::run(&mut fuzz)?;
        if !output.success() {
            bail!("{target}: {}", output.stderr);
        }
        let figure = |name: &str| {
            let line = output.stderr.lines().find_map(|line| line.strip_prefix("stat::")?.strip_prefix(name));
            line.map(|value| value.trim_start_matches(':').trim().to_owned()).unwrap_or_default()
        };
        println!("| {target} | {} | {seconds} | nothing |", figure("number_of_executed_units"));
    }
    Ok(())
}
