//! What `-h`, `--help` and `-V` print, to the letter, and that it agrees with what is parsed.

use std::os::unix::process::CommandExt;
use std::process::Output;

use cnsenter::cli::options::{OPTIONS, Value};
use cnsenter::cli::{self, Action, CalledAs, help};
use testbed::pty::Session;

use super::{cnsenter, text};

/// Runs it with stdout and stderr in pipes; demands success and silence on stderr.
fn printed(name: &str, option: &str) -> String {
    let Output { status, stdout, stderr } = cnsenter().arg0(name).arg(option).output().unwrap();
    assert_eq!((status.code(), text(stderr).as_str()), (Some(0), ""), "{name} {option}");
    text(stdout)
}

#[test]
fn short_help() {
    insta::assert_snapshot!(printed("cnsenter", "-h"));
}

#[test]
fn long_help() {
    insta::assert_snapshot!(printed("cnsenter", "--help"));
}

#[test]
fn version() {
    assert_eq!(printed("cnsenter", "-V"), format!("cnsenter {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(printed("cnsenter", "--version"), printed("cnsenter", "-V"));
}

#[test]
fn a_link_named_nsenter_shows_the_same() {
    for option in ["-h", "--help", "-V", "--version"] {
        for name in ["nsenter", "/usr/local/bin/nsenter", ""] {
            assert_eq!(printed(name, option), printed("cnsenter", option), "{name} {option}");
        }
    }
}

#[test]
fn help_is_plain_in_a_pipe_fits_a_terminal_and_ends_in_one_newline() {
    for option in ["-h", "--help"] {
        let help = printed("cnsenter", option);
        for line in help.lines() {
            assert!(line.chars().count() <= 100, "too wide: {line}");
            assert_eq!(line.trim_end(), line, "blanks at the end");
        }
        assert!(help.chars().all(|character| character == '\n' || !character.is_control()), "{help:?}");
        assert!(help.ends_with('\n') && !help.ends_with("\n\n"), "{:?}", help.lines().next_back());
    }
}

#[test]
fn help_is_coloured_on_a_terminal_that_wants_it() {
    let shown = |no_color: &str| {
        let mut command = cnsenter();
        command.arg("-h").env("TERM", "xterm").env("NO_COLOR", no_color);
        let (status, shown) = Session::spawn(&mut command).unwrap().finish().unwrap();
        assert_eq!(status, 0);
        shown.replace("\r\n", "\n")
    };
    assert_eq!(shown("1"), printed("cnsenter", "-h"));
    let coloured = shown("");
    assert!(coloured.contains("\x1b[32m--sandbox\x1b[0m"), "{coloured:?}");
    assert_eq!(without_colours(&coloured), shown("1"));
}

fn without_colours(text: &str) -> String {
    let mut parts = text.split('\x1b');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| plain + part.split_once('m').unwrap().1)
}

#[test]
fn help_that_cannot_be_written_is_a_failure() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let Output { status, stderr, .. } = cnsenter().arg("--help").stdout(full).output().unwrap();
    assert_eq!(text(stderr), "cnsenter: cannot write: No space left on device (os error 28)\n");
    assert_eq!(status.code(), Some(1));
}

#[test]
fn each_option_is_listed_once_with_its_value() {
    let help = printed("cnsenter", "-h");
    for option in OPTIONS {
        let value = match option.value {
            Value::None => String::new(),
            Value::Optional(value) => format!("[=<{value}>]"),
            Value::Required(value) => format!(" <{value}>"),
        };
        let letter = option.short.map_or_else(|| "    ".to_owned(), |letter| format!("-{letter}, "));
        let row = format!("  {letter}--{}{value}  ", option.long);
        let rows: Vec<_> = help.lines().filter(|line| line.starts_with(&row)).collect();
        assert_eq!(rows.len(), 1, "{row}: {rows:?}");
        assert!(rows[0].ends_with(option.help), "{}", rows[0]);
    }
    let rows = help.lines().filter(|line| line.starts_with("  -") || line.starts_with("      --")).count();
    assert_eq!(rows, OPTIONS.len());
}

#[test]
fn each_option_is_told_in_one_voice() {
    for option in OPTIONS {
        let first = option.help.chars().next().unwrap();
        assert!(first.is_uppercase() && !option.help.ends_with('.'), "--{}: {}", option.long, option.help);
    }
}

#[test]
fn clap_agrees_with_the_table() {
    help::command().debug_assert();
}

#[test]
fn the_lines_of_the_design_card_are_the_first_examples() {
    let lines: Vec<_> = help::EXAMPLES.iter().map(|(line, _)| *line).collect();
    assert_eq!(
        lines[..2],
        ["cnsenter --net nginx -- tcpdump -i eth0", "cnsenter --sandbox bc5db459d077 iptables -nvL -t mangle"]
    );
}

#[test]
fn each_example_is_shown_and_can_be_run_as_it_stands() {
    let help = printed("cnsenter", "--help");
    for (line, what) in help::EXAMPLES {
        assert!(help.contains(&format!("\n  {line}\n      {what}\n")), "{line}");
        let words = shlex::split(line).unwrap();
        assert_eq!(words[0], "cnsenter");
        let args = cli::parse(CalledAs::Cnsenter, words[1..].iter().map(Into::into)).expect(line);
        assert!(args.target.is_some() && matches!(args.action, Action::Enter | Action::Print), "{line}");
    }
}

const SUBCOMMANDS: [&str; 6] = ["ls", "netns", "inspect", "who", "completions", "man"];

#[test]
fn a_subcommands_help_says_what_it_does_and_fits_a_terminal() {
    for subcommand in SUBCOMMANDS {
        let [short, long] = ["-h", "--help"].map(|option| {
            let output = cnsenter().args([subcommand, option]).output().unwrap();
            assert_eq!((output.status.code(), text(output.stderr).as_str()), (Some(0), ""), "{subcommand} {option}");
            text(output.stdout)
        });
        assert_eq!(short, long);
        assert!(short.contains(&format!("Usage: cnsenter {subcommand}")), "{short}");
        for line in short.lines() {
            assert!(line.chars().count() <= 120, "{subcommand}: too wide: {line}");
            assert_eq!(line.trim_end(), line, "{subcommand}: blanks at the end");
        }
        assert!(!short.contains('\x1b') && short.ends_with('\n') && !short.ends_with("\n\n"), "{short:?}");
    }
}

#[test]
fn help_of_ls() {
    let Output { stdout, .. } = cnsenter().args(["ls", "--help"]).output().unwrap();
    insta::assert_snapshot!(text(stdout));
}

/// Rule 5: only as the first word is it one.
#[test]
fn a_subcommands_name_may_be_a_containers() {
    let cli = cli::parse(CalledAs::Cnsenter, ["--net", "ls"].map(Into::into)).unwrap();
    assert!(matches!(cli.target, Some(cli::TargetWord::Reference(reference)) if reference.plain() == Some("ls")));
}
