//! The same words under the newest nsenter, the machine's own nsenter, cnsenter, and cnsenter through a link named
//! `nsenter`; and processes to aim them at. Shared by the comparisons with nsenter. Which words, and what is expected
//! of them, belongs in the tests.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use testbed::{Output, Scratch, ns, peers, wait};

/// Prints what a program can find out about where and what it is. Runs in `sh -c` and on a shell's standard input.
pub(crate) const PROBE: &str = r#"
echo "words: $0 $*"
for kind in cgroup ipc mnt net pid time user uts; do echo "$kind $(readlink /proc/self/ns/$kind)"; done 2>&1
id; pwd; hostname; umask; ulimit -n; ulimit -c; env | sort
grep -E '^(Cap|Groups|NoNewPrivs|Seccomp|Sig[BIC])' /proc/self/status 2>&1
:
"#;

/// All that unshare(1) can set apart.
pub(crate) const EVERYTHING: &str = "--user --map-root-user --mount --uts --ipc --net --pid --cgroup --time";

/// Where all commands are started: a folder that any user can enter, and that a container's image does not have.
pub(crate) const HERE: &str = "/var/tmp";

/// A program and the words with which each of its command lines begins.
#[derive(Debug, Clone)]
pub(crate) struct Side {
    /// For messages.
    pub(crate) name: &'static str,
    /// The words.
    pub(crate) words: Vec<OsString>,
}

impl Side {
    /// A command with nothing of this process's environment but what the comparison needs.
    pub(crate) fn command(&self, words: &[String]) -> Command {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]).args(words);
        plain(&mut command);
        command
    }

    /// A command that runs this side's program below another one (`strace`, `setpriv`, a shell, …).
    pub(crate) fn below(&self, outer: &[&str], words: &[String]) -> Command {
        let mut command = Command::new(outer[0]);
        command.args(&outer[1..]).args(&self.words).args(words);
        plain(&mut command);
        command
    }
}

/// The environment and the working directory of all comparisons.
fn plain(command: &mut Command) {
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    command.env_clear().current_dir(HERE);
    command.envs([("PATH", path), ("HOME", "/root"), ("SHELL", "/bin/sh"), ("TERM", "xterm"), ("LC_ALL", "C")]);
}

/// All sides. The first is the one that the others are compared with.
#[derive(Debug)]
pub(crate) struct Sides {
    all: Vec<Side>,
    _folder: Scratch,
}

impl Sides {
    pub(crate) fn new() -> Result<Sides> {
        let folder = Scratch::new()?;
        // Other users must be able to run it, wherever it was built.
        rustix::fs::chmod(folder.path(), rustix::fs::Mode::from_raw_mode(0o755))?;
        let (ours, linked) = (folder.path().join("cnsenter"), folder.path().join("nsenter"));
        if std::fs::hard_link(env!("CARGO_BIN_EXE_cnsenter"), &ours).is_err() {
            std::fs::copy(env!("CARGO_BIN_EXE_cnsenter"), &ours)?;
        }
        std::os::unix::fs::symlink("cnsenter", &linked)?;
        let all = vec![
            Side { name: "the newest nsenter", words: peers::nsenter_newest()? },
            Side { name: "cnsenter", words: vec![ours.into()] },
            Side { name: "cnsenter called nsenter", words: vec![linked.into()] },
            Side { name: "Debian's nsenter", words: vec!["/usr/bin/nsenter".into()] },
        ];
        Ok(Sides { all, _folder: folder })
    }

    pub(crate) fn newest(&self) -> &Side {
        &self.all[0]
    }

    pub(crate) fn ours(&self) -> &Side {
        &self.all[1]
    }

    pub(crate) fn linked(&self) -> &Side {
        &self.all[2]
    }

    pub(crate) fn debian(&self) -> &Side {
        &self.all[3]
    }

    /// The newest nsenter, cnsenter, and the link.
    pub(crate) fn three(&self) -> &[Side] {
        &self.all[..3]
    }

    /// These and the machine's own nsenter, for what it has had for long.
    pub(crate) fn four(&self) -> &[Side] {
        &self.all
    }
}

/// Splits a line into words and fills its placeholders; `{probe}` becomes three words, and `{tool}` those of the side.
pub(crate) fn fill(line: &str, side: &Side, places: &[(&str, &str)]) -> Vec<String> {
    let mut words = Vec::new();
    for word in line.split_whitespace() {
        match word {
            "{probe}" => words.extend(["sh", "-c", PROBE].map(str::to_owned)),
            "{tool}" => words.extend(side.words.iter().map(|word| word.to_string_lossy().into_owned())),
            word => words.push(places.iter().fold(word.to_owned(), |word, (name, value)| word.replace(name, value))),
        }
    }
    words
}

/// Runs a command with this text as its standard input.
pub(crate) fn run_with(command: &mut Command, input: &str) -> Result<Output> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read it closes it: no error.
        let _ = stdin.write_all(input.as_bytes());
    }
    Ok(child.wait_with_output()?.into())
}

