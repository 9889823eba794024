//! cnsenter itself in a container, or its engine somewhere else: where the engine's pids are not those that it sees, it says
//! so and enters nothing, not even where that number happens to be somebody's.

mod rootless;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use testbed::{Container, Output, Scratch, engine, fake, image, output};

use crate::run::{NET, OWN, assert_refused, cnsenter, on_default_engine, run};

/// Where it lies in the containers.
const BINARY: &str = "/cnsenter";

fn target() -> Result<Container> {
    Container::run(image::busybox()?, &["--network=none", "--hostname=bee"], &["sleep", "100000"])
}

/// A file of the host's at the same place, to be read alone.
fn mounted(from: &Path, to: &Path) -> String {
    format!("--volume={}:{}:ro", from.display(), to.display())
}

/// What a container needs to run the program: itself, and the libraries that it would be loaded with if it is not static.
fn program() -> Result<Vec<String>> {
    let binary = PathBuf::from(cnsenter([""]).get_program());
    let ldd = output::run(Command::new("ldd").arg(&binary))?;
    let words = ldd.stdout.split_whitespace().filter(|word| word.starts_with('/'));
    let libraries: BTreeSet<_> = words.map(Path::new).collect();
    let mut volumes = vec![mounted(&binary, Path::new(BINARY))];
    for library in libraries {
        volumes.push(mounted(&library.canonicalize()?, library));
    }
    Ok(volumes)
}

/// A container in which cnsenter is run, that can ask the machine's own engine.
struct Room(Container);

impl Room {
    fn new(args: &[&str]) -> Result<Room> {
        let program = program()?;
        let volumes: Vec<_> = program.iter().map(String::as_str).collect();
        let args =
            [&["--network=none", "--volume=/var/run/docker.sock:/var/run/docker.sock"], &volumes[..], args].concat();
        Ok(Room(Container::run(image::busybox()?, &args, &["sleep", "100000"])?))
    }

    /// Runs a program in it.
    fn run(&self, words: &[&str]) -> Result<Output> {
        let mut docker = engine::client(engine::SOCKET);
        output::run(docker.args(["exec", self.0.id()]).args(words))
    }

    fn cnsenter(&self, words: &[&str]) -> Result<Output> {
        self.run(&[&[BINARY], words].concat())
    }
}

/// What is to be said, whatever was asked for.
fn out_of_reach(output: &Output, target: &Container) {
    let message = "its engine is in another pid namespace, whose numbers mean nothing here";
    assert_refused(
        output,
        &format!("container {} is not within reach: {message}", target.name()),
        "run cnsenter where the engine runs: on the host, or in a container with --pid=host; --sandbox needs no pid",
    );
}

#[test]
fn in_a_container_with_pids_of_its_own() -> Result<()> {
    let target = target()?;
    let pid = target.pid()?;
    let room = Room::new(&["--cap-add=SYS_ADMIN", "--cap-add=SYS_PTRACE"])?;
    let lines = [&["--net", target.name()][..], &["-a", target.name()], &[target.name()], &["--net", target.id()]];
    for words in lines {
        out_of_reach(&room.cnsenter(&[words, &NET].concat())?, &target);
    }
    // A process of that very number, in the container that cnsenter is in.
    let number = format!(
        "mount -o remount,rw /proc/sys; echo {} >/proc/sys/kernel/ns_last_pid; sleep 1000 >/dev/null 2>&1 & echo $!",
        pid - 1
    );
    let taken = room.run(&["sh", "-c", &format!("{number}; readlink /proc/{pid}/exe")])?;
    assert_eq!(taken.stdout, format!("{pid}\n/bin/busybox\n"), "{taken:?}");
    for words in lines {
        out_of_reach(&room.cnsenter(&[words, &NET].concat())?, &target);
    }
    Ok(())
}

#[test]
fn in_a_container_that_has_the_networks_files() -> Result<()> {
    let target = target()?;
    let netns = "--volume=/run/docker/netns:/var/run/docker/netns";
    let room = Room::new(&["--cap-add=SYS_ADMIN", netns])?;
    // The hint's own words work.
    let output = room.cnsenter(&["--sandbox", target.name(), NET[0], NET[1]])?;
    assert_eq!((output.code, output.stdout), (Some(0), target.exec(&[], &NET)? + "\n"), "{}", output.stderr);
    Ok(())
}

#[test]
fn in_a_container_that_has_the_hosts_pids() -> Result<()> {
    let target = target()?;
    let room = Room::new(&["--pid=host", "--cap-add=SYS_ADMIN", "--cap-add=SYS_PTRACE"])?;
    let theirs = target.exec(&[], &NET)?;
    for words in
        [&["--net", target.name()][..], &["--net", target.short_id()], &["-a", target.name()], &[target.name()]]
    {
        let output = room.cnsenter(&[words, &NET].concat())?;
        assert_eq!((output.code, output.stdout.trim_end()), (Some(0), theirs.as_str()), "{words:?}: {output:?}");
    }
    let output = room.cnsenter(&[target.name(), "hostname"])?;
    assert_eq!((output.code, output.stdout.trim_end()), (Some(0), "bee"), "{output:?}");
    Ok(())
}

