//! What becomes of the caller's streams where a container's own programs run: files and terminals are not handed on but
//! copied, byte for byte, in order and to the end; and who waits meanwhile, and dies with whom. Terminals that the program
//! gets belong in `pty`; what is handed on as it is in `process::descriptors`.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use testbed::pty::Session;
use testbed::{Container, Output, Scratch, image, output, wait};

use crate::run;
use crate::spellings::sides::children;

const LIMIT: Duration = Duration::from_secs(30);

fn running(options: &[&str]) -> Result<Container> {
    Container::run(image::busybox()?, options, &["sleep", "100000"])
}

/// cnsenter, or its like, in a script of the host's that calls it `"$@"`.
fn script(script: &str, line: &Command) -> Command {
    let mut shell = run::on_default_engine(Command::new("bash"));
    shell.args(["-c", script, "bash"]).arg(line.get_program()).args(line.get_args());
    shell
}

fn name(pid: u32) -> Option<String> {
    Some(fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim_end().to_owned())
}

/// Caller, keeper and program: the setter is gone once the program has its name.
fn chain(caller: u32, program: &str) -> Result<[u32; 3]> {
    wait::until(LIMIT, &format!("{program} below {caller}"), || {
        let keeper = *children(caller).first()?;
        match children(keeper)[..] {
            [lowest] if name(lowest)? == program => Some([caller, keeper, lowest]),
            _ => None,
        }
    })
}

fn is_gone(pid: u32) -> Result<()> {
    wait::until(LIMIT, &format!("the end of {pid}"), || {
        let state = fs::read_to_string(format!("/proc/{pid}/stat")).ok();
        state.is_none_or(|stat| stat.contains(") Z ")).then_some(())
    })
}

fn send(pid: u32, signal: Signal) -> Result<()> {
    Ok(kill_process(Pid::from_raw(pid.cast_signed()).context("pid 0")?, signal)?)
}

#[test]
fn what_cannot_be_written_or_read_is_said() -> Result<()> {
    let container = running(&[])?;
    for (streams, program, code, what) in [
        (">/dev/full", "echo lost", 125, "cannot write the program's output: No space left on device"),
        (">/dev/full", "echo lost; exit 3", 3, "cannot write the program's output: No space left on device"),
        ("</", "cat", 0, "cannot read all of the program's input: Is a directory"),
    ] {
        let line = run::cnsenter([container.name(), "sh", "-c", program]);
        let output = output::run(&mut script(&format!("\"$@\" {streams}"), &line))?;
        ensure!(output.code == Some(code) && output.stderr.contains(what), "{output:?}");
    }
    Ok(())
}

/// It is a file of the host's: who has it open may change its mode, or open it again for the other direction.
#[test]
fn a_fifo_with_a_name_is_not_handed_on() -> Result<()> {
    let container = running(&[])?;
    let scratch = Scratch::new()?;
    let path = scratch.path().join("fifo");
    let text = "mkfifo -m 600 PATH; exec 9<>PATH; echo typed >&9; \"$@\" <&9; stat -c %a PATH";
    let text = text.replace("PATH", &path.display().to_string());
    let program = "read line; echo $line; chmod 666 /proc/self/fd/0";
    let control =
        output::run(&mut script(&text, &run::cnsenter(["--raw", "-a", container.name(), "sh", "-c", program])))?;
    ensure!(control.stdout == "typed\n666\n", "{control:?}");
    fs::remove_file(&path)?;
    let output = output::run(&mut script(&text, &run::cnsenter([container.name(), "sh", "-c", program])))?;
    ensure!(output.stdout == "typed\n600\n", "{output:?}");
    Ok(())
}

/// Whoever has it open may give it to somebody else, and with it everybody's on the host.
#[test]
fn null_is_the_containers_own() -> Result<()> {
    let container = running(&[])?;
    let which = ["stat", "-L", "-c", "%d:%i", "/proc/self/fd/0", "/dev/null"];
    let of = |line: &mut Command| -> Result<Vec<String>> {
        let text = output::stdout(line.stdin(Stdio::null()))?;
        Ok(text.lines().map(str::to_owned).collect())
    };
    let hosts = of(Command::new("stat").args(&which[1..4]).arg("/dev/null"))?;
    let pid = container.pid()?.to_string();
    let by_hand = of(Command::new("nsenter").args(["-a", "-t", &pid]).args(which))?;
    ensure!(by_hand[0] == hosts[0] && by_hand[1] != hosts[0], "the control: {by_hand:?}, on the host {hosts:?}");
    for words in [&[container.name()][..], &["-m", "-p", container.name()]] {
        let [input, null] = &of(&mut run::cnsenter([words, &which].concat()))?[..] else { anyhow::bail!("{words:?}") };
        ensure!(input == null && *input != hosts[0], "{words:?}: {input} {null}, on the host {hosts:?}");
        // Any other device is copied from.
        let line = run::cnsenter([words, &["sh", "-c", "test -p /proc/self/fd/0 && head -c 3 | od -An -tx1"]].concat());
        ensure!(output::stdout(&mut script("\"$@\" </dev/zero", &line))?.trim() == "00 00 00");
    }
    Ok(())
}

