//! The system calls of each way in, by name, from the first namespace that is joined to the program: a stray open or mount
//! on that stretch shows as a change of a snapshot. What they do is shown elsewhere.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use testbed::{Container, Scratch, image, output};

use crate::run::on_default_engine;

/// Longer repetitions than this are not looked for.
const LONGEST: usize = 12;

fn container(args: &[&str]) -> Result<Container> {
    Container::run(image::busybox()?, args, &["sleep", "1000"])
}

#[test]
fn joining_alone() -> Result<()> {
    let web = container(&[])?;
    snapshot("raw", &["--raw", "--net", web.name(), "/bin/true"])?;
    snapshot("pid", &["-n", "-t", &web.pid()?.to_string(), "/bin/true"])?;
    snapshot("sandbox", &["--raw", "--sandbox", web.name(), "/bin/true"])
}

#[test]
fn host_tools_with_a_view() -> Result<()> {
    let web = container(&[])?;
    snapshot("net", &["--net", web.name(), "/bin/true"])?;
    snapshot("uts", &["--uts", web.name(), "/bin/true"])?;
    snapshot("net_pid", &["--net", "--pid", web.name(), "/bin/true"])
}

#[test]
fn the_containers_own_programs() -> Result<()> {
    let web = container(&[])?;
    snapshot("whole", &[web.name(), "/bin/true"])?;
    snapshot("as", &["--as", "1000:1000", web.name(), "/bin/true"])?;
    snapshot("privileged", &["--privileged", web.name(), "/bin/true"])?;
    snapshot("mount", &["--mount", web.name(), "/bin/true"])?;
    let strict = ["--security-opt=no-new-privileges", "--network=none", "--read-only"];
    let strict = container(&strict)?;
    snapshot("no_new_privileges", &[strict.name(), "/bin/true"])
}

#[track_caller]
fn snapshot(name: &str, words: &[&str]) -> Result<()> {
    let folder = Scratch::new()?;
    let mut strace = on_default_engine(Command::new("strace"));
    strace.args(["-ff", "-qq", "-e", "signal=none", "-o"]).arg(folder.path().join("calls"));
    let output = output::run(strace.arg(env!("CARGO_BIN_EXE_cnsenter")).args(words))?;
    ensure!(output.success(), "{words:?}: {output:?}");
    let mut text = String::new();
    for (at, process) in processes(folder.path())?.iter().enumerate() {
        let joins = process.iter().position(|call| call == "setns");
        // Whoever joins nothing and was not made by one that did only waits.
        let begins = joins.or((at > 0).then_some(0));
        let becomes = process.iter().rposition(|call| call == "execve" || call == "clone");
        let (Some(begins), Some(becomes)) = (begins, becomes.filter(|at| joins.is_none_or(|joins| *at > joins))) else {
            continue;
        };
        if joins.is_none() && process[becomes] != "execve" {
            continue;
        }
        text.push_str(&format!("{}\n", if joins.is_some() { "joins:" } else { "is born:" }));
        for call in shortened(&process[begins..=becomes]) {
            text.push_str(&format!("  {call}\n"));
        }
    }
    insta::assert_snapshot!(name, text);
    Ok(())
}

/// The calls of each process, by name, in the order in which the processes were made.
fn processes(folder: &Path) -> Result<Vec<Vec<String>>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let pid: u32 = path.extension().and_then(|pid| pid.to_str()).context("no pid")?.parse()?;
        files.push((pid, std::fs::read_to_string(path)?));
    }
    files.sort();
    // Rust asks that before it closes a descriptor, in programs that are built for tests.
    let is_ours = |line: &&str| !line.contains("F_GETFD");
    let name = |line: &str| line.split_once('(').map(|(name, _)| name.to_owned());
    Ok(files.iter().map(|(_, text)| text.lines().filter(is_ours).filter_map(name).collect()).collect())
}

/// What is said again right away is said once: how many mounts, groups or capabilities there are is the machine's.
fn shortened(calls: &[String]) -> Vec<String> {
    let mut all = calls.to_vec();
    for length in 1..=LONGEST {
        let mut at = 0;
        while at + 2 * length <= all.len() {
            match all[at..at + length] == all[at + length..at + 2 * length] {
                true => drop(all.drain(at + length..at + 2 * length)),
                false => at += 1,
            }
        }
    }
    all
}

#[test]
fn repetitions_are_shortened() {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(shortened(&words("a b b b c")), words("a b c"));
    assert_eq!(shortened(&words("a b c b c d")), words("a b c d"));
}
