//! A real shell on a real terminal, in which lines are typed and completed, and then run by a function that shows the
//! words it was given. The function is not what the completion asks, which is the program itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use testbed::Scratch;
use testbed::pty::Session;

/// Which shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bash,
    /// Without the package that completes commands within commands.
    BareBash,
    Zsh,
    Fish,
}

pub(super) const ALL: [Kind; 3] = [Kind::Bash, Kind::Zsh, Kind::Fish];

/// A program that only these shells know, and what they complete after it.
pub(super) const PROGRAM: &str = "cnsenter-test-program";
pub(super) const WORD: &str = "alpha-of-the-program";

pub(super) struct Shell {
    session: Session,
    home: Scratch,
}

impl Shell {
    pub(super) fn start(kind: Kind) -> Result<Shell> {
        Self::start_in(kind, &["env"], &[])
    }

    /// Starts it by way of another program, with more variables.
    pub(super) fn start_in(kind: Kind, within: &[&str], variables: &[(&str, &str)]) -> Result<Shell> {
        let home = Scratch::new()?;
        let program = Path::new(env!("CARGO_BIN_EXE_cnsenter"));
        fs::write(home.path().join(PROGRAM), "#!/bin/sh\n")?;
        rustix::fs::chmod(home.path().join(PROGRAM), rustix::fs::Mode::from_raw_mode(0o755))?;
        let (file, text, words): (&str, String, &[&str]) = match kind {
            Kind::Bash | Kind::BareBash => {
                let package = match kind {
                    Kind::Bash => ". /usr/share/bash-completion/bash_completion\n",
                    _ => "",
                };
                let text = format!("bind 'set bell-style none'\n{package}complete -W {WORD} {PROGRAM}\n{SHOW}");
                (
                    "rc",
                    format!("{text}PS1='ready> '\nsource <(command cnsenter completions bash)\n"),
                    &["--noprofile", "-i"],
                )
            }
            Kind::Zsh => {
                let own = format!("_own() {{ compadd {WORD} }}\ncompdef _own {PROGRAM}\n");
                let text = format!("autoload -Uz compinit\ncompinit -u -D\n{own}{SHOW}");
                (".zshrc", format!("{text}PS1='ready> '\nsource <(command cnsenter completions zsh)\n"), &["-i"])
            }
            Kind::Fish => {
                let own = format!("complete -c {PROGRAM} -f -a {WORD}\n");
                let show = "function cnsenter; printf 'words:'; printf '<%s>' $argv; echo '|end'; end\n\
                            function nice; cnsenter $argv[2..]; end\n";
                let prompt = "function fish_prompt; echo 'ready> '; end\nfunction fish_greeting; end\n";
                (
                    ".config/fish/config.fish",
                    format!("{own}{show}{prompt}command cnsenter completions fish | source\n"),
                    &["-i"],
                )
            }
        };
        let file = home.path().join(file);
        fs::create_dir_all(file.parent().context("a folder")?)?;
        fs::write(&file, text)?;
        let mut command = Command::new(within[0]);
        command.args(&within[1..]).arg(match kind {
            Kind::Bash | Kind::BareBash => "bash",
            Kind::Zsh => "zsh",
            Kind::Fish => "fish",
        });
        if matches!(kind, Kind::Bash | Kind::BareBash) {
            command.arg("--rcfile").arg(&file);
        }
        let folders = [program.parent().context("a folder")?.to_owned(), home.path().to_owned()];
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(folders.into_iter().chain(std::env::split_paths(&path)))?;
        command.args(words).current_dir(home.path()).env("PATH", path).env("TERM", "xterm");
        command
            .env("HOME", home.path())
            .env("ZDOTDIR", home.path())
            .env("XDG_CONFIG_HOME", home.path().join(".config"));
        command.env("XDG_DATA_HOME", home.path().join(".data")).env("INPUTRC", "/dev/null");
        for variable in ["DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG"] {
            command.env_remove(variable);
        }
        command.envs(variables.iter().copied());
        let mut session = Session::spawn(&mut command)?;
        session.resize(50, 200)?;
        session.expect("ready> ")?;
        Ok(Shell { session, home })
    }

    /// The folder that is its home, and where it is.
    pub(super) fn home(&self) -> PathBuf {
        self.home.path().to_owned()
    }

    /// Types a line of `cnsenter`, with its TABs, runs it, and gives its words after that.
    pub(super) fn words(&mut self, line: &str) -> Result<Vec<String>> {
        self.session.type_text(line)?;
        self.session.type_text("\n")?;
        let seen = self.session.expect("|end")?;
        let (_, words) = seen.rsplit_once("words:").with_context(|| format!("no words: {seen:?}"))?;
        let words = words.trim_end_matches("|end").trim_start_matches('<').trim_end_matches('>');
        self.session.expect("ready> ")?;
        Ok(words.split("><").map(str::to_owned).collect())
    }
}

/// For bash and zsh. A line may also begin with another program that takes a command line.
const SHOW: &str =
    "cnsenter() { printf 'words:'; printf '<%s>' \"$@\"; echo '|end'; }\nnice() { shift; cnsenter \"$@\"; }\n";
