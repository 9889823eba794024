//! podman at its default paths, with crun: containers and pods without any daemon, and its service, which speaks
//! Docker's API, for as long as a test wants it. Installing it is `xtask`'s; an ordinary user's podman is in
//! `podman/rootless`.

pub mod rootless;

use std::fs::File;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::fs::FlockOperation;

use crate::guard::{Scratch, unique_name};
use crate::{LABEL, image, output, rootfs, wait};

/// The image of busybox.
pub const IMAGE: &str = "localhost/cnsenter-test/busybox";

/// Where the service listens if nothing else is said.
pub const SOCKET: &str = "/run/podman/podman.sock";

/// The label that says of what the image was made.
const STAMP: &str = "cnsenter.test.made-of";

/// What podman asks of the kernel may be more than this machine lets root have.
const CONFIGURATION: &str = "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n";

/// Becomes a program that runs crun, which refuses a machine with cgroups of both versions unless it does not see the
/// second. What is mounted below is nobody else's business.
const SCRIPT: &str = "if mountpoint -q /sys/fs/cgroup/unified; then mount --make-private /sys/fs/cgroup; \
                      umount /sys/fs/cgroup/unified; fi; exec \"$@\"";

/// Where podman mounts network namespaces on files.
const NETNS: &str = "/run/netns";

/// Where CNI notes the addresses of a network.
const ADDRESSES: &str = "/var/lib/cni/networks";

/// A `podman` command, in a mount namespace of its own, to which words can be added.
pub fn command() -> Result<Command> {
    hidden(Command::new("unshare"), &["podman"])
}

/// Completes a command that ends in `unshare`, so that it runs `program` where crun sees what it can bear.
fn hidden(mut command: Command, program: &[&str]) -> Result<Command> {
    share_networks()?;
    let configuration = std::env::temp_dir().join("cnsenter-testbed-containers.conf");
    if std::fs::read_to_string(&configuration).ok().as_deref() != Some(CONFIGURATION) {
        // In one step: another test may be reading it.
        let fresh = configuration.with_extension(std::process::id().to_string());
        std::fs::write(&fresh, CONFIGURATION)?;
        std::fs::rename(fresh, &configuration)?;
    }
    command.args(["--mount", "--propagation", "unchanged", "sh", "-ec", SCRIPT, "sh"]).args(program);
    command.env("CONTAINERS_CONF", configuration);
    for name in ["CONTAINER_HOST", "XDG_RUNTIME_DIR"] {
        command.env_remove(name);
    }
    Ok(command)
}

/// Lets what one podman mounts on the file of a network be seen by the host and by all later ones, which could do nothing
/// without, not even list containers. Only a mount that is shared reaches the mount namespaces of others. It stays, as
/// that of `ip netns` does.
fn share_networks() -> Result<()> {
    let is_shared = || {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let at = |line: &&str| line.split(' ').nth(4) == Some(NETNS);
        mounts.lines().rfind(at).is_some_and(|line| line.contains(" shared:"))
    };
    if is_shared() {
        return Ok(());
    }
    std::fs::create_dir_all(NETNS)?;
    let lock = File::open(NETNS)?;
    rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
    if !is_shared() {
        output::stdout(Command::new("mount").args(["--rbind", NETNS, NETNS]))?;
        output::stdout(Command::new("mount").args(["--make-shared", NETNS]))?;
    }
    Ok(())
}

/// Runs `podman` with these words; its standard output, or an error with its standard error.
pub fn podman(words: &[&str]) -> Result<String> {
    output::stdout(command()?.args(words))
}

/// podman's version, and that of the runtime below it. An error means that it cannot be run.
pub fn version() -> Result<String> {
    podman(&["info", "--format", "{{.Version.Version}}, {{.Host.OCIRuntime.Name}}"])
}

