//! A tool of the host's in the container's pid namespace: whoever may trace there reads the host's files through it.

use std::process::{Command, Stdio};

use anyhow::{Result, ensure};
use testbed::output;

use super::{Host, Watcher, container, in_each, newcomer};

#[test]
fn a_tool_of_the_hosts_is_not_put_where_it_can_be_traced() -> Result<()> {
    let host = Host::new()?;
    in_each(|kind| {
        let container = container(kind, &[])?;
        let pid = container.pid()?.to_string();
        let mut watcher = Watcher::start(&container, &host, None)?;
        newcomer::pass_by(&mut watcher, &host.nsenter(["-p", "-t", &pid, "cat"]))?;
        let got = watcher.finish()?;
        // Where it may not trace, the kernel keeps it from a process that may do more.
        ensure!(got.has("root") == kind.traces, "nsenter: {got:?}");

        let mut watcher = Watcher::start(&container, &host, None)?;
        for words in [&["-p"][..], &["-p", "-n"], &["-p", "-u", "-i", "-n"]] {
            let words = [words, &[container.name(), "cat"]].concat();
            let mut command = host.cnsenter([]);
            command.args(&words);
            if kind.traces {
                let output = output::run(&mut command)?;
                ensure!(
                    output.code == Some(125) && output.stderr.contains("may trace a tool of the host's"),
                    "{words:?}: {output:?}"
                );
                ensure!(output.stderr.contains("--raw"), "it does not say how: {output:?}");
            } else {
                newcomer::pass_by(&mut watcher, &command)?;
            }
        }
        // Whoever takes on the user of a tool without root's rights may trace it.
        let weak = output::run(host.cnsenter([]).args(["-p", "-S", "1000", "-G", "1000", container.name(), "true"]))?;
        ensure!(weak.code == Some(125) && weak.stderr.contains("may trace a tool of the host's"), "{weak:?}");
        let got = watcher.finish()?;
        ensure!(!got.has("root") && !got.has("fd") && !got.has("environ") && !got.has("exe"), "{got:?}");
        // Who says so knows, and so does who gives a pid.
        for words in [&["--raw", "-p", container.name()][..], &["-p", "-t", &pid]] {
            let mut command: Command = host.cnsenter([]);
            let status = command.args(words).arg("true").stdin(Stdio::null()).status()?;
            ensure!(status.success(), "{words:?}: {status:?}");
        }
        Ok(())
    })
}
