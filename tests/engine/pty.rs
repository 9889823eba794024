//! The terminal that a container's program gets: its name, its size, its keys, and the caller's terminal, which is left as
//! it was found on every way out. Streams that are no terminal belong in `stdio`.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use testbed::pty::Session;
use testbed::{Container, Scratch, image, wait};

use crate::run;
use crate::spellings::sides::children;

const LIMIT: Duration = Duration::from_secs(30);

fn running(options: &[&str]) -> Result<Container> {
    Container::run(image::busybox()?, options, &["sleep", "100000"])
}

/// The last process of the line below this one, once it has this name.
fn lowest(pid: u32, wanted: &str) -> Result<Vec<u32>> {
    wait::until(LIMIT, &format!("{wanted} below {pid}"), || {
        let mut all = vec![pid];
        while let Some(below) = children(*all.last()?).first() {
            all.push(*below);
        }
        let name = fs::read_to_string(format!("/proc/{}/comm", all.last()?)).ok()?;
        (name.trim_end() == wanted).then_some(all)
    })
}

fn send(pid: u32, signal: Signal) -> Result<()> {
    Ok(kill_process(Pid::from_raw(pid.cast_signed()).context("pid 0")?, signal)?)
}

/// A script on a terminal of its own that calls cnsenter `"$@"`.
fn on_terminal(script: &str, words: &[&str]) -> Result<Session> {
    let line = run::cnsenter(words);
    let mut shell = run::on_default_engine(Command::new("bash"));
    shell.args(["-c", script, "bash"]).arg(line.get_program()).args(line.get_args());
    Session::spawn(&mut shell)
}

#[test]
fn it_has_a_name_a_size_and_an_owner_inside() -> Result<()> {
    let container = running(&[])?;
    // The engine hands on the size a little later than it starts the program.
    let facts = "until [ \"$(stty size 2>/dev/null)\" = '33 99' ]; do sleep 0.1; done; tty; test -c $(tty) && stat -c '%a %u %g' $(tty); stty size; test -t 0 && test -t 1 && test -t 2; echo $?; \
                 echo x >/dev/tty && echo end";
    let shown = |command: &mut Command| -> Result<String> {
        let session = Session::spawn(command)?;
        session.resize(33, 99)?;
        let (code, text) = session.finish_within(LIMIT)?;
        ensure!(code == 0, "{code}: {text}");
        // Which one it is depends on whether the engine has closed the last.
        let (number, rest) =
            text.strip_prefix("/dev/pts/").and_then(|text| text.split_once("\r\n")).context("a name")?;
        ensure!(number.parse::<u32>().is_ok(), "{text}");
        Ok(rest.to_owned())
    };
    for user in ["0", "1000"] {
        let mut docker = Command::new("docker");
        let theirs = shown(docker.args(["exec", "-it", "--user", user, container.name(), "sh", "-c", facts]))?;
        let ours = shown(&mut run::cnsenter(["--as", user, container.name(), "sh", "-c", facts]))?;
        ensure!(ours == theirs && ours.contains("33 99"), "{ours}\nand not\n{theirs}");
    }
    Ok(())
}

#[test]
fn a_new_size_arrives() -> Result<()> {
    let container = running(&[])?;
    let watch = "trap 'stty size' WINCH; echo ready; while :; do sleep 0.1; done";
    let mut session = Session::spawn(&mut run::cnsenter([container.name(), "sh", "-c", watch]))?;
    session.expect("ready")?;
    session.resize(41, 87)?;
    session.expect("41 87")?;
    session.type_text("\x03")?;
    ensure!(session.finish_within(LIMIT)?.0 == 130);
    Ok(())
}

#[test]
fn the_callers_terminal_is_raw_meanwhile_and_as_it_was_afterwards() -> Result<()> {
    let container = running(&[])?;
    // What happens to which process of caller, keeper and program; and the status that the script sees.
    type End = Option<(usize, Signal)>;
    let ends: [(&str, End, &str); 7] = [
        ("echo ready; exit 3", None, "3"),
        ("echo ready; exec sleep 1000", Some((2, Signal::KILL)), "137"),
        ("echo ready; exec sleep 1000", Some((1, Signal::KILL)), "137"),
        ("echo ready; exec sleep 1000", Some((0, Signal::TERM)), "143"),
        ("echo ready; exec sleep 1000", Some((0, Signal::HUP)), "129"),
        ("echo ready; exec sleep 1000", Some((0, Signal::INT)), "130"),
        ("echo ready; stty raw -echo; exec sleep 1000", Some((2, Signal::TERM)), "143"),
    ];
    for (program, end, status) in ends {
        let script = "stty -g | sed 's/^/before /'; \"$@\"; echo status=$?.; stty -g | sed 's/^/after /'";
        let mut session = on_terminal(script, &[container.name(), "sh", "-c", program])?;
        let before = session.expect("ready")?;
        let before = before.split("before ").nth(1).and_then(|text| text.split_whitespace().next()).context("modes")?;
        if let Some((which, signal)) = end {
            let all = lowest(session.pid(), "sleep")?;
            send(all[which + 1], signal)?;
        }
        session.expect(&format!("status={status}."))?;
        session.expect("after ")?;
        let (_, after) = session.finish_within(LIMIT)?;
        ensure!(after.trim() == before, "{program} {end:?}: {after}, not {before}");
    }
    // The control: it was raw, so that this key was the program's.
    let keys = "stty raw -echo; echo ready; head -c 3 | od -An -tx1";
    let mut session = Session::spawn(&mut run::cnsenter([container.name(), "sh", "-c", keys]))?;
    session.expect("ready")?;
    session.type_text("\x03\x1a\x13")?;
    session.expect("03 1a 13")?;
    ensure!(session.finish_within(LIMIT)?.0 == 0);
    Ok(())
}