/// Makes sure that the image is there, and returns its name.
pub fn image() -> Result<&'static str> {
    let root = rootfs::busybox()?;
    let lock = File::create(std::env::temp_dir().join("cnsenter-testbed-podman.lock"))?;
    rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
    let stamp = image::busybox_stamp()?;
    let made_of = podman(&["image", "inspect", "--format", &format!("{{{{index .Labels \"{STAMP}\"}}}}"), IMAGE]);
    if made_of.ok().as_ref() != Some(&stamp) {
        let mut tar = Command::new("tar");
        let tar = tar.arg("-C").arg(root).args(["-c", "."]).stdout(Stdio::piped()).spawn().context("cannot run tar")?;
        let stdin = tar.stdout.context("tar has no output")?;
        let label = |label: &str| format!("LABEL={label}");
        let changes = [label(LABEL), label(&format!("{STAMP}={stamp}"))];
        let changes = changes.iter().flat_map(|change| ["--change", change]);
        let mut import = command()?;
        import.arg("import").args(changes).args(["-", IMAGE]).stdin(stdin);
        let done = output::Output::from(import.output().context("cannot run podman")?);
        if !done.success() {
            bail!("cannot import {IMAGE}: {done:?}");
        }
    }
    Ok(IMAGE)
}

/// A container, removed when dropped.
#[derive(Debug)]
pub struct Container {
    name: String,
    id: String,
}

impl Container {
    /// `podman run -d OPTIONS IMAGE PROGRAM`, without a network unless an option says otherwise.
    pub fn run(options: &[&str], program: &[&str]) -> Result<Container> {
        Self::make(&["run", "--detach"], options, program)
    }

    /// `podman create`: a container that has never run.
    pub fn create(options: &[&str], program: &[&str]) -> Result<Container> {
        Self::make(&["create"], options, program)
    }

    fn make(verb: &[&str], options: &[&str], program: &[&str]) -> Result<Container> {
        let image = image()?;
        let has = |option: &str| options.iter().any(|word| word.split('=').next() == Some(option));
        let given = options.iter().position(|option| *option == "--name").and_then(|at| options.get(at + 1));
        let name = given.map_or_else(unique_name, |name| (*name).to_owned());
        let mut words = [verb, &["--label", LABEL]].concat();
        if given.is_none() {
            words.extend(["--name", &name]);
        }
        if !has("--network") && !has("--pod") {
            words.extend(["--network", "none"]);
        }
        words.extend(options);
        words.push(image);
        words.extend(program);
        let id = podman(&words).inspect_err(|_| {
            // A container whose program could not start stays. A name that was made up here can't be anybody else's.
            if given.is_none() {
                let _ = podman(&["rm", "--force", "--time", "0", &name]);
            }
        })?;
        Ok(Container { name, id: id.lines().last().unwrap_or_default().to_owned() })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its full ID.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// One value out of `podman inspect`.
    pub fn inspect(&self, format: &str) -> Result<String> {
        podman(&["inspect", "--format", format, &self.id])
    }

    /// The pid of its first process; 0 when it isn't running.
    pub fn pid(&self) -> Result<u32> {
        Ok(self.inspect("{{.State.Pid}}")?.parse()?)
    }

    /// Runs a program inside.
    pub fn exec(&self, program: &[&str]) -> Result<String> {
        podman(&[&["exec", &self.id], program].concat())
    }

    /// Runs a podman command on it, such as `stop`.
    pub fn podman(&self, words: &[&str]) -> Result<String> {
        podman(&[words, &[&self.id]].concat())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = podman(&["rm", "--force", "--time", "0", &self.id]);
    }
}

/// A pod, removed with all its containers when dropped.
#[derive(Debug)]
pub struct Pod {
    name: String,
}

impl Pod {
    /// `podman pod create`, without a network.
    pub fn create() -> Result<Pod> {
        let pod = Pod { name: unique_name() };
        podman(&["pod", "create", "--label", LABEL, "--name", &pod.name, "--network", "none"])?;
        Ok(pod)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts a container in it.
    pub fn run(&self, options: &[&str], program: &[&str]) -> Result<Container> {
        Container::run(&[&["--pod", &self.name], options].concat(), program)
    }

    /// The pid of the container whose namespaces the others share.
    pub fn infra_pid(&self) -> Result<u32> {
        let id = podman(&["pod", "inspect", "--format", "{{.InfraContainerID}}", &self.name])?;
        Ok(podman(&["inspect", "--format", "{{.State.Pid}}", &id])?.parse()?)
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        let _ = podman(&["pod", "rm", "--force", "--time", "0", &self.name]);
    }
}

/// A network with a bridge of its own and no way out, removed when dropped. Declare it before the containers on it.
#[derive(Debug)]
pub struct Network {
    name: String,
}

impl Network {
    /// `podman network create`.
    pub fn create() -> Result<Network> {
        let network = Network { name: unique_name() };
        podman(&["network", "create", "--internal", "--label", LABEL, &network.name])?;
        Ok(network)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = podman(&["network", "rm", "--force", "--time", "0", &self.name]);
        // The addresses that it has given out: CNI keeps no list of networks, and so none of what is gone.
        let _ = std::fs::remove_dir_all(Path::new(ADDRESSES).join(&self.name));
    }
}

/// podman's service, stopped when dropped.
#[derive(Debug)]
pub struct Service {
    child: Child,
    socket: PathBuf,
    _folder: Option<Scratch>,
    _lock: File,
}

impl Service {
    /// The service on a socket of its own.
    pub fn start() -> Result<Service> {
        let folder = Scratch::new()?;
        let socket = folder.path().join("podman.sock");
        let mut service = Self::start_at(&socket)?;
        service._folder = Some(folder);
        Ok(service)
    }

