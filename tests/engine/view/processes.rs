//! `/proc` of a pid namespace that was entered.

use anyhow::{Result, ensure};
use testbed::{Container, image, oci};

use super::idle;
use crate::run::{quiet, run};

#[test]
fn processes_are_those_of_the_container() -> Result<()> {
    let web = Container::run(image::nginx()?, &[], &[])?;
    web.wait_for_port(80)?;
    let ps = ["ps", "-e", "-o", "pid=,comm="];
    let names = |option: &[&str]| quiet(option.iter().chain(&[web.name()]).chain(&ps));
    let shown = names(&["--pid"])?;
    ensure!(shown.trim_start().starts_with("1 nginx") && !shown.contains("dockerd"), "{shown}");
    // Not by ps, which fails where its own number means nobody in that /proc.
    let raw = run(["--pid", "--raw", web.name(), "sh", "-c", "cat /proc/[0-9]*/comm"])?.stdout;
    ensure!(raw.contains("dockerd"), "the host's /proc shows nothing: {raw}");
    let top = quiet(["--pid", web.name(), "top", "-b", "-n1"])?;
    ensure!(top.contains("nginx") && !top.contains("dockerd"), "{top}");
    let sockets = quiet(["--net", "--pid", web.name(), "ss", "-ltnp"])?;
    ensure!(sockets.contains("users:((\"nginx\",pid="), "{sockets}");
    // Without the pid namespace its numbers are the host's, and they are told apart.
    let sockets = quiet(["--net", web.name(), "ss", "-ltnp"])?;
    ensure!(sockets.contains(&format!("pid={}", web.pid()?)), "{sockets}");
    let own = quiet(["--pid", web.name(), "sh", "-c", "echo $$; readlink /proc/self; cat /proc/1/comm; pwd"])?;
    let lines: Vec<_> = own.lines().collect();
    ensure!(lines[2] == "nginx" && lines[1].parse::<u32>()? < 1000, "{own}");
    ensure!(lines[3] == std::env::current_dir()?.to_string_lossy(), "{own}");
    Ok(())
}

#[test]
fn a_tracer_finds_the_first_process() -> Result<()> {
    let busy = oci::Container::run(oci::Runtime::Runc, None, &[], &["sh", "-c", "while :; do sleep 0.01; done"])?;
    // Ends by SIGPIPE, once there was something to say.
    let script = "strace -p 1 2>&1 | head -n 4";
    let traced = quiet(["--pid", busy.id(), "sh", "-c", script])?;
    ensure!(traced.contains("strace: Process 1 attached") && traced.lines().count() == 4, "{traced}");
    Ok(())
}

#[test]
fn a_shared_pid_namespace_is_not_shown_anew() -> Result<()> {
    let web = idle(&["--pid", "host"])?;
    let script = "ps -e -o comm= | grep -c dockerd; readlink /proc/self/ns/mnt";
    let output = run(["--pid", web.name(), "sh", "-c", script])?;
    assert_eq!(output.stdout, crate::run::stdout("sh", &["-c", script])? + "\n", "{output:?}");
    let owner = idle(&[])?;
    let guest = idle(&["--pid", &format!("container:{}", owner.name())])?;
    let shown = quiet(["--pid", guest.name(), "ps", "-e", "-o", "comm="])?;
    assert_eq!(shown, "sleep\nsleep\nps");
    Ok(())
}

#[test]
fn without_a_fork_the_program_stays_outside() -> Result<()> {
    let web = idle(&[])?;
    let shown = quiet(["--pid", "--no-fork", web.name(), "cat", "/proc/self/comm"])?;
    assert_eq!(shown, "cat");
    Ok(())
}