#[test]
fn jobs_are_the_shells_inside() -> Result<()> {
    let container = running(&[])?;
    let mut session = on_terminal("\"$@\"; echo status=$?.", &["-E", "PS1=inner> ", container.name(), "sh", "-i"])?;
    let start = session.expect("inner> ")?;
    ensure!(!start.contains("job control") && !start.contains("tty"), "{start}");
    session.type_text("sleep 1000; echo slept=$?.\n")?;
    lowest(session.pid(), "sleep")?;
    session.type_text("\x03")?;
    session.expect("inner> ")?;
    session.type_text("sleep 1000\n")?;
    session.expect("sleep 1000")?;
    lowest(session.pid(), "sleep")?;
    session.type_text("\x1a")?;
    session.expect("Stopped")?;
    session.expect("inner> ")?;
    session.type_text("fg\n")?;
    let program = *lowest(session.pid(), "sleep")?.last().context("a program")?;
    wait::until(LIMIT, "it to go on", || {
        fs::read_to_string(format!("/proc/{program}/stat")).ok()?.contains(") S ").then_some(())
    })?;
    session.type_text("\x03")?;
    session.expect("inner> ")?;
    session.type_text("exit 6\n")?;
    session.expect("status=6.")?;
    Ok(())
}

#[test]
fn one_that_is_stopped_gives_the_terminal_back() -> Result<()> {
    let container = running(&[])?;
    let mut bash = run::on_default_engine(Command::new("bash"));
    let mut session = Session::spawn(bash.args(["--norc", "--noprofile", "-i"]).env("PS1", "ready> "))?;
    session.expect("ready> ")?;
    let program = crate::cnsenter().get_program().to_string_lossy().into_owned();
    session.type_text(&format!("{program} {} sh -c 'kill -STOP $$; echo a\"\"gain; exec cat'\n", container.name()))?;
    session.expect("Stopped")?;
    session.expect("ready> ")?;
    session.type_text("echo raw=$(stty -a | grep -c -e -icanon).\n")?;
    session.expect("raw=0.")?;
    session.expect("ready> ")?;
    session.type_text("fg\n")?;
    session.expect("again")?;
    // Raw again: the program's own terminal echoes, and ends the line for it.
    session.type_text("line\n")?;
    session.expect("line\r\nline\r\n")?;
    session.type_text("\x04")?;
    session.expect("ready> ")?;
    Ok(())
}

#[test]
fn a_terminal_that_is_lost_takes_all_along() -> Result<()> {
    let container = running(&[])?;
    let mut session = Session::spawn(&mut run::cnsenter([container.name(), "sleep", "1000"]))?;
    let all = lowest(session.pid(), "sleep")?;
    ensure!(all.len() == 3, "{all:?}");
    session.hang_up()?;
    for pid in all {
        wait::until(LIMIT, "the end of all", || {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok();
            stat.is_none_or(|stat| stat.contains(") Z ")).then_some(())
        })?;
    }
    Ok(())
}

#[test]
fn what_it_shows_last_is_seen() -> Result<()> {
    let container = running(&[])?;
    for _ in 0..20 {
        let session =
            Session::spawn(&mut run::cnsenter([container.name(), "sh", "-c", "seq 1 5000; echo last; exit 9"]))?;
        let (code, text) = session.finish_within(LIMIT)?;
        ensure!(code == 9 && text.contains("\r\n4999\r\n5000\r\nlast\r\n"), "{code}: {} bytes", text.len());
    }
    Ok(())
}

#[test]
fn what_cnsenter_has_to_say_goes_to_the_errors_of_the_caller() -> Result<()> {
    let container = running(&[])?;
    let folder = Scratch::new()?;
    let log = folder.path().join("log");
    let script = format!("\"$@\" 2>{}; echo status=$?.", log.display());
    let mut session = on_terminal(&script, &[container.name(), "nosuch"])?;
    session.expect("status=127.")?;
    ensure!(fs::read_to_string(&log)?.starts_with("cnsenter: no such program: nosuch\nhint: "));
    // On the terminal each line begins at its left.
    let session = Session::spawn(&mut run::cnsenter([container.name(), "nosuch"]))?;
    let (code, text) = session.finish_within(LIMIT)?;
    ensure!(code == 127 && text.matches("\r\n").count() == text.matches('\n').count(), "{text:?}");
    Ok(())
}

