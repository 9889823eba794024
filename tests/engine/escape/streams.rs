//! The caller's streams and folder, reached again from inside: a log that is truncated through `/proc/self/fd/1`, an input that
//! is written to, a working directory from which the host is a step away. Descriptors above two are in `defects` and
//! `process`, and `newcomer` looks for those that a process holds on its way.

use std::fs::File;
use std::process::Stdio;

use anyhow::{Result, ensure};
use testbed::output;

use super::{Host, SECRET, careless, container, in_each};

const KEPT: &str = "what was logged before\n";

/// Opens every stream again, for reading and writing, from inside.
const REOPEN: &str =
    "for fd in 0 1 2; do true >/proc/self/fd/$fd; echo hostile >/proc/self/fd/$fd; done 2>/dev/null; echo end";

#[test]
fn a_log_of_the_callers_is_not_truncated_from_inside() -> Result<()> {
    let host = Host::new()?;
    let [log, errors, input] = ["log", "errors", "input"].map(|name| host.path(name));
    in_each(|kind| {
        let container = container(kind, &[])?;
        let pid = container.pid()?.to_string();
        let run = |mut command: std::process::Command| -> Result<[String; 3]> {
            for file in [&log, &errors, &input] {
                std::fs::write(file, KEPT)?;
            }
            let append = |path| File::options().append(true).open(path);
            command.stdin(File::open(&input)?).stdout(append(&log)?).stderr(append(&errors)?);
            command.status()?;
            let read = |path| std::fs::read_to_string(path).unwrap_or_default();
            Ok([read(&log), read(&errors), read(&input)])
        };
        let [logged, _, typed] = run(host.nsenter(["-a", "-t", &pid, "sh", "-c", REOPEN]))?;
        ensure!(!logged.starts_with(KEPT) && typed.contains("hostile"), "nsenter withstands: {logged:?} {typed:?}");
        for words in [&[][..], &["-a"], &["-m", "-p"], &["-m", "-C"]] {
            let words = [words, &[container.name(), "sh", "-c", REOPEN]].concat();
            let mut command = host.cnsenter([]);
            command.args(&words);
            let [logged, errors, typed] = run(command)?;
            ensure!(logged.starts_with(KEPT) && logged.ends_with("end\n"), "{words:?}: {logged:?}");
            ensure!(errors.starts_with(KEPT) && typed == KEPT, "{words:?}: {errors:?} {typed:?}");
        }
        Ok(())
    })
}

#[test]
fn a_log_that_is_read_and_written_is_the_same_one_outside() -> Result<()> {
    // What a relay must not change: the order of both streams in one file, and every byte.
    let host = Host::new()?;
    in_each(|kind| {
        let container = container(kind, &[])?;
        let path = host.path("both");
        let both = File::create(&path)?;
        let script = "for i in 1 2 3 4 5 6 7 8 9; do echo out; echo err >&2; done; head -c 300000 /dev/zero; exit 7";
        let mut command = host.cnsenter([container.name(), "sh", "-c", script]);
        let status = command.stdin(Stdio::null()).stdout(both.try_clone()?).stderr(both).status()?;
        let text = std::fs::read(&path)?;
        ensure!(status.code() == Some(7) && text.len() == 300_000 + 9 * 8, "{status:?}: {} bytes", text.len());
        ensure!(text.starts_with(b"out\nerr\nout\nerr\n"), "{:?}", String::from_utf8_lossy(&text[..72]));
        Ok(())
    })
}

#[test]
fn a_folder_of_the_callers_is_not_within_reach() -> Result<()> {
    let host = Host::new()?;
    in_each(|kind| {
        // A container's own working directory, which it has replaced meanwhile: CVE-2024-21626.
        let container = container(kind, &["--workdir", "/work"])?;
        let pid = container.pid()?.to_string();
        let link = "rmdir /work; ln -s /proc/self/fd/7 /work; ln -s /proc/self/fd/7/usr /usr/here";
        container.exec(&["--workdir", "/"], &["sh", "-c", link])?;
        let read = format!(
            "cat ../../../../../../..{0} /proc/self/fd/7{0} /proc/self/cwd/..{0} /proc/$$/cwd/..{0}",
            host.secret()
        );
        let control = output::run(&mut careless(&host.nsenter(["-m", "-p", "-t", &pid, "sh", "-c", &read])))?;
        ensure!(control.stdout.contains(SECRET), "nsenter withstands: {control:?}");
        for words in [&[][..], &["-a"], &["-m", "-p"], &["-m", "-W/work"], &["-m", "-p", "-w"], &["-m", "-C"]] {
            let words = [words, &[container.name(), "sh", "-c", &read]].concat();
            let output = output::run(&mut careless(host.cnsenter([]).args(&words)))?;
            ensure!(!output.stdout.contains(SECRET), "{words:?}: {output:?}");
            let words = [&words[..words.len() - 3], &["pwd"]].concat();
            let output = output::run(&mut careless(host.cnsenter([]).args(&words)))?;
            ensure!(output.stdout.is_empty() || output.stdout.starts_with('/'), "{words:?}: {output:?}");
        }
        Ok(())
    })
}
