//! The command line, in and out, with no process in between. What `parse` understood is written down in one line, so
//! that a case is a row: what was typed, and what it means.

mod abbreviations;
mod getopt;
mod program;
mod properties;
mod rules;
mod values;

use std::ffi::OsString;
use std::time::Duration;

use cnsenter::cli::{self, Action, Args, CalledAs, NamespaceWord, TargetWord, UsageError, Variables};
use enter::{Directory, Id, WorkingDirectory};

/// Checks rows of what is typed after `cnsenter`, as in a shell, and what it means.
#[track_caller]
fn cnsenter(rows: &[(&str, &str)]) {
    check(CalledAs::Cnsenter, rows);
}

/// As `cnsenter`, called by the name of `nsenter`.
#[track_caller]
fn nsenter(rows: &[(&str, &str)]) {
    check(CalledAs::Nsenter, rows);
}

#[track_caller]
fn check(called_as: CalledAs, rows: &[(&str, &str)]) {
    let wrong: Vec<_> = rows
        .iter()
        .map(|(line, expected)| (line, expected, meaning(called_as, split(line))))
        .filter(|(_, expected, found)| found != *expected)
        .map(|(line, expected, found)| format!("  {line}\n    expected {expected}\n    found    {found}"))
        .collect();
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

fn split(line: &str) -> Vec<OsString> {
    shlex::split(line).expect("a row is a shell's line").into_iter().map(OsString::from).collect()
}

/// What was understood: all that isn't as it is by itself, then `->` and the program. Or `error: ` and the message.
fn meaning(called_as: CalledAs, words: Vec<OsString>) -> String {
    match cli::parse(called_as, words) {
        Ok(args) => describe(&args),
        Err(error) => format!("error: {}", error.message),
    }
}

#[track_caller]
fn refused(called_as: CalledAs, line: &str) -> UsageError {
    cli::parse(called_as, split(line)).expect_err(line)
}

fn describe(args: &Args) -> String {
    let mut said = Vec::new();
    match args.action {
        Action::Enter => {}
        Action::Print => said.push("print".to_owned()),
        Action::Help => said.push("help".to_owned()),
        Action::LongHelp => said.push("long help".to_owned()),
        Action::Version => said.push("version".to_owned()),
    }
    said.extend(args.target.as_ref().map(|target| match target {
        TargetWord::Process { pid, inode: None } => format!("pid {pid}"),
        TargetWord::Process { pid, inode: Some(inode) } => format!("pid {pid}:{inode}"),
        TargetWord::Reference(reference) => format!("container {reference}"),
    }));
    said.extend(args.namespaces.iter().map(|(namespace, given)| match given {
        None => namespace.name().to_owned(),
        Some(NamespaceWord::File(path)) => format!("{}={}", namespace.name(), path.display()),
        Some(NamespaceWord::Id(id)) => format!("{}=:{id}", namespace.name()),
    }));
    said.extend(args.net_socket.map(|fd| format!("net-socket {fd}")));
    said.extend(args.root.as_ref().map(|root| match root {
        Directory::Target => "root".to_owned(),
        Directory::Path(path) => format!("root={}", path.display()),
    }));
    said.extend(args.working_directory.as_ref().map(|folder| match folder {
        WorkingDirectory::Target => "wd".to_owned(),
        WorkingDirectory::Path(path) => format!("wd={}", path.display()),
        WorkingDirectory::Inside(path) => format!("wdns={}", path.display()),
    }));
    for (option, id) in [("setuid", args.credentials.user), ("setgid", args.credentials.group)] {
        said.extend(id.map(|id| match id {
            Id::Number(number) => format!("{option} {number}"),
            Id::Follow => format!("{option} follow"),
        }));
    }
    for (option, value) in [("host", &args.host), ("context", &args.context)] {
        said.extend(value.as_ref().map(|value| format!("{option} {value}")));
    }
    said.extend(args.user.as_ref().map(|user| format!("as {}", user.display())));
    said.extend(args.variables.iter().map(|variables| match variables {
        Variables::One(word) => format!("set {}", word.display()),
        Variables::File(path) => format!("set of {}", path.display()),
    }));
    if args.timeout != Duration::from_secs(2) {
        said.push(format!("timeout {:?}", args.timeout));
    }
    let flags = [
        (args.all, "all"),
        (args.sandbox, "sandbox"),
        (args.user_parent, "user-parent"),
        (args.credentials.preserve, "preserve-credentials"),
        (args.credentials.keep_capabilities, "keep-caps"),
        (args.env_of_target, "env"),
        (args.keep_env, "keep-env"),
        (args.no_fork, "no-fork"),
        (args.join_cgroup, "join-cgroup"),
        (args.follow_context, "follow-context"),
        (args.raw, "raw"),
        (args.privileged, "privileged"),
        (args.pty == Some(true), "pty"),
        (args.pty == Some(false), "no-pty"),
        (args.verbose, "verbose"),
    ];
    said.extend(flags.into_iter().filter(|(set, _)| *set).map(|(_, flag)| flag.to_owned()));
    let program: Vec<_> = args.words.iter().map(|word| word.to_string_lossy()).collect();
    if !program.is_empty() {
        said.push(format!("-> {}", shlex::try_join(program.iter().map(|word| word.as_ref())).unwrap()));
    }
    said.join(", ").replace(", ->", " ->")
}
