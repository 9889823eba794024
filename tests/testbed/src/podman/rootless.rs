//! podman of an ordinary user, with folders of his own: what it starts has no cgroup where those are of version 1, and
//! lives in a user namespace. Root's podman is in the module above.

use std::fs::{File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use rustix::fs::FlockOperation;

use super::{CONFIGURATION, IMAGE, Service, hidden};
use crate::guard::{Scratch, unique_name};
use crate::{LABEL, output, rootfs};

/// Debian's `nobody`: podman wants a user with a name, and needs no more.
const USER: u32 = 65534;

/// Where podman notes which of its locks are taken, for all of a user's podmans, whatever their folders.
const LOCKS: &str = "/dev/shm/libpod_rootless_lock_65534";

/// The user's podman. All that it made goes when this is dropped. There is one at a time on the machine.
#[derive(Debug)]
pub struct Rootless {
    folder: Scratch,
    _lock: File,
}

impl Rootless {
    /// A podman that has the image of busybox, and nothing else.
    pub fn new() -> Result<Rootless> {
        let lock = File::create(std::env::temp_dir().join("cnsenter-testbed-rootless.lock"))?;
        rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
        let rootless = Rootless { folder: Scratch::new()?, _lock: lock };
        for folder in [rootless.home(), rootless.runtime_folder()] {
            std::fs::create_dir(&folder)?;
            chown(&folder, Some(USER), Some(USER))?;
            // podman refuses a runtime folder that others may look into.
            std::fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
        }
        std::fs::write(rootless.configuration(), CONFIGURATION)?;
        let archive = rootless.folder.path().join("busybox.tar");
        let mut tar = Command::new("tar");
        tar.arg("-C").arg(rootfs::busybox()?).args(["--owner=0", "--group=0", "-cf"]).arg(&archive).arg(".");
        output::stdout(&mut tar)?;
        let archive = archive.display().to_string();
        rootless.podman(&["import", "--quiet", "--change", &format!("LABEL={LABEL}"), &archive, IMAGE])?;
        Ok(rootless)
    }

    /// The user's number. Nothing maps other users: inside he is root and all there is.
    pub fn user(&self) -> u32 {
        USER
    }

    /// His home, with podman's storage in `.local/share/containers/storage`.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// His `$XDG_RUNTIME_DIR`.
    pub fn runtime_folder(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// Where his service listens if nothing else is said.
    pub fn socket(&self) -> PathBuf {
        self.runtime_folder().join("podman/podman.sock")
    }

    fn configuration(&self) -> PathBuf {
        self.folder.path().join("containers.conf")
    }

    /// Makes this user, in his environment, run a command: whoever asks his podman.
    pub fn as_user<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        self.environment(command).uid(USER).gid(USER)
    }

    fn environment<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        for name in ["XDG_DATA_HOME", "XDG_CONFIG_HOME", "CONTAINER_HOST", "DOCKER_HOST"] {
            command.env_remove(name);
        }
        let home = self.home();
        command.env("HOME", &home).env("XDG_RUNTIME_DIR", self.runtime_folder()).current_dir(home)
    }

    /// The command that becomes podman as this user, once crun can bear what it sees.
    fn command(&self, unshare: Command) -> Result<Command> {
        let user = USER.to_string();
        let program = ["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups", "podman"];
        let mut command = hidden(unshare, &program)?;
        self.environment(&mut command).env("CONTAINERS_CONF", self.configuration());
        Ok(command)
    }

    /// Runs his `podman` with these words; its standard output, or an error with its standard error.
    pub fn podman(&self, words: &[&str]) -> Result<String> {
        output::stdout(self.command(Command::new("unshare"))?.args(words))
    }

    /// Starts a container without a network; its name and its ID. It goes with the user's podman.
    pub fn run(&self, program: &[&str]) -> Result<(String, String)> {
        let name = unique_name();
        let words = ["run", "--detach", "--label", LABEL, "--network", "none", "--name", &name, IMAGE];
        let id = self.podman(&[&words, program].concat())?;
        Ok((name, id.lines().last().unwrap_or_default().to_owned()))
    }

    /// The pid of a container's first process, as the host counts.
    pub fn pid(&self, name: &str) -> Result<u32> {
        Ok(self.podman(&["inspect", "--format", "{{.State.Pid}}", name])?.parse()?)
    }

    /// His service, at its usual socket.
    pub fn serve(&self) -> Result<Service> {
        let folder = self.socket();
        let folder = folder.parent().context("a socket has a folder")?;
        std::fs::create_dir_all(folder)?;
        chown(folder, Some(USER), Some(USER))?;
        Service::serve(self.command(Command::new("unshare"))?, &self.socket())
    }
}

impl Drop for Rootless {
    fn drop(&mut self) {
        let _ = self.podman(&["rm", "--force", "--time", "0", "--all"]);
        // This ends the process that holds his user namespace, too.
        let _ = self.podman(&["system", "reset", "--force"]);
        let _ = std::fs::remove_file(LOCKS);
    }
}