#[test]
fn a_file_is_not_the_programs_to_open_again() -> Result<()> {
    let container = running(&[])?;
    let folder = Scratch::new()?;
    let log = folder.path().join("log");
    let pid = container.pid()?.to_string();
    let attack = ["sh", "-c", ": > /proc/self/fd/1; echo after"];
    let append = || OpenOptions::new().append(true).open(&log);
    let after = |command: &mut Command| -> Result<String> {
        fs::write(&log, "before\n")?;
        let status = command.stdin(Stdio::null()).stdout(append()?).stderr(Stdio::null()).status()?;
        ensure!(status.success(), "{status:?}");
        Ok(fs::read_to_string(&log)?)
    };
    let mut nsenter = Command::new("nsenter");
    ensure!(after(nsenter.args(["-a", "-t", &pid]).args(attack))? == "after\n", "nsenter withstands");
    let mut docker = Command::new("docker");
    ensure!(after(docker.args(["exec", container.name()]).args(attack))? == "before\nafter\n");
    for options in [&[][..], &["-a"], &["--privileged"]] {
        let words = [options, &[container.name()], &attack].concat();
        let found = after(&mut run::cnsenter(words))?;
        ensure!(found == "before\nafter\n", "{options:?}: {found}");
    }
    Ok(())
}

#[test]
fn ten_mebibytes_of_any_bytes_go_through_files_both_ways() -> Result<()> {
    let container = running(&[])?;
    let folder = Scratch::new()?;
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    let bytes: Vec<u8> = (0..10_u32 << 20).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::write(&from, &bytes)?;
    let mut line = run::cnsenter([container.name(), "cat"]);
    let status = line.stdin(File::open(&from)?).stdout(File::create(&to)?).status()?;
    ensure!(status.success() && fs::read(&to)? == bytes, "{status:?}");
    fs::write(&to, "")?;
    let mut piped = script("cat \"$FROM\" | \"$@\" | cat >\"$TO\"", &line);
    let status = piped.env("FROM", &from).env("TO", &to).status()?;
    ensure!(status.success() && fs::read(&to)? == bytes, "through pipes: {status:?}");
    Ok(())
}

#[test]
fn output_and_errors_in_one_file_keep_their_order() -> Result<()> {
    let container = running(&[])?;
    let folder = Scratch::new()?;
    let log = folder.path().join("log");
    let file = File::create(&log)?;
    let lines = "i=0; while [ $i -lt 300 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done";
    let mut line = run::cnsenter([container.name(), "sh", "-c", lines]);
    ensure!(line.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).status()?.success());
    let expected: String = (0..300).map(|number| format!("out {number}\nerr {number}\n")).collect();
    ensure!(fs::read_to_string(&log)? == expected);
    Ok(())
}

#[test]
fn what_the_program_does_not_read_is_the_next_ones() -> Result<()> {
    let container = running(&[])?;
    let folder = Scratch::new()?;
    let input = folder.path().join("input");
    for last in [10, 100_000] {
        let text: String = (1..=last).map(|number| format!("{number}\n")).collect();
        fs::write(&input, text)?;
        let shell = "\"$@\" sh -c 'read -r first; echo \"first $first\"'; read -r next; echo \"next $next\"";
        let mut command = script(shell, &run::cnsenter([container.name()]));
        let found = command.stdin(File::open(&input)?).output()?;
        ensure!(found.stdout == b"first 1\nnext 2\n", "{found:?}");
    }
    Ok(())
}

