//! Reading what may never answer: a file system that a container serves itself, as FUSE has it, keeps whoever opens a file
//! there waiting for good. Nothing on the way to exec belongs here.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use nix::libc::{EIO, SIGKILL};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, WaitOptions, waitpid};

use crate::sys;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// What `read` returns, provided that it does so soon; a failure says so by its number. It is a child that waits, since the
/// kernel may let nothing but the death of the file system wake it: the child then ends with that.
pub(crate) fn patiently(read: impl FnOnce() -> io::Result<Vec<u8>>) -> io::Result<Vec<u8>> {
    let (answer, ours) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    let Some(child) = sys::fork()? else {
        let written = read().and_then(|bytes| File::from(ours).write_all(&bytes));
        sys::exit(written.map_or_else(|error| error.raw_os_error().unwrap_or(EIO), |()| 0));
    };
    drop(ours);
    let answer = File::from(answer);
    let bytes = until(&answer, Instant::now() + PATIENCE);
    if bytes.is_err() {
        sys::kill(child, SIGKILL);
    }
    let end = status(child, bytes.is_err())?;
    match (bytes?, end) {
        (bytes, Some(0)) => Ok(bytes),
        (_, code) => Err(io::Error::from_raw_os_error(code.unwrap_or(EIO))),
    }
}

/// All that comes until the other end is closed.
fn until(mut answer: &File, end: Instant) -> io::Result<Vec<u8>> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&answer, PollFlags::IN)], Some(&left)) {
            Ok(0) => return Err(ErrorKind::TimedOut.into()),
            Ok(_) => match answer.read(&mut piece)? {
                0 => return Ok(bytes),
                size => bytes.extend(&piece[..size]),
            },
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The exit status of a child; nothing where a signal ended it, or it hangs and is left to itself.
fn status(child: Pid, hangs: bool) -> io::Result<Option<i32>> {
    let options = if hangs { WaitOptions::NOHANG } else { WaitOptions::empty() };
    let ended = rustix::io::retry_on_intr(|| waitpid(Some(child), options))?;
    Ok(ended.and_then(|(_, status)| status.exit_status()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_comes_and_so_does_a_failure() {
        let long = vec![7; 1 << 20];
        assert_eq!(patiently(|| Ok(long.clone())).unwrap(), long);
        assert_eq!(patiently(|| Ok(Vec::new())).unwrap(), []);
        let failed = patiently(|| Err(Errno::FBIG.into())).unwrap_err();
        assert_eq!(Errno::from_io_error(&failed), Some(Errno::FBIG));
    }

    #[test]
    fn what_never_answers_is_waited_for_no_longer() {
        let start = Instant::now();
        let forever = patiently(|| {
            std::thread::sleep(Duration::from_secs(1000));
            Ok(Vec::new())
        });
        assert_eq!(forever.unwrap_err().kind(), ErrorKind::TimedOut);
        assert!(start.elapsed() < 3 * PATIENCE, "{:?}", start.elapsed());
    }
}
