//! The testbed's own check, on a real engine as root: each guard and helper once. What cnsenter does with them
//! is checked in `tests/engine`.

use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Result;
use testbed::{Container, Network, Scratch, engine, fake, image, ns, output, peers, pid, pty, wait};

#[test]
fn a_container_has_a_network_of_its_own_and_goes_with_its_guard() -> Result<()> {
    let network = Network::create(&[])?;
    let container = Container::run(image::busybox()?, &["--network", network.name()], &["sleep", "1000"])?;
    let net = container.netns()?;
    assert_ne!(net, ns::own("net")?);
    assert_eq!(ns::inode_of_file(&container.sandbox_key()?)?, net);
    assert_eq!(container.exec(&[], &["readlink", "/proc/self/ns/net"])?, ns::link("net", net));
    let id = container.id().to_owned();
    drop(container);
    assert!(engine::docker(&["inspect", &id]).is_err());
    let name = network.name().to_owned();
    drop(network);
    assert!(engine::docker(&["network", "inspect", &name]).is_err());
    Ok(())
}

#[test]
fn a_panic_removes_the_container_too() -> Result<()> {
    let container = Container::run(image::busybox()?, &["--network", "none"], &["sleep", "1000"])?;
    let id = container.id().to_owned();
    let panicked = std::panic::catch_unwind(move || {
        assert!(container.id().is_empty(), "on purpose");
    });
    assert!(panicked.is_err() && engine::docker(&["inspect", &id]).is_err());
    Ok(())
}

#[test]
fn the_nginx_image_serves() -> Result<()> {
    let container = Container::run(image::nginx()?, &[], &[])?;
    container.wait_for_port(80)?;
    assert!(container.exec(&[], &["wget", "-qO-", "http://127.0.0.1/"])?.contains("It works"));
    Ok(())
}

#[test]
fn a_pid_comes_back_when_it_is_wanted() -> Result<()> {
    let first = pid::Process::spawn(Command::new("sleep").arg("1000"))?;
    let wanted = first.pid();
    drop(first);
    let second = pid::recycle(wanted, Command::new("sleep").arg("1000"))?;
    assert_eq!(second.pid(), wanted);
    assert!(pid::recycle(wanted, &mut Command::new("true")).is_err());
    Ok(())
}

#[test]
fn a_session_has_a_terminal_and_job_control() -> Result<()> {
    let mut session = pty::Session::spawn(Command::new("bash").args(["--norc", "-i"]).env("PS1", "ready> "))?;
    session.expect("ready> ")?;
    session.type_text("tty; sleep 1000\n")?;
    session.expect("/dev/pts/")?;
    // A key reaches the foreground job only: wait until it is the one that is meant.
    let shell = session.pid();
    let in_foreground = |program: &str| {
        wait::until(Duration::from_secs(5), program, || {
            let job = std::fs::read_to_string(format!("/proc/{}/comm", foreground(shell)?));
            job.is_ok_and(|name| name.trim_end() == program).then_some(())
        })
    };
    in_foreground("sleep")?;
    session.type_text("\x1a")?;
    session.expect("Stopped")?;
    session.type_text("fg\n")?;
    in_foreground("sleep")?;
    session.type_text("\x03")?;
    in_foreground("bash")?;
    session.type_text("exit 7\n")?;
    assert_eq!(session.finish()?.0, 7);
    Ok(())
}

/// The foreground process group of a process's terminal: field 8 of its `stat`.
fn foreground(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.split_whitespace().nth(5)?.parse().ok()
}

#[test]
fn the_fakes_answer_as_told() -> Result<()> {
    let half = fake::Engine::half_answering(r#"{"Id":"0123456789"}"#)?;
    assert!(engine::docker_at(&half.socket().display().to_string(), &["inspect", "web"]).is_err());
    let silent = fake::Engine::silent()?;
    let stream = UnixStream::connect(silent.socket())?;
    stream.set_read_timeout(Some(Duration::from_millis(50)))?;
    assert!(std::io::Read::read(&mut &stream, &mut [0; 1]).is_err());
    Ok(())
}

#[test]
fn the_proxy_acts_between_the_answer_and_its_delivery() -> Result<()> {
    let container = Container::run(image::busybox()?, &["--network", "none"], &["sleep", "1000"])?;
    let seen = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&seen);
    let proxy = fake::Engine::in_front_of(engine::SOCKET, move |request, answer| {
        if request.path.ends_with("/json") && answer.contains("\"Pid\"") {
            count.fetch_add(1, Ordering::Relaxed);
        }
    })?;
    let socket = proxy.socket().display().to_string();
    let id = engine::docker_at(&socket, &["inspect", "--format", "{{.Id}}", container.name()])?;
    assert_eq!((id.as_str(), seen.load(Ordering::Relaxed)), (container.id(), 1));
    assert!(proxy.requests().iter().any(|request| request.path.contains(container.name())));
    Ok(())
}

#[test]
fn the_newest_nsenter_runs() -> Result<()> {
    assert!(peers::nsenter_version()?.contains("util-linux 2.4"));
    let root = Scratch::new()?;
    let output = output::run(peers::nsenter()?.arg("-t1").arg(format!("--net={}", root.path().display())))?;
    assert_eq!(output.code, Some(1), "{output:?}");
    Ok(())
}

#[test]
fn the_newest_engine_runs_beside_the_machines_own() -> Result<()> {
    let newest = engine::Newest::start()?;
    assert_ne!(newest.version()?.engine, engine::version()?.engine);
    let socket = newest.socket();
    let container = Container::run_at(&socket, image::busybox_at(&socket)?, &[], &["sleep", "1000"])?;
    assert_ne!(container.netns()?, ns::own("net")?);
    assert!(!container.ip()?.is_empty());
    // The file is there, but what is mounted on it is not: the host sees a plain file.
    assert_ne!(ns::inode_of_file(&container.sandbox_key()?)?, container.netns()?);
    Ok(())
}