#[test]
fn the_end_of_the_program_is_ours_and_its_last_words_arrive() -> Result<()> {
    let container = running(&[])?;
    let folder = Scratch::new()?;
    let log = folder.path().join("log");
    for (end, code, signal) in
        [("exit 7", Some(7), None), ("kill -9 $$", None, Some(9)), ("kill -15 $$", None, Some(15))]
    {
        // As much as a pipe holds, so that nobody has to have read any of it yet.
        let words = format!("head -c 65536 /dev/zero; {end}");
        let mut line = run::cnsenter([container.name(), "sh", "-c", &words]);
        let status = line.stdin(Stdio::null()).stdout(File::create(&log)?).stderr(File::create(&log)?).status()?;
        ensure!(status.code() == code && status.signal() == signal, "{end}: {status:?}");
        ensure!(fs::metadata(&log)?.len() == 65536, "{end}: {}", fs::metadata(&log)?.len());
    }
    // What cnsenter has to say goes the same way.
    let mut line = run::cnsenter([container.name(), "nosuch"]);
    let status = line.stdin(Stdio::null()).stdout(File::create(&log)?).stderr(File::create(&log)?).status()?;
    ensure!(status.code() == Some(127) && fs::read_to_string(&log)?.starts_with("cnsenter: no such program: nosuch\n"));
    Ok(())
}

#[test]
fn what_cannot_be_written_is_a_failure() -> Result<()> {
    let container = running(&[])?;
    // A word, and more than any pipe holds.
    for words in [&["echo", "x"][..], &["head", "-c", "1000000", "/dev/zero"]] {
        let line = run::cnsenter([&[container.name()], words].concat());
        let found = Output::from(script("\"$@\" >/dev/full", &line).output()?);
        let said = "cnsenter: cannot write the program's output: No space left on device\n";
        ensure!(found.code == Some(125) && found.stderr.ends_with(said), "{words:?}: {found:?}");
    }
    // A reader that has enough is no failure.
    let line = run::cnsenter([container.name(), "yes"]);
    let found = Output::from(script("\"$@\" | head -n 1", &line).output()?);
    ensure!(found.stdout == "y\n" && found.stderr.is_empty(), "{found:?}");
    Ok(())
}

#[test]
fn one_left_in_the_background_is_not_waited_for() -> Result<()> {
    let container = running(&[])?;
    let folder = Scratch::new()?;
    let log = folder.path().join("log");
    for words in ["sleep 100000 & echo said", "yes & echo said"] {
        let mut line = run::cnsenter([container.name(), "sh", "-c", words]);
        let mut child = line.stdin(Stdio::null()).stdout(File::create(&log)?).stderr(Stdio::null()).spawn()?;
        let status = wait::until(LIMIT, "the end", || child.try_wait().ok().flatten())?;
        ensure!(status.success(), "{status:?}");
        ensure!(fs::read_to_string(&log)?.contains("said\n"));
    }
    Ok(())
}

#[test]
fn a_pipe_of_the_callers_is_handed_on_itself_and_a_user_may_open_it_again() -> Result<()> {
    let container = running(&[])?;
    let pipe = "readlink /proc/self/fd/1";
    let line = run::cnsenter([container.name(), "sh", "-c", pipe]);
    let both = output::stdout(&mut script(&format!("{{ {pipe}; \"$@\"; }} | cat"), &line))?;
    let (host, inside) = both.split_once('\n').context("two lines")?;
    ensure!(host == inside && host.starts_with("pipe:"), "{both}");
    let folder = Scratch::new()?;
    let log = folder.path().join("log");
    let again = ["sh", "-c", "echo out >/dev/stdout; echo err >/dev/stderr"];
    for shell in ["\"$@\" 2>&1 | cat", "\"$@\" >$LOG 2>$LOG.2; cat $LOG $LOG.2"] {
        let line = run::cnsenter([&["--as", "1000:1000", container.name()], &again[..]].concat());
        let found = output::stdout(script(shell, &line).env("LOG", &log))?;
        ensure!(found == "out\nerr", "{shell}: {found}");
    }
    Ok(())
}

#[test]
fn no_way_leads_to_the_callers_terminal_and_its_keys_still_do() -> Result<()> {
    let container = running(&[])?;
    let shell = || -> Result<Session> {
        let mut bash = run::on_default_engine(Command::new("bash"));
        let mut session = Session::spawn(bash.args(["--norc", "--noprofile", "-i"]).env("PS1", "ready> "))?;
        session.expect("ready> ")?;
        Ok(session)
    };
    let cnsenter = crate::cnsenter().get_program().to_string_lossy().into_owned();
    let line = |words: &str| format!("{cnsenter} {} {words}\n", container.name());
    let mut session = shell()?;
    session.type_text(&line("sh -c 'test -t 1; echo terminal=$?; : </dev/tty; echo open=$?' 2>/dev/null | cat"))?;
    session.expect("terminal=1")?;
    // The shell gives up at the redirection.
    let rest = session.expect("ready> ")?;
    ensure!(!rest.contains("open=0"), "{rest}");
    session.type_text(&line("sleep 1000 </dev/null | cat"))?;
    let caller = wait::until(LIMIT, "cnsenter", || {
        children(session.pid()).into_iter().find(|pid| name(*pid).is_some_and(|name| name.starts_with("cnsenter")))
    })?;
    let [caller, keeper, program] = chain(caller, "sleep")?;
    let state = |pid: u32| fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    session.type_text("\x1a")?;
    session.expect("Stopped")?;
    wait::until(LIMIT, "both to stop", || {
        (state(program).contains(") T ") && state(caller).contains(") T ")).then_some(())
    })?;
    wait::until(LIMIT, "the keeper to sleep", || state(keeper).contains(") S ").then_some(()))?;
    session.type_text("fg\n")?;
    wait::until(LIMIT, "the program to go on", || state(program).contains(") S ").then_some(()))?;
    session.type_text("\x03")?;
    is_gone(program)?;
    is_gone(caller)?;
    Ok(())
}

