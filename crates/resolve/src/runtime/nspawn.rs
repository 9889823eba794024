//! systemd-nspawn: machines that are registered with systemd-machined, by its files; others by the program that runs
//! them, which only a look at all processes finds.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::oci::DEFAULT_PATH;
use super::{Runtime, process};
use crate::container::{Container, Network, Source, State};
use crate::file;
use crate::report::Report;
use crate::wanted::Wanted;

/// Where systemd-machined notes machines, a file each.
const MACHINES: &str = "/run/systemd/machines";

/// What nspawn makes where it runs.
const TRACE: &str = "/run/systemd/nspawn";

/// The program, as the kernel cuts its name off.
const PROGRAM: &[u8] = b"systemd-nspawn";

/// A command line or machine file larger than this, in bytes, is none.
const LARGEST: u64 = 1 << 20;

/// Every machine that may be what is wanted.
pub(crate) fn state(wanted: &Wanted<'_>) -> Option<Report> {
    let mut report = Report::default();
    let machines = Path::new(MACHINES);
    for name in file::names(machines) {
        // Beside each machine lies a link by its unit's name.
        if name.starts_with("unit:") {
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
        if report.is_empty() {
            unregistered(wanted, &mut report);
        }
    }
    report.if_anything()
}

/// A machine by its file: `KEY=VALUE` lines, of which `LEADER` is the init process.
fn registered(path: &Path, name: &str) -> Option<Container> {
    let bytes = file::read(path, LARGEST).inspect_err(|error| file::skipped(path, error)).ok()?;
    let leader = leader_in(&String::from_utf8_lossy(&bytes))?;
    let start = process::start_time(leader).filter(|_| process::is_init(leader));
    let state = if start.is_some() { State::Running } else { State::Gone { pid: leader } };
    Some(machine(name, start.map(|start| (leader, start)), state, MACHINES))
}

/// The leader in a machine's file, if it is nspawn's.
pub(crate) fn leader_in(text: &str) -> Option<i32> {
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    // LXC and virtual machines may register as well.
    if value("CLASS").is_some_and(|class| class != "container")
        || value("SERVICE").is_some_and(|of| of != "systemd-nspawn")
    {
        return None;
    }
    value("LEADER")?.parse().ok().filter(|pid| *pid > 0)
}

/// The machines whose nspawn nobody was told of.
fn unregistered(wanted: &Wanted<'_>, report: &mut Report) {
    for pid in process::all() {
        let comm = file::read(&process::of(pid, "comm"), LARGEST).unwrap_or_default();
        if comm.trim_ascii_end() != PROGRAM {
            continue;
        }
        let line = file::read(&process::of(pid, "cmdline"), LARGEST).unwrap_or_default();
        let Some(name) = name_on(&line) else { continue };
        report.passed();
        if wanted.may_be(&name, b"")
            && let Some(leader) = leader(pid)
        {
            report.add(machine(&name, Some(leader), State::Running, "/proc"));
        }
    }
}

/// The init process among nspawn's children.
fn leader(nspawn: i32) -> Option<(i32, u64)> {
    let before = process::start_time(nspawn)?;
    let children = file::read(&process::of(nspawn, &format!("task/{nspawn}/children")), LARGEST).ok()?;
    let children = String::from_utf8_lossy(&children).into_owned();
    let pids = children.split_ascii_whitespace().filter_map(|pid| pid.parse().ok());
    let found = pids.filter(|pid| process::is_init(*pid)).find_map(|pid| Some((pid, process::start_time(pid)?)))?;
    // Still the same nspawn, and so its children.
    (process::start_time(nspawn) == Some(before)).then_some(found)
}

/// The machine's name on nspawn's command line: as it was given, else that of its folder or image.
pub(crate) fn name_on(line: &[u8]) -> Option<String> {
    let words: Vec<_> = line.split(|byte| *byte == 0).skip(1).collect();
    let value = |short: &[u8], long: &[u8]| {
        words.iter().enumerate().find_map(|(at, word)| {
            let after = [long, b"="].concat();
            if *word == short || *word == long {
                return words.get(at + 1).copied();
            }
            word.strip_prefix(&after[..]).or_else(|| word.strip_prefix(short)).filter(|value| !value.is_empty())
        })
    };
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    if let Some(name) = value(b"-M", b"--machine") {
        return text(name);
    }
    let folder = value(b"-D", b"--directory").or_else(|| value(b"-i", b"--image"))?;
    let name = Path::new(std::ffi::OsStr::from_bytes(folder)).file_name()?;
    text(name.as_bytes()).map(|name| name.strip_suffix(".raw").map(str::to_owned).unwrap_or(name))
}

fn machine(name: &str, init: Option<(i32, u64)>, state: State, folder: &str) -> Container {
    Container {
        runtime: Runtime::Nspawn,
        namespace: None,
        id: name.to_owned(),
        name: name.to_owned(),
        pid: init.map(|(pid, _)| pid),
        start: init.map(|(_, start)| start),
        state,
        network: Network::None,
        env: [DEFAULT_PATH, "HOME=/root", "container=systemd-nspawn"].map(str::to_owned).to_vec(),
        pod: None,
        service: None,
        source: Source::State { folder: folder.into(), instead_of: None },
    }
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
        assert_eq!(name_on(b""), None);
    }
}
