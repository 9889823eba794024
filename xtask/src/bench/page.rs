//! The page that `cargo xtask bench` writes: its tables, and its words on how each number is taken. What is promised is
//! the parent's.

use std::fmt::Write;

use anyhow::Result;

use super::growth::Growth;
use super::measure::Median;
use super::{MANY, Promise, RUNS, growth, machine};

/// All of it.
pub(super) fn text(
    times: &[Median],
    crowded: &[Median],
    growth: &Growth,
    promises: &[Promise],
    instructions: u64,
) -> Result<String> {
    let mut page = String::from(HEAD);
    writeln!(page, "## Promises\n\n| what | limit | measured | |\n|---|---|---|---|")?;
    for Promise { what, limit, measured, kept } in promises {
        writeln!(page, "| {what} | {limit} | {measured} | {} |", if *kept { "kept" } else { "**broken**" })?;
    }
    writeln!(page, "\n## Times\n")?;
    time_table(&mut page, "with one container", times)?;
    time_table(&mut page, &format!("with {MANY} containers"), crowded)?;
    writeln!(page, "Each line ends in `/bin/true`; the whole process is measured, by the medians of {RUNS} runs.")?;
    writeln!(
        page,
        "Instructions of `cnsenter --net NAME`, up to the attempt to run a missing program: {instructions}."
    )?;
    growth_tables(&mut page, growth)?;
    writeln!(page, "\n## Machine\n\n{}", machine::table()?)?;
    page.push_str(HOW);
    Ok(page)
}

fn time_table(page: &mut String, title: &str, times: &[Median]) -> Result<()> {
    writeln!(page, "| {title} | median, ms | middle half, ms | against nsenter |\n|---|---|---|---|")?;
    for Median { name, milliseconds, quartiles } in times {
        let ratio = milliseconds / times[0].milliseconds;
        writeln!(page, "| `{name}` | {milliseconds:.2} | {:.2} – {:.2} | {ratio:.2} × |", quartiles.0, quartiles.1)?;
    }
    Ok(writeln!(page)?)
}

fn growth_tables(page: &mut String, growth: &Growth) -> Result<()> {
    writeln!(page, "\n## Growth\n\n{PLOT}\n")?;
    let counts: String = growth::STEPS.iter().map(|count| format!(" {count} |")).collect();
    writeln!(page, "| median, ms, by containers |{counts}\n|---|{}", "---|".repeat(growth::STEPS.len()))?;
    for curve in growth.curves() {
        let times: String = curve.points.iter().map(|(_, time)| format!(" {time:.1} |")).collect();
        writeln!(page, "| `{}` |{times}", curve.name)?;
    }
    writeln!(page, "\n| with {MANY} containers | median, ms | middle half, ms |\n|---|---|---|")?;
    for Median { name, milliseconds, quartiles } in growth.who.iter().chain(&growth.inside) {
        writeln!(page, "| `{name}` | {milliseconds:.2} | {:.2} – {:.2} |", quartiles.0, quartiles.1)?;
    }
    let [steps, sweeps] = [growth::RUNS, growth::SWEEPS];
    writeln!(page, "\nMedians of {steps} runs; of {RUNS} in the last table, and of {sweeps} in its last two lines.")?;
    Ok(())
}

const PLOT: &str = "\
<img src=\"plots/growth.svg\" alt=\"Times of ls, docker ps, inspect, who and an entry with 10 to 300 containers\">";

const HEAD: &str = "\
# Performance

Written by `cargo xtask bench`; run it to have these numbers for your machine. Ratios are what holds from one
machine to another, since all commands of a table are measured in turn within one run.

";

const HOW: &str = "\
## How each number is taken

- Times: hyperfine without a shell, in rounds; each round runs every command, in another order than the last.
- cnsenter is installed, that is, copied, as nsenter was by its package. A file as the linker leaves it lies in small
  pieces in the page cache, and starts 0.1 ms later.
- By name, the engine's answer is part of what is measured, and nsenter has none to wait for: 0.6 ms on one machine and
  1.1 ms on another, and the ratio goes with it. `by state` is the same line without the question.
- With many containers: the ratio by name over the same ratio with one container, so that what many containers
  do to the machine itself (nsenter slows down too) does not count.
- By state: the socket that is asked is not there, and `--state-root` names Docker's folders. Pods and tasks are
  containerd's, which is never asked: its state is all that is read. What the growth is measured against is the same
  line with one container, in milliseconds, since a share of almost nothing says little.
- Growth: the containers are Docker's, on its bridge, of ten processes each, and no other runtime has any, so that `ls` and
  `docker ps` list the same; that they do is checked by their full IDs. The time includes what is printed, to nowhere. What
  is sought is one container of them all, which has a published port: PID is one of its processes, not the first; VETH the
  host's end of its interface; INODE its network namespace. The same commands are timed at each step, in turn.
- INSIDE is a port that one container alone listens on and that is not published. The kernel lists sockets of one network
  at a time, so every container's is asked, and `who` takes longer than by any other word; the limit is what it takes by
  hand, with `nsenter -t PID -n ss -Hltun 'sport = :PORT'` for each container in a script that has their pids.
- Memory and threads: `VmHWM` and `Threads` of `/proc/PID/status`, read while strace holds cnsenter at the entry
  of the `execve` that would replace it, since the kernel forgets the peak there.
- Instructions: callgrind. It ends its count at an `execve` that succeeds, hence the missing program. valgrind may
  lack newer system calls, for which cnsenter then takes its fallback.
";