    /// The service on this socket, such as [`SOCKET`]: a test waits for another that has it.
    pub fn start_at(socket: &Path) -> Result<Service> {
        // A test that is killed drops no guard: the service then gets the signal from the kernel.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "unshare"]);
        Self::serve(hidden(command, &["podman"])?, socket)
    }

    /// Runs the service with what is a podman command, and waits until it answers.
    fn serve(mut command: Command, socket: &Path) -> Result<Service> {
        let folder = socket.parent().unwrap_or(socket);
        std::fs::create_dir_all(folder)?;
        let lock = File::open(folder)?;
        rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
        ensure!(UnixStream::connect(socket).is_err(), "somebody else serves at {}", socket.display());
        command.args(["system", "service", "--time", "0"]).arg(format!("unix://{}", socket.display()));
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().context("cannot run podman")?;
        let mut service = Service { child, socket: socket.to_owned(), _folder: None, _lock: lock };
        let answers =
            || output::stdout(Command::new("curl").args(["-sf", "--unix-socket"]).arg(socket).arg("http://d/_ping"));
        wait::until(Duration::from_secs(20), "podman's service", || {
            let gone = !matches!(service.child.try_wait(), Ok(None));
            (gone || answers().is_ok()).then_some(())
        })?;
        match answers() {
            Ok(_) => Ok(service),
            Err(error) => bail!("podman's service ended: {error:#}"),
        }
    }

    /// Its socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// Removes whatever carries our label: pods, containers, networks; how much it was.
pub fn remove_all() -> Result<usize> {
    let label = format!("label={LABEL}");
    let mut count = 0;
    for (list, remove) in [
        (["pod", "ps", "-q", "--filter"].as_slice(), ["pod", "rm", "--force", "--time", "0"].as_slice()),
        (&["ps", "-aq", "--filter"], &["rm", "--force", "--time", "0"]),
        (&["network", "ls", "-q", "--filter"], &["network", "rm", "--force", "--time", "0"]),
    ] {
        let ids = podman(&[list, &[&label]].concat())?;
        let ids: Vec<_> = ids.split_whitespace().collect();
        if !ids.is_empty() {
            podman(&[remove, &ids].concat())?;
        }
        count += ids.len();
    }
    let _ = podman(&["rmi", "--force", IMAGE]);
    Ok(count)
}
