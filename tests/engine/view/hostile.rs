//! Containers that put something else where their names are kept: nothing of the host's is shown, and nothing hangs.

use anyhow::{Result, ensure};
use testbed::{Container, image, output};

use crate::run::cnsenter;

/// A container that may do what it likes with its own files.
fn free() -> Result<Container> {
    let args =
        ["--cap-add", "SYS_ADMIN", "--security-opt", "apparmor=unconfined", "--security-opt", "seccomp=unconfined"];
    Container::run(image::busybox()?, &args, &["sleep", "1000"])
}

#[test]
fn what_is_no_file_is_not_read() -> Result<()> {
    let secret = std::fs::read_to_string("/etc/shadow")?;
    for trap in [
        "ln -s /etc/shadow /etc/resolv.conf",
        "ln -s ../../../../../../etc/shadow /etc/resolv.conf",
        "ln -s /proc/1/root/etc/shadow /etc/resolv.conf",
        "ln -s /proc/self/fd/3 /etc/resolv.conf",
        "ln -s resolv.conf /etc/resolv.conf",
        "mkfifo /etc/resolv.conf",
        "mknod /etc/resolv.conf c 1 5",
        "mknod /etc/resolv.conf c 5 0",
        "mkdir /etc/resolv.conf",
        "truncate -s 1G /etc/resolv.conf",
        "ln -s /dev/zero /etc/resolv.conf",
        "rm -rf /etc",
        "rm -rf /etc; ln -s /proc/1/root/etc /etc",
        "rm -rf /etc; mkfifo /etc",
    ] {
        let web = free()?;
        let script = format!("umount /etc/resolv.conf /etc/hosts /etc/hostname; rm -f /etc/resolv.conf; {trap}");
        web.exec(&[], &["sh", "-c", &script])?;
        let look = ["--net", "--uts", web.name(), "timeout", "60", "cat", "/etc/resolv.conf", "/etc/hostname"];
        let output = output::run(&mut cnsenter(look))?;
        ensure!(output.success(), "{trap}: {output:?}");
        let leaked = secret.lines().any(|line| output.stdout.contains(line));
        ensure!(!leaked && output.stdout.len() < 2000, "{trap}: {output:?}");
    }
    Ok(())
}

#[test]
fn what_is_too_large_is_said_and_not_shown() -> Result<()> {
    let web = Container::run(image::busybox()?, &[], &["sleep", "1000"])?;
    web.exec(&[], &["truncate", "-s", "1G", "/etc/hosts"])?;
    let output = output::run(&mut cnsenter(["--net", web.name(), "wc", "-c", "/etc/hosts"]))?;
    assert_eq!(output.stdout, "0 /etc/hosts\n", "{output:?}");
    assert!(output.stderr.contains("the container's /etc/hosts is too large to be shown"), "{output:?}");
    Ok(())
}
