//! The Docker engine that tests talk to, through the `docker` client. Starting the machine's own engine is
//! `xtask`'s; the one started here is the newest engine, in namespaces of its own, for the test that asks for it.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::guard::Scratch;
use crate::{output, peers, wait};

/// The socket of the machine's own engine.
pub const SOCKET: &str = "/var/run/docker.sock";

/// Versions of a running engine, as it told them itself.
#[derive(Debug, Clone)]
pub struct Version {
    /// The engine's own, such as `20.10.24`.
    pub engine: String,
    /// The newest API that it speaks.
    pub api: String,
    /// The oldest API that it speaks.
    pub api_min: String,
}

/// Asks the machine's own engine for its versions. An error means that none answers.
pub fn version() -> Result<Version> {
    version_at(SOCKET)
}

fn version_at(socket: &str) -> Result<Version> {
    let format = "{{.Server.Version}} {{.Server.APIVersion}} {{.Server.MinAPIVersion}}";
    let text = docker_at(socket, &["version", "--format", format])?;
    let mut words = text.split_whitespace().map(str::to_owned);
    match (words.next(), words.next(), words.next()) {
        (Some(engine), Some(api), Some(api_min)) => Ok(Version { engine, api, api_min }),
        _ => bail!("docker version answered {text:?}"),
    }
}

/// Runs `docker` with these words on the machine's own engine; its standard output, or an error with its
/// standard error.
pub fn docker(words: &[&str]) -> Result<String> {
    docker_at(SOCKET, words)
}

/// The same on another engine's socket.
pub fn docker_at(socket: &str, words: &[&str]) -> Result<String> {
    output::stdout(client(socket).args(words))
}

/// The `docker` client, aimed at a socket whatever the user's environment says.
pub fn client(socket: &str) -> Command {
    let mut command = Command::new("docker");
    command.env_remove("DOCKER_HOST").env_remove("DOCKER_CONTEXT");
    command.args(["--host", &format!("unix://{socket}")]);
    command
}

/// A newest-release engine in a mount and a network namespace of its own; stopped when dropped.
///
/// What it mounts on its netns files is therefore invisible to the host, as with an engine that came as a snap:
/// the host sees plain files.
#[derive(Debug)]
pub struct Newest {
    child: Child,
    run: Scratch,
    data: PathBuf,
}

impl Newest {
    /// Starts it and waits until it answers.
    pub fn start() -> Result<Newest> {
        Self::start_with(&[])
    }

    /// The same, whose containers survive the daemon: for tests that kill it.
    pub fn with_live_restore() -> Result<Newest> {
        Self::start_with(&["--live-restore"])
    }

    fn start_with(options: &[&str]) -> Result<Newest> {
        let root = peers::root().context("the newest Docker engine is not unpacked here")?;
        let run = Scratch::new_in("/run")?;
        let data = PathBuf::from("/var/lib").join(run.path().file_name().unwrap_or_default());
        std::fs::create_dir_all(&data)?;
        let log = std::fs::File::create(run.path().join("log"))?;
        // A test that is killed drops no guard: dockerd then gets the signal from the kernel.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "--", "unshare"]);
        command.args(["--mount", "--net", "--", "sh", "-euc", NEWEST_SCRIPT, "sh"]);
        command.args([&root, run.path(), &data]).args(options);
        // A group of its own: a Ctrl-C meant for the test must not stop it before the guard has cleaned up.
        command.process_group(0);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().context("cannot run setpriv")?;
        let mut engine = Newest { child, run, data };
        let socket = engine.socket();
        wait::until(Duration::from_secs(60), "the newest Docker engine", || {
            (engine.has_ended() || version_at(&socket).is_ok()).then_some(())
        })?;
        match version_at(&socket) {
            Ok(_) => Ok(engine),
            Err(error) => {
                let tail = output::last_lines(&engine.run.path().join("log"), 12);
                Err(error.context(format!("the newest Docker engine ended:\n{tail}")))
            }
        }
    }

    /// The path of its socket.
    pub fn socket(&self) -> String {
        self.run.path().join("docker.sock").display().to_string()
    }

    /// Runs `docker` on it.
    pub fn docker(&self, words: &[&str]) -> Result<String> {
        docker_at(&self.socket(), words)
    }

    /// Its versions.
    pub fn version(&self) -> Result<Version> {
        version_at(&self.socket())
    }

    /// The pid of its `dockerd`, whose mount namespace has the netns files.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it keeps its data, as the host sees it too.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Where it keeps what is needed while containers run, as the host sees it too.
    pub fn exec(&self) -> PathBuf {
        self.run.path().join("exec")
    }

    /// Stops the daemon with SIGSTOP: it accepts connections and never answers. Its end, as ever, lets it go on.
    pub fn hang(&mut self) -> Result<()> {
        self.signal(Signal::STOP)?;
        // The signal was sent; that it has arrived at every thread is what counts.
        let pid = self.pid();
        wait::until(Duration::from_secs(10), "dockerd to be stopped", || {
            let stopped = |entry: std::fs::DirEntry| stat_state(&entry.path()).is_none_or(|state| state == 'T');
            let mut threads = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten();
            threads.all(stopped).then_some(())
        })
    }