#[test]
fn in_a_container_that_sees_the_hosts_proc() -> Result<()> {
    let target = target()?;
    let pid = target.pid()?;
    let caps = ["--cap-add=SYS_ADMIN", "--cap-add=SYS_PTRACE", "--volume=/proc:/host/proc"];
    let room = Room::new(&caps)?;
    let theirs = target.exec(&[], &NET)?;
    // Somebody has that number inside: whoever mixes the two kinds of numbers up enters this one.
    let script = format!(
        "mount -o remount,rw /proc/sys; echo {} >/proc/sys/kernel/ns_last_pid; sleep 1000 >/dev/null 2>&1 & \
         mount --rbind /host/proc /proc; exec \"$@\"",
        pid - 1
    );
    for words in
        [&["--net", target.name()][..], &["-a", target.name()], &[target.name()], &["--sandbox", target.name()]]
    {
        let line = [&["unshare", "-m", "sh", "-c", &script, "sh", BINARY], words, &NET].concat();
        let output = room.run(&line)?;
        match output.code {
            Some(0) => assert_eq!(output.stdout.trim_end(), theirs, "{words:?}: {output:?}"),
            code => assert_eq!((code, output.stdout.as_str()), (Some(OWN), ""), "{words:?}: {output:?}"),
        }
    }
    Ok(())
}

#[test]
fn in_a_container_that_has_dockers_state_and_no_daemon() -> Result<()> {
    let target = target()?;
    let pid = target.pid()?;
    let state = ["--volume=/var/lib/docker:/var/lib/docker:ro", "--volume=/run/docker:/run/docker:ro"];
    let caps = ["--cap-add=SYS_ADMIN", "--cap-add=SYS_PTRACE"];
    let nobody = ["-H", "unix:///nobody.sock", "--state-root=/var/lib/docker", "--state-root=/run/docker"];
    let room = Room::new(&[caps, state].concat())?;
    let output = room.cnsenter(&[&nobody[..], &["--net", target.name()], &NET].concat())?;
    assert_refused(
        &output,
        &format!("container {} is not running: its recorded pid {pid} is gone", target.name()),
        "cnsenter is in a container itself, and cannot see the host's processes: run it with --pid=host",
    );
    // The hint's own words work.
    let room = Room::new(&[&caps[..], &state, &["--pid=host"]].concat())?;
    let output = room.cnsenter(&[&nobody[..], &["--net", target.name()], &NET].concat())?;
    assert_eq!((output.code, output.stdout), (Some(0), target.exec(&[], &NET)? + "\n"), "{}", output.stderr);
    Ok(())
}

#[test]
fn an_engine_in_a_virtual_machine() -> Result<()> {
    let target = target()?;
    let home = Scratch::new()?;
    let folder = home.path().join(".docker/desktop");
    std::fs::create_dir_all(&folder)?;
    // Docker Desktop's socket is where it always is; what answers has the pids of another machine.
    let proxy = fake::Engine::in_front_of(engine::SOCKET, |_, _| {})?;
    let socket = folder.join("docker.sock");
    std::fs::hard_link(proxy.socket(), &socket).or_else(|_| std::os::unix::fs::symlink(proxy.socket(), &socket))?;
    let on = format!("unix://{}", socket.display());
    let message = "its engine, Docker Desktop, runs in a virtual machine, and so does it";
    let message = format!("container {} is not within reach: {message}", target.name());
    let hint = format!("docker exec {}, or a container with --pid=host --privileged and cnsenter in it", target.name());
    for words in [&["--net", target.name()][..], &["-a", target.name()], &[target.name()]] {
        assert_refused(&run([&["-H", &on], words, &NET].concat())?, &message, &hint);
        let mut command = on_default_engine(cnsenter([words, &NET].concat()));
        assert_refused(&output::run(command.env("DOCKER_HOST", &on))?, &message, &hint);
    }
    // By its context, which is how it is found as a rule.
    let contexts = home.path().join(".docker/contexts/meta/1");
    std::fs::create_dir_all(&contexts)?;
    let meta = format!(r#"{{"Name":"desktop-linux","Endpoints":{{"docker":{{"Host":"{on}"}}}}}}"#);
    std::fs::write(contexts.join("meta.json"), meta)?;
    std::fs::write(home.path().join(".docker/config.json"), r#"{"currentContext":"desktop-linux"}"#)?;
    let mut command = cnsenter(["--net", target.name(), "true"]);
    command.env("HOME", home.path()).env_remove("DOCKER_CONFIG");
    assert_refused(&output::run(&mut command)?, &message, &hint);
    Ok(())
}
