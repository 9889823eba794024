//! An ordinary user's podman: its state lies where the user's environment says, its containers are in a user namespace, and
//! both root and the user enter them.

use std::os::unix::fs::chown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use testbed::{LABEL, Output, Scratch, guard, ns, output, pid, wait};

use crate::run::{NET, OWN, assert_refused, cnsenter, on_default_engine};

/// Whom Debian calls nobody.
const NOBODY: u32 = 65534;

/// crun wants no second cgroup tree, nor limits above those that there are.
const SCRIPT: &str = "umount /sys/fs/cgroup/unified 2>/dev/null || :; exec setpriv --reuid=65534 --regid=65534 \
                      --clear-groups podman --cgroup-manager=cgroupfs \"$@\"";
const LIMITS: &str = "[containers]\ndefault_ulimits = [\"nofile=20000:20000\", \"nproc=32768:32768\"]\n";

/// The user's folders, and a container.
struct Rootless {
    folder: Scratch,
    name: String,
}

impl Rootless {
    fn start() -> Result<Rootless> {
        let user = Rootless { folder: Scratch::new()?, name: guard::unique_name() };
        for folder in ["", "home", "run", "run/podman", "rootfs/bin", "rootfs/proc", "rootfs/dev", "rootfs/sys"]
            .into_iter()
            .chain(["rootfs/etc", "rootfs/run", "rootfs/tmp"])
        {
            std::fs::create_dir_all(user.folder.path().join(folder))?;
            chown(user.folder.path().join(folder), Some(NOBODY), Some(NOBODY))?;
        }
        std::fs::copy("/bin/busybox", user.folder.path().join("rootfs/bin/busybox"))?;
        std::fs::copy(cnsenter([""]).get_program(), user.folder.path().join("cnsenter"))?;
        std::fs::write(user.folder.path().join("containers.conf"), LIMITS)?;
        let rootfs = user.folder.path().join("rootfs").display().to_string();
        let run = ["run", "--detach", "--label", LABEL, "--name", &user.name, "--network=none", "--hostname=bee"];
        output::stdout(
            user.podman(&[&run[..], &["--cgroups=disabled", "--rootfs", &rootfs, "/bin/busybox"]].concat())
                .args(["sleep", "100000"]),
        )?;
        Ok(user)
    }

    /// With the user's environment.
    fn environment(&self, mut command: Command) -> Command {
        let folder = self.folder.path();
        command.env("HOME", folder.join("home")).env("XDG_RUNTIME_DIR", folder.join("run")).env_remove("XDG_DATA_HOME");
        command.env("CONTAINERS_CONF", folder.join("containers.conf")).env_remove("CONTAINER_HOST").current_dir("/");
        on_default_engine(command)
    }

    fn podman(&self, words: &[&str]) -> Command {
        let mut command = self.environment(Command::new("unshare"));
        // podman wants that folder where it is named.
        command.env_remove("DOCKER_CONFIG");
        command.args(["--mount", "--propagation", "private", "sh", "-c", SCRIPT, "sh"]).args(words);
        command
    }

    /// cnsenter, run by root with the user's environment, as sudo may leave it.
    fn by_root(&self, words: &[&str]) -> Result<Output> {
        output::run(&mut self.environment(cnsenter(words)))
    }

    /// The same, told where the user's state is.
    fn by_root_who_was_told(&self, words: &[&str]) -> Result<Output> {
        let folder = |folder: &str| self.folder.path().join(folder).display().to_string();
        let roots = [folder("run/crun"), folder("home/.local/share/containers/storage")];
        let told = ["--state-root", &roots[0], "--state-root", &roots[1]];
        self.by_root(&[&told, words].concat())
    }

    /// cnsenter, run by the user.
    fn by_user(&self, words: &[&str]) -> Result<Output> {
        let mut command = self.environment(Command::new("setpriv"));
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(self.folder.path().join("cnsenter"));
        output::run(command.args(words))
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("run/podman/podman.sock")
    }
}

impl Drop for Rootless {
    fn drop(&mut self) {
        let _ = output::run(&mut self.podman(&["rm", "--force", "--time=0", &self.name]));
        // What keeps the user's namespaces.
        let pause = std::fs::read_to_string(self.folder.path().join("run/libpod/tmp/pause.pid"));
        let pause = pause.ok().and_then(|pid| rustix::process::Pid::from_raw(pid.trim().parse().ok()?));
        if let Some(pause) = pause {
            let _ = rustix::process::kill_process(pause, rustix::process::Signal::KILL);
        }
    }
}

/// Every way in, whoever tells of the container.
fn entered(user: &Rootless) -> Result<()> {
    let pid = output::stdout(&mut user.podman(&["inspect", "--format={{.State.Pid}}", &user.name]))?.parse()?;
    let theirs = ns::link("net", ns::inode(pid, "net")?);
    assert_ne!(ns::inode(pid, "user")?, ns::own("user")?, "nothing is shown here");
    let name = user.name.as_str();
    let by_scheme = format!("podman://{name}");
    let id = output::stdout(&mut user.podman(&["inspect", "--format={{.Id}}", name]))?;
    for target in [name, &by_scheme, &id, &id[..12]] {
        let inside = [target, "/bin/busybox", "readlink", "/proc/self/ns/net"];
        for output in [
            user.by_root_who_was_told(&["--net", target, NET[0], NET[1]])?,
            user.by_root_who_was_told(&inside)?,
            user.by_user(&["--user", "--net", target, NET[0], NET[1]])?,
            user.by_user(&inside)?,
        ] {
            assert_eq!((output.code, output.stdout.trim_end()), (Some(0), theirs.as_str()), "{target}: {output:?}");
            assert_eq!(output.stderr, "", "{target}");
        }
    }
    // Whoever writes in a user's folders must not decide what root enters.
    assert_eq!(user.by_root(&["--net", name, "true"])?.code, Some(OWN));
    assert_refused(
        &user.by_user(&["--net", name, "true"])?,
        &format!("cannot join the net namespace of process {pid}: Operation not permitted"),
        "it is in a user namespace of its own, which gives the right to join: add --user",
    );
    Ok(())
}

#[test]
fn an_ordinary_users_podman_by_its_state_and_by_its_service() -> Result<()> {
    let user = Rootless::start()?;
    entered(&user)?;
    let mut service = pid::Process::spawn(&mut user.podman(&[
        "system",
        "service",
        "--time=0",
        &format!("unix://{}", user.socket().display()),
    ]))?;
    wait::until(Duration::from_secs(20), "podman's service", || UnixStream::connect(user.socket()).ok())
        .with_context(|| format!("{:?}", service.child().try_wait()))?;
    let output = user.by_user(&["-v", "--user", "--net", &format!("podman://{}", user.name), "true"])?;
    assert!(output.stderr.contains(&format!("asking podman at {}", user.socket().display())), "{output:?}");
    entered(&user)
}
