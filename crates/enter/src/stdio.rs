//! Standard input, output and errors of the program: which of the caller's are handed on as they are, and what the
//! program gets in place of the others. How those are copied belongs in `relay.rs`.
//!
//! A container's program gets no file, device or terminal of the host's: it could open a file again under `/proc/self/fd`,
//! to write where the caller can only append, give the host's `/dev/null` to somebody else (fchown(2)), and push what it
//! likes into a terminal's input (TIOCSTI). The container's own `/dev/null` takes the place of the host's, a pipe of ours
//! that of the others. Pipes without a name and sockets are handed on, and so is what was closed.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::fs::{FileType, Gid, Mode, OFlags, Stat, Uid, fstat};
use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_getfd};
use rustix::pipe::PipeFlags;
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use rustix::stdio::{stderr as callers_errors, stdin as callers_input, stdout as callers_output};
use rustix::termios::isatty;

use crate::pty::{Pair, Terminal};
use crate::relay::{Pump, Relay, Stream};
use crate::{Error, inside};

/// statfs(2) magic of pipes that have no name.
const PIPEFS_MAGIC: i64 = 0x5049_5045;
/// Every number above those of the standard three.
const ABOVE: RawFd = 3;

const WHAT: &str = "cannot make a pipe";

/// What the program gets in place of the caller's.
#[derive(Debug, Default)]
pub(crate) struct Stdio {
    ends: [Option<OwnedFd>; 3],
    /// Where cnsenter says what is wrong, while the program's errors are to go to its terminal.
    messages: Option<OwnedFd>,
    /// Where the program's errors go in place of its terminal.
    errors: Option<OwnedFd>,
}

impl Stdio {
    /// Puts all in place, in a process that is to become the program.
    pub(crate) fn place(&mut self) -> Result<(), Error> {
        const WHAT: &str = "cannot put a stream in its place";
        let [input, output, errors] = std::mem::take(&mut self.ends);
        input.map_or(Ok(()), dup2_stdin).map_err(Error::system(WHAT))?;
        output.map_or(Ok(()), dup2_stdout).map_err(Error::system(WHAT))?;
        errors.map_or(Ok(()), dup2_stderr).map_err(Error::system(WHAT))
    }

    /// The last step: the program's errors go to its terminal, unless the caller's go elsewhere. The end of the messages
    /// says that it runs.
    pub(crate) fn complete(&self) {
        if self.messages.is_some() {
            let _ = dup2_stderr(self.errors.as_ref().map_or(rustix::stdio::stdin(), AsFd::as_fd));
        }
    }

    /// There was no last step after all, and something to say about it.
    pub(crate) fn take_back(&self) {
        if let Some(messages) = &self.messages {
            let _ = dup2_stderr(messages);
        }
    }

    /// What is held beside the standard three.
    pub(crate) fn descriptors(&self) -> Vec<RawFd> {
        self.messages.iter().chain(&self.errors).map(AsRawFd::as_raw_fd).collect()
    }
}

/// Pipes in place of what is not handed on, which will belong to the program's user, `owner`, as the host has it. `null`
/// is a handle of the container's own `/dev/null`.
pub(crate) fn relayed(owner: Option<u32>, null: Option<&OwnedFd>) -> Result<(Relay, Stdio), Error> {
    let (mut relay, mut stdio) = (Relay::default(), Stdio::default());
    let mut replaced = [callers_input(), callers_output(), callers_errors()].map(is_replaced);
    if let Some(null) = null {
        let callers = [callers_input(), callers_output(), callers_errors()];
        for ((stream, found), end) in callers.into_iter().zip(&mut replaced).zip(&mut stdio.ends) {
            if found.as_ref().is_some_and(inside::is_null) {
                let access = rustix::fs::fcntl_getfl(stream).unwrap_or(OFlags::RDWR) & OFlags::RWMODE;
                *end = inside::reopen(null, access);
                found.take_if(|_| end.is_some());
            }
        }
    }
    let [input, replaced @ ..] = replaced;
    if let Some(found) = input {
        let (read, write) = pipe(owner)?;
        nonblocking(&write)?;
        let mut pump = Pump::new(Stream::Input, own(callers_input(), OFlags::RDONLY)?, write);
        if FileType::from_raw_mode(found.st_mode) == FileType::RegularFile {
            pump = pump.giving_back(duplicate(read.as_fd())?);
        }
        relay.pumps.push(pump);
        stdio.ends[0] = Some(read);
    }
    for (index, caller) in [(1, callers_output()), (2, callers_errors())] {
        if replaced[index - 1].is_none() {
            continue;
        }
        // What goes to the same file keeps its order.
        let same = index == 2 && matches!(&replaced, [Some(output), Some(errors)] if is_same(output, errors));
        if let (true, Some(output)) = (same, &stdio.ends[1]) {
            stdio.ends[2] = Some(duplicate(output.as_fd())?);
            continue;
        }
        let (read, write) = pipe(owner)?;
        nonblocking(&read)?;
        relay.pumps.push(Pump::new(Stream::Output, read, own(caller, OFlags::WRONLY)?));
        stdio.ends[index] = Some(write);
    }
    [callers_input(), callers_output(), callers_errors()].into_iter().for_each(|stream| give_to(stream, owner));
    Ok((relay, stdio))
}

