//! What holds for all command lines: parsing ends in arguments or in a message, long and short spellings are the same,
//! and what getopt_long(3) makes of an nsenter line is what we make of it.

use std::ffi::{CStr, OsStr, OsString};
use std::os::unix::ffi::OsStringExt;

use cnsenter::cli::options::{OPTIONS, Opt, Value};
use cnsenter::cli::{self, CalledAs};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::getopt::{NSENTER, original};
use super::meaning;

fn config() -> ProptestConfig {
    ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() }
}

/// Words as nobody types them.
fn arbitrary_word() -> impl Strategy<Value = OsString> {
    vec(1..=255_u8, 0..12).prop_map(OsString::from_vec)
}

/// Words that have something to do with options.
fn likely_word() -> impl Strategy<Value = OsString> {
    vec(select(PIECES), 0..5).prop_map(|pieces| pieces.concat().into())
}

const PIECES: &[&str] =
    &["-", "--", "=", ":", "n", "t", "W", "1", "net", "tim", "keep", "e", "follow", "sandbox", "H", "/f", "é"];

fn words() -> impl Strategy<Value = Vec<OsString>> {
    vec(prop_oneof![1 => arbitrary_word(), 3 => likely_word()], 0..8)
}

/// Words of nsenter's own alphabet.
fn nsenter_word() -> impl Strategy<Value = OsString> {
    let short = "-[atmuinNpCUTSGrwWeFcZV]{1,3}(7|/f|=/f|:7)?";
    let other = select(&["7", "6700:12", "follow", "sh", "--", "-", "", "-x", "--host", "--sand"][..]);
    let long = (name(|_| true), select(&["", "", "=7", "=/f", "=:7", "="][..]));
    prop_oneof![
        3 => long.prop_map(|(name, value)| format!("--{name}{value}")),
        3 => short,
        1 => other.prop_map(str::to_owned),
    ]
    .prop_map(OsString::from)
}

/// One of nsenter's options that may stand beside others, as it is to be spelled.
fn good_word() -> impl Strategy<Value = OsString> {
    let good = |letter: char| !matches!(letter, 'h' | 'V' | 't' | 'W');
    let long = move |kind| name(move |(_, value, letter)| *value == kind && good(*letter));
    prop_oneof![
        long(0).prop_map(|name| format!("--{name}")),
        (long(1), select(&["7", "follow"][..])).prop_map(|(name, value)| {
            let value = if name.starts_with("net") { "7" } else { value };
            format!("--{name}={value}")
        }),
        (long(2), select(&["", "=/f", "=:7"][..])).prop_map(|(name, value)| format!("--{name}{value}")),
        "-[aFecZ]{0,2}([muinpCUTrw](/f|=/f|:7|)|[SG](7|=7|follow)|N7|[aFecZ])",
    ]
    .prop_map(OsString::from)
}

/// A name or an abbreviation; whole ones more often, since most short ones are ambiguous.
fn name(wanted: impl Fn(&(&CStr, i32, char)) -> bool) -> impl Strategy<Value = String> {
    let names: Vec<_> = NSENTER.iter().filter(|row| row.2 != 'h' && wanted(row)).map(|row| row.0).collect();
    (select(names), any::<Index>(), any::<bool>()).prop_map(|(name, end, whole)| {
        let name = name.to_str().unwrap();
        let end = if whole { name.len() } else { end.index(name.len()) + 1 };
        name[..end].to_owned()
    })
}

/// Lines of which a good part is understood, and others.
fn nsenter_line() -> impl Strategy<Value = Vec<OsString>> {
    let good = (vec(good_word(), 0..5), vec(nsenter_word(), 0..3)).prop_map(|(options, program)| {
        let target = ["-t7", "-n"].map(OsString::from);
        target.into_iter().chain(options).chain(["sh".into()]).chain(program).collect()
    });
    prop_oneof![vec(nsenter_word(), 0..7), good]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn parsing_never_panics(words in words()) {
        for called_as in [CalledAs::Cnsenter, CalledAs::Nsenter] {
            if let Err(error) = cli::parse(called_as, words.clone()) {
                prop_assert!(!error.message.is_empty());
                prop_assert!(error.hint.is_none_or(|hint| !hint.is_empty()));
            }
        }
    }

    /// Rule 1, for every line that the generator comes by.
    #[test]
    fn what_nsenter_takes_means_the_same_here(words in nsenter_line()) {
        let theirs = meaning(CalledAs::Nsenter, words.clone());
        if !theirs.starts_with("error") {
            prop_assert_eq!(theirs, meaning(CalledAs::Cnsenter, words));
        }
    }

    /// getopt_long's reading, written out without abbreviations, clusters and separate values, is ours.
    #[test]
    fn options_are_found_as_the_c_library_finds_them(words in nsenter_line()) {
        let ours = meaning(CalledAs::Nsenter, words.clone());
        match original(&words) {
            Some(plain) => {
                let plainly = meaning(CalledAs::Nsenter, plain);
                // Messages name options as they were spelled.
                let refused = ours.starts_with("error") && plainly.starts_with("error");
                prop_assert!(refused || ours == plainly, "{} but plainly {}", ours, plainly);
            }
            // Where help or version stand before the fault, nsenter does not come to it either.
            None => prop_assert!(ours.starts_with("error") || ours.starts_with("version"), "{}", ours),
        }
    }

    /// For each option that has both.
    #[test]
    fn short_and_long_spellings_are_the_same(option in select(OPTIONS), value in "[0-9a-z/:]{1,6}", name in "[a-z]{1,6}") {
        let Some(letter) = option.short.filter(|letter| *letter != 'h') else { return Ok(()) };
        let rest = [OsStr::new(&name), OsStr::new("p")];
        for (short, long) in spellings(&option, letter, &value) {
            let line = |spelled: Vec<String>| {
                let spelled = spelled.into_iter().map(OsString::from);
                meaning(CalledAs::Cnsenter, spelled.chain(rest.iter().map(OsString::from)).collect())
            };
            prop_assert_eq!(line(short).replace(&format!("option -{letter} "), &format!("option --{} ", option.long)), line(long));
        }
    }
}

/// The same, in short and in long.
fn spellings(option: &Opt, letter: char, value: &str) -> Vec<(Vec<String>, Vec<String>)> {
    let name = option.long;
    let bare = (vec![format!("-{letter}")], vec![format!("--{name}")]);
    let attached = |equals: &str| (vec![format!("-{letter}{equals}{value}")], vec![format!("--{name}={value}")]);
    let separate = (vec![format!("-{letter}"), value.to_owned()], vec![format!("--{name}"), value.to_owned()]);
    match option.value {
        Value::None => vec![bare],
        Value::Optional(_) => vec![bare, attached(""), attached("=")],
        Value::Required(_) => vec![separate, attached(""), attached("=")],
    }
}
