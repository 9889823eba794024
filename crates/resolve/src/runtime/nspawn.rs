//! systemd-nspawn: machines that are registered with systemd-machined, by its files; others by the program that runs
//! them, which only a look at all processes finds.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{Runtime, cgroup, process, supervisor};
use crate::container::{Container, State};
use crate::file;
use crate::listed::Listed;
use crate::report::Report;
use crate::wanted::Wanted;

/// Where systemd-machined notes machines, a file each.
const MACHINES: &str = "/run/systemd/machines";

/// What nspawn makes where it runs.
const TRACE: &str = "/run/systemd/nspawn";

/// The program, as the kernel cuts its name off.
const PROGRAM: &[u8] = b"systemd-nspawn";

/// A machine file larger than this, in bytes, is none.
const LARGEST: u64 = 1 << 20;

/// Every registered machine that may be what is wanted.
pub(crate) fn state(wanted: &Wanted<'_>) -> Option<Report> {
    let mut report = Report::default();
    let machines = Path::new(MACHINES);
    for name in file::names(machines) {
        // Beside each machine lies a link by its unit's name, and at times a file that is still being written.
        if name.starts_with("unit:") || name.starts_with('.') {
            continue;
        }
        report.looked_in(machines);
        report.passed();
        if wanted.may_be(&name, b"")
            && let Some(container) = registered(&machines.join(&name), &name)
        {
            report.add(container);
        }
    }
    if Path::new(TRACE).is_dir() {
        report.looked_in(Path::new(TRACE));
    }
    report.if_anything()
}

/// A machine by its file: `KEY=VALUE` lines, of which `LEADER` is the init process.
fn registered(path: &Path, name: &str) -> Option<Listed> {
    let bytes = file::read(path, LARGEST).inspect_err(|error| file::skipped(path, error)).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let leader = leader_in(&text)?;
    let (root, since) = (value_in(&text, "ROOT"), value_in(&text, "REALTIME"));
    let start = process::start_time(leader).filter(|_| process::is_first_below(leader));
    // The pid may be another container's by now. A unit's name has no characters to escape but the backslash.
    let unit = value_in(&text, "SCOPE").map(unescaped);
    let start = start.filter(|_| unit.as_ref().is_none_or(|unit| is_in_unit(leader, unit)));
    let state = if start.is_some() { State::Running } else { State::Gone { pid: leader } };
    let machine = machine(name, start.map(|start| (leader, start)), state, MACHINES);
    // In microseconds.
    let created = since.and_then(|since| since.parse::<i64>().ok()).map(|since| since / 1_000_000);
    Some(Listed { root: root.map(|root| PathBuf::from(unescaped(root))), created, ..machine })
}

/// The leader in a machine's file, if it is nspawn's.
pub(crate) fn leader_in(text: &str) -> Option<i32> {
    let value = |key| value_in(text, key);
    // LXC and virtual machines may register as well.
    if value("CLASS").is_some_and(|class| class != "container")
        || value("SERVICE").is_some_and(|of| of != "systemd-nspawn")
    {
        return None;
    }
    value("LEADER")?.parse().ok().filter(|pid| *pid > 0)
}

fn value_in<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
}

/// A value of a machine's file, in which a backslash is two.
fn unescaped(value: &str) -> String {
    value.replace("\\\\", "\\")
}

/// Whether the process is in a cgroup of this unit.
fn is_in_unit(pid: i32, unit: &str) -> bool {
    let in_it = |path: &str| path.split('/').any(|part| part == unit) && cgroup::is_made_by_us(path, unit);
    process::cgroup_paths(&process::cgroup(pid)).any(in_it)
}

/// Whether there may be machines whose nspawn nobody was told of: for each that runs it makes a folder, in which mounts
/// are handed in.
pub(crate) fn may_run() -> bool {
    !file::names(&Path::new(TRACE).join("propagate")).is_empty()
}

/// The machines whose nspawn nobody was told of. It looks at all processes, so that this is for when nobody else knows
/// what is wanted.
pub(crate) fn search(wanted: &Wanted<'_>) -> Vec<Listed> {
    if !Path::new(TRACE).is_dir() {
        return Vec::new();
    }
    let mut found: Vec<Listed> = Vec::new();
    let mut doubled = Vec::new();
    for pid in process::all() {
        let Some(name) = machine_of(pid) else { continue };
        if !wanted.may_be(&name, b"") {
            continue;
        }
        let Some(leader) = supervisor::first_child(pid) else { continue };
        if !supervisor::is_trusted(pid) {
            log::info!("passing over {name}: process {pid} is not root's on this host");
            continue;
        }
        // Nothing keeps two that are not registered from having one name.
        if found.iter().any(|known| known.container.name == name) {
            log::info!("passing over {name}: several machines are called so");
            doubled.push(name);
            continue;
        }
        found.push(machine(&name, Some(leader), State::Running, "/proc"));
    }
    found.retain(|machine| !doubled.contains(&machine.container.name));
    found
}

/// The machine that this process runs, if it is an nspawn.
pub(crate) fn run_by(pid: i32) -> Option<Listed> {
    let name = machine_of(pid)?;
    let leader = supervisor::first_child(pid).filter(|_| supervisor::is_trusted(pid))?;
    Some(machine(&name, Some(leader), State::Running, "/proc"))
}

