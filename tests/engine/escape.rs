//! A hostile container against whoever enters it: each attack first under a copy of nsenter, which falls, or the test
//! proves nothing, and then under a copy of cnsenter, which holds; in a container as Docker makes it, in one that may trace,
//! and in one without capabilities. docs/security.md is the list. Attacks on names and records are in `deceit`, those on
//! a pid that is another's by now in `race` and `storm`.

mod binary;
mod confinement;
mod cores;
mod files;
mod host_tools;
mod keyring;
mod newcomer;
mod procfs;
mod streams;
mod terminal;

use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use testbed::{Container, Scratch, image, output};

use crate::run;

/// The longest that anything may take on a machine with much else to do.
const LIMIT: Timespec = Timespec { tv_sec: 30, tv_nsec: 0 };

/// The three containers: what the kernel lets a container's process do to a newcomer depends on these.
pub(crate) const KINDS: [Kind; 3] = [
    Kind { name: "a default container", options: &[], traces: false },
    Kind { name: "a container that may trace", options: &["--cap-add", "SYS_PTRACE"], traces: true },
    Kind { name: "a container without capabilities", options: &["--cap-drop", "ALL"], traces: false },
];

/// One of the three.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    /// For messages.
    pub(crate) name: &'static str,
    /// What `docker run` is told.
    pub(crate) options: &'static [&'static str],
    /// Whether it has CAP_SYS_PTRACE.
    pub(crate) traces: bool,
}

/// Runs a case in each of the three, and says in which it fails.
pub(crate) fn in_each(check: impl Fn(&Kind) -> Result<()>) -> Result<()> {
    let failed = KINDS.iter().filter_map(|kind| check(kind).err().map(|error| format!("{}: {error:#}", kind.name)));
    let failed: Vec<_> = failed.collect();
    ensure!(failed.is_empty(), "{}", failed.join("\n\n"));
    Ok(())
}

/// What those who enter bring along: copies of the programs, since attacks on nsenter succeed, and a file of the host's.
struct Host {
    folder: Scratch,
}

