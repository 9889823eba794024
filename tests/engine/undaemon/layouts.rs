//! The folders in which engines usually are: each as it would be on a machine of its own, by bind mounts in a private
//! mount namespace. cnsenter gets no word of where anything is.

use std::process::Command;

use anyhow::{Context, Result};
use testbed::{Container, fake, image, output};

use super::{BEYOND, Bed, TIMEOUT, timed};
use crate::run::{NET, cnsenter, on_default_engine, quiet};

/// What hides this machine's own engines, and keeps the other one's folders at hand below /mnt.
const ALONE: &str = r#"
data=$1 exec=$2 socket=$3; shift 3
mount -t tmpfs none /mnt
mkdir /mnt/above /mnt/work /mnt/data /mnt/exec
mount --bind "$data" /mnt/data
mount --bind "$exec" /mnt/exec
: >/mnt/socket
mount --bind "$socket" /mnt/socket
mount -t tmpfs none /run
mount -t tmpfs none /var/lib/docker
at() { mkdir -p "$2"; mount --bind "$1" "$2"; }
listening() { : >"$1"; mount --bind /mnt/socket "$1"; }
"#;

/// A package's engine.
const DEFAULT: &str = "at /mnt/data /var/lib/docker; at /mnt/exec /run/docker; listening /run/docker.sock";
/// The same with its socket gone.
const NO_SOCKET: &str = "at /mnt/data /var/lib/docker; at /mnt/exec /run/docker";
/// A snap's. It has folders that a machine without snaps lacks.
const SNAP: &str = "
mount -t overlay -o lowerdir=/var,upperdir=/mnt/above,workdir=/mnt/work none /var
at /mnt/data /var/snap/docker/common/var-lib-docker
at /mnt/exec /run/snap.docker
listening /run/docker.sock
";
/// An ordinary user's.
const ROOTLESS: &str = "
export HOME=/mnt/home XDG_RUNTIME_DIR=/run/user/1000 DOCKER_HOST=unix:///run/user/1000/docker.sock
at /mnt/data $HOME/.local/share/docker
at /mnt/exec $XDG_RUNTIME_DIR/docker
listening $XDG_RUNTIME_DIR/docker.sock
";

impl Bed {
    /// cnsenter without any option, in this layout.
    fn within(&self, layout: &str) -> impl Fn(&[String]) -> Command {
        let script = format!("{ALONE}{layout}\nexec \"$@\"");
        let places = [self.newest.data().to_owned(), self.newest.exec(), self.newest.socket().into()];
        move |case| {
            let mut command = on_default_engine(Command::new("unshare"));
            command.env_remove("XDG_RUNTIME_DIR").env_remove("XDG_DATA_HOME");
            command.args(["--mount", "--propagation", "private", "sh", "-euc", &script, "sh"]).args(&places);
            command.arg(cnsenter([""]).get_program());
            command.args(["--timeout", &format!("{}ms", TIMEOUT.as_millis())]).args(case);
            command
        }
    }
}

#[test]
fn each_usual_place_is_known_without_a_word() -> Result<()> {
    let mut bed = Bed::new()?;
    // The control: while the engine answers it is asked, at this address, and nothing is said.
    for layout in [DEFAULT, SNAP, ROOTLESS] {
        let words = ["--net", bed.web.name(), NET[0], NET[1]].map(str::to_owned);
        let output = output::run(&mut bed.within(layout)(&words))?;
        assert_eq!((output.stdout, output.stderr), (bed.web.exec(&[], &NET)? + "\n", String::new()));
    }
    bed.newest.hang()?;
    let (socket, snap) = ("/var/run/docker.sock", "/var/snap/docker/common/var-lib-docker");
    let rootless = "/run/user/1000/docker.sock (DOCKER_HOST)";
    for (layout, address, failure, data, limit) in [
        (DEFAULT, socket, "no answer in 0.5 s", "/var/lib/docker", TIMEOUT + BEYOND),
        (SNAP, socket, "no answer in 0.5 s", snap, TIMEOUT + BEYOND),
        (ROOTLESS, rootless, "no answer in 0.5 s", "/mnt/home/.local/share/docker", TIMEOUT + BEYOND),
        (NO_SOCKET, socket, "there is no socket", "/var/lib/docker", BEYOND),
    ] {
        let note =
            format!("cnsenter: note: cannot ask Docker at {address}: {failure}; going by what is on disk, {data}");
        bed.check(bed.within(layout), &note, limit)?;
    }
    Ok(())
}

#[test]
fn the_machines_own_engine_behind_a_socket_that_hangs() -> Result<()> {
    let args = ["--network=none", "--hostname=bee", "--env=COLOUR=red"];
    let web = Container::run(image::busybox()?, &args, &["sleep", "100000"])?;
    let hung = fake::Engine::silent()?;
    let socket = hung.socket().display().to_string();
    let key = web.sandbox_key()?;
    let file = key.rsplit('/').next().context("no file")?;
    let note =
        "cannot ask Docker at /var/run/docker.sock: no answer in 0.5 s; going by what is on disk, /var/lib/docker";
    for words in [
        &["--net", web.name(), NET[0], NET[1]][..],
        &["--net", web.short_id(), NET[0], NET[1]],
        &["--sandbox", web.name(), NET[0], NET[1]],
        &["--sandbox", file, NET[0], NET[1]],
        &[web.name(), "hostname"],
        &[web.id(), "env"],
    ] {
        let mut command = on_default_engine(Command::new("unshare"));
        command.args(["--mount", "--propagation", "private", "sh", "-euc"]);
        command.arg("mount --bind \"$1\" /run/docker.sock; shift; exec \"$@\"").args(["sh", &socket]);
        command.arg(cnsenter([""]).get_program()).args(["--timeout", "500ms"]).args(words);
        let (taken, output) = timed(&mut command)?;
        assert_eq!((output.code, output.stdout.trim_end()), (Some(0), quiet(words)?.as_str()), "{words:?}: {output:?}");
        let reason = note.split("; going by").next().unwrap_or_default();
        let said = match words[1] == file {
            true => format!("{reason}; going by the file's name alone"),
            false => note.to_owned(),
        };
        assert_eq!(output.stderr, format!("cnsenter: note: {said}\n"), "{words:?}");
        assert!(taken < TIMEOUT + BEYOND, "{words:?} took {taken:?}");
    }
    Ok(())
}
