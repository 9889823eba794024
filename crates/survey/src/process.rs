//! What `/proc` says of one process, proc(5).

use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::time::{ClockId, clock_gettime};

use crate::{Error, files};

/// The longest command line that is taken, in bytes, and the longest of the kernel's own texts.
const LONGEST_COMMAND: u64 = 16 << 10;
const LONGEST: u64 = 64 << 10;

/// A process of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// What it is called: `/proc/PID/comm`.
    pub name: String,
    /// Its command line, a word each; empty for the kernel's own and for zombies.
    pub command: Vec<String>,
    /// When it started.
    pub started: SystemTime,
    /// Effective user and group.
    pub uid: u32,
    #[allow(missing_docs)]
    pub gid: u32,
}

impl Process {
    /// Reads it; of a thread, its process.
    ///
    /// # Errors
    /// [`Error::Read`] where there is no such process.
    pub fn read(pid: i32) -> Result<Self, Error> {
        let text = |pid: i32, file: &str, most| {
            let path = Path::new("/proc").join(pid.to_string()).join(file);
            files::read(&path, most).map_err(|cause| Error::read(&path, cause))
        };
        let broken = || Error::read(&Path::new("/proc").join(pid.to_string()), std::io::ErrorKind::InvalidData);
        let status = text(pid, "status", LONGEST)?;
        let Status { process, uid, gid } = Status::parse(&status).ok_or_else(broken)?;
        let (name, ticks) = stat(&text(process, "stat", LONGEST)?).ok_or_else(broken)?;
        let command = words(&text(process, "cmdline", LONGEST_COMMAND)?);
        Ok(Self { pid: process, name, command, started: moment(ticks), uid, gid })
    }
}

/// What is taken from `/proc/PID/status`.
pub(crate) struct Status {
    process: i32,
    uid: u32,
    gid: u32,
}

impl Status {
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(text);
        // The name comes first, with its newlines escaped.
        let value = |name: &str, nth| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_ascii_whitespace().nth(nth)
        };
        let process = value("Tgid:", 0)?.parse().ok()?;
        // Real, effective, saved, of the file system.
        Some(Self { process, uid: value("Uid:", 1)?.parse().ok()?, gid: value("Gid:", 1)?.parse().ok()? })
    }
}

/// The name and the start in ticks since boot, of `/proc/PID/stat`. The name may hold anything: its end is the last
/// parenthesis.
pub(crate) fn stat(text: &[u8]) -> Option<(String, u64)> {
    let text = String::from_utf8_lossy(text);
    let (name, rest) = text.split_once(" (")?.1.rsplit_once(") ")?;
    let start = rest.split_ascii_whitespace().nth(19)?.parse().ok()?;
    Some((name.to_owned(), start))
}

/// The words of a command line, each with a zero byte behind it.
pub(crate) fn words(text: &[u8]) -> Vec<String> {
    let text = text.strip_suffix(&[0]).unwrap_or(text);
    if text.is_empty() {
        return Vec::new();
    }
    text.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

/// The moment of a number of clock ticks since boot, as `/proc/PID/stat` counts them.
pub fn moment(ticks: u64) -> SystemTime {
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    let start = Duration::from_millis(ticks.saturating_mul(1000) / per_second);
    let now = Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default();
    let then = SystemTime::now().checked_sub(now.saturating_sub(start));
    then.unwrap_or(SystemTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let rest = format!("S 1 {}4711 8 9\n", "0 ".repeat(17));
        for name in ["sh", "a) R 1 (b", "x\ny", ") ", ""] {
            assert_eq!(stat(format!("12 ({name}) {rest}").as_bytes()), Some((name.to_owned(), 4711)), "{name}");
        }
        for text in ["", "12 sh S", "12 (sh) S 1 2", "12 (sh"] {
            assert_eq!(stat(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_command_line_has_its_words() {
        assert_eq!(words(b"sh\0-c\0\0a b\0"), ["sh", "-c", "", "a b"]);
        assert_eq!(words(b""), [""; 0]);
        assert_eq!(words(b"title\xff"), ["title\u{fffd}"]);
    }

    #[test]
    fn we_are_what_we_are() {
        let us = Process::read(std::process::id().cast_signed()).unwrap();
        assert_eq!(us.uid, rustix::process::geteuid().as_raw());
        assert_eq!(us.command, std::env::args().collect::<Vec<_>>());
        assert!(us.started <= SystemTime::now() && us.started.elapsed().unwrap() < Duration::from_secs(600));
        // Tests run in threads.
        let thread = rustix::thread::gettid().as_raw_nonzero().get();
        assert_eq!(Process::read(thread).unwrap().pid, us.pid);
        assert!(Process::read(i32::MAX).is_err());
    }
}
