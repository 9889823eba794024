//! What the container's programs may do and use, and whoever is entered as one of them: capabilities, filters, memory,
//! processes, groups. Fact by fact, that it equals `docker exec`, is shown elsewhere; here, that nothing goes beyond.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use testbed::output;

use super::{ATTACK, Host, container, in_each};

/// The five sets, no_new_privs, the filter, the groups.
const STATUS: &str = "grep -E '^(Cap|NoNewPrivs|Seccomp:|Groups|Uid|Gid)' /proc/self/status";

#[test]
fn a_program_inside_may_do_what_the_containers_own_may() -> Result<()> {
    let host = Host::new()?;
    in_each(|kind| {
        let container = container(kind, &[])?;
        let pid = container.pid()?.to_string();
        let own = container.exec(&[], &["sh", "-c", STATUS])?;
        // A caller with groups of the host's.
        let grouped = |command: &Command| {
            let mut setpriv = crate::run::on_default_engine(Command::new("setpriv"));
            setpriv.args(["--groups", "4,27,54321"]).arg(command.get_program()).args(command.get_args());
            output::stdout(&mut setpriv)
        };
        let theirs = grouped(&host.nsenter(["-a", "-t", &pid, "sh", "-c", STATUS]))?;
        let set = |text: &str, name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t")).context("a line")?;
            Ok::<_, anyhow::Error>(u64::from_str_radix(line.trim(), 16)?)
        };
        let beyond = |text: &str, name: &str| Ok::<_, anyhow::Error>(set(text, name)? & !set(&own, "CapBnd")?);
        ensure!(beyond(&theirs, "CapEff")? != 0 && theirs.contains("54321"), "nsenter withstands: {theirs}");
        for words in [&[][..], &["-a"]] {
            let words = [words, &[container.name(), "sh", "-c", STATUS]].concat();
            let ours = grouped(host.cnsenter([]).args(&words))?;
            ensure!(ours == own, "{words:?}:\n{ours}\nand not\n{own}");
        }
        Ok(())
    })
}

#[test]
fn the_containers_limits_hold_for_whoever_enters() -> Result<()> {
    let host = Host::new()?;
    in_each(|kind| {
        let container = container(kind, &["--memory", "32m", "--memory-swap", "32m", "--pids-limit", "20"])?;
        let pid = container.pid()?.to_string();
        let control = output::run(&mut host.nsenter(["-a", "-t", &pid, ATTACK, "allocate", "100"]))?;
        ensure!(control.stdout == "got 100\n", "nsenter withstands: {control:?}");
        let output = output::run(&mut host.cnsenter([container.name(), ATTACK, "allocate", "100"]))?;
        ensure!(output.signal == Some(9) || output.code == Some(137), "{output:?}");
        let control = output::run(&mut host.nsenter(["-a", "-t", &pid, ATTACK, "multiply", "50"]))?;
        ensure!(control.stdout == "got 50\n", "nsenter withstands: {control:?}");
        let output = output::run(&mut host.cnsenter([container.name(), ATTACK, "multiply", "50"]))?;
        let children: u32 =
            output.stdout.trim_end().trim_start_matches("got ").parse().context(output.stdout.clone())?;
        ensure!(children < 20, "{output:?}");
        Ok(())
    })
}
