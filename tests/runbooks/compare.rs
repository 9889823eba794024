//! Whether what a command printed is what its page shows, though pids, IDs and times are others each time. The table of what
//! may vary is here; a page has no patterns, only values that were once real.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex_lite::Regex;

use crate::page::DOTS;

/// How a value may vary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Another value, which then is that other value wherever the page has this one, in later commands too.
    Name,
    /// A measurement: any value.
    Measure,
    /// Not at all: what a rule further down would take for something else.
    Fixed,
}

use Kind::{Fixed, Measure, Name};

/// What may vary. The first that fits counts; everything else is compared as it stands, but for the width of white space.
const RULES: [(Kind, &str); 19] = [
    // A MAC address.
    (Name, r"\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b"),
    // An ID of an image or container, whole and short; a bridge and a veth are named with parts of one.
    (Name, r"\b[0-9a-f]{64}\b"),
    (Name, r"\b[0-9a-f]{12}\b"),
    (Name, r"\bveth[0-9a-f]{7}\b"),
    // An inode of a namespace.
    (Name, r"\b4026[0-9]{6}\b"),
    // An ID of the swarm's, whole.
    (Name, r"\b[0-9a-z]{25}\b"),
    // A point in time, a time of day.
    (Measure, r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?"),
    (Measure, r"\b\d?\d:\d\d(?::\d\d)?(?:\.\d+)?\b"),
    (Measure, r"\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d\b"),
    // What of a limit is used, and how often a program was held back, if ever.
    (Measure, r"\b\d+(?:\.\d+)?(?:[kKMG]i?)?B / |\b\d+ KiB\b|\(\d+ %\)|\b[1-9]\d* of \d+ periods"),
    // Docker's ages.
    (Measure, r"\b(?:[Ll]ess than a second|[Aa]bout an? (?:minute|hour)|\d+ (?:second|minute|hour)s?)\b"),
    // A pid inside of a container, as strace says it; the sizes in a line of top's.
    (Measure, r"\[pid +\d+\]"),
    (Measure, r"\b\d+ +\d+ +\d+ [RSDI] +\d+\.\d+\b"),
    // A number with a fraction is a measurement, and so are spans of time; an address, a version or a limit is not.
    (Fixed, r"\b\d+\.\d+\.\d+(?:\.\d+)?\b|\blimit \d+\.\d+\b"),
    (Measure, r"\b\d+\.\d+(?:[mnµu]?s|[kKMGT]i?B?)?\b|\b\d+ ?[mnµu]s\b|\b\d+[smhd]\b|\b\d+ milliseconds\b"),
    // What a packet filter counted, if anything; a rule that counted nothing has zeros, and they don't vary.
    (Measure, r"^ *[1-9]\d*[KMG]? +[1-9]\d*[KMG]? |\b[1-9]\d* packets, [1-9]\d* bytes"),
    // Numbers in the lines of tcpdump and dig.
    (Measure, r"\b(?:id|seq|ack|win|val|ecr|length):? \d+(?::\d+)?"),
    // A pid of testbed's own host, or a port that the kernel chose: see FIRST_PID there. It may follow an option's letter.
    (Fixed, r"\b\d{6,}\b"),
    (Name, r"(?:2[1-9]\d{3}|[345]\d{4}|60\d{3})\b"),
];

static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
    let rules: Vec<String> = RULES.iter().map(|(_, pattern)| format!("({pattern})")).collect();
    Regex::new(&rules.join("|")).expect("the rules are well formed")
});

/// A piece of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    /// A value that may vary, by the number of its rule.
    Value(usize, &'a str),
}

fn pieces(line: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut end = 0;
    for found in PATTERN.captures_iter(line) {
        let rule = (0..RULES.len()).find(|rule| found.get(rule + 1).is_some());
        let (Some(rule), Some(value)) = (rule, found.get(0)) else { continue };
        pieces.push(Piece::Text(&line[end..value.start()]));
        pieces.push(Piece::Value(rule, value.as_str()));
        end = value.end();
    }
    pieces.push(Piece::Text(&line[end..]));
    pieces
}

/// The page's values, and the real ones that they stand for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    real: BTreeMap<String, String>,
    shown: BTreeMap<String, String>,
}

impl Names {
    /// A command of the page, with the real values for the page's.
    pub(crate) fn real(&self, command: &str) -> String {
        replace(command, &self.real)
    }

    /// A line that was printed, with the page's values for the real ones.
    pub(crate) fn shown(&self, line: &str) -> String {
        replace(line, &self.shown)
    }

    /// Takes down every value of a line that becomes part of the page.
    pub(crate) fn take(&mut self, line: &str) {
        for piece in pieces(line) {
            if let Piece::Value(rule, value) = piece
                && RULES[rule].0 == Name
                && !self.shown.contains_key(value)
            {
                self.pair(value, value);
            }
        }
    }

    /// Whether a value of the page can stand for this one, as it does everywhere else.
    fn pair(&mut self, shown: &str, real: &str) -> bool {
        match (self.real.get(shown), self.shown.get(real)) {
            (None, None) => {
                self.insert(shown, real);
                // The short form of a container's ID.
                if let (64, 64, Some(shown), Some(real)) = (shown.len(), real.len(), shown.get(..12), real.get(..12)) {
                    self.insert(shown, real);
                }
                true
            }
            (Some(known), Some(_)) => known == real,
            _ => false,
        }
    }

