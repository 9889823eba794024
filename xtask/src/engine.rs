//! `cargo xtask engine`: packages, a Docker engine that answers, test images, newest peers; and their removal.
//! What an image holds and how peers are unpacked is `testbed`'s.

mod containerd;

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use testbed::{LABEL, engine, host, image, lxc, nspawn, oci, output, peers, podman, probe, rootfs, wait};

/// The engine, the programs that tests run in namespaces, and the tools that measure; by Debian package, with a
/// file that tells whether it is there.
const PACKAGES: [(&str, &str); 30] = [
    ("docker.io", "/usr/sbin/dockerd"),
    ("containerd", "/usr/bin/containerd"),
    ("containernetworking-plugins", "/usr/lib/cni/ptp"),
    ("podman", "/usr/bin/podman"),
    ("crun", "/usr/bin/crun"),
    ("runc", "/usr/sbin/runc"),
    ("conmon", "/usr/bin/conmon"),
    ("catatonit", "/usr/bin/catatonit"),
    ("lxc", "/usr/bin/lxc-start"),
    ("systemd-container", "/usr/bin/systemd-nspawn"),
    ("iptables", "/usr/sbin/iptables"),
    ("nginx", "/usr/sbin/nginx"),
    ("tcpdump", "/usr/bin/tcpdump"),
    ("curl", "/usr/bin/curl"),
    ("bind9-dnsutils", "/usr/bin/dig"),
    ("dnsmasq-base", "/usr/sbin/dnsmasq"),
    ("iproute2", "/usr/sbin/ip"),
    ("ethtool", "/usr/sbin/ethtool"),
    ("ipvsadm", "/usr/sbin/ipvsadm"),
    ("busybox-static", "/bin/busybox"),
    ("iputils-ping", "/usr/bin/ping"),
    ("strace", "/usr/bin/strace"),
    ("hyperfine", "/usr/bin/hyperfine"),
    ("valgrind", "/usr/bin/valgrind"),
    ("util-linux", "/usr/bin/nsenter"),
    ("bash-completion", "/usr/share/bash-completion/bash_completion"),
    ("zsh", "/usr/bin/zsh"),
    ("fish", "/usr/bin/fish"),
    ("man-db", "/usr/bin/lexgrog"),
    ("mandoc", "/usr/bin/mandoc"),
];

/// The pid of the dockerd that `up` started. In a folder that a reboot empties, as it ends the engine.
const STATE: &str = "/run/cnsenter-testbed.pid";
const LOG: &str = "/var/log/cnsenter-testbed-dockerd.log";

/// Makes everything that tests need; does only what is missing.
pub(crate) fn up() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!(
            "starting an engine and joining namespaces needs root\n\
             hint: run it as root, such as `sudo env PATH=\"$PATH\" cargo xtask …`"
        );
    }
    install()?;
    let how = match engine::version() {
        Ok(_) => "already running".to_owned(),
        Err(_) => {
            start()?;
            format!("started; its log is {LOG}")
        }
    };
    let version = engine::version()?;
    // An engine can answer with its version and still be unable to do anything.
    let driver = engine::docker(&["info", "--format", "{{.Driver}}, cgroup v{{.CgroupVersion}}"])?;
    println!("engine: Docker {} ({driver}), {how}", version.engine);
    println!("images: {}, {}", image::busybox()?, image::nginx()?);
    // Before there are pods: it puts a mount over the folder of their networks, unless somebody has.
    println!("podman: {}, image {}", podman::version()?, podman::image()?);
    containerd::up()?;
    println!("by hand: {}, {}", oci::Runtime::Runc.version()?, oci::Runtime::Crun.version()?);
    let first = |command: &str, option: &str| -> Result<String> {
        Ok(output::stdout(Command::new(command).arg(option))?.lines().next().unwrap_or_default().to_owned())
    };
    println!("machines: LXC {}, nspawn of {}", first("lxc-start", "--version")?, first("systemd-nspawn", "--version")?);
    if peers::root().is_err() {
        println!("peers: downloading the newest nsenter and Docker engine");
    }
    peers::fetch()?;
    println!("peers: {}", peers::nsenter_version()?);
    Ok(())
}

/// Removes whatever carries our label, and stops what `up` started.
pub(crate) fn down() -> Result<()> {
    if engine::version().is_ok() {
        let label = format!("label={LABEL}");
        let containers = remove(&["ps", "-aq", "--filter", &label], &["rm", "--force", "--volumes"])?;
        let networks = remove(&["network", "ls", "-q", "--filter", &label], &["network", "rm"])?;
        let images = remove(&["images", "-aq", "--filter", &label], &["rmi", "--force"])?;
        println!("removed: {containers} containers, {networks} networks, {images} images of the tests");
    }
    if podman::version().is_ok() {
        println!("removed: {} containers, pods and networks of podman's", podman::remove_all()?);
    }
    let (by_hand, lxc, nspawn) = (oci::remove_all()?, lxc::remove_all()?, nspawn::remove_all()?);
    println!("removed: {by_hand} containers by hand, {lxc} of LXC's, {nspawn} notes of machines");
    println!("removed: {} folders of hosts of their own", host::remove_all()?);
    rootfs::remove()?;
    probe::remove()?;
    stop()?;
    // After the engine, which may be using it.
    containerd::down()
}

