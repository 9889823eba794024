//! Storms: hundreds of containers that ended and whose pid went to a process of the host, under records that a real
//! runtime wrote and nobody corrected. cnsenter goes by the record and must never enter; nsenter, which goes by the number,
//! shows how often that leads astray. How a runtime makes a container belongs to whoever calls [`storm`].

mod others;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use testbed::{Container, Scratch, fake, guard, image, ns, output, pid, wait};

use crate::run::{NET, OWN, cnsenter, stdout};

/// How often a pid is recycled under a record.
pub(crate) const ROUNDS: usize = 200;

/// How many rounds a container that takes long to start is good for.
const ROUNDS_EACH: usize = 25;

/// A container in its runtime's state.
pub(crate) struct Recorded {
    /// Its first process.
    pub(crate) pid: u32,
    /// What leads cnsenter to the record: options and target, without an option of what to join.
    pub(crate) words: Vec<String>,
    /// How many rounds it is good for: how often its pid is given to somebody else.
    pub(crate) rounds: usize,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// How often a pid came to mean another process.
    pub(crate) recycled: usize,
    /// How often cnsenter refused.
    pub(crate) refused: usize,
    /// How often cnsenter was in any network.
    pub(crate) entered: usize,
    /// How often plain nsenter was in the wrong one.
    pub(crate) nsenter_astray: usize,
}

/// Runs so many rounds: a container is made, is entered to show that its record leads to it, ends, and its pid goes to a
/// process of the host. What it was made of may be removed when the next one is made.
///
/// # Errors
/// What could not be set up; whatever is cnsenter's doing is a panic, and in the counts.
pub(crate) fn storm(rounds: usize, mut make: impl FnMut() -> Result<Recorded>) -> Result<Counts> {
    let ours = ns::link("net", ns::own("net")?);
    let (start, mut counts) = (Instant::now(), Counts::default());
    while counts.recycled < rounds {
        let made = make()?;
        let pid = made.pid;
        let enter = |option: &str| {
            let line: Vec<&str> = [option].into_iter().chain(made.words.iter().map(String::as_str)).collect();
            output::run(&mut cnsenter([&line, &NET[..]].concat()))
        };
        let theirs = ns::link("net", ns::inode(pid, "net")?);
        ensure!(theirs != ours, "the container has the host's network: nothing is shown by it");
        let entered = enter("--net")?;
        ensure!(entered.stdout.trim_end() == theirs, "its record does not lead to it: {entered:?}");
        pid::end(pid)?;
        for _ in 0..made.rounds.min(rounds - counts.recycled) {
            // Somebody else's new process may have it: the next container, then.
            let Ok(impostor) = pid::recycle(pid, Command::new("sleep").arg("100000")) else { break };
            let option = ["--net", "-a", "--mount"][counts.recycled % 3];
            counts.recycled += 1;
            let output = enter(option)?;
            let gone = output.code == Some(OWN) && output.stderr.contains(&format!("recorded pid {pid} is gone"));
            counts.refused += usize::from(gone);
            counts.entered += usize::from(!output.stdout.is_empty());
            assert!(gone && output.stdout.is_empty(), "{option}: {output:?} after {counts:?}");
            let by_number = output::run(Command::new("nsenter").args(["-t", &pid.to_string(), "-n"]).args(NET))?;
            counts.nsenter_astray += usize::from(by_number.success() && by_number.stdout.trim_end() == ours);
            drop(impostor);
        }
    }
    println!("{counts:?} in {:?}", start.elapsed());
    assert_eq!((counts.refused, counts.entered, counts.nsenter_astray), (counts.recycled, 0, counts.recycled));
    Ok(counts)
}

/// Docker's record of a container as it was, in folders of its own: the daemon, who would correct it, is not stopped.
struct Copy(Scratch);

impl Copy {
    fn of(container: &Container) -> Result<Copy> {
        let copy = Scratch::new()?;
        let data = format!("/var/lib/docker/containers/{}", container.id());
        let exec = format!("/run/docker/runtime-runc/moby/{}", container.id());
        for (from, to) in [(data, "data/containers"), (exec, "exec/runtime-runc/moby")] {
            let to = copy.path().join(to);
            std::fs::create_dir_all(&to)?;
            stdout("cp", &["-a", &from, &to.display().to_string()])?;
        }
        Ok(Copy(copy))
    }

    fn words(&self, on: &str, name: &str) -> Vec<String> {
        let root = |folder: &str| self.0.path().join(folder).display().to_string();
        let (data, exec) = (root("data"), root("exec"));
        ["-H", on, "--state-root", &data, "--state-root", &exec, name].map(str::to_owned).into()
    }
}

