//! Every abbreviation of every option. What is unique among nsenter's options keeps its meaning, whatever we add.

use std::ffi::{CStr, OsString};

use cnsenter::cli::options::{Id, OPTIONS, Opt, Value};
use cnsenter::cli::{self, CalledAs};

use super::getopt::{NSENTER, original};
use super::{cnsenter, meaning};

/// All beginnings of a name that are shorter than itself.
fn beginnings(name: &str) -> impl Iterator<Item = &str> {
    (1..name.len()).map(|end| &name[..end])
}

/// A line with the option spelled so, and what it takes to be understood.
fn line(spelled: &str, with_value: Option<&str>) -> Vec<OsString> {
    let option = with_value.map_or_else(|| format!("--{spelled}"), |value| format!("--{spelled}={value}"));
    let target = if "target".starts_with(spelled) { &[][..] } else { &["-t", "1"][..] };
    [&[option.as_str(), "-n"][..], target, &["p"]].concat().into_iter().map(OsString::from).collect()
}

fn values(name: &str) -> &'static [Option<&'static str>] {
    let value = NSENTER.iter().find(|(long, ..)| long.to_str() == Ok(name)).map(|(_, value, _)| *value);
    match value {
        Some(0) => &[None],
        Some(1) => &[Some("7")],
        _ => &[None, Some("/f")],
    }
}

#[test]
fn what_is_unique_in_nsenter_means_the_same_here() {
    let names = || NSENTER.iter().map(|(name, ..)| CStr::to_str(name).unwrap());
    let (mut unique, mut ambiguous) = (0, 0);
    for name in names() {
        for short in beginnings(name).filter(|short| names().all(|name| name != *short)) {
            let among_nsenters = names().filter(|name| name.starts_with(short)).count();
            for value in values(name) {
                let abbreviated = line(short, *value);
                assert_eq!(original(&abbreviated).is_some(), among_nsenters == 1, "--{short}, by the C library");
                for called_as in [CalledAs::Cnsenter, CalledAs::Nsenter] {
                    let found = meaning(called_as, abbreviated.clone());
                    let expected = match among_nsenters {
                        1 => meaning(called_as, line(name, *value)),
                        _ => format!("error: option --{short} is ambiguous"),
                    };
                    assert_eq!(found, expected, "--{short} for --{name}");
                    assert!(among_nsenters > 1 || !found.starts_with("error"), "--{short}: {found}");
                }
            }
            if among_nsenters == 1 { unique += 1 } else { ambiguous += 1 }
        }
    }
    assert!(unique > 90 && ambiguous > 10, "{unique} unique, {ambiguous} ambiguous");
}

#[test]
fn a_whole_name_is_never_an_abbreviation() {
    cnsenter(&[
        ("--net=/f p", "net=/f -> p"),
        ("--user=/f p", "user=/f -> p"),
        ("-n/f --wd=/f p", "net=/f, wd=/f -> p"),
        ("--time=/f p", "time=/f -> p"),
    ]);
}

#[test]
fn our_options_are_abbreviated_where_no_option_of_nsenter_is_meant() {
    let ours = || OPTIONS.iter().filter(|option| !option.of_nsenter);
    let mut taken = 0;
    for option in ours() {
        for short in beginnings(option.long) {
            let nsenters = NSENTER.iter().any(|(name, ..)| name.to_bytes().starts_with(short.as_bytes()));
            let among_ours = ours().filter(|option| option.long.starts_with(short)).count();
            if !nsenters && among_ours == 1 {
                assert_eq!(spelled(option, short), spelled(option, option.long), "--{short}");
                taken += 1;
            }
        }
    }
    assert!(taken > 20, "{taken}");
    cnsenter(&[
        ("--sand x", "container x, sandbox"),
        ("--ho s x", "container x, host s"),
        ("--con c x", "container x, context c"),
        ("--timeo 1 x", "container x, timeout 1s"),
        ("--prin x", "print, container x"),
        ("--verb x", "container x, verbose"),
        ("--ra x", "container x, raw"),
        ("--keep-e x", "container x, keep-env"),
    ]);
}

/// What the line means with the option, and that the line is one.
fn spelled(option: &Opt, name: &str) -> String {
    // These go with a container that is entered as a whole.
    let namespace = if matches!(option.id, Id::As | Id::Privileged | Id::Pty) { "-a" } else { "-n" };
    let option = match option.value {
        Value::Required(_) => format!("--{name}=7"),
        Value::None | Value::Optional(_) => format!("--{name}"),
    };
    let found = meaning(CalledAs::Cnsenter, [namespace, &option, "x", "p"].map(OsString::from).to_vec());
    assert!(!found.starts_with("error"), "{option}: {found}");
    found
}

#[test]
fn an_ambiguous_one_lists_what_it_may_be() {
    for (line, candidates) in [
        ("--se 0", "it may be --setuid, --setgid"),
        ("--ne x", "it may be --net, --net-socket"),
        ("--t 1", "it may be --target, --time"),
        ("--us", "it may be --user, --user-parent"),
    ] {
        let error = super::refused(CalledAs::Cnsenter, line);
        assert_eq!(error.hint.as_deref(), Some(candidates), "{line}");
    }
}

#[test]
fn an_unknown_one_names_its_neighbour_only_where_it_is_near() {
    let hint = |word: &str| cli::parse(CalledAs::Cnsenter, [OsString::from(word)]).expect_err(word).hint.unwrap();
    assert_eq!(hint("--nett"), "did you mean --net?");
    assert_eq!(hint("--nte"), "did you mean --net?");
    assert_eq!(hint("--sandbx"), "did you mean --sandbox?");
    assert_eq!(hint("--snadbox=x"), "did you mean --sandbox?");
    for word in ["--x", "--xy", "--=x", "--=", "--bogus", "--\u{fffd}", "---", "---n"] {
        assert_eq!(hint(word), "cnsenter --help lists the options", "{word}");
    }
}
