//! The machine's own containerd, at its default paths, through its `ctr` client: containers without an engine above
//! them. Starting it is `xtask`'s; pods, which its CRI plugin makes, are in `cri`.
//!
//! Images and namespaces stay for the next test, as images do on the Docker engine; `cargo xtask engine down`
//! removes them.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::fs::FlockOperation;

use crate::guard::unique_name;
use crate::{engine, image, ns, output, wait};

/// The socket of the machine's own containerd.
pub const SOCKET: &str = "/run/containerd/containerd.sock";

/// A namespace for whoever needs just one. Every namespace of the tests begins with this.
pub const NAMESPACE: &str = "cnsenter-test";

/// The namespace in which the CRI plugin keeps its pods.
pub const CRI_NAMESPACE: &str = "k8s.io";

/// Runs `ctr` with these words on the machine's own containerd; its standard output, or an error with its standard
/// error. A namespace is chosen with `-n` as the first of the words.
pub fn ctr(words: &[&str]) -> Result<String> {
    output::stdout(client().args(words))
}

/// Asks the machine's own containerd for its version, such as `1.6.20~ds1`. An error means that none answers.
pub fn version() -> Result<String> {
    // Without a limit of its own, ctr waits for a socket that nobody listens on.
    let text = ctr(&["--connect-timeout", "2s", "version"])?;
    let server = text.split_once("Server:").with_context(|| format!("ctr version answered {text:?}"))?.1;
    let version = server.lines().find_map(|line| line.trim().strip_prefix("Version:"));
    Ok(version.with_context(|| format!("ctr version answered {text:?}"))?.trim().to_owned())
}

/// The `ctr` client, aimed at the machine's own containerd whatever the user's environment says.
fn client() -> Command {
    let mut command = Command::new("ctr");
    command.env_remove("CONTAINERD_ADDRESS").env_remove("CONTAINERD_NAMESPACE").args(["--address", SOCKET]);
    command
}

/// Makes sure that the busybox image is in a namespace, and returns its name there.
pub fn image(namespace: &str) -> Result<String> {
    import(namespace, image::busybox()?)
}

/// Makes sure that an image of the Docker engine is in a namespace, and returns its name there.
pub fn import(namespace: &str, name: &str) -> Result<String> {
    let id = engine::docker(&["image", "inspect", "--format", "{{.Id}}", name])?;
    let reference = format!("docker.io/{name}:latest");
    if is_current(namespace, &reference, &id) {
        return Ok(reference);
    }
    // Tests run as processes of their own: the first one imports, the others wait for it.
    let lock = File::create(std::env::temp_dir().join("cnsenter-testbed-containerd.lock"))?;
    rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
    if is_current(namespace, &reference, &id) {
        return Ok(reference);
    }
    let mut save = engine::client(engine::SOCKET);
    let mut save = save.args(["save", name]).stdout(Stdio::piped()).spawn().context("cannot run docker")?;
    let mut import = client();
    let archive = save.stdout.take().context("docker save has no output")?;
    let result = import.args(["--namespace", namespace, "images", "import", "-"]).stdin(archive).output();
    let result = output::Output::from(result.context("cannot run ctr")?);
    if !save.wait()?.success() || !result.success() {
        bail!("cannot import the image {name} into containerd's namespace {namespace}: {result:?}");
    }
    Ok(reference)
}

/// Whether an image is the one with this ID on the Docker engine, where an ID is the digest of the configuration.
fn is_current(namespace: &str, reference: &str, id: &str) -> bool {
    let found = ctr(&["-n", namespace, "images", "ls", &format!("name=={reference}")]).unwrap_or_default();
    let digest = found.split_whitespace().find(|word| word.starts_with("sha256:"));
    let manifest = digest.and_then(|digest| ctr(&["-n", namespace, "content", "get", digest]).ok());
    manifest.is_some_and(|manifest| manifest.contains(id))
}

/// A container that `ctr` made, removed when dropped.
#[derive(Debug)]
pub struct Container {
    namespace: String,
    id: String,
}

