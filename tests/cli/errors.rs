//! What is said when nothing can be run: to the letter, on stderr alone, with its exit status. A row is what was typed,
//! the status, the message and the hint. Failures on the way into a container belong in `tests/engine`.

mod engine;
mod files;
mod subcommands;
mod usage;

use std::os::unix::process::CommandExt;
use std::process::Command;

use testbed::pty::Session;
use testbed::{Scratch, output};

use super::cnsenter;

/// What was typed after the program's name, the exit status, the message, and the hint or nothing.
type Row<'a> = (&'a str, i32, &'a str, &'a str);

/// Checks rows in an empty folder, which is `DIR` in them.
#[track_caller]
fn fails(rows: &[Row<'_>]) {
    fails_in(&Scratch::new().unwrap(), |_| {}, rows);
}

/// As `fails`, called by the name of `nsenter`.
#[track_caller]
fn nsenter_fails(rows: &[Row<'_>]) {
    let by_name = |command: &mut Command| {
        command.arg0("/usr/bin/nsenter");
    };
    fails_in(&Scratch::new().unwrap(), by_name, rows);
}

/// As `fails`, in a folder that has something in it, with a command that was prepared.
#[track_caller]
fn fails_in(folder: &Scratch, prepare: impl Fn(&mut Command), rows: &[Row<'_>]) {
    let here = |text: &str| text.replace("DIR", folder.path().to_str().unwrap());
    let mut wrong = Vec::new();
    for (line, status, message, hint) in rows {
        let mut command = cnsenter();
        command.current_dir(folder.path()).args(shlex::split(&here(line)).unwrap());
        prepare(&mut command);
        let found = output::run(&mut command).unwrap();
        let hint = if hint.is_empty() { String::new() } else { format!("hint: {}\n", here(hint)) };
        let stderr = format!("cnsenter: {}\n{hint}", here(message));
        let expected = output::Output { code: Some(*status), signal: None, stdout: String::new(), stderr };
        if found != expected {
            wrong.push(format!("$ {line}\nexpected {expected:?}\nfound {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} rows:\n\n{}", wrong.len(), rows.len(), wrong.join("\n\n"));
}

/// What a terminal shows of a usage error.
fn on_a_terminal(variables: &[(&str, &str)]) -> String {
    let mut command = cnsenter();
    command.arg("--nett").env_remove("NO_COLOR").env("TERM", "xterm").envs(variables.iter().copied());
    let (status, shown) = Session::spawn(&mut command).unwrap().finish().unwrap();
    assert_eq!(status, 125);
    shown
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let coloured = "\x1b[1;31mcnsenter:\x1b[0m unknown option --nett\r\n\x1b[1;36mhint:\x1b[0m did you mean --net?\r\n";
    let plain = "cnsenter: unknown option --nett\r\nhint: did you mean --net?\r\n";
    assert_eq!(on_a_terminal(&[]), coloured);
    assert_eq!(on_a_terminal(&[("NO_COLOR", "")]), coloured);
    assert_eq!(on_a_terminal(&[("NO_COLOR", "1")]), plain);
    assert_eq!(on_a_terminal(&[("TERM", "dumb")]), plain);
}

#[test]
fn nothing_panics_without_anyone_to_hear_it() {
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    for (line, status) in [("--nett", 125), ("-n/missing sh", 1), ("-v -n/missing sh", 1), ("--net -H /missing x", 125)]
    {
        let ended = cnsenter().args(shlex::split(line).unwrap()).stderr(full()).status().unwrap();
        assert_eq!(ended.code(), Some(status), "{line}: {ended}");
    }
}

#[test]
fn a_link_named_nsenter_is_nsenter() {
    let folder = Scratch::new().unwrap();
    let link = folder.path().join("nsenter");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_cnsenter"), &link).unwrap();
    let found = output::run(Command::new(&link).args(["--net", "nginx"])).unwrap();
    assert_eq!((found.code, found.stdout.as_str()), (Some(1), ""));
    assert_eq!(found.stderr, "cnsenter: no target PID specified\nhint: -t PID names it\n");
}
