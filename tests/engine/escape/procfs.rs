//! A container's /proc that is none: folders and files of its own in the place of what the kernel would say or be told.

use std::io::Read;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testbed::{Container, output, wait};

use super::{Host, KINDS, container, inside};
use crate::spellings::sides::children;

/// A folder in the place of /proc, with what a joiner could read or write.
const FAKE: &str = "mount -t tmpfs none /proc; for dir in self thread-self 1; do mkdir -p /proc/$dir/attr /proc/$dir/fd; \
    for file in oom_score_adj uid_map gid_map setgroups status attr/exec attr/current loginuid; do echo deny >/proc/$dir/$file; done; done; \
    mkdir -p /proc/sys/kernel; echo 1 >/proc/sys/kernel/cap_last_cap; chmod -R 777 /proc";

/// The real one, with files bound over single entries.
const COVERED: &str = "mount -t proc proc /proc; echo deny >/fake; for file in oom_score_adj attr/exec attr/current setgroups; do \
    [ -e /proc/self/$file ] || continue; mount -o bind /fake /proc/1/$file; done; chmod 777 /fake";

fn hostile(fake: &str) -> Result<Container> {
    // It takes capabilities to lie.
    let options = ["--cap-add", "SYS_ADMIN", "--security-opt", "apparmor=unconfined", "--oom-score-adj", "321"];
    let container = container(&KINDS[0], &options)?;
    container.exec(&[], &["sh", "-c", fake])?;
    Ok(container)
}

fn written(container: &Container) -> Result<String> {
    inside(container, "find /proc/self /proc/thread-self /proc/1 /fake -type f -exec cat {} + 2>/dev/null | sort -u; :")
}

#[test]
fn what_is_told_to_the_kernel_is_told_to_the_kernel() -> Result<()> {
    let host = Host::new()?;
    for fake in [FAKE, COVERED] {
        let container = hostile(fake)?;
        let pid = container.pid()?.to_string();
        if fake == FAKE {
            // The control: whoever writes by path writes into the container's file.
            let write = "echo 500 >/proc/self/oom_score_adj; cat /proc/self/oom_score_adj";
            let control = output::run(&mut host.nsenter(["-m", "-p", "-t", &pid, "sh", "-c", write]))?;
            ensure!(control.stdout == "500\n" && written(&container)?.contains("500"), "it withstands: {control:?}");
            inside(&container, "echo deny >/proc/self/oom_score_adj")?;
        }
        let mut command = host.cnsenter([container.name(), "sh", "-c", "echo ready; exec cat"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut said = [0; 6];
        child.stdout.as_mut().context("no pipe")?.read_exact(&mut said)?;
        // The setter that made it may not be gone yet.
        let (score, status) = wait::until(Duration::from_secs(30), "the program", || {
            let mut lowest = child.id();
            while let Some(below) = children(lowest).first() {
                lowest = *below;
            }
            let read = |file: &str| std::fs::read_to_string(format!("/proc/{lowest}/{file}")).ok();
            (read("comm")? == "cat\n").then_some((read("oom_score_adj")?, read("status")?))
        })?;
        drop(child.stdin.take());
        ensure!(child.wait()?.success());
        ensure!(score == "321\n", "{fake}: its score is {score}");
        let bounding = |status: &str| status.lines().find(|line| line.starts_with("CapBnd")).map(str::to_owned);
        let own = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        ensure!(bounding(&status) == bounding(&own), "{fake}: {status}");
        if fake == FAKE {
            ensure!(
                written(&container)?.trim() == "1\ndeny" || written(&container)?.trim() == "deny",
                "{}",
                written(&container)?
            );
        }
    }
    Ok(())
}