impl Container {
    /// Starts a container of the busybox image: `ctr -n NAMESPACE run -d OPTIONS IMAGE ID PROGRAM`, under an ID that
    /// is made up. Its standard streams lead nowhere.
    pub fn run(namespace: &str, options: &[&str], program: &[&str]) -> Result<Container> {
        Self::run_as(namespace, &unique_name(), options, program)
    }

    /// The same under an ID of one's own choice, which must be free in that namespace.
    pub fn run_as(namespace: &str, id: &str, options: &[&str], program: &[&str]) -> Result<Container> {
        let ours = namespace.starts_with(NAMESPACE) || namespace == CRI_NAMESPACE;
        ensure!(ours, "{namespace} is nobody's namespace of the tests");
        let image = image(namespace)?;
        let mut words = vec!["-n", namespace, "run", "--detach", "--null-io"];
        words.extend(options);
        words.extend([&image, id]);
        words.extend(program);
        // The container's record is made before its program is found missing, and stays.
        let taken = ctr(&["-n", namespace, "containers", "info", id]).is_ok();
        ensure!(!taken, "there is a container {id} in containerd's namespace {namespace} already");
        let container = Container { namespace: namespace.to_owned(), id: id.to_owned() };
        ctr(&words)?;
        Ok(container)
    }

    /// Its ID, which is its only name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its namespace in containerd.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The pid of its first process, asked anew each time; 0 when it isn't running.
    pub fn pid(&self) -> Result<u32> {
        match self.task()? {
            Some((pid, status)) if status != "STOPPED" => Ok(pid),
            _ => Ok(0),
        }
    }

    /// The state of its task, such as `RUNNING`, `PAUSED` or `STOPPED`; none when it has no task.
    pub fn status(&self) -> Result<Option<String>> {
        Ok(self.task()?.map(|(_, status)| status))
    }

    fn task(&self) -> Result<Option<(u32, String)>> {
        let table = ctr(&["-n", &self.namespace, "tasks", "ls"])?;
        let mut rows = table.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
        match rows.find(|row| row.first() == Some(&self.id.as_str())).as_deref() {
            None => Ok(None),
            Some([_, pid, status]) => Ok(Some((pid.parse()?, (*status).to_owned()))),
            Some(row) => bail!("ctr tasks ls printed {row:?}"),
        }
    }

    /// The inode number of its network namespace.
    pub fn netns(&self) -> Result<u64> {
        ns::inode(self.pid()?, "net")
    }

    /// Runs a `ctr` command on it, such as `tasks pause`: `ctr -n NAMESPACE WORDS… ID`.
    pub fn ctr(&self, words: &[&str]) -> Result<String> {
        ctr(&[&["-n", &self.namespace], words, &[&self.id]].concat())
    }

    /// Runs a program inside.
    pub fn exec(&self, program: &[&str]) -> Result<String> {
        let words = ["-n", &self.namespace, "tasks", "exec", "--exec-id", &unique_name(), &self.id];
        ctr(&[&words, program].concat())
    }

    /// Kills its processes and waits for their end. The task stays, as a stopped one, with all its files.
    pub fn kill(&self) -> Result<()> {
        self.ctr(&["tasks", "kill", "--all", "--signal", "KILL"])?;
        wait::until(Duration::from_secs(10), &format!("the end of {}", self.id), || {
            (self.status().ok()?? == "STOPPED").then_some(())
        })
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // What is frozen cannot be killed in cgroup v1.
        let _ = self.ctr(&["tasks", "resume"]);
        let _ = self.ctr(&["tasks", "rm", "--force"]);
        let _ = self.ctr(&["containers", "rm"]);
    }
}

/// Removes an empty cgroup from every hierarchy: its runtime leaves what is above a container's own.
pub fn remove_cgroup(path: &str) {
    let root = Path::new("/sys/fs/cgroup");
    let path = path.trim_start_matches('/');
    let _ = std::fs::remove_dir(root.join(path));
    for hierarchy in std::fs::read_dir(root).into_iter().flatten().flatten() {
        let _ = std::fs::remove_dir(hierarchy.path().join(path));
    }
}