impl Host {
    fn new() -> Result<Host> {
        let folder = Scratch::new()?;
        rustix::fs::chmod(folder.path(), rustix::fs::Mode::from_raw_mode(0o755))?;
        std::fs::copy("/usr/bin/nsenter", folder.path().join("nsenter"))?;
        std::fs::copy(crate::cnsenter().get_program(), folder.path().join("cnsenter"))?;
        std::fs::write(folder.path().join("secret"), SECRET)?;
        Ok(Host { folder })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The path of the file that no container can name.
    fn secret(&self) -> String {
        self.path("secret").display().to_string()
    }

    /// The copy of nsenter with these words.
    fn nsenter<const N: usize>(&self, words: [&str; N]) -> Command {
        let mut command = Command::new(self.path("nsenter"));
        command.args(words);
        command
    }

    /// The copy of cnsenter with these words.
    fn cnsenter<const N: usize>(&self, words: [&str; N]) -> Command {
        let mut command = run::on_default_engine(Command::new(self.path("cnsenter")));
        command.args(words);
        command
    }

    /// What the copy of a program is now; it must be what it was made of.
    fn is_untouched(&self, name: &str) -> Result<bool> {
        let original = match name {
            "nsenter" => Path::new("/usr/bin/nsenter").to_owned(),
            _ => crate::cnsenter().get_program().into(),
        };
        Ok(std::fs::read(self.path(name))? == std::fs::read(original)?)
    }
}

/// What the host's file says.
const SECRET: &str = "of the host\n";

/// The command with a descriptor and a working directory of the host's and a secret in its environment, as a careless
/// caller leaves them.
fn careless(command: &Command) -> Command {
    let mut shell = Command::new("bash");
    shell.args(["-c", "cd /usr; exec 7</; exec \"$@\"", "bash"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.env("SECRET", "of the host");
    shell
}

/// The command on the processor only while nobody else wants it, so that those who watch it miss nothing.
fn slow(command: &Command) -> Command {
    let mut chrt = Command::new("chrt");
    chrt.args(["--idle", "0"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => chrt.env(name, value),
            None => chrt.env_remove(name),
        };
    }
    chrt
}

/// A container of a kind, with the hostile program in `/attack`, sleeping.
fn container(kind: &Kind, options: &[&str]) -> Result<Container> {
    container_of(kind, options, &["sleep", "100000"])
}

fn container_of(kind: &Kind, options: &[&str], command: &[&str]) -> Result<Container> {
    let volume = format!("{}:/attack:ro", probes()?.display());
    let all = [kind.options, options, &["--network", "none", "--stop-timeout", "0", "--volume", &volume]].concat();
    Container::run(image::busybox()?, &all, command)
}

/// Has a container do something to itself, also where its files keep `docker exec` from working.
fn inside(container: &Container, script: &str) -> Result<String> {
    let pid = container.pid()?.to_string();
    // As the first process there could: what it may do is what its container may.
    let script = format!("PATH=/bin:/sbin:/usr/bin:/usr/sbin; {script}");
    output::stdout(Command::new("timeout").args([
        "30",
        "nsenter",
        "-m",
        "-p",
        "-t",
        &pid,
        "/bin/busybox",
        "sh",
        "-c",
        &script,
    ]))
}

/// The hostile program, inside.
const ATTACK: &str = "/attack/attack";

/// The folder with the hostile program, built once for the state of its source.
fn probes() -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("escape");
    std::fs::create_dir_all(&folder)?;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/engine/escape/probes/attack.rs");
    let (text, built) = (std::fs::read(&source)?, folder.join("of"));
    // Tests run as processes of their own: the first one builds, the others wait for it.
    let lock = std::fs::File::create(folder.join("lock"))?;
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)?;
    if std::fs::read(&built).ok().as_ref() != Some(&text) {
        let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        let mut rustc = Command::new("rustc");
        rustc.args(["--edition", "2024", "-O", "-C", "panic=abort", "-C", "strip=symbols", "--target", &target]);
        rustc.args(["-C", "target-feature=+crt-static", "-o"]).arg(folder.join("new")).arg(&source);
        output::stdout(&mut rustc)?;
        std::fs::rename(folder.join("new"), folder.join("attack"))?;
        std::fs::write(&built, text)?;
    }
    Ok(folder)
}

/// The hostile program, watching inside of a container.
struct Watcher {
    child: Child,
    stdin: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    got: Got,
}

/// What a watcher got, a line each.
#[derive(Debug)]
struct Got(Vec<String>);

impl Got {
    fn has(&self, what: &str) -> bool {
        self.0.iter().any(|line| line.starts_with(what))
    }
}

impl Watcher {
    /// Starts it and waits until it watches. What a newcomer meets with is said there: `step`, `overwrite`, or a signal.
    fn start(container: &Container, host: &Host, greeting: Option<&str>) -> Result<Watcher> {
        let mut docker = testbed::engine::client(testbed::engine::SOCKET);
        docker.args(["exec", "-i", container.id(), ATTACK, "watch", &host.secret()]).args(greeting);
        if greeting == Some("overwrite") {
            // The only files that it may write to: what it sees otherwise may be a program of this machine's.
            for name in ["nsenter", "cnsenter"] {
                let found = std::fs::metadata(host.path(name))?;
                docker.args([found.dev().to_string(), found.ino().to_string()]);
            }
        }
        let mut child = docker.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdin = child.stdin.take();
        let output = BufReader::new(child.stdout.take().context("no pipe")?);
        let mut watcher = Watcher { child, stdin, output, got: Got(Vec::new()) };
        watcher.read_until("ready")?;
        Ok(watcher)
    }

    /// Waits until it has seen somebody.
    fn wait_for_newcomer(&mut self) -> Result<()> {
        self.read_until("newcomer ")
    }

    /// Ends it: what it got.
    fn finish(mut self) -> Result<Got> {
        drop(self.stdin.take());
        self.read_until("over")?;
        Ok(Got(std::mem::take(&mut self.got.0)))
    }

    fn read_until(&mut self, beginning: &str) -> Result<()> {
        let mut line = String::new();
        while !line.starts_with(beginning) {
            line.clear();
            let mut there = [PollFd::new(self.output.get_ref(), PollFlags::IN)];
            let is_there = !self.output.buffer().is_empty() || poll(&mut there, Some(&LIMIT))? > 0;
            ensure!(is_there, "the watcher never says {beginning:?}, but got {:?}", self.got);
            ensure!(self.output.read_line(&mut line)? > 0, "the watcher did not live to say {beginning:?}");
            self.got.0.extend(line.strip_prefix("got ").map(|line| line.trim_end().to_owned()));
        }
        Ok(())
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
