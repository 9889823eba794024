//! What is not looked at: all processes of the host, unless nothing else is left. It costs the more the busier the host is.

use std::process::Command;

use anyhow::{Context, Result};
use testbed::{Container, Scratch, cri, guard, image, lxc, nspawn, oci, output, podman};

use crate::run::{NET, cnsenter, on_default_engine};

/// Whether cnsenter lists `/proc` on its way to this target, and what the program printed.
fn lists_processes(words: &[&str]) -> Result<(bool, String)> {
    let folder = Scratch::new()?;
    let log = folder.path().join("trace");
    let mut strace = on_default_engine(Command::new("strace"));
    strace.args(["-e", "trace=openat", "-o"]).arg(&log).arg(crate::cnsenter().get_program());
    let output = output::run(strace.arg("--net").args(words).args(NET))?;
    let trace = std::fs::read_to_string(&log).with_context(|| format!("strace left no {}", log.display()))?;
    Ok((trace.lines().any(|line| line.contains("\"/proc\", ")), output.stdout))
}

#[test]
fn names_of_every_runtime_are_found_without_a_look_at_all_processes() -> Result<()> {
    let docker = Container::run(image::busybox()?, &["--network", "none"], &["sleep", "1000"])?;
    let podman = podman::Container::run(&[], &["sleep", "1000"])?;
    let by_hand = oci::Container::run(oci::Runtime::Runc, None, &[], &["sleep", "1000"])?;
    let lxc = lxc::Container::start()?;
    let pod = cri::Pod::run_on_host_network(&guard::unique_name(), "scan")?;
    let app = pod.container("app", &["sleep", "1000"])?;
    let pod_name = format!("pod/scan/{}/app", pod.name());
    let state =
        ["-H", "unix:///nonexistent/docker.sock", "--state-root", "/var/lib/docker", "--state-root", "/run/docker"];
    let by_state = [&state[..], &[docker.name()]].concat();
    let by_prefix = [&state[..], &[docker.short_id()]].concat();
    let lines: [&[&str]; 10] = [
        &[docker.name()],
        &[docker.short_id()],
        &by_state,
        &by_prefix,
        &[podman.name()],
        &[&podman.id()[..12]],
        &[by_hand.id()],
        &[lxc.name()],
        &[&pod_name],
        &[app.id()],
    ];
    for words in lines {
        let (lists, printed) = lists_processes(words)?;
        assert!(printed.starts_with("net:["), "{words:?} led nowhere");
        assert!(!lists, "{words:?} looked at all processes");
    }
    Ok(())
}

#[test]
fn what_only_the_processes_tell_is_found_by_them() -> Result<()> {
    let machine = nspawn::Machine::start()?;
    let (lists, printed) = lists_processes(&[machine.name()])?;
    assert!(lists && printed.starts_with("net:["), "{printed}");
    // A container whose engine nobody can ask and whose state lies nobody knows where: its ID is in its cgroup.
    let docker = Container::run(image::busybox()?, &["--network", "none"], &["sleep", "1000"])?;
    let mut hidden = Command::new("unshare");
    hidden.args([
        "--mount",
        "sh",
        "-euc",
        "mount -t tmpfs none /var/lib/docker; mount -t tmpfs none /run; exec \"$@\"",
        "sh",
    ]);
    let line = cnsenter(["--net", docker.short_id()].iter().chain(&NET));
    let output = output::run(hidden.arg(line.get_program()).args(line.get_args()).env_remove("DOCKER_HOST"))?;
    assert_eq!(output.stdout.trim_end(), docker.exec(&[], &NET)?, "{output:?}");
    Ok(())
}
