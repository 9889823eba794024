//! Core dumps: what a process that dies inside leaves in the container's files.

use std::process::Command;

use anyhow::{Result, ensure};
use testbed::{Container, output};

use super::{Host, Watcher, careless, container, in_each};

/// Whether a core with the caller's secret lies in the container.
fn leaks(container: &Container) -> Result<bool> {
    let find = "for core in /core* /tmp/core*; do [ -e $core ] || continue; grep -q 'SECRET=of the host' $core && echo leaks; rm $core; done; :";
    Ok(container.exec(&[], &["sh", "-c", find])?.contains("leaks"))
}

/// As a caller who wants cores.
fn with_cores(command: &Command) -> Command {
    let inner = careless(command);
    let mut shell = Command::new("bash");
    shell.args(["-c", "ulimit -c unlimited; exec \"$@\"", "bash"]).arg(inner.get_program()).args(inner.get_args());
    shell.env("SECRET", "of the host");
    crate::run::on_default_engine(shell)
}

#[test]
fn no_core_holds_what_was_the_callers() -> Result<()> {
    let host = Host::new()?;
    // A pipe of the host's takes cores out of the container: then there is nothing to show there.
    let is_file = !std::fs::read_to_string("/proc/sys/kernel/core_pattern")?.starts_with('|');
    let crash = "cd /; kill -SEGV $$";
    in_each(|kind| {
        let container = container(kind, &["--ulimit", "core=-1"])?;
        let pid = container.pid()?.to_string();
        let control = output::run(&mut with_cores(&host.nsenter(["-a", "-t", &pid, "sh", "-c", crash])))?;
        ensure!(!is_file || leaks(&container)?, "nsenter withstands: {control:?}");
        for words in [&[][..], &["-a"], &["-m", "-p"]] {
            let words = [words, &[container.name(), "sh", "-c", crash]].concat();
            output::run(&mut with_cores(host.cnsenter([]).args(&words)))?;
            ensure!(!leaks(&container)?, "{words:?}");
        }
        // And killed on its way.
        for signal in ["11", "3"] {
            let mut watcher = Watcher::start(&container, &host, Some(signal))?;
            let mut child = with_cores(&host.cnsenter([container.name(), "sleep", "100000"])).spawn()?;
            watcher.wait_for_newcomer()?;
            child.wait()?;
            watcher.finish()?;
            ensure!(!leaks(&container)?, "a newcomer that was killed by {signal}");
        }
        Ok(())
    })
}