/// The name of the machine that this process says that it runs.
fn machine_of(pid: i32) -> Option<String> {
    let comm = process::read(pid, "comm").ok()?;
    (comm.trim_ascii_end() == PROGRAM)
        .then(|| process::read(pid, "cmdline").ok())
        .flatten()
        .and_then(|line| name_on(&line))
}

/// The short options that take a value, which may be joined to them.
const SHORT_WITH_VALUE: &[u8] = b"DuLMSZipE";

/// The long options that take none, or only after `=`.
const LONG_WITHOUT_VALUE: [&[u8]; 18] = [
    b"help",
    b"version",
    b"quiet",
    b"no-pager",
    b"ephemeral",
    b"read-only",
    b"volatile",
    b"as-pid2",
    b"boot",
    b"keep-unit",
    b"private-users",
    b"private-users-chown",
    b"private-network",
    b"network-veth",
    b"no-new-privileges",
    b"share-system",
    b"pipe",
    b"cleanup",
];

/// The machine's name on nspawn's command line: as it was given, else that of its folder or image. None where nspawn
/// makes one up.
pub(crate) fn name_on(line: &[u8]) -> Option<String> {
    let (mut machine, mut folder, mut made_up) = (None, None, false);
    let mut words = line.strip_suffix(b"\0").unwrap_or(line).split(|byte| *byte == 0).skip(1);
    // From the first word that is no option on, it is the line of the program inside.
    while let Some(word) = words.next().filter(|word| word.len() > 1 && word[0] == b'-' && *word != b"--") {
        let mut set = |option: &[u8], value: &[u8]| match option {
            b"M" | b"machine" => machine = Some(value.to_vec()),
            b"D" | b"directory" | b"i" | b"image" => folder = Some(value.to_vec()),
            b"x" | b"ephemeral" => made_up = true,
            _ => {}
        };
        if let Some(long) = word.strip_prefix(b"--") {
            match long.iter().position(|byte| *byte == b'=') {
                Some(at) => set(&long[..at], &long[at + 1..]),
                None if LONG_WITHOUT_VALUE.contains(&long) => set(long, b""),
                None => set(long, words.next()?),
            }
            continue;
        }
        for (at, letter) in word.iter().enumerate().skip(1) {
            let rest = &word[at + 1..];
            match (SHORT_WITH_VALUE.contains(letter), rest) {
                (false, _) => set(&[*letter], b""),
                (true, []) => set(&[*letter], words.next()?),
                (true, value) => set(&[*letter], value),
            }
            if SHORT_WITH_VALUE.contains(letter) {
                break;
            }
        }
    }
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).ok().filter(|name| !name.is_empty());
    if let Some(name) = machine {
        return text(name);
    }
    let folder = folder.filter(|_| !made_up)?;
    let name = Path::new(std::ffi::OsStr::from_bytes(&folder)).file_name()?;
    text(name.as_bytes().to_vec()).map(|name| name.strip_suffix(".raw").map(str::to_owned).unwrap_or(name))
}

fn machine(name: &str, init: Option<(i32, u64)>, state: State, folder: &str) -> Listed {
    let mut machine = process::container(Runtime::Nspawn, name, init, Path::new(folder));
    machine.env.push("container=systemd-nspawn".to_owned());
    Listed::from(Container { state, ..machine })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_named_on_the_command_line_or_by_its_folder() {
        let of = |words: &[&str]| name_on(format!("systemd-nspawn\0{}\0", words.join("\0")).as_bytes());
        for words in [["-M", "m1"].as_slice(), &["-q", "-Mm1"], &["--machine=m1"], &["--machine", "m1", "-D", "/x"]] {
            assert_eq!(of(words).as_deref(), Some("m1"), "{words:?}");
        }
        assert_eq!(of(&["-D", "/var/lib/machines/m2"]).as_deref(), Some("m2"));
        assert_eq!(of(&["--image=/x/m3.raw"]).as_deref(), Some("m3"));
        assert_eq!(of(&["--directory=/"]), None);
        // nspawn adds random digits to it.
        assert_eq!(of(&["-xD", "/var/lib/machines/m2"]), None);
        assert_eq!(of(&["-x", "-M", "m1", "-D", "/x"]).as_deref(), Some("m1"));
    }

    #[test]
    fn the_words_of_the_program_inside_name_nothing() {
        let of = |words: &[&str]| name_on(format!("systemd-nspawn\0{}\0", words.join("\0")).as_bytes());
        let m2 = "/var/lib/machines/m2";
        for words in [
            ["-D", m2, "env", "-M", "m1"].as_slice(),
            &["-qD", m2, "--", "-M", "m1"],
            &["-nq", "--keep-unit", "--bind", "-Mm1", "-D", m2],
            &["-D", m2, "-E", "-Mm1", "--volatile", "sleep", "--machine=m1"],
        ] {
            assert_eq!(of(words).as_deref(), Some("m2"), "{words:?}");
        }
        assert_eq!(name_on(b""), None);
    }
}
