//! A person at a terminal whose PATH has cnsenter, as `demo` shows and `pictures` paints one. What is typed is theirs.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use testbed::pty;

use crate::{binary::Binary, interrupt};

/// How long a line may take.
const LIMIT: Duration = Duration::from_secs(60);

/// A terminal of some width, and cnsenter's folder.
pub(crate) struct Shell {
    folder: PathBuf,
    columns: u16,
}

impl Shell {
    pub(crate) fn new(binary: &Binary, columns: u16) -> Result<Shell> {
        let folder = binary.path.parent().context("the binary is in no folder")?.to_owned();
        Ok(Shell { folder, columns })
    }

    /// Types a command line. Several may be typed at once.
    pub(crate) fn start(&self, line: &str) -> Result<pty::Session> {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("sh");
        // The terminal has its size before the command can ask for it.
        command.args(["-c", &format!("stty cols {} rows 50; {line}", self.columns)]);
        command.env("PATH", format!("{}:{path}", self.folder.display()));
        command.env("TERM", "xterm-256color").env_remove("NO_COLOR");
        pty::Session::spawn(&mut command)
    }

    /// Types a command line, which has to succeed, and gives what the terminal shows.
    pub(crate) fn run(&self, line: &str) -> Result<String> {
        finish(self.start(line)?).with_context(|| format!("this line failed: {line}"))
    }
}

/// What a terminal shows to the end of a command, which has to succeed.
pub(crate) fn finish(session: pty::Session) -> Result<String> {
    let ended = session.finish_within(LIMIT);
    interrupt::check()?;
    let (code, shown) = ended?;
    let shown = shown.replace('\r', "");
    if code != 0 {
        bail!("it ended with status {code} after showing:\n{shown}");
    }
    Ok(shown)
}
