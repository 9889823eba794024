//! A host of its own: mount, network, pid, UTS and IPC namespaces with the machine's Docker at its default paths, where a
//! test may use whatever names, ports, addresses, packet filters and files of /etc it likes. The newest engine is `engine`'s.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::engine::{self, Cgroups};
use crate::guard::Scratch;
use crate::{PREFIX, output, wait};

/// The pids on such a host begin here, so that all of them have five digits.
pub const FIRST_PID: u32 = 21000;

/// Where the folders of such hosts are: Docker's data can't lie on an overlay, as the temporary folder may.
const FOLDERS: &str = "/var/lib";

/// A host of its own. What runs on it ends when it is dropped, and whatever it made is gone.
#[derive(Debug)]
pub struct Host {
    child: Child,
    init: u32,
    folder: Scratch,
}

impl Host {
    /// Starts it, and waits until its engine answers.
    pub fn start() -> Result<Host> {
        let folder = Scratch::new_in(FOLDERS)?;
        std::fs::create_dir(folder.path().join("data"))?;
        std::fs::create_dir(folder.path().join("home"))?;
        let log = std::fs::File::create(folder.path().join("log"))?;
        // A test that is killed drops no guard: the kernel then ends unshare, and by that everything.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "unshare", "--mount", "--net", "--pid", "--uts", "--ipc"]);
        command.args(["--fork", "--kill-child", "--mount-proc", "--", "sh", "-euc", SCRIPT, "sh"]);
        command.arg(folder.path()).arg((FIRST_PID - 1).to_string());
        command.process_group(0).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().context("cannot run setpriv")?;
        let mut host = Host { child, init: 0, folder };
        host.init = wait::until(Duration::from_secs(10), "the host's first process", || {
            let pid = host.child.id();
            std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?.trim().parse().ok()
        })?;
        let answers = wait::until(Duration::from_secs(60), "the host's engine", || {
            host.docker(&["version"]).ok().or_else(|| host.has_ended().then(String::new))
        });
        if answers.is_err() || host.has_ended() {
            let tail = output::last_lines(&host.folder.path().join("log"), 12);
            anyhow::bail!("the engine of a host of its own does not answer:\n{tail}");
        }
        Ok(host)
    }

    /// The path of its engine's socket, for who is not on it.
    pub fn socket(&self) -> String {
        self.folder.path().join("docker.sock").display().to_string()
    }

    /// An empty folder that has the same path on the host and outside.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Runs `docker` on its engine.
    pub fn docker(&self, words: &[&str]) -> Result<String> {
        engine::docker_at(&self.socket(), words)
    }

    /// A script for bash, to be run on it by root, in [`Host::home`].
    pub fn command(&self, script: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.init.to_string(), "--mount", "--net", "--pid", "--uts", "--ipc", "--"]);
        command.args(["bash", "-c", "cd \"$1\" && eval \"$2\"", "bash"]).arg(self.home()).arg(script);
        command
    }

    /// Runs a script that has to succeed; its standard output.
    pub fn run(&self, script: &str) -> Result<String> {
        output::stdout(&mut self.command(script))
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let cgroups = Cgroups::of(&self.folder.path().join("data"));
        cgroups.thaw();
        let _ = self.child.kill();
        let _ = self.child.wait();
        cgroups.remove();
    }
}

/// Removes what hosts left behind whose test was killed: the processes on them have ended by themselves. Returns how many.
pub fn remove_all() -> Result<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir(FOLDERS)?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            Cgroups::of(&entry.path().join("data")).remove();
            std::fs::remove_dir_all(entry.path())?;
            count += 1;
        }
    }
    Ok(count)
}

/// Hides what the machine's own runtimes have and how it resolves names, and starts dockerd. The shell stays: it reaps what loses its parent.
const SCRIPT: &str = r#"
mount -t tmpfs -o mode=755 tmpfs /run
for runtime in containerd containers lxc machines; do
    ! test -d /var/lib/$runtime || mount -t tmpfs -o mode=755 tmpfs /var/lib/$runtime
done
mkdir -p /var/lib/docker
mount --bind "$1/data" /var/lib/docker
mkdir -p /run/etc/upper /run/etc/work
mount -t overlay -o lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work overlay /etc
rm -f /etc/resolv.conf
echo nameserver 192.0.2.1 >/etc/resolv.conf
printf '127.0.0.1\tlocalhost node1\n' >/etc/hosts
hostname node1
ip link set lo up
echo "$2" >/proc/sys/kernel/ns_last_pid
dockerd -H unix:///var/run/docker.sock -H "unix://$1/docker.sock" &
wait
"#;
