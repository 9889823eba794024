//! What a process has without anybody having handed it over: its session keyring and its environment.

use anyhow::{Result, ensure};
use testbed::output;

use super::{ATTACK, Host, careless, container, in_each, probes};

const NAME: &str = "cnsenter-test";
const VALUE: &str = "a key of the host";

#[test]
fn a_key_of_the_callers_session_is_not_readable_inside() -> Result<()> {
    let host = Host::new()?;
    let attack = probes()?.join("attack");
    in_each(|kind| {
        // Docker's own filter lets nobody ask for keys: it must not depend on that.
        let container = container(kind, &["--security-opt", "seccomp=unconfined"])?;
        let pid = container.pid()?.to_string();
        let keyed = |command: &std::process::Command| {
            let mut outer = std::process::Command::new(&attack);
            outer.args(["keyed", NAME, VALUE]).arg(command.get_program()).args(command.get_args());
            output::run(&mut crate::run::on_default_engine(outer))
        };
        let control = keyed(&host.nsenter(["-a", "-t", &pid, ATTACK, "key", NAME]))?;
        ensure!(control.stdout == format!("got {VALUE}\n"), "nsenter withstands: {control:?}");
        for words in [&[][..], &["-a"], &["-m", "-p"], &["-m", "-C"], &["--privileged"]] {
            let words = [words, &[container.name(), ATTACK, "key", NAME]].concat();
            let output = keyed(host.cnsenter([]).args(&words))?;
            ensure!(output.stdout.starts_with("got nothing"), "{words:?}: {output:?}");
        }
        // It stays the caller's where host tools run, and where it is wished.
        let output = keyed(host.cnsenter(["--net", container.name()]).arg(&attack).args(["key", NAME]))?;
        ensure!(output.stdout == format!("got {VALUE}\n"), "{output:?}");
        Ok(())
    })
}

#[test]
fn nothing_of_the_callers_environment_is_readable_inside() -> Result<()> {
    let host = Host::new()?;
    in_each(|kind| {
        // The loader's own variables are the container's, too, and ours has no loader that would read them.
        let container = container(kind, &["--env", "LD_PRELOAD=/evil.so", "--env", "OF=the container"])?;
        let pid = container.pid()?.to_string();
        let read = "cat /proc/self/environ /proc/$$/environ /proc/$PPID/environ | tr '\\0' '\\n'; env";
        let control = output::run(&mut careless(&host.nsenter(["-a", "-t", &pid, "sh", "-c", read])))?;
        ensure!(control.stdout.contains("SECRET=of the host"), "nsenter withstands: {control:?}");
        for words in [&[][..], &["-a"], &["-m", "-p"], &["-m", "-C"]] {
            let words = [words, &[container.name(), "sh", "-c", read]].concat();
            let output = output::run(&mut careless(host.cnsenter([]).args(&words)))?;
            ensure!(!output.stdout.contains("SECRET"), "{words:?}: {output:?}");
            ensure!(output.stdout.contains("LD_PRELOAD=/evil.so\n") && output.stdout.contains("OF=the container\n"));
            ensure!(!output.stderr.contains("evil.so"), "{words:?}: {output:?}");
        }
        // And no host tool runs with what the container's record says.
        let output = output::run(&mut host.cnsenter(["--net", container.name(), "env"]))?;
        ensure!(output.success() && !output.stdout.contains("evil"), "{output:?}");
        Ok(())
    })
}
