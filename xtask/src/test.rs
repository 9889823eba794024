//! `cargo xtask test`: the engine, then every test of the workspace. The test runner's own closing lines are the
//! last that is printed, and its exit status is ours.

use std::process::ExitCode;

use testbed::output;

use crate::{engine, run};

/// Runs all tests; `arguments` go to the runner.
pub(crate) fn run(arguments: &[String]) -> ExitCode {
    if let Err(error) = engine::up() {
        return run::report(Err(error));
    }
    let mut command = run::cargo();
    if run::is_installed("cargo-nextest") {
        // nextest leaves documentation tests out.
        let documentation = output::stdout(run::cargo().args(["test", "--quiet", "--workspace", "--doc"]));
        if let Err(error) = documentation {
            return run::report(Err(error));
        }
        command.args(["nextest", "run", "--workspace"]);
    } else {
        command.args(["test", "--workspace"]);
    }
    // RUST_BACKTRACE would bury a test's own words.
    match command.args(arguments).env("RUST_BACKTRACE", "0").status() {
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => run::report(Err(anyhow::Error::new(error).context("cannot run cargo"))),
    }
}
