//! Records that are older than the end of their container: nobody wrote it down, since the daemon was stopped or dead. The
//! process that has the pid by now is nobody's to enter.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Result;
use testbed::{Container, engine, image, ns, output, pid, wait};

use super::{Bed, owned, timed};
use crate::run::{NET, cnsenter};

/// How often a pid that somebody else's new process took is given up for another container's.
const ATTEMPTS: usize = 5;

const LIMIT: Duration = Duration::from_secs(10);

/// Whatever is asked for, the container is said to have ended.
fn refused(bed: &Bed, pid: u32) -> Result<()> {
    let words = bed.words(&bed.on());
    for case in [&["--net"][..], &["--sandbox"], &["-a"], &[], &["--net", "-e"]] {
        let (taken, output) =
            timed(&mut cnsenter([&words[..], &owned(&[case, &[bed.web.name()], &NET].concat())].concat()))?;
        let first = format!("cnsenter: container {} is not running: its recorded pid {pid} is gone\n", bed.web.name());
        let second = "; what the runtime left on disk is older than its end; --wait enters its next run\n";
        let hint = output.stderr.strip_prefix(&first).unwrap_or_else(|| panic!("{output:?}"));
        // Why it went by that, too.
        assert!(hint.starts_with("hint: cannot ask Docker at ") && hint.ends_with(second), "{output:?}");
        assert_eq!((output.code, output.stdout.as_str(), hint.lines().count()), (Some(125), "", 1), "{output:?}");
        assert!(taken < super::TIMEOUT + super::BEYOND, "{taken:?}");
    }
    Ok(())
}

/// The end of a container that nobody wrote down.
fn unrecorded(before: impl Fn(&mut Bed) -> Result<()>) -> Result<()> {
    for _ in 0..ATTEMPTS {
        let mut bed = Bed::new()?;
        let pid = bed.web.pid()?;
        before(&mut bed)?;
        pid::end(pid)?;
        // Gone, or somebody else's new process: the same to cnsenter.
        refused(&bed, pid)?;
        let Ok(impostor) = pid::recycle(pid, Command::new("sleep").arg("100000")) else { continue };
        // The control: whoever goes by the number alone is in the host's network.
        let by_nsenter = output::run(Command::new("nsenter").args(["-t", &pid.to_string(), "-n"]).args(NET))?;
        assert_eq!(by_nsenter.stdout.trim_end(), ns::link("net", ns::own("net")?), "{by_nsenter:?}");
        refused(&bed, pid)?;
        drop(impostor);
        return Ok(());
    }
    anyhow::bail!("the pid went to somebody else each of {ATTEMPTS} times")
}

#[test]
fn a_container_that_ended_while_the_daemon_was_stopped() -> Result<()> {
    unrecorded(|bed| bed.newest.hang())
}

#[test]
fn a_container_that_ended_after_the_daemon_was_killed() -> Result<()> {
    unrecorded(|bed| bed.newest.kill())
}

#[test]
fn what_is_waited_for_is_entered_when_the_daemon_has_come_round() -> Result<()> {
    let mut newest = engine::Newest::start()?;
    let socket = newest.socket();
    let args = ["--network=none", "--restart=always"];
    let web = Container::run_at(&socket, image::busybox_at(&socket)?, &args, &["sleep", "100000"])?;
    let pid = web.pid()?;
    newest.hang()?;
    pid::end(pid)?;
    let (on, data, exec) = (format!("unix://{socket}"), newest.data().to_owned(), newest.exec());
    let mut command = cnsenter(["-v", "-H", &on, "--timeout", "500ms", "--wait=60s"]);
    command.arg("--state-root").arg(&data).arg("--state-root").arg(&exec).args(["--net", web.name(), NET[0], NET[1]]);
    let log = newest.data().join("cnsenter.log");
    let stderr = std::fs::File::create(&log)?;
    let waiting = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr).spawn()?;
    wait::until(LIMIT, "cnsenter to wait", || {
        std::fs::read_to_string(&log).ok()?.contains(&format!("waiting for {} to run", web.name())).then_some(())
    })?;
    newest.go_on()?;
    let output = waiting.wait_with_output()?;
    let theirs = ns::link("net", web.netns()?);
    assert_ne!(web.pid()?, pid, "it is the run before");
    let said = std::fs::read_to_string(&log)?;
    assert_eq!(
        (output.status.code(), String::from_utf8_lossy(&output.stdout).trim_end()),
        (Some(0), &*theirs),
        "{said}"
    );
    assert_eq!(said.lines().filter(|line| line.contains(" note: ")).count(), 1, "{said}");
    Ok(())
}
