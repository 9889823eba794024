//! LXC containers of this machine's own lxc tools, which need no daemon. Each has a monitor process, a cgroup and a
//! folder of its own, and the busybox root read-only.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::guard::unique_name;
use crate::{PREFIX, output, rootfs};

/// Where LXC keeps containers unless it is told another folder.
pub const PATH: &str = "/var/lib/lxc";

/// Where it keeps a lock for each container that there has ever been.
const LOCKS: &str = "/run/lxc/lock";

/// A container, stopped and destroyed when dropped.
#[derive(Debug)]
pub struct Container {
    path: PathBuf,
    name: String,
}

impl Container {
    /// Starts a container with a network namespace of its own at LXC's usual place, under a name that is made up.
    pub fn start() -> Result<Container> {
        Self::start_as(Path::new(PATH), &unique_name(), &[])
    }

    /// The same in another folder, which must be there, under a name that is free in it; with more lines of
    /// lxc.container.conf(5), which win over the usual ones.
    pub fn start_as(path: &Path, name: &str, more: &[&str]) -> Result<Container> {
        ensure!(name.starts_with(PREFIX), "{name} is no name of the tests");
        let folder = path.join(name);
        std::fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let container = Container { path: path.to_owned(), name: name.to_owned() };
        std::fs::write(folder.join("config"), configuration(name, &rootfs::busybox()?, more))?;
        container.start_again()?;
        Ok(container)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The pid of its first process, asked anew each time; an error when it isn't running.
    pub fn pid(&self) -> Result<u32> {
        let pid = output::stdout(self.tool("lxc-info").args(["--no-humanize", "--pid"]))?;
        pid.parse().with_context(|| format!("lxc-info says that the pid of {} is {pid:?}", self.name))
    }

    /// Its state in LXC's words, such as `RUNNING` or `STOPPED`.
    pub fn state(&self) -> Result<String> {
        output::stdout(self.tool("lxc-info").args(["--no-humanize", "--state"]))
    }

    /// Runs a program inside with `lxc-attach`, with the container's environment in place of the caller's.
    pub fn exec(&self, cmd: &[&str]) -> Result<String> {
        output::stdout(self.tool("lxc-attach").args(["--clear-env", "--"]).args(cmd))
    }

    /// Kills what runs inside; returns when nothing does any more.
    pub fn stop(&self) -> Result<()> {
        output::stdout(self.tool("lxc-stop").arg("--kill")).map(drop)
    }

    /// Freezes all of its processes.
    pub fn freeze(&self) -> Result<()> {
        output::stdout(&mut self.tool("lxc-freeze")).map(drop)
    }

    /// Starts it after [`Container::stop`]; returns when its program runs.
    pub fn start_again(&self) -> Result<()> {
        let log = self.path.join(&self.name).join("log");
        let mut start = self.tool("lxc-start");
        let started = output::stdout(start.arg("--logfile").arg(&log));
        started.map(drop).with_context(|| output::last_lines(&log, 20))
    }

    /// One of LXC's tools, aimed at this container.
    fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command.arg("-P").arg(&self.path).arg("-n").arg(&self.name);
        command
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // Fails where it has been stopped. lxc-destroy would go for the root as well, which is everybody's.
        let _ = self.stop();
        let _ = std::fs::remove_dir_all(self.path.join(&self.name));
        let locks = Path::new(LOCKS).join(self.path.strip_prefix("/").unwrap_or(&self.path));
        let _ = std::fs::remove_file(locks.join(format!(".{}", self.name)));
        if self.path != Path::new(PATH) {
            let _ = std::fs::remove_dir(locks);
        }
    }
}

/// Removes what killed tests left at LXC's usual place; how many containers it was.
pub fn remove_all() -> Result<usize> {
    let entries = std::fs::read_dir(PATH).into_iter().flatten().flatten();
    let names =
        entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| name.starts_with(PREFIX));
    Ok(names.map(|name| Container { path: PATH.into(), name }).map(drop).count())
}

fn configuration(name: &str, root: &Path, more: &[&str]) -> String {
    let root = format!("lxc.rootfs.path = dir:{}", root.display());
    let host = format!("lxc.uts.name = {name}");
    let usual = [
        &root,
        &host,
        "lxc.rootfs.options = ro",
        "lxc.net.0.type = empty",
        "lxc.apparmor.profile = unconfined",
        "lxc.mount.auto = proc:mixed",
        "lxc.init.cmd = /bin/sleep 1000000",
    ];
    usual.iter().chain(more).map(|line| format!("{line}\n")).collect()
}
