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
        let mut command = cnsenter(words);
        command.env("HOME", self.podman.home()).env("XDG_RUNTIME_DIR", self.podman.runtime_folder());
        output::run(command.env_remove("XDG_DATA_HOME").env_remove("CONTAINER_HOST"))
    }

    /// The same, told where the user's state is.
    fn by_root_who_was_told(&self, words: &[&str]) -> Result<Output> {
        let roots =
            [self.podman.runtime_folder().join("crun"), self.podman.home().join(".local/share/containers/storage")];
        let roots = roots.map(|root| root.display().to_string());
        let told = ["--state-root", &roots[0], "--state-root", &roots[1]];
        self.by_root(&[&told, words].concat())
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
