//! A containerd of its own beside the machine's, with its state elsewhere; ended when dropped. What cnsenter makes of it
//! is in `containerd.rs`.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use testbed::containerd::{NAMESPACE, remove_cgroup};
use testbed::{Scratch, engine, image, output, pid, wait};

/// A daemon without the CRI plugin.
pub(super) struct Containerd {
    daemon: pid::Process,
    folder: Scratch,
}

impl Containerd {
    /// Starts one, with the busybox image in it.
    pub(super) fn start() -> Result<Self> {
        let folder = Scratch::new()?;
        let at = |name: &str| folder.path().join(name);
        let config = format!(
            "version = 2\nroot = {:?}\nstate = {:?}\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = {:?}\n",
            at("root"),
            at("state"),
            at("socket")
        );
        std::fs::write(at("config.toml"), config)?;
        let daemon = pid::Process::spawn(Command::new("containerd").arg("--config").arg(at("config.toml")))?;
        let second = Self { daemon, folder };
        wait::until(Duration::from_secs(30), "the second containerd", || second.ctr(&["version"]).ok())?;
        let mut save = engine::client(engine::SOCKET);
        let mut save = save.args(["save", image::busybox()?]).stdout(Stdio::piped()).spawn()?;
        let archive = save.stdout.take().context("docker save has no output")?;
        // Its folder may be where nothing can be mounted over another mount.
        let import =
            second.client().args(["images", "import", "--snapshotter", "native", "-"]).stdin(archive).output()?;
        if !save.wait()?.success() || !import.status.success() {
            bail!("cannot import an image: {:?}", testbed::Output::from(import));
        }
        Ok(second)
    }

    fn client(&self) -> Command {
        let mut ctr = Command::new("ctr");
        ctr.arg("--address").arg(self.folder.path().join("socket"));
        ctr.args(["--connect-timeout", "2s", "--namespace", NAMESPACE]);
        ctr
    }

    fn ctr(&self, words: &[&str]) -> Result<String> {
        output::stdout(self.client().args(words))
    }

    /// Starts a container under this ID.
    pub(super) fn run(&self, id: &str) -> Result<()> {
        let image = format!("docker.io/{}:latest", image::BUSYBOX);
        self.ctr(&["run", "--detach", "--null-io", "--snapshotter", "native", &image, id, "sleep", "1000"])?;
        Ok(())
    }

    /// The pid of a container's process.
    pub(super) fn pid(&self, id: &str) -> Result<u32> {
        let table = self.ctr(&["tasks", "ls"])?;
        let row = table.lines().find(|row| row.starts_with(id)).with_context(|| format!("no task {id}: {table}"))?;
        Ok(row.split_whitespace().nth(1).context("no pid")?.parse()?)
    }

    /// What it keeps of what runs.
    pub(super) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        for id in self.ctr(&["containers", "ls", "-q"]).unwrap_or_default().split_whitespace() {
            let _ = self.ctr(&["tasks", "rm", "--force", id]);
            let _ = self.ctr(&["containers", "rm", id]);
        }
        let _ = self.daemon.child().kill();
        let _ = self.daemon.child().wait();
        remove_cgroup(NAMESPACE);
    }
}
