//! The caller's terminal: what a program inside types into it (TIOCSTI), and a container whose own terminals are none.

use std::process::Command;

use anyhow::{Result, ensure};
use testbed::pty::Session;

use super::{ATTACK, Host, container, in_each};

const PROMPT: &str = "ready> ";

/// An interactive shell of the host's, which runs this line.
fn at_a_prompt(line: &str) -> Result<Session> {
    let shell = ["--norc", "--noprofile", "-i"];
    let mut session = Session::spawn(Command::new("bash").args(shell).env("PS1", PROMPT))?;
    session.expect(PROMPT)?;
    session.type_text(&format!("{line}\n"))?;
    Ok(session)
}

fn words(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| format!("'{}'", word.display())).collect::<Vec<_>>().join(" ")
}

/// What the shell does after the line, and whether what was pushed was among it.
fn is_pushed(host: &Host, command: &Command) -> Result<bool> {
    let mark = host.path("mark");
    let text = format!("touch {}\r", mark.display());
    let mut session = at_a_prompt(&format!("{} '{ATTACK}' push '{text}'", words(command)).replace('\r', "\n"))?;
    session.expect("got ")?;
    session.expect(PROMPT)?;
    // Whatever was pushed comes before what is typed now.
    session.type_text("echo status=$?.\n")?;
    session.expect("status=0.")?;
    session.type_text("exit\n")?;
    session.finish()?;
    let pushed = mark.exists();
    let _ = std::fs::remove_file(mark);
    Ok(pushed)
}

#[test]
fn nothing_is_typed_into_the_callers_terminal() -> Result<()> {
    let host = Host::new()?;
    in_each(|kind| {
        let container = container(kind, &[])?;
        let pid = container.pid()?.to_string();
        // With all of the host's capabilities, whatever dev.tty.legacy_tiocsti says.
        ensure!(is_pushed(&host, &host.nsenter(["-a", "-t", &pid]))?, "nsenter withstands it");
        for words in [&[][..], &["-a"], &["-m", "-p"], &["-m", "-C"], &["--privileged"]] {
            let words = [words, &[container.name()]].concat();
            ensure!(!is_pushed(&host, host.cnsenter([]).args(&words))?, "{words:?}: it typed into our shell");
        }
        Ok(())
    })
}

#[test]
fn a_container_without_real_terminals_gets_none_of_ours() -> Result<()> {
    let host = Host::new()?;
    let lies = [
        // A FIFO hangs whoever opens it, a file takes what is written, a link leads to a terminal that is not a new one.
        "rm /dev/ptmx; mkfifo /dev/ptmx",
        "rm /dev/ptmx; touch /dev/ptmx",
        "rm /dev/ptmx; ln -s /dev/pts/0 /dev/ptmx",
        "rm /dev/ptmx; ln -s /proc/self/fd/0 /dev/ptmx",
        "rm /dev/ptmx; mknod /dev/ptmx c 1 5",
        "mkfifo /tmp/fifo; mount -o bind /tmp/fifo /dev/pts/ptmx",
        "touch /tmp/file; mount -o bind /tmp/file /dev/pts/ptmx",
        "mount -t tmpfs none /dev/pts; mkfifo /dev/pts/ptmx; rm /dev/ptmx; ln -s pts/ptmx /dev/ptmx",
    ];
    // It takes capabilities to lie: one container with more of them than a default one has.
    let options = ["--cap-add", "SYS_ADMIN", "--security-opt", "apparmor=unconfined"];
    let kind = super::KINDS[0];
    for lie in lies {
        let container = container(&kind, &options)?;
        container.exec(&[], &["sh", "-ec", lie])?;
        let line = words(&host.cnsenter([container.name(), "sh", "-c", "tty; echo reached"]));
        let mut session = at_a_prompt(&format!("tty; {line}; echo status=$?."))?;
        session.expect("/dev/pts/")?;
        let shown = session.expect("status=");
        let shown = shown.map_err(|error| anyhow::anyhow!("{lie}: {error}"));
        session.type_text("exit\n")?;
        let _ = session.finish();
        let shown = shown?;
        ensure!(shown.contains("reached\r\n") || shown.contains("cnsenter: "), "{lie}: {shown}");
    }
    Ok(())
}
