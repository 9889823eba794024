//! Guards: what a test made on an engine or on disk, removed when the guard is dropped, by a panic too.
//! A guard for a process belongs in `pid` or `pty`.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};

use crate::{LABEL, PREFIX, engine, ns, wait};

/// A name that no other test has: the process's id makes it unique on the machine, the time from those that had the same id
/// before and were killed, the counter in the process.
pub fn unique_name() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    static BEGUN: LazyLock<u128> =
        LazyLock::new(|| SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis()));
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("{PREFIX}{}-{:x}-{number}", std::process::id(), *BEGUN & 0xf_ffff)
}

/// A container, removed with `docker rm -f` when dropped.
#[derive(Debug)]
pub struct Container {
    socket: String,
    id: String,
    name: String,
}

impl Container {
    /// Starts a container on the machine's own engine: `docker run -d ARGS IMAGE CMD`, named and labelled.
    /// A `--name` among `args` wins over the name that would be made up.
    pub fn run(image: &str, args: &[&str], cmd: &[&str]) -> Result<Container> {
        Self::make(engine::SOCKET, "run", image, args, cmd)
    }

    /// The same on another engine's socket.
    pub fn run_at(socket: &str, image: &str, args: &[&str], cmd: &[&str]) -> Result<Container> {
        Self::make(socket, "run", image, args, cmd)
    }

    /// `docker create`: a container that has never run.
    pub fn create(image: &str, args: &[&str], cmd: &[&str]) -> Result<Container> {
        Self::make(engine::SOCKET, "create", image, args, cmd)
    }

    fn make(socket: &str, verb: &str, image: &str, args: &[&str], cmd: &[&str]) -> Result<Container> {
        let given = args.iter().position(|arg| *arg == "--name").and_then(|at| args.get(at + 1));
        let name = given.map_or_else(unique_name, |name| (*name).to_owned());
        let mut words = vec![verb, "--label", LABEL];
        if verb == "run" {
            words.push("--detach");
        }
        if given.is_none() {
            words.extend(["--name", &name]);
        }
        words.extend(args);
        words.push(image);
        words.extend(cmd);
        match engine::docker_at(socket, &words) {
            Ok(id) => {
                let id = id.lines().last().unwrap_or_default().to_owned();
                Ok(Container { socket: socket.to_owned(), id, name })
            }
            Err(error) => {
                // `docker run` leaves the container behind when only its program could not start. A name that
                // was made up here can't be anybody else's.
                if given.is_none() {
                    let _ = engine::docker_at(socket, &["rm", "--force", &name]);
                }
                Err(error)
            }
        }
    }

    /// Its full ID.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The first twelve digits of its ID, as `docker ps` shows it.
    pub fn short_id(&self) -> &str {
        self.id.get(..12).unwrap_or(&self.id)
    }

    /// Its name, without a slash.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// One value out of `docker inspect`, by a Go template such as `{{.State.Status}}`.
    pub fn inspect(&self, format: &str) -> Result<String> {
        engine::docker_at(&self.socket, &["inspect", "--type=container", "--format", format, &self.id])
    }

    /// The pid of its first process, asked anew each time; 0 when it isn't running.
    pub fn pid(&self) -> Result<u32> {
        Ok(self.inspect("{{.State.Pid}}")?.parse()?)
    }

    /// The file of its network sandbox, as the engine reports it.
    pub fn sandbox_key(&self) -> Result<String> {
        self.inspect("{{.NetworkSettings.SandboxKey}}")
    }

    /// The inode number of its network namespace.
    pub fn netns(&self) -> Result<u64> {
        ns::inode(self.pid()?, "net")
    }

    /// Its address on the first of its networks that gave it one.
    pub fn ip(&self) -> Result<String> {
        let all = self.inspect("{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}")?;
        let first = all.split_whitespace().next();
        Ok(first.with_context(|| format!("container {} has no address", self.name))?.to_owned())
    }

    /// Runs a `docker` command on it: `docker WORDS… ID`.
    pub fn docker(&self, words: &[&str]) -> Result<String> {
        let mut all = words.to_vec();
        all.push(&self.id);
        engine::docker_at(&self.socket, &all)
    }

    /// Runs a program inside with `docker exec`.
    pub fn exec(&self, args: &[&str], cmd: &[&str]) -> Result<String> {
        let mut words = vec!["exec"];
        words.extend(args);
        words.push(&self.id);
        words.extend(cmd);
        engine::docker_at(&self.socket, &words)
    }

    /// Waits until something inside accepts a connection on this port of the container's address.
    pub fn wait_for_port(&self, port: u16) -> Result<()> {
        let address: SocketAddr = format!("{}:{port}", self.ip()?).parse()?;
        let limit = Duration::from_secs(15);
        wait::until(limit, &format!("{} to serve on {address}", self.name), || {
            TcpStream::connect_timeout(&address, limit).ok().map(drop)
        })
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = engine::docker_at(&self.socket, &["rm", "--force", "--volumes", &self.id]);
    }
}

/// A network, removed when dropped. Declare it before the containers on it: they must go first.
#[derive(Debug)]
pub struct Network {
    name: String,
}

impl Network {
    /// `docker network create ARGS NAME`, named and labelled.
    pub fn create(args: &[&str]) -> Result<Network> {
        Self::named(&unique_name(), args)
    }

    /// The same under a name of one's own choice, which must be free.
    pub fn named(name: &str, args: &[&str]) -> Result<Network> {
        let mut words = vec!["network", "create", "--label", LABEL];
        words.extend(args);
        words.push(name);
        engine::docker(&words)?;
        Ok(Network { name: name.to_owned() })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = engine::docker(&["network", "rm", &self.name]);
    }
}

/// An empty folder, removed with all that is in it when dropped.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// A new folder in the temporary folder.
    pub fn new() -> Result<Scratch> {
        Self::new_in(std::env::temp_dir())
    }

    /// A new folder in another one.
    pub fn new_in(parent: impl AsRef<Path>) -> Result<Scratch> {
        let path = parent.as_ref().join(unique_name());
        std::fs::create_dir(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Scratch { path })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