/// Stops the engine that `up` started.
fn stop() -> Result<()> {
    let Ok(pid) = fs::read_to_string(STATE) else {
        println!("engine: not started by `cargo xtask engine up`, left as it is");
        return Ok(());
    };
    let pid = pid.trim().to_owned();
    if comm(&pid).as_deref() == Some("dockerd") {
        output::stdout(Command::new("kill").arg(&pid))?;
        let gone = || comm(&pid).is_none_or(|name| name != "dockerd").then_some(());
        wait::until(Duration::from_secs(30), "the engine to stop", gone)?;
        println!("engine: stopped");
    }
    Ok(fs::remove_file(STATE)?)
}

fn remove(list: &[&str], remove: &[&str]) -> Result<usize> {
    let ids = engine::docker(list)?;
    // An image with two names is listed twice.
    let mut ids: Vec<&str> = ids.split_whitespace().collect();
    ids.sort_unstable();
    ids.dedup();
    if !ids.is_empty() {
        engine::docker(&[remove, &ids].concat())?;
    }
    Ok(ids.len())
}

/// Installs the Debian packages whose files are missing.
fn install() -> Result<()> {
    let missing = PACKAGES.iter().filter(|(_, file)| !Path::new(file).exists());
    let missing: Vec<&str> = missing.map(|(package, _)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !Path::new("/etc/debian_version").exists() {
        bail!(
            "this machine is not Debian, and lacks what Debian has in {}\n\
             hint: install these with the machine's own package manager, then try again",
            missing.join(", ")
        );
    }
    println!("packages: installing {}", missing.join(", "));
    let _quiet = NoServices::begin()?;
    let install = || {
        let mut command = apt();
        command.args(["install", "--yes", "--no-install-recommends"]);
        output::stdout(command.args(&missing)).map(drop)
    };
    // Lists that are missing or old are the usual reason for a failure, and fetching them takes a while.
    install().or_else(|_| {
        output::stdout(apt().arg("update"))?;
        install()
    })
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command.args(["-q", "-o", "Dpkg::Options::=--force-confold"]);
    command
}

/// While it lives, installing a package starts no service: nginx must not take the host's port 80.
struct NoServices {
    ours: bool,
}

const POLICY: &str = "/usr/sbin/policy-rc.d";

impl NoServices {
    fn begin() -> Result<NoServices> {
        let ours = !Path::new(POLICY).exists();
        if ours {
            fs::write(POLICY, "#!/bin/sh\nexit 101\n")?;
            rustix::fs::chmod(POLICY, rustix::fs::Mode::from_raw_mode(0o755))?;
        }
        Ok(NoServices { ours })
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.ours {
            let _ = fs::remove_file(POLICY);
        }
    }
}

/// Starts dockerd at its default paths and waits until it answers.
fn start() -> Result<()> {
    clear_leftovers()?;
    let answers = || engine::version().is_ok();
    launch("dockerd", &mut Command::new("/usr/sbin/dockerd"), Path::new(STATE), LOG, Duration::from_secs(60), answers)
}

/// Starts a daemon, notes its pid in a file, and waits until it answers. One that does not is ended, and what it said
/// last is in the error.
fn launch(
    name: &str,
    command: &mut Command,
    noted: &Path,
    log: &str,
    limit: Duration,
    answers: impl Fn() -> bool,
) -> Result<()> {
    let file = File::create(log).with_context(|| format!("cannot write {log}"))?;
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    // A group of its own: Ctrl-C on a test run is not meant for it.
    let mut child = command.process_group(0).spawn().with_context(|| format!("cannot run {name}"))?;
    fs::write(noted, child.id().to_string())?;
    let answered = wait::until(limit, &format!("{name} to answer"), || {
        let gone = !matches!(child.try_wait(), Ok(None));
        (gone || answers()).then_some(())
    });
    if answered.is_err() || !answers() {
        let how = if matches!(child.try_wait(), Ok(None)) { "does not answer" } else { "ended" };
        let _ = child.kill();
        let _ = child.wait();
        let _ = fs::remove_file(noted);
        let tail = output::last_lines(Path::new(log), 15);
        bail!("{name} could not be started: it {how}\n{tail}\nhint: its whole log is {log}");
    }
    Ok(())
}

/// A killed engine leaves pid files behind. dockerd refuses to start when any process has the pid in one, and
/// takes a stranger for its containerd; everything else (sockets, netns mounts, shims) it clears up itself.
fn clear_leftovers() -> Result<()> {
    // dockerd takes a socket there for the machine's own containerd, and waits for it in vain.
    let refused =
        |socket: &&Path| UnixStream::connect(socket).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused);
    if let Some(socket) = Some(Path::new(testbed::containerd::SOCKET)).filter(refused) {
        fs::remove_file(socket).with_context(|| format!("cannot remove the stale {}", socket.display()))?;
    }
    for (file, program) in [
        ("/run/docker.pid", "dockerd"),
        ("/var/run/docker/containerd/containerd.pid", "containerd"),
        ("/var/run/docker/containerd/docker-containerd.pid", "containerd"),
    ] {
        let Ok(pid) = fs::read_to_string(file) else { continue };
        if comm(pid.trim()).as_deref() != Some(program) {
            fs::remove_file(file).with_context(|| format!("cannot remove the stale {file}"))?;
        } else if program == "dockerd" {
            bail!(
                "dockerd runs as process {} but does not answer\n\
                 hint: look at its log, or stop it, then try again",
                pid.trim()
            );
        }
    }
    Ok(())
}

/// The name of a process's program, unless it has ended.
fn comm(pid: &str) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (name, state) = (stat.split_once('(')?.1).rsplit_once(") ")?;
    (!state.starts_with('Z')).then(|| name.to_owned())
}