#[test]
fn recycled_pids_under_dockers_records() -> Result<()> {
    let web = Container::run(image::busybox()?, &["--network=none"], &["sleep", "100000"])?;
    let broken = fake::Engine::answering(500, r#"{"message":"layer not known"}"#)?;
    let on = format!("unix://{}", broken.socket().display());
    let mut kept = None;
    let counts = storm(ROUNDS, || {
        // Not by the rounds so far: somebody else may have been given the first pid, and then there were none.
        if kept.is_some() {
            // The daemon notices the end of the run before in its own time.
            web.docker(&["wait"])?;
            web.docker(&["start"])?;
        }
        let copy = Copy::of(&web)?;
        let words = copy.words(&on, web.name());
        kept = Some(copy);
        Ok(Recorded { pid: web.pid()?, words, rounds: ROUNDS_EACH })
    })?;
    println!("docker: {counts:?}");
    Ok(())
}

#[test]
fn a_pid_that_is_recycled_after_its_record_was_believed() -> Result<()> {
    let web = Container::run(image::busybox()?, &["--network=none"], &["sleep", "100000"])?;
    let (pid, copy, folder) = (web.pid()?, Copy::of(&web)?, Scratch::new()?);
    // Nobody listens there.
    let on = format!("unix://{}", folder.path().join("docker.sock").display());
    let log = folder.path().join("trace");
    let stat = format!("/proc/{pid}/stat");
    // Stopped once it has read when the process started, and before it holds the process.
    let mut command = crate::run::on_default_engine(Command::new("strace"));
    command.arg("-o").arg(&log).args(["-P", &stat, "-e", "trace=close", "-e", "inject=close:signal=STOP:when=1"]);
    command.arg(cnsenter([""]).get_program()).arg("--net").args(copy.words(&on, web.name())).args(NET);
    let strace = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let tracer = strace.id();
    let held = wait::until(Duration::from_secs(10), "cnsenter to be stopped", || {
        let stopped = std::fs::read_to_string(&log).ok()?.contains("--- stopped by SIGSTOP ---");
        let children = std::fs::read_to_string(format!("/proc/{tracer}/task/{tracer}/children")).ok()?;
        children.split_whitespace().next().filter(|_| stopped).map(str::to_owned)
    })?;
    pid::end(pid)?;
    let impostor = pid::recycle(pid, Command::new("sleep").arg("100000"));
    stdout("kill", &["-CONT", &held])?;
    let output = testbed::Output::from(strace.wait_with_output()?);
    assert_eq!((output.code, output.stdout.as_str()), (Some(OWN), ""), "{output:?}");
    let name = web.name();
    let (other, gone) = (
        format!("cnsenter: process {pid} is not, or no longer, that of container {name}: it started "),
        format!("cnsenter: container {name} ended just now: its process {pid} is gone\n"),
    );
    // Somebody else's new process may have the pid, and may have ended by now.
    let expected = if impostor.is_ok() { vec![other] } else { vec![other, gone] };
    let said = output.stderr.lines().find(|line| line.starts_with("cnsenter: ") && !line.contains(" note: "));
    assert!(said.is_some_and(|said| expected.iter().any(|start| said.starts_with(start.trim_end()))), "{output:?}");
    Ok(())
}

/// A container that was run by hand, removed with its record when dropped.
struct ByHand {
    root: Scratch,
    id: String,
    /// runc in the foreground: it reaps the container's process, and leaves the record.
    runc: pid::Process,
}

impl ByHand {
    fn run(bundle: &Path) -> Result<(ByHand, u32)> {
        let (root, id) = (Scratch::new()?, guard::unique_name());
        let noted = root.path().join("pid");
        let mut command = Command::new("runc");
        command.arg("--root").arg(root.path()).args(["run", "--keep", "--pid-file"]).arg(&noted);
        let mut runc = pid::Process::spawn(command.arg("--bundle").arg(bundle).arg(&id))?;
        // It tells nobody when it has started the program: the process itself shows it.
        let pid = wait::until(Duration::from_secs(10), "a container of runc's", || {
            if let Ok(Some(status)) = runc.child().try_wait() {
                return Some(Err(anyhow::anyhow!("runc failed: {status}")));
            }
            let pid = std::fs::read_to_string(&noted).ok()?.parse().ok()?;
            let program = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
            (program == "busybox\n").then_some(Ok(pid))
        })??;
        Ok((ByHand { root, id, runc }, pid))
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        let mut delete = Command::new("runc");
        delete.arg("--root").arg(self.root.path()).args(["delete", "--force", &self.id]);
        let _ = output::run(&mut delete);
        let _ = self.runc.child().wait();
    }
}

/// A bundle of busybox for runc.
fn bundle() -> Result<Scratch> {
    let bundle = Scratch::new()?;
    let rootfs = bundle.path().join("rootfs");
    for folder in ["bin", "proc", "dev", "sys"] {
        std::fs::create_dir_all(rootfs.join(folder))?;
    }
    std::fs::copy("/bin/busybox", rootfs.join("bin/busybox"))?;
    let mut spec = Command::new("runc");
    output::stdout(spec.arg("spec").current_dir(bundle.path()))?;
    let file = bundle.path().join("config.json");
    let config = std::fs::read_to_string(&file)?.replace("\"terminal\": true", "\"terminal\": false");
    let sleep = r#""/bin/busybox", "sleep", "100000""#;
    ensure!(config.contains("\"sh\""), "runc's own specification runs no shell: {config}");
    std::fs::write(&file, config.replacen("\"sh\"", sleep, 1))?;
    Ok(bundle)
}

#[test]
fn recycled_pids_under_runcs_records() -> Result<()> {
    let bundle = bundle()?;
    let mut kept = None;
    let counts = storm(ROUNDS, || {
        // The one before is removed first.
        drop(kept.take());
        let (container, pid) = ByHand::run(bundle.path())?;
        let root = container.root.path().display().to_string();
        let words = ["--state-root", &root, &format!("oci://{}", container.id)].map(str::to_owned).into();
        kept = Some(container);
        // A container of its own for each round: the record is as fresh as can be.
        Ok(Recorded { pid, words, rounds: 1 })
    })?;
    println!("runc: {counts:?}");
    Ok(())
}
