//! How the files of this folder run what they compare, and the shape that every refusal of cnsenter's has to have. What
//! is compared and which words are expected belongs in the tests themselves.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use testbed::{Output, Scratch, output};

/// cnsenter's own failures.
pub(crate) const OWN: i32 = 125;

/// Prints the network namespace that a program finds itself in.
pub(crate) const NET: [&str; 2] = ["readlink", "/proc/self/ns/net"];

/// cnsenter with these words. Which engine it asks is up to the words alone, not to the environment of the tests.
pub(crate) fn cnsenter<W: AsRef<OsStr>>(words: impl IntoIterator<Item = W>) -> Command {
    let mut command = on_default_engine(crate::cnsenter());
    command.args(words);
    command
}

/// Any command without what the environment of the tests says of engines.
pub(crate) fn on_default_engine(mut command: Command) -> Command {
    for name in ["DOCKER_HOST", "DOCKER_CONTEXT"] {
        command.env_remove(name);
    }
    // No such folder: the Docker client's own configuration has no say either.
    command.env("DOCKER_CONFIG", "/nonexistent");
    command
}

/// Runs cnsenter and says what it printed and how it ended.
pub(crate) fn run<W: AsRef<OsStr>>(words: impl IntoIterator<Item = W>) -> Result<Output> {
    output::run(&mut cnsenter(words))
}

/// Runs cnsenter, which has to succeed without a word of its own; the program's output without the last newline.
pub(crate) fn quiet<W: AsRef<OsStr>>(words: impl IntoIterator<Item = W>) -> Result<String> {
    let output = run(words)?;
    if !output.success() || !output.stderr.is_empty() {
        bail!("cnsenter failed, or had something to say: {output:?}");
    }
    Ok(output.stdout.trim_end_matches('\n').to_owned())
}

/// Any program that has to succeed.
pub(crate) fn stdout(program: &str, words: &[&str]) -> Result<String> {
    output::stdout(Command::new(program).args(words))
}

/// Runs a command with this on its standard input.
pub(crate) fn with_input(command: &mut Command, input: &[u8]) -> Result<Output> {
    use std::io::Write;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    // Dropped at once: the end of the input is what ends a shell.
    child.stdin.take().context("no standard input")?.write_all(input)?;
    Ok(child.wait_with_output()?.into())
}

/// Without the lines that say which runtimes were asked, and why each said no: they depend on what else this machine
/// has. `search.rs` is about them.
pub(crate) fn without_asked(stderr: &str) -> String {
    let asked = |line: &&str| !(line.starts_with("    ") && line.contains(": "));
    stderr.lines().filter(asked).map(|line| format!("{line}\n")).collect()
}

/// Demands that cnsenter ran nothing, and said exactly this and nothing else, [`without_asked`] where nobody knows the
/// name.
#[track_caller]
pub(crate) fn assert_refused(output: &Output, message: &str, hint: &str) {
    let said = match message.starts_with("no such container") {
        true => without_asked(&output.stderr),
        false => output.stderr.clone(),
    };
    assert_eq!(said, format!("cnsenter: {message}\nhint: {hint}\n"), "{output:?}");
    assert_eq!((output.code, output.stdout.as_str()), (Some(OWN), ""), "{output:?}");
}

/// A copy of cnsenter in a folder that every user can reach, since the build's own may lie in root's home.
pub(crate) fn copy_for_everybody() -> Result<(Scratch, PathBuf)> {
    use std::os::unix::fs::PermissionsExt;
    let folder = Scratch::new()?;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
    let copy = folder.path().join("cnsenter");
    std::fs::copy(crate::cnsenter().get_program(), &copy)?;
    Ok((folder, copy))
}
