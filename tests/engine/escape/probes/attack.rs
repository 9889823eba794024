//! The hostile program: what a container's process tries on whoever enters. Built by rustc alone, static, at test time, and
//! mounted into the containers; it says what it got, a line each. What counts as a hole is up to the tests.

use std::collections::{BTreeSet, HashSet};
use std::ffi::{CString, c_char, c_int, c_long, c_ulong, c_void};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::process::Command;

// SAFETY: these are declared as the C library has them.
unsafe extern "C" {
    fn fork() -> c_int;
    fn ioctl(fd: c_int, request: c_ulong, ...) -> c_int;
    fn kill(pid: c_int, signal: c_int) -> c_int;
    fn pause() -> c_int;
    fn poll(fds: *mut PollFd, count: c_ulong, timeout: c_int) -> c_int;
    fn ptrace(request: c_long, pid: c_int, ...) -> c_long;
    fn setsid() -> c_int;
    fn syscall(number: c_long, ...) -> c_long;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
}

#[repr(C)]
struct PollFd {
    fd: c_int,
    events: i16,
    revents: i16,
}

const SIGCONT: c_int = 18;
const SIGSTOP: c_int = 19;
const O_NONBLOCK_NOCTTY: c_int = 0o4000 | 0o400;

#[cfg(target_arch = "x86_64")]
const ADD_KEY: c_long = 248;
#[cfg(target_arch = "aarch64")]
const ADD_KEY: c_long = 217;
/// add_key, request_key and keyctl stand side by side.
const KEYCTL: c_long = ADD_KEY + 2;
const SESSION_KEYRING: c_int = -3;

/// How often a newcomer is stopped, looked at, and let go on.
const STEPS: u32 = 40;

fn main() {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["watch", secret] => watch(secret, Greeting::None, HashSet::new()),
        ["watch", secret, "overwrite", ref copies @ ..] => {
            let number = |text: &str| text.parse().expect("a number");
            watch(
                secret,
                Greeting::Overwrite,
                copies.chunks(2).map(|pair| (number(pair[0]), number(pair[1]))).collect(),
            )
        }
        ["watch", secret, "step"] => watch(secret, Greeting::Step, HashSet::new()),
        ["watch", secret, signal] => watch(secret, Greeting::Signal(signal.parse().expect("a signal")), HashSet::new()),
        ["push", text] => push(text),
        ["key", name] => key(name),
        ["keyed", name, value, ref command @ ..] => keyed(name, value, command),
        ["allocate", mebibytes] => allocate(mebibytes.parse().expect("a number")),
        ["multiply", number] => multiply(number.parse().expect("a number")),
        _ => panic!("{words:?}"),
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

/// Whether standard input has come to its end.
fn is_over() -> bool {
    let mut fds = PollFd { fd: 0, events: 1, revents: 0 };
    // SAFETY: one descriptor, as the count says, that lives on this stack.
    unsafe { poll(&raw mut fds, 1, 0) != 0 }
}

fn processes() -> impl Iterator<Item = c_int> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn send(pid: c_int, signal: c_int) {
    // SAFETY: plain numbers.
    unsafe { kill(pid, signal) };
}

/// A set of capabilities of a process, none where it is gone.
fn capabilities(process: &str, set: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(set)?.strip_prefix(":\t"))?;
    u64::from_str_radix(line, 16).ok()
}

/// Everything that was got of newcomers.
struct Watch<'a> {
    /// A file of the host's, which the container cannot name.
    secret: &'a str,
    /// The container's own programs.
    own: HashSet<(u64, u64)>,
    bounding: u64,
    said: BTreeSet<String>,
    traced: HashSet<c_int>,
    /// Device and inode of the scratch copies: nothing else of the host's is ever opened for writing, since the attack works.
    copies: HashSet<(u64, u64)>,
    /// These, and copies in memory.
    kept: Vec<File>,
}

/// What a newcomer meets with, besides being looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Greeting {
    None,
    /// What it was started from is written to, as soon as that can be, if it is one of the scratch copies.
    Overwrite,
    /// It is stopped again and again, and looked at each time.
    Step,
    /// It gets this signal, from first sight on.
    Signal(c_int),
}

