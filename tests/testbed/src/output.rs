//! What a command printed and how it ended, as plain data. Terminals are in `pty`, not here.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// How a command ended. Exactly one of `code` and `signal` is set.
#[derive(Clone, PartialEq, Eq)]
pub struct Output {
    /// The exit status, unless a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Its standard output; what isn't UTF-8 is replaced.
    pub stdout: String,
    /// Its standard error; what isn't UTF-8 is replaced.
    pub stderr: String,
}

impl Output {
    /// Whether it exited with 0.
    pub fn success(&self) -> bool {
        self.code == Some(0)
    }
}

impl From<std::process::Output> for Output {
    fn from(output: std::process::Output) -> Self {
        Output {
            code: output.status.code(),
            signal: output.status.signal(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

// A failed assertion prints this: the text must stay text, line by line.
impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, self.signal) {
            (Some(code), _) => write!(f, "exit {code}")?,
            (_, Some(signal)) => write!(f, "killed by signal {signal}")?,
            _ => write!(f, "ended in no known way")?,
        }
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if text.is_empty() {
                write!(f, "\n{name}: (empty)")?;
            } else {
                write!(f, "\n{name}:\n{}", text.trim_end_matches('\n'))?;
            }
        }
        Ok(())
    }
}

/// Runs a command with an empty standard input and captures the rest. An error means that it couldn't start.
pub fn run(command: &mut Command) -> Result<Output> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot run {}", command.get_program().display()))?;
    Ok(output.into())
}

/// Runs a command that has to succeed and returns its standard output without the last newline.
pub fn stdout(command: &mut Command) -> Result<String> {
    let output = run(command)?;
    if !output.success() {
        bail!("{} failed: {output:?}", words(command));
    }
    Ok(output.stdout.trim_end_matches('\n').to_owned())
}

/// The last lines of a log, for an error message; nothing if it can't be read.
pub fn last_lines(file: &Path, count: usize) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

fn words(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy()];
    words.extend(command.get_args().map(|word| word.to_string_lossy()));
    words.join(" ")
}