/// Runs a line on each side, its probe on standard input where it names no program, and demands that all print and
/// end the same. Returns what all of them printed.
pub(crate) fn same(sides: &[Side], line: &str, places: &[(&str, &str)]) -> Result<Output> {
    same_below(sides, &[], line, places)
}

/// The same below another program.
pub(crate) fn same_below(sides: &[Side], outer: &[&str], line: &str, places: &[(&str, &str)]) -> Result<Output> {
    let input = if line.contains("{probe}") { "" } else { PROBE };
    let run = |side: &Side| {
        let words = fill(line, side, places);
        let mut command = if outer.is_empty() { side.command(&words) } else { side.below(outer, &words) };
        run_with(&mut command, input)
    };
    let first = run(&sides[0])?;
    for side in &sides[1..] {
        let other = run(side)?;
        if (&other.stdout, other.code, other.signal) != (&first.stdout, first.code, first.signal) {
            bail!("{line:?}\nunder {}: {first:?}\nunder {}: {other:?}", sides[0].name, side.name);
        }
    }
    Ok(first)
}

/// Checks the namespaces that a probe printed: those that are listed (`"net uts"`, or `"all"`) are those of `pid`, the
/// rest are ours. A kind that the program could not find out, for lack of a `/proc` of its own, is passed over.
pub(crate) fn check_joined(output: &Output, joined: &str, pid: u32) -> Result<()> {
    if !output.success() || !output.stdout.contains("words: ") {
        bail!("the program was not reached: {output:?}");
    }
    for kind in ns::KINDS {
        let found = output.stdout.lines().find_map(|line| line.strip_prefix(kind)?.strip_prefix(' '));
        let Some(found) = found.filter(|found| !found.is_empty()) else { continue };
        let theirs = joined == "all" || joined.split(' ').any(|name| name == kind);
        let wanted = ns::link(kind, if theirs { ns::inode(pid, kind)? } else { ns::own(kind)? });
        if found != wanted {
            bail!("expected {wanted}, found {found} in {output:?}");
        }
    }
    Ok(())
}

/// A process to be the target; killed with all below it when dropped.
#[derive(Debug)]
pub(crate) struct Target {
    child: Child,
    pid: u32,
}

impl Target {
    /// Runs `words`, such as `unshare --net`, with a sleeping shell below, and waits until that one is there.
    pub(crate) fn start(words: &[&str]) -> Result<Target> {
        Self::start_with(words, "echo ready; exec sleep 1000", &[])
    }

    /// Everything apart, with the host's `/proc` and files.
    pub(crate) fn unshared(words: &str) -> Result<Target> {
        let words: Vec<_> = words.split_whitespace().collect();
        Self::start(&[&["unshare", "--fork", "--kill-child"], &words[..]].concat())
    }

    /// The same with a script of one's own, which prints `ready` and then sleeps, and variables added.
    pub(crate) fn start_with(words: &[&str], script: &str, variables: &[(&str, &str)]) -> Result<Target> {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).args(["sh", "-c", script]).envs(variables.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot run {}", words[0]))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let mut target = Target { pid: child.id(), child };
        if line.trim_end() != "ready" {
            bail!("{words:?} did not come up");
        }
        while let Some(below) = children(target.pid).first() {
            target.pid = *below;
        }
        // It says so before it becomes what sleeps, and has another environment then.
        let comm = format!("/proc/{}/comm", target.pid);
        wait::until(Duration::from_secs(10), "the sleep", || {
            std::fs::read_to_string(&comm).is_ok_and(|name| name == "sleep\n").then_some(())
        })?;
        Ok(target)
    }

    /// The pid of the sleeping process, in our pid namespace.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// The pid of the first process, which started the sleeping one or is it.
    pub(crate) fn first(&self) -> u32 {
        self.child.id()
    }

    /// One of its namespace files.
    pub(crate) fn file(&self, kind: &str) -> String {
        format!("/proc/{}/ns/{kind}", self.pid)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // The lowest first: a change of its credentials has made it survive its parent. Its pid can't be another's yet,
        // since it sleeps.
        if let Some(lowest) = rustix::process::Pid::from_raw(self.pid.cast_signed()) {
            let _ = rustix::process::kill_process(lowest, rustix::process::Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The children of a process's main thread.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// What makes the command after it one of an ordinary user.
pub(crate) const NOBODY: &[&str] = &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"];

/// Runs each case and reports all that fail, not only the first.
pub(crate) fn each<T>(cases: &[T], check: impl Fn(&T) -> Result<()>) -> Result<()> {
    let failures: Vec<_> =
        cases.iter().filter_map(|case| check(case).err()).map(|error| format!("{error:#}")).collect();
    match failures.is_empty() {
        true => Ok(()),
        false => bail!("{} of {} cases fail:\n{}", failures.len(), cases.len(), failures.join("\n\n")),
    }
}