/// Looks at every process that comes, until its own input ends.
fn watch(secret: &str, greeting: Greeting, copies: HashSet<(u64, u64)>) {
    let inode = |path| std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    let mut watch = Watch {
        secret,
        own: ["/bin/busybox", "/proc/self/exe"].into_iter().filter_map(inode).collect(),
        bounding: capabilities("self", "CapBnd").expect("a bounding set"),
        said: BTreeSet::new(),
        traced: HashSet::new(),
        copies,
        kept: Vec::new(),
    };
    let known: HashSet<_> = processes().collect();
    let mut seen = HashSet::new();
    say("ready");
    while !is_over() {
        for pid in processes().filter(|pid| !known.contains(pid)) {
            let is_new = seen.insert(pid);
            match greeting {
                Greeting::Step if is_new => {
                    for _ in 0..STEPS {
                        send(pid, SIGSTOP);
                        watch.look(pid);
                        send(pid, SIGCONT);
                    }
                }
                // Again and again: whoever waits for it may let it go on. To trace it would swallow the signal.
                Greeting::Signal(signal) => send(pid, signal),
                _ => watch.look(pid),
            }
            if is_new {
                say(&format!("newcomer {pid}"));
            }
        }
        if greeting == Greeting::Overwrite {
            watch.overwrite();
        }
    }
    if greeting == Greeting::Overwrite {
        // A program that runs cannot be written to: once more, now that it does not.
        watch.overwrite();
    }
    say("over");
}

impl Watch<'_> {
    fn got(&mut self, what: String) {
        if self.said.insert(what.clone()) {
            say(&format!("got {what}"));
        }
    }

    fn is_more_capable(&self, pid: c_int) -> bool {
        let set = |name| capabilities(&pid.to_string(), name).unwrap_or(0);
        (set("CapPrm") | set("CapEff")) & !self.bounding != 0
    }

    fn reaches_secret(&self, folder: &str) -> bool {
        let path = format!("{folder}{}", self.secret);
        std::fs::read_to_string(path).is_ok_and(|text| text.contains("of the host"))
    }

    fn look(&mut self, pid: c_int) {
        let folder = format!("/proc/{pid}");
        let capable = self.is_more_capable(pid);
        if capable {
            self.got("sight of a process that may do more than we".to_owned());
        }
        let exe = OpenOptions::new().read(true).custom_flags(O_NONBLOCK_NOCTTY).open(format!("{folder}/exe"));
        let foreign = exe.as_ref().ok().and_then(|file| file.metadata().ok());
        let foreign = foreign.is_some_and(|found| !self.own.contains(&(found.dev(), found.ino())));
        if foreign && let Ok(exe) = exe {
            let link = std::fs::read_link(format!("/proc/self/fd/{}", exe.as_raw_fd())).unwrap_or_default();
            self.got(format!("exe {}", link.display()));
            let is_copy = exe.metadata().is_ok_and(|found| self.copies.contains(&(found.dev(), found.ino())));
            // Wherever it is run from: a file of its own, a mount by itself, memory.
            let is_kept = is_copy || link.as_os_str() == "/" || link.starts_with("/memfd:cnsenter (deleted)");
            if is_kept && self.kept.len() < 256 {
                self.kept.push(exe);
            }
            if File::options().read(true).write(true).open(format!("{folder}/mem")).is_ok() {
                self.got(format!(
                    "mem{}",
                    if self.is_more_capable(pid) { " of a process that may do more" } else { "" }
                ));
            }
        }
        let environment = std::fs::read(format!("{folder}/environ")).unwrap_or_default();
        if environment.windows(7).any(|part| part == b"SECRET=") {
            self.got("environ".to_owned());
        }
        for link in ["root", "cwd"] {
            if self.reaches_secret(&format!("{folder}/{link}/../../../../../../../..")) {
                self.got(link.to_owned());
            }
        }
        self.look_at_descriptors(&folder);
        if !self.traced.contains(&pid) {
            self.trace(pid);
        }
    }

    fn look_at_descriptors(&mut self, folder: &str) {
        for entry in std::fs::read_dir(format!("{folder}/fd")).into_iter().flatten().flatten() {
            let path = entry.path().display().to_string();
            let Ok(link) = std::fs::read_link(&path) else { continue };
            // A folder of the host's leads up to its root, a procfs of the host's by its processes.
            for way in ["../../../../../../../..", "1/root", "self/root"] {
                if self.reaches_secret(&format!("{path}/{way}")) {
                    self.got(format!("fd to {} and from there the host", link.display()));
                }
            }
            let is_file = std::fs::metadata(&path).is_ok_and(|found| found.is_file());
            let mut text = [0; 64];
            let read = |file: File| (&file).read(&mut text);
            if is_file
                && File::open(&path).and_then(read).is_ok()
                && String::from_utf8_lossy(&text).contains("of the host")
            {
                self.got(format!("fd with {}", link.display()));
            }
            // Namespaces, and processes; where they lead is up to who is asked.
            let name = link.display().to_string();
            if name.contains(":[") && !name.starts_with("pipe:") && !name.starts_with("socket:") {
                let kind = name.trim_end_matches(|sign: char| sign == ']' || sign.is_ascii_digit());
                self.got(format!("fd of {kind}"));
            }
        }
    }

    fn trace(&mut self, pid: c_int) {
        let nothing = std::ptr::null_mut::<c_void>();
        // SAFETY: PTRACE_SEIZE, PTRACE_INTERRUPT and PTRACE_DETACH take no memory of ours; `status` outlives waitpid.
        unsafe {
            if ptrace(0x4206, pid, nothing, nothing) != 0 {
                return;
            }
            self.traced.insert(pid);
            // It is what it was when it was seized, or has become the program since: then there was nothing to gain.
            let capable = self.is_more_capable(pid);
            self.got(format!("ptrace{}", if capable { " of a process that may do more" } else { "" }));
            ptrace(0x4207, pid, nothing, nothing);
            let mut status = 0;
            waitpid(pid, &raw mut status, 0x4000_0000);
            ptrace(17, pid, nothing, nothing);
        }
    }

    fn overwrite(&mut self) {
        let mut overwritten = Vec::new();
        for file in &self.kept {
            let path = format!("/proc/self/fd/{}", file.as_raw_fd());
            let opened = OpenOptions::new().write(true).open(&path);
            if opened.is_ok_and(|mut target| target.write_all(b"hostile").is_ok()) {
                let link = std::fs::read_link(&path).unwrap_or_default();
                overwritten.push(format!("write access to {}", link.display()));
            }
        }
        overwritten.into_iter().for_each(|line| self.got(line));
    }
}