    fn insert(&mut self, shown: &str, real: &str) {
        self.real.insert(shown.to_owned(), real.to_owned());
        self.shown.insert(real.to_owned(), shown.to_owned());
    }

    /// Whether a line of the page stands for this one.
    fn line(&mut self, shown: &str, real: &str) -> bool {
        let (shown, real) = (pieces(shown), pieces(real));
        shown.len() == real.len()
            && shown.into_iter().zip(real).all(|pair| match pair {
                (Piece::Text(shown), Piece::Text(real)) => squeeze(shown) == squeeze(real),
                (Piece::Value(one, shown), Piece::Value(other, real)) => {
                    let equal = match RULES[one].0 {
                        Name => self.pair(shown, real),
                        Measure => true,
                        Fixed => shown == real,
                    };
                    one == other && equal
                }
                _ => false,
            })
    }
}

/// Whether the page's lines stand for those that were printed, and if so, with which values. A line of three dots stands for
/// any number of lines.
pub(crate) fn matches(shown: &[String], real: &[String], names: &Names) -> Option<Names> {
    match (shown, real) {
        ([], []) => Some(names.clone()),
        ([dots, shown @ ..], _) if dots == DOTS => {
            (0..=real.len()).find_map(|skip| matches(shown, &real[skip..], names))
        }
        ([shown, more @ ..], [real, others @ ..]) => {
            let mut names = names.clone();
            if !names.line(shown, real) { None } else { matches(more, others, &names) }
        }
        _ => None,
    }
}

/// A line with what may vary made the same, for a diff that shows only what may not.
pub(crate) fn canonical(line: &str) -> String {
    let pieces = pieces(line).into_iter().map(|piece| match piece {
        Piece::Text(text) => squeeze(text),
        Piece::Value(rule, value) if RULES[rule].0 == Fixed => value.to_owned(),
        Piece::Value(rule, _) => format!("\u{1}{rule}"),
    });
    pieces.collect()
}

fn replace(text: &str, names: &BTreeMap<String, String>) -> String {
    let pieces = pieces(text).into_iter().map(|piece| match piece {
        Piece::Text(text) => text,
        Piece::Value(_, value) => names.get(value).map_or(value, String::as_str),
    });
    pieces.collect()
}

/// Columns are as wide as the widest value in them.
fn squeeze(text: &str) -> String {
    let mut squeezed = String::new();
    for char in text.chars().map(|char| if char == '\t' { ' ' } else { char }) {
        if char != ' ' || !squeezed.ends_with(' ') {
            squeezed.push(char);
        }
    }
    squeezed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    fn after(shown: &str, real: &str) -> Option<Names> {
        matches(&lines(shown), &lines(real), &Names::default())
    }

    #[test]
    fn what_varies() {
        for (shown, real) in [
            ("pid 21077, up 3 seconds", "pid 21401, up Less than a second"),
            ("bc5db459d077   nginx", "a5e6c4190230 nginx"),
            ("rtt min/avg/max/mdev = 0.050/0.061/0.075/0.010 ms", "rtt min/avg/max/mdev = 1.0/2.0/3.0/0.5 ms"),
            (
                "64 bytes from 172.18.0.3: icmp_seq=1 ttl=64 time=0.05 ms",
                "64 bytes from 172.18.0.3: icmp_seq=1 ttl=64 time=1.50 ms",
            ),
            ("    3   180 DROP       tcp", "  120  7200 DROP  tcp"),
            (
                "12:00:01.123456 IP 172.18.0.2.40000 > 172.18.0.3.80",
                "1:02:03.000001 IP 172.18.0.2.51234 > 172.18.0.3.80",
            ),
            ("net:[4026532210]", "net:[4026532999]"),
            ("one\n...\nlast", "one\nlast"),
            ("one\n...\nlast", "one\ntwo\nlast\nlast"),
        ] {
            assert!(after(shown, real).is_some(), "{shown}\n{real}");
        }
    }

    #[test]
    fn what_does_not() {
        for (shown, real) in [
            ("bc5db459d077 nginx", "bc5db459d077 httpd"),
            ("172.18.0.2", "172.18.0.3"),
            ("100% packet loss", "0% packet loss"),
            ("    3   180 DROP tcp", "    0     0 DROP tcp"),
            ("mtu 1500", "mtu 1400"),
            ("one\ntwo", "one"),
            ("one", "one\ntwo"),
            ("one\n...\nlast", "one\nmore"),
        ] {
            assert!(after(shown, real).is_none(), "{shown}\n{real}");
        }
    }

    #[test]
    fn one_name_is_one_thing() {
        assert!(after("pid 21077\npid 21077", "pid 22000\npid 22000").is_some());
        assert!(after("pid 21077\npid 21077", "pid 22000\npid 22001").is_none());
        assert!(after("pid 21077\npid 21078", "pid 22000\npid 22000").is_none());
    }

    #[test]
    fn a_command_gets_the_real_values() {
        let long = |digit: &str| format!("{}{digit}", "bc5db459d077".repeat(6))[..64].replace('b', digit);
        let names = after(&format!("21077\n{}", long("b")), &format!("22000\n{}", long("e"))).expect("alike");
        assert_eq!(names.real("nsenter -t 21077 -n true"), "nsenter -t 22000 -n true");
        assert_eq!(names.real("docker inspect bc5db459d077"), "docker inspect ec5de459d077");
        assert_eq!(names.shown("pid 22000 of 22001"), "pid 21077 of 22001");
    }
}
