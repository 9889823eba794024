//! An ordinary user's podman: its state lies where the user's environment says, its containers are in a user namespace, and
//! both root and the user enter them.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use testbed::podman::rootless::Rootless;
use testbed::{Output, Scratch, ns, output};

use crate::run::{NET, OWN, assert_refused, cnsenter, copy_for_everybody, on_default_engine};

/// The user's podman with a container, and a cnsenter that he may run.
struct User {
    podman: Rootless,
    name: String,
    id: String,
    program: PathBuf,
    _folder: Scratch,
}

impl User {
    fn new() -> Result<User> {
        let podman = Rootless::new()?;
        let (name, id) = podman.run(&["sleep", "100000"])?;
        let (folder, program) = copy_for_everybody()?;
        Ok(User { podman, name, id, program, _folder: folder })
    }

    /// cnsenter, run by root with the user's environment, as sudo may leave it.
    fn by_root(&self, words: &[&str]) -> Result<Output> {
        self.with_environment(&mut cnsenter(words))
    }

    fn with_environment(&self, command: &mut Command) -> Result<Output> {
        command.env("HOME", self.podman.home()).env("XDG_RUNTIME_DIR", self.podman.runtime_folder());
        output::run(command.env_remove("XDG_DATA_HOME").env_remove("CONTAINER_HOST"))
    }

    /// The same, told where the user's state is.
    fn by_root_who_was_told(&self, words: &[&str]) -> Result<Output> {
        let told = self.told();
        self.by_root(&told.iter().map(String::as_str).chain(words.iter().copied()).collect::<Vec<_>>())
    }

    fn told(&self) -> [String; 4] {
        let storage = self.podman.home().join(".local/share/containers/storage").display().to_string();
        let records = self.podman.runtime_folder().join("crun").display().to_string();
        ["--state-root".to_owned(), records, "--state-root".to_owned(), storage]
    }

    /// cnsenter, run by the user.
    fn by_user(&self, words: &[&str]) -> Result<Output> {
        let mut command = on_default_engine(Command::new(&self.program));
        output::run(self.podman.as_user(command.args(words)))
    }
}

/// Every way in, whoever tells of the container.
fn entered(user: &User) -> Result<()> {
    let pid = user.podman.pid(&user.name)?;
    let theirs = ns::link("net", ns::inode(pid, "net")?);
    assert_ne!(ns::inode(pid, "user")?, ns::own("user")?, "nothing is shown here");
    let name = user.name.as_str();
    let by_scheme = format!("podman://{name}");
    for target in [name, &by_scheme, &user.id, &user.id[..12]] {
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
    // What host tools see is the container's: root says so, and the user of the namespace.
    let script = "ls /sys/class/net; cat /etc/hosts /etc/resolv.conf; ls -d /sys/fs/cgroup/*";
    // Without a network podman gives it no resolv.conf.
    let own = user.podman.podman(&["exec", name, "sh", "-c", "ls /sys/class/net; cat /etc/hosts"])?;
    let cgroups = crate::run::stdout("sh", &["-c", "ls -d /sys/fs/cgroup/*"])?;
    for output in [
        user.by_root_who_was_told(&["--net", name, "sh", "-c", script])?,
        user.by_root_who_was_told(&["--user", "--net", "--pid", name, "sh", "-c", script])?,
        user.by_user(&["--user", "--net", name, "sh", "-c", script])?,
        user.by_user(&["--user", "--net", "--pid", "--uts", name, "sh", "-c", script])?,
    ] {
        assert_eq!(output.stdout, format!("{}\n{cgroups}\n", own.trim_end()), "{output:?}");
    }
    // Where something hides a part of the host's /sys, the kernel gives no other to a user namespace.
    let mut hidden = on_default_engine(Command::new("unshare"));
    hidden.args(["--mount", "sh", "-c", "mount -t tmpfs hidden /sys/kernel; exec \"$@\"", "sh"]);
    hidden.arg(crate::cnsenter().get_program()).args(user.told());
    hidden.args(["--user", "--net", name, "sh", "-c", "cat /etc/hosts; ls -d /sys/class/net/docker0 /sys/fs/cgroup"]);
    let output = user.with_environment(&mut hidden)?;
    assert!(output.success() && output.stdout.ends_with("/sys/class/net/docker0\n/sys/fs/cgroup\n"), "{output:?}");
    let note = "cnsenter: note: /sys still is the host's: this user namespace may not mount the container's\n";
    assert_eq!(output.stderr, note);
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
    let user = User::new()?;
    entered(&user)?;
    let _service = user.podman.serve()?;
    let output = user.by_user(&["-v", "--user", "--net", &format!("podman://{}", user.name), "true"])?;
    assert!(output.stderr.contains(&format!("asking podman at {}", user.podman.socket().display())), "{output:?}");
    entered(&user)
}
