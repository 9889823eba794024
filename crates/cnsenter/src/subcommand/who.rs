//! `cnsenter who`: says whose a pid, interface, address, port, namespace or folder is, and how that was found. This file
//! reads the words and shows the answers; what a word may mean belongs in `who/word.rs`, each way to find it in a file.

mod address;
mod found;
mod host;
mod interface;
mod name;
mod namespace;
mod network;
mod path;
mod port;
mod process;
mod word;

use std::io::Read;

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::{Value, json};

use self::found::Found;
use self::host::Host;
use self::word::Reading;
use super::{engines, output};
use crate::cli::UsageError;
use crate::exit::{self, Failure, plain};
use crate::show;

/// How much is read from standard input, in bytes.
const MOST_INPUT: u64 = 1 << 20;

/// The exit status when something was not found.
const NOT_FOUND: u8 = 1;

/// Its command line.
pub(super) fn command() -> Command {
    let what =
        Arg::new("what").value_name("WHAT").num_args(1..).required(true).help(
            "A pid, interface, IP, MAC, [HOST]:PORT, namespace, cgroup, folder, ID or name; - reads them from stdin",
        );
    let command = Command::new("who")
        .about("Says whose a pid, interface, address, port, namespace or folder is")
        .arg(what)
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print JSON: docs/json.md"));
    engines::add(command)
}

/// Does it; the exit status.
pub(super) fn run(matches: &ArgMatches) -> Result<u8, Failure> {
    let words = match words(matches) {
        Ok(words) => words,
        Err(error) => return Ok(exit::usage(&error)),
    };
    let settings = engines::settings(matches);
    let host = Host::of(&settings);
    let answers: Vec<_> = words.iter().map(|word| (word, find(word, &host))).collect();
    if matches.get_flag("json") {
        output::json(&answers.iter().map(|(word, found)| answer(word, found, &host)).collect())?;
    } else {
        show(&text(&answers))?;
    }
    let mut status = 0;
    let sees_all = rustix::process::geteuid().is_root();
    for (word, _) in answers.iter().filter(|(_, found)| found.is_empty()) {
        let (message, hint) = word::missing(word);
        match sees_all {
            true => exit::missing(&message, &hint),
            false => exit::missing(&format!("{message}, as far as you may look"), &word::as_root(word)),
        }
        status = NOT_FOUND;
    }
    Ok(status)
}

/// What is asked for, with the words on standard input where `-` stands.
fn words(matches: &ArgMatches) -> Result<Vec<String>, UsageError> {
    let mut words = Vec::new();
    for word in matches.get_many::<String>("what").into_iter().flatten() {
        if word != "-" {
            words.push(word.clone());
            continue;
        }
        let error = |message: String| UsageError { message, hint: None, as_nsenter: false };
        let mut text = Vec::new();
        let input = std::io::stdin().lock().take(MOST_INPUT + 1).read_to_end(&mut text);
        input.map_err(|cause| error(format!("cannot read standard input: {cause}")))?;
        if text.len() as u64 > MOST_INPUT {
            return Err(error(format!("standard input is longer than {} KiB", MOST_INPUT >> 10)));
        }
        words.extend(String::from_utf8_lossy(&text).split_whitespace().map(str::to_owned));
    }
    Ok(words)
}

/// Everything that a word stands for.
fn find(word: &str, host: &Host<'_>) -> Vec<Found> {
    let readings = word::readings(word);
    let all = |readings: &[Reading]| readings.iter().flat_map(|reading| read(reading, host)).collect::<Vec<_>>();
    let mut found = all(&readings.likely);
    if found.is_empty() {
        found = all(&readings.possible);
    }
    if found.is_empty() && readings.may_be_name() {
        // Last, since an engine takes its time, and one that hangs takes more.
        found = name::by_engine(word, host);
    }
    found
}

fn read(reading: &Reading, host: &Host<'_>) -> Vec<Found> {
    match reading {
        Reading::Process(pid) => process::find(*pid, host),
        Reading::Namespace(kind, inode) => namespace::find(*kind, *inode, host),
        Reading::Path(path) => path::find(path, host),
        Reading::Interface(name, end) => interface::find(name, *end, host),
        Reading::Address(ip) => address::of_ip(*ip, host),
        Reading::Mac(mac) => address::of_mac(*mac, host),
        Reading::Port(port) => port::find(port, host),
        Reading::Layer(id) => path::of_layer(id, host),
        Reading::Name(reference) => name::find(reference, host),
    }
}

/// A line for each that was found.
fn text(answers: &[(&String, Vec<Found>)]) -> String {
    let row = |word: &String, found: &Found| [plain(word), plain(&found.owner.to_string()), plain(&found.how)];
    let rows = answers.iter().flat_map(|(word, all)| all.iter().map(move |found| row(word, found)));
    let rows: Vec<_> = rows.collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (what, owner) = (width(0), width(1));
    rows.iter().map(|row| format!("{:what$}  {:owner$}  {}\n", row[0], row[1], row[2])).collect()
}

fn answer(word: &str, all: &[Found], host: &Host<'_>) -> Value {
    json!({ "what": word, "found": all.iter().map(|found| found.json(host)).collect::<Value>() })
}
