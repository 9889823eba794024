//! How each number is taken: times by hyperfine, memory under strace, instructions by callgrind. What is
//! promised about them is the parent's.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use testbed::{output, pid, wait};

use crate::interrupt;

/// In how many rounds the runs of a command are made.
const ROUNDS: usize = 8;

/// A command line to be timed.
#[derive(Clone)]
pub(super) struct Contender {
    pub(super) name: &'static str,
    line: String,
}

impl Contender {
    pub(super) fn new(name: &'static str, line: String) -> Contender {
        Contender { name, line }
    }
}

/// The middle of all its runs, and of the lower and the upper half of them.
#[derive(Clone, Debug)]
pub(super) struct Median {
    pub(super) name: &'static str,
    pub(super) milliseconds: f64,
    pub(super) quartiles: (f64, f64),
}

/// Times the commands in turn, each so often, warm-up aside.
pub(super) fn medians(contenders: &[Contender], runs: usize, scratch: &Path) -> Result<Vec<Median>> {
    let json = scratch.join("hyperfine.json");
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); contenders.len()];
    let runs = runs / ROUNDS;
    for round in 0..ROUNDS {
        interrupt::check()?;
        // Whoever comes first in a round meets a machine in another state than whoever comes last.
        let order: Vec<usize> = (0..contenders.len()).map(|at| (at + round) % contenders.len()).collect();
        let mut hyperfine = Command::new("hyperfine");
        hyperfine.args(["--shell=none", "--style=none"]);
        hyperfine.args([format!("--warmup={}", runs / 5), format!("--runs={runs}")]);
        hyperfine.arg("--export-json").arg(&json);
        hyperfine.args(order.iter().map(|at| contenders[*at].line.as_str()));
        output::stdout(&mut hyperfine)?;
        let results: serde_json::Value = serde_json::from_slice(&std::fs::read(&json)?)?;
        for (place, at) in order.into_iter().enumerate() {
            let seconds = results["results"][place]["times"].as_array().context("hyperfine wrote no times")?;
            times[at].extend(seconds.iter().filter_map(serde_json::Value::as_f64));
        }
    }
    Ok(contenders.iter().zip(times).map(|(contender, times)| median(contender.name, times)).collect())
}

/// The median of a command, by its name.
pub(super) fn of(times: &[Median], name: &str) -> f64 {
    times.iter().find(|median| median.name == name).map_or(f64::NAN, |median| median.milliseconds)
}

fn median(name: &'static str, mut seconds: Vec<f64>) -> Median {
    seconds.sort_by(f64::total_cmp);
    let at = |share: f64| seconds[(seconds.len() as f64 * share) as usize] * 1000.0;
    Median { name, milliseconds: at(0.5), quartiles: (at(0.25), at(0.75)) }
}

/// What a cnsenter process has used when it is about to become the program.
pub(super) struct BeforeExec {
    pub(super) peak_kib: u64,
    pub(super) threads: u64,
}

/// Reads it while strace holds the process at the entry of its `execve`.
pub(super) fn before_exec(cnsenter: &str, container: &str) -> Result<BeforeExec> {
    let mut strace = Command::new("strace");
    // strace's own execve, of cnsenter, may be held too, according to its version: it's waited for.
    strace.args(["-qq", "-e", "trace=execve", "-e", "inject=execve:delay_enter=3000000"]);
    strace.args(["-o", "/dev/null", cnsenter, "--net", container, "/bin/true"]);
    let strace = pid::Process::spawn(&mut strace)?;
    let children = format!("/proc/{0}/task/{0}/children", strace.pid());
    let status = wait::until(Duration::from_secs(10), "cnsenter to come to its execve", || {
        let child: u32 = std::fs::read_to_string(&children).ok()?.trim().parse().ok()?;
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{child}/{file}")).ok();
        // Before the first execve the child is still strace.
        let number = read("syscall")?.split(' ').next()?.to_owned();
        let held = read("comm")?.trim_end() == "cnsenter" && number == EXECVE;
        // Stopped by its tracer: while its own first execve goes on it is called cnsenter already, and has no memory yet.
        read("status").filter(|status| held && status.contains("\nState:\tt"))
    })?;
    Ok(BeforeExec { peak_kib: field(&status, "VmHWM:")?, threads: field(&status, "Threads:")? })
}

/// The number of `execve`.
const EXECVE: &str = if cfg!(target_arch = "x86_64") { "59" } else { "221" };

fn field(status: &str, name: &str) -> Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.with_context(|| format!("/proc/PID/status has no {name}"))?.parse()?)
}

/// Counts instructions from start to the attempt to run a program that isn't there.
pub(super) fn instructions(cnsenter: &str, container: &str) -> Result<u64> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    let output = output::run(valgrind.args([cnsenter, "--net", container, "/no/such/program"]))?;
    if output.code != Some(127) {
        bail!("cnsenter under callgrind did not get as far as the program: {output:?}");
    }
    let line = output.stderr.lines().find_map(|line| line.split_once("Collected :"));
    Ok(line.context("callgrind printed no count")?.1.trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_of_the_sorted_times() {
        let median = median("a", vec![0.005, 0.001, 0.002, 0.004, 0.003]);
        assert_eq!((median.milliseconds, median.quartiles), (3.0, (2.0, 4.0)));
    }

    #[test]
    fn a_field_of_a_status_file() {
        let status = "Name:\tcnsenter\nVmHWM:\t    2048 kB\nThreads:\t1\n";
        assert_eq!(field(status, "VmHWM:").ok(), Some(2048));
        assert!(field(status, "VmPeak:").is_err());
    }
}
