//! What several commands need: running programs whose output the user sees, cargo's folders, and the one way
//! in which an error is printed. Capturing output is `testbed::output`'s.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use testbed::output;

/// Runs a command that has to succeed, on the user's terminal.
pub(crate) fn visibly(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    if !status.success() {
        bail!("{} failed ({status})", command.get_program().display());
    }
    Ok(())
}

/// The cargo that runs us, in the project's root folder.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// The project's root folder.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// cargo's own description of the workspace; with its dependencies if `deps`.
pub(crate) fn metadata(deps: bool) -> Result<serde_json::Value> {
    let mut command = cargo();
    command.args(["metadata", "--format-version=1"]);
    if !deps {
        command.arg("--no-deps");
    }
    serde_json::from_str(&output::stdout(&mut command)?).context("cargo metadata printed no JSON")
}

/// The folder into which cargo builds.
pub(crate) fn target_folder() -> Result<PathBuf> {
    let metadata = metadata(false)?;
    let folder = metadata["target_directory"].as_str().context("cargo metadata names no target directory")?;
    Ok(PathBuf::from(folder))
}

/// Whether a program is on PATH.
pub(crate) fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Prints an error with its causes, and gives the exit status.
pub(crate) fn report(done: Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