#[test]
fn a_terminal_without_a_pty_is_read_for_the_program() -> Result<()> {
    let container = running(&[])?;
    let mut line = run::cnsenter(["--no-pty", container.name(), "sh", "-c", "test -t 0; echo $?; cat; echo end"]);
    let mut session = Session::spawn(&mut line)?;
    session.expect("1\r\n")?;
    session.type_text("typed\n")?;
    session.expect("typed\r\n")?;
    session.expect("typed\r\n")?;
    session.type_text("\x04")?;
    session.expect("end\r\n")?;
    ensure!(session.finish()?.0 == 0);
    Ok(())
}

#[test]
fn whoever_is_killed_takes_the_others_along() -> Result<()> {
    let container = running(&[])?;
    for killed in 0..3 {
        let mut line = run::cnsenter([container.name(), "sleep", "1000"]);
        let mut child = line.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let all = chain(child.id(), "sleep")?;
        send(all[killed], Signal::KILL)?;
        ensure!(child.wait()?.signal() == Some(9), "{killed}");
        for pid in all {
            is_gone(pid)?;
        }
    }
    for signal in [Signal::TERM, Signal::HUP, Signal::USR1] {
        let trap = format!(
            "trap 'echo got {}; exit 5' {}; echo ready; while :; do sleep 0.1; done",
            signal.as_raw(),
            signal.as_raw()
        );
        let mut line = run::cnsenter([container.name(), "sh", "-c", &trap]);
        let mut child = line.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut out = child.stdout.take().context("no pipe")?;
        let mut said = [0; 6];
        out.read_exact(&mut said)?;
        send(child.id(), signal)?;
        let mut rest = String::new();
        out.read_to_string(&mut rest)?;
        let status = child.wait()?;
        ensure!(rest == format!("got {}\n", signal.as_raw()) && status.code() == Some(5), "{rest:?} {status:?}");
    }
    Ok(())
}

#[test]
fn a_container_that_may_have_no_more_processes_is_entered() -> Result<()> {
    let full = "sleep 100000 & sleep 100000 & exec sleep 100000";
    let container = Container::run(image::busybox()?, &["--pids-limit", "3"], &["sh", "-c", full])?;
    wait::until(LIMIT, "three processes", || (container.docker(&["top"]).ok()?.lines().count() == 4).then_some(()))?;
    // The control: it is full, so that nothing more can be made from within.
    let within = "while read -r line; do echo \"$line\"; done </proc/self/cgroup; (true); :";
    let found = run::run([container.name(), "sh", "-c", within])?;
    ensure!(found.stderr.contains("fork"), "{found:?}");
    let pids =
        found.stdout.lines().find(|line| line.contains("pids") || line.starts_with("0::")).context("a cgroup")?;
    ensure!(pids.contains(container.id()), "{found:?}");
    Ok(())
}

#[test]
fn a_filter_that_lets_nobody_be_made_is_said() -> Result<()> {
    let folder = Scratch::new()?;
    let profile = folder.path().join("profile.json");
    for action in ["SCMP_ACT_ERRNO", "SCMP_ACT_KILL_PROCESS"] {
        let rule = format!(r#"{{"names":["clone","clone3","fork","vfork"],"action":"{action}"}}"#);
        fs::write(&profile, format!(r#"{{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{rule}]}}"#))?;
        let container = running(&["--security-opt", &format!("seccomp={}", profile.display())])?;
        let found = run::run([container.name(), "true"])?;
        ensure!(found.code == Some(run::OWN), "{action}: {found:?}");
        ensure!(found.stderr.starts_with("cnsenter: the container's seccomp filter forbids"), "{action}: {found:?}");
        ensure!(run::run(["--privileged", container.name(), "true"])?.success());
    }
    Ok(())
}