/// Types into whatever terminal there is, as its own and as one that it makes its own.
fn push(text: &str) {
    let type_into = |fd: c_int| {
        let pushed = |byte: &u8| {
            // SAFETY: TIOCSTI reads one byte, which outlives the call.
            unsafe { ioctl(fd, 0x5412, std::ptr::from_ref(byte)) == 0 }
        };
        text.as_bytes().iter().all(pushed)
    };
    let tty = File::open("/dev/tty");
    let mut ways = vec![("stdin", 0)];
    ways.extend(tty.iter().map(|tty| ("/dev/tty", tty.as_raw_fd())));
    for (name, fd) in ways {
        if type_into(fd) {
            return say(&format!("got {name}"));
        }
    }
    // SAFETY: a child does as the parent did; setsid and TIOCSCTTY take plain numbers.
    unsafe {
        if fork() == 0 {
            setsid();
            ioctl(0, 0x540e, 1);
            say(if type_into(0) { "got a session of its own" } else { "got nothing" });
            std::process::exit(0);
        }
        waitpid(-1, std::ptr::null_mut(), 0);
    }
}

/// Reads a key of the session keyring.
fn key(name: &str) {
    let name = CString::new(name).expect("a name");
    let mut value = [0_u8; 64];
    // SAFETY: KEYCTL_SEARCH takes NUL-terminated strings; KEYCTL_READ writes no more than the length that it is given.
    let (id, length) = unsafe {
        let id = syscall(KEYCTL, 10 as c_long, SESSION_KEYRING as c_long, c"user".as_ptr(), name.as_ptr(), 0 as c_long);
        (id, syscall(KEYCTL, 11 as c_long, id, value.as_mut_ptr(), value.len()))
    };
    match usize::try_from(length) {
        Ok(length) => say(&format!("got {}", String::from_utf8_lossy(&value[..length]))),
        Err(_) => say(&format!("got nothing, {id} {length} {}", std::io::Error::last_os_error())),
    }
}

/// On the host: runs a command with a key in a session keyring of its own.
fn keyed(name: &str, value: &str, command: &[&str]) {
    let name = CString::new(name).expect("a name");
    // SAFETY: KEYCTL_JOIN_SESSION_KEYRING takes no name; add_key reads as many bytes as it is told, and two strings.
    let id = unsafe {
        syscall(KEYCTL, 1 as c_long, std::ptr::null::<c_char>());
        let ring = SESSION_KEYRING as c_long;
        syscall(ADD_KEY, c"user".as_ptr(), name.as_ptr(), value.as_ptr(), value.len(), ring)
    };
    assert!(id > 0, "no key: {}", std::io::Error::last_os_error());
    panic!("{}", Command::new(command[0]).args(&command[1..]).exec());
}

/// Takes memory, and uses it.
fn allocate(mebibytes: usize) {
    let block = vec![1_u8; mebibytes << 20];
    let sum: usize = block.iter().step_by(4096).map(|byte| usize::from(*byte)).sum();
    say(&format!("got {}", sum * 4096 >> 20));
}

/// Has so many children at once, if it may.
fn multiply(number: usize) {
    let mut children = Vec::new();
    for _ in 0..number {
        // SAFETY: the child waits for its end and does nothing else.
        match unsafe { fork() } {
            0 => loop {
                // SAFETY: it takes nothing.
                unsafe { pause() };
            },
            pid if pid > 0 => children.push(pid),
            _ => break,
        }
    }
    say(&format!("got {}", children.len()));
    for child in children {
        send(child, 9);
        // SAFETY: no status is asked for.
        unsafe { waitpid(child, std::ptr::null_mut(), 0) };
    }
}