/// A terminal in place of all three; where the caller's errors go elsewhere, a pipe in place of those.
pub(crate) fn terminal(pair: Pair, owner: Option<u32>) -> Result<(Relay, Stdio), Error> {
    if let Some(owner) = owner {
        let _ = rustix::fs::fchown(&pair.slave, Some(Uid::from_raw(owner)), None::<Gid>);
    }
    let _ = rustix::fs::fchmod(&pair.slave, Mode::from_raw_mode(0o620));
    let (read, messages) = pipe(None)?;
    nonblocking(&read)?;
    let slave = || duplicate(pair.slave.as_fd()).map(Some);
    let ends = [slave()?, slave()?, Some(duplicate(messages.as_fd())?)];
    let mut stdio = Stdio { ends, messages: Some(messages), errors: None };
    let caller = [callers_input(), callers_output()]
        .into_iter()
        .find(|stream| isatty(stream))
        .filter(|_| isatty(callers_input()));
    let caller = caller.map(duplicate).transpose()?;
    let (input, output) = (duplicate(pair.master.as_fd())?, duplicate(pair.master.as_fd())?);
    let mut pumps = vec![
        Pump::new(Stream::Messages, read, own(callers_errors(), OFlags::WRONLY)?),
        Pump::new(Stream::Input, own(callers_input(), OFlags::RDONLY)?, input).waiting(),
        // Until the terminal's modes are set: a keeper may close its end of the messages after the program's first words.
        Pump::new(Stream::Output, output, own(callers_output(), OFlags::WRONLY)?).waiting(),
    ];
    if isatty(callers_output()) && is_elsewhere(callers_errors()) {
        let (read, write) = pipe(owner)?;
        nonblocking(&read)?;
        // The program may have another user than `owner`, who is to open it again as /dev/stderr.
        let _ = rustix::fs::fchmod(&write, Mode::from_raw_mode(0o622));
        pumps.push(Pump::new(Stream::Errors, read, own(callers_errors(), OFlags::WRONLY)?));
        stdio.errors = Some(write);
    }
    Ok((Relay { pumps, terminal: Some(Terminal::new(caller, pair)) }, stdio))
}

/// What a stream is, if it is nothing to hand on.
fn is_replaced(stream: BorrowedFd<'_>) -> Option<Stat> {
    // Closed, and filled by us until the program is there.
    if fcntl_getfd(stream).map_or(true, |flags| flags.contains(FdFlags::CLOEXEC)) {
        return None;
    }
    let found = fstat(stream).ok()?;
    let handed_on = match FileType::from_raw_mode(found.st_mode) {
        FileType::Socket => true,
        // One with a name is a file of the host's: fchmod(2).
        FileType::Fifo => is_nameless(stream),
        _ => false,
    };
    (!handed_on).then_some(found)
}

/// Whether one of the caller's streams is the host's `/dev/null`.
pub(crate) fn has_null() -> bool {
    let all = [callers_input(), callers_output(), callers_errors()];
    all.into_iter().any(|stream| is_replaced(stream).is_some_and(|found| inside::is_null(&found)))
}

/// Whether the caller has sent a stream to something that is no terminal.
fn is_elsewhere(stream: BorrowedFd<'_>) -> bool {
    fcntl_getfd(stream).is_ok_and(|flags| !flags.contains(FdFlags::CLOEXEC)) && !isatty(stream)
}

fn is_same(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}

fn pipe(owner: Option<u32>) -> Result<(OwnedFd, OwnedFd), Error> {
    let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(Error::system(WHAT))?;
    give_to(write.as_fd(), owner);
    Ok((read, write))
}

/// A pipe can be opened again, as `/dev/stdout`, by its owner alone.
fn give_to(stream: BorrowedFd<'_>, owner: Option<u32>) {
    let Some(owner) = owner else { return };
    if is_nameless(stream) {
        let _ = rustix::fs::fchown(stream, Some(Uid::from_raw(owner)), None::<Gid>);
    }
}

/// Whether it is a pipe that lies in no file system of the host's.
pub(crate) fn is_nameless(pipe: BorrowedFd<'_>) -> bool {
    rustix::fs::fstatfs(pipe).is_ok_and(|found| found.f_type == PIPEFS_MAGIC)
}

fn nonblocking(end: &OwnedFd) -> Result<(), Error> {
    let flags = rustix::fs::fcntl_getfl(end).map_err(Error::system(WHAT))?;
    rustix::fs::fcntl_setfl(end, flags | OFlags::NONBLOCK).map_err(Error::system(WHAT))
}

fn duplicate(stream: BorrowedFd<'_>) -> Result<OwnedFd, Error> {
    fcntl_dupfd_cloexec(stream, ABOVE).map_err(Error::system("cannot duplicate a stream"))
}

/// One of the caller's streams, to copy from or to. Terminals and pipes are opened once more where that is allowed: so
/// they need not be waited for, and the caller's own descriptor, which a shell shares, is left as it is. A file must be the
/// very same, whose place and O_APPEND count.
fn own(stream: BorrowedFd<'_>, access: OFlags) -> Result<OwnedFd, Error> {
    let is_pipe = fstat(stream).is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Fifo);
    if is_pipe || isatty(stream) {
        let path = format!("/proc/self/fd/{}", stream.as_raw_fd());
        let flags = access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        if let Ok(opened) = rustix::fs::open(path, flags, Mode::empty()) {
            return Ok(opened);
        }
    }
    duplicate(stream)
}