    /// Lets a stopped daemon go on.
    pub fn go_on(&mut self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Kills the daemon with SIGKILL. Its containers go on, and end with this guard.
    pub fn kill(&mut self) -> Result<()> {
        self.signal(Signal::KILL)?;
        self.child.wait()?;
        Ok(())
    }

    /// Whether the daemon has ended, and its pid is free for others.
    fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.has_ended() {
            bail!("the newest Docker engine has ended");
        }
        let pid = Pid::from_raw(self.child.id().cast_signed()).context("no process")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Ends what a killed daemon leaves behind: each shim, recognised by the folder that is this engine's alone, and its
    /// containers; and removes their cgroups.
    fn sweep(&self) {
        let folder = self.run.path().as_os_str().as_encoded_bytes();
        let ours = |pid: &Pid| {
            let line = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
            line.windows(folder.len()).any(|part| part == folder)
        };
        let processes = || std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let number = |entry: std::fs::DirEntry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?);
        let cgroups = Cgroups::of(&self.data);
        cgroups.thaw();
        for shim in processes().filter_map(number).filter(ours) {
            let children = format!("/proc/{shim}/task/{shim}/children", shim = shim.as_raw_nonzero());
            let children = std::fs::read_to_string(children).unwrap_or_default();
            let containers = children.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?));
            for process in containers.chain([shim]) {
                let _ = kill_process(process, Signal::KILL);
            }
        }
        cgroups.remove();
    }
}

/// The cgroups of an engine's containers, by the records in its data folder: what is left of them when it ended by force.
pub(crate) struct Cgroups(Vec<PathBuf>);

impl Cgroups {
    pub(crate) fn of(data: &Path) -> Cgroups {
        let ids = std::fs::read_dir(data.join("containers")).into_iter().flatten().flatten();
        Cgroups(ids.map(|entry| Path::new("docker").join(entry.file_name())).collect())
    }

    /// What is paused does not die before it goes on; which of the two files is there is up to the cgroup version.
    pub(crate) fn thaw(&self) {
        for id in &self.0 {
            let _ = std::fs::write(Path::new("/sys/fs/cgroup/freezer").join(id).join("freezer.state"), "THAWED");
            let _ = std::fs::write(Path::new("/sys/fs/cgroup").join(id).join("cgroup.freeze"), "0");
        }
    }

    /// Removes them, once the processes in them have ended.
    pub(crate) fn remove(&self) {
        for id in &self.0 {
            // A process that is ending is in its cgroup to the last.
            let _ = wait::until(Duration::from_secs(5), "cgroups to be empty", || {
                let hierarchies = std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
                let all = hierarchies.map(|entry| entry.path().join(id)).chain([Path::new("/sys/fs/cgroup").join(id)]);
                all.filter(|folder| folder.exists()).all(|folder| std::fs::remove_dir(folder).is_ok()).then_some(())
            });
        }
    }
}

/// The state of a thread or process, by the letter of proc_pid_stat(5).
fn stat_state(folder: &Path) -> Option<char> {
    let text = std::fs::read_to_string(folder.join("stat")).ok()?;
    text.rsplit_once(") ")?.1.chars().next()
}

impl Drop for Newest {
    fn drop(&mut self) {
        if self.has_ended() {
            self.sweep();
        }
        // A test may have stopped it.
        let _ = self.signal(Signal::CONT);
        if let Ok(ids) = self.docker(&["ps", "-aq"]) {
            for id in ids.split_whitespace() {
                let _ = self.docker(&["rm", "-f", id]);
            }
        }
        // dockerd ends its containerd itself when it is asked politely, and only then.
        let _ = self.signal(Signal::TERM);
        let child = &mut self.child;
        let ended = wait::until(Duration::from_secs(20), "dockerd's end", || child.try_wait().ok().flatten());
        if ended.is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        let _ = std::fs::remove_dir_all(&self.data);
        // The folder on which it was mounted, in the root that all of them share.
        if let (Ok(root), Ok(data)) = (peers::root(), self.data.strip_prefix("/")) {
            let _ = std::fs::remove_dir(root.join(data));
        }
    }
}

/// Makes the unpacked packages the root of a private mount namespace and becomes `dockerd` there. A real root
/// and not the loader's `--library-path`: runc runs itself again through `/proc/self/exe`.
const NEWEST_SCRIPT: &str = r#"
root=$1 run=$2 data=$3
shift 3
mount --make-rprivate /
mount --bind "$root" "$root"
mkdir -p "$root$data" "$root/host"
for dir in /proc /sys /dev; do mount --rbind "$dir" "$root$dir"; done
mount -t tmpfs tmpfs "$root/run"
mkdir -p "$root$run"
mount --bind "$run" "$root$run"
mount --bind "$data" "$root$data"
cd "$root"
pivot_root . host
umount -l /host
ip link set lo up
exec dockerd --data-root "$data" --exec-root "$run/exec" --pidfile "$run/docker.pid" -H "unix://$run/docker.sock" "$@"
"#;