#[test]
fn the_first_words_of_a_quick_program_wait_for_the_modes_of_the_terminal() -> Result<()> {
    let container = running(&[])?;
    // Several at once, so that processors are rare: one in twenty came too early where nothing waited.
    for _ in 0..40 {
        let start = || Session::spawn(&mut run::cnsenter([container.name(), "echo", "first"]));
        for session in (0..6).map(|_| start()).collect::<Result<Vec<_>>>()? {
            let (code, text) = session.finish_within(LIMIT)?;
            ensure!((code, text.as_str()) == (0, "first\r\n"), "{code}: {text:?}");
        }
    }
    Ok(())
}

#[test]
fn who_waits_in_the_background_can_be_ended() -> Result<()> {
    let container = running(&[])?;
    let stopped = "until [ \"$(cut -d' ' -f3 /proc/$!/stat)\" = T ]; do sleep 0.1; done";
    let script = format!("set -m; \"$@\" & {stopped}; kill %1; kill -CONT %1; wait %1; echo status=$?.");
    let mut session = on_terminal(&script, &[container.name(), "sleep", "100000"])?;
    session.expect("status=143.")?;
    Ok(())
}

#[test]
fn the_programs_errors_go_where_the_callers_do() -> Result<()> {
    let container = running(&[])?;
    let folder = Scratch::new()?;
    let log = folder.path().join("log");
    let facts = "test -t 0 && test -t 1 && ! test -t 2 && echo apart; echo wrong >&2; echo again >/dev/stderr; exit 7";
    for who in [&[][..], &["--as", "nobody"]] {
        let script = format!("\"$@\" 2>{}; echo status=$?.", log.display());
        let mut session = on_terminal(&script, &[who, &[container.name(), "sh", "-c", facts]].concat())?;
        let said = session.expect("status=7.")?;
        ensure!(said.contains("apart") && !said.contains("wrong"), "{who:?}: {said}");
        ensure!(fs::read_to_string(&log)? == "wrong\nagain\n", "{who:?}: {}", fs::read_to_string(&log)?);
    }
    // The control: nobody has sent them elsewhere.
    let mut session =
        on_terminal("\"$@\"; echo status=$?.", &[container.name(), "sh", "-c", "echo shown >&2; test -t 2"])?;
    let said = session.expect("status=0.")?;
    ensure!(said.contains("shown"), "{said}");
    Ok(())
}

#[test]
fn without_a_devpts_inside_it_is_one_of_the_hosts() -> Result<()> {
    let container = running(&["--cap-add", "SYS_ADMIN"])?;
    container.exec(&[], &["umount", "/dev/pts"])?;
    // What lies there instead is not opened.
    container.exec(&[], &["sh", "-c", "rm /dev/ptmx; mkfifo /dev/ptmx"])?;
    let mut session =
        Session::spawn(&mut run::cnsenter([container.name(), "sh", "-c", "test -t 0; echo terminal=$?."]))?;
    let said = session.expect("terminal=0.")?;
    ensure!(said.contains("note: no /dev/pts is mounted inside"), "{said}");
    Ok(())
}

#[test]
fn input_from_elsewhere_ends_with_the_key_for_it() -> Result<()> {
    let container = running(&[])?;
    let line = run::cnsenter(["--pty", container.name(), "sh", "-c", "cat; tty"]);
    let mut shell = run::on_default_engine(Command::new("bash"));
    shell.args(["-c", "echo typed | \"$@\"", "bash"]).arg(line.get_program()).args(line.get_args());
    let output = testbed::output::run(&mut shell)?;
    ensure!(output.success() && output.stdout.starts_with("typed\r\ntyped\r\n/dev/pts/"), "{output:?}");
    Ok(())
}

#[test]
fn input_that_ends_within_a_line_ends_all_the_same() -> Result<()> {
    let container = running(&[])?;
    let line = run::cnsenter(["--pty", container.name(), "sh", "-c", "stty -echo; cat; echo .end"]);
    let mut shell = run::on_default_engine(Command::new("bash"));
    // timeout(1) must not stop it for want of a terminal.
    let script = "printf typed | timeout --foreground 30 \"$@\"";
    shell.args(["-c", script, "bash"]).arg(line.get_program()).args(line.get_args());
    let output = testbed::output::run(&mut shell)?;
    ensure!(output.success() && output.stdout.ends_with("typed.end\r\n"), "{output:?}");
    Ok(())
}

#[test]
fn a_reader_who_has_seen_enough_leaves_no_raw_terminal_behind() -> Result<()> {
    let container = running(&[])?;
    let script = "stty -g | sed 's/^/before /'; \"$@\" | head -n 1; stty -g | sed 's/^/after /'; echo end";
    let mut session = on_terminal(script, &["--pty", container.name(), "yes"])?;
    let text = session.expect("end")?;
    let modes = |word| text.split(word).nth(1).and_then(|text| text.split_whitespace().next());
    ensure!(modes("before ").is_some() && modes("before ") == modes("after "), "{text}");
    ensure!(!text.contains("cannot"), "{text}");
    Ok(())
}
