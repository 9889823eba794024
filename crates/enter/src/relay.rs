//! What the caller's own process does with streams that are not handed on themselves: it copies, between the caller's
//! descriptors and the program's pipes or pseudo-terminal, as fast as the slower side goes. Which streams those are is
//! decided in `stdio.rs`, the terminals' modes and sizes belong in `pty.rs`.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::libc;
use nix::sys::signalfd::SignalFd;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::FileType;
use rustix::io::Errno;

use crate::pty::Terminal;

/// What is read at once.
const BLOCK: usize = 64 << 10;
/// No pseudo-terminal holds more, drivers/tty/tty_buffer.c and n_tty.c; a pipe says itself how much it does.
const HELD: usize = 128 << 10;

/// The streams that are copied while the program runs.
#[derive(Debug, Default)]
pub(crate) struct Relay {
    pub(crate) pumps: Vec<Pump>,
    /// The caller's terminal and the program's, where it has one of its own.
    pub(crate) terminal: Option<Terminal>,
}

/// What a pump copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// From the caller to the program.
    Input,
    /// From the program to the caller.
    Output,
    /// The same, of a program on a terminal whose errors the caller has sent elsewhere.
    Errors,
    /// What cnsenter itself says until there is a program, whose start is the end of it.
    Messages,
}

/// One direction of one stream.
#[derive(Debug)]
pub(crate) struct Pump {
    stream: Stream,
    /// Nothing once it has ended.
    from: Option<OwnedFd>,
    /// Nothing once all has been written, or nobody takes any more.
    to: Option<OwnedFd>,
    buffer: Vec<u8>,
    /// How much of the buffer has been written.
    written: usize,
    /// Whether it has to: what is typed is meant for somebody else at the moment, or there is no program yet.
    waits: bool,
    /// The other end of the pipe `to`, where what the program leaves there goes back to the file `from`.
    back: Option<OwnedFd>,
    /// Why not all was copied, where neither side has simply gone.
    failed: Option<Errno>,
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Something was copied.
    Went,
    /// There is nothing to copy, or no room, for now.
    Waits,
    /// The source has ended.
    Ended,
    /// Nobody takes it any more.
    Refused,
}

impl Pump {
    pub(crate) fn new(stream: Stream, from: OwnedFd, to: OwnedFd) -> Self {
        let (from, to, buffer) = (Some(from), Some(to), Vec::new());
        Self { stream, from, to, buffer, written: 0, waits: false, back: None, failed: None }
    }

    /// It waits for [`Relay::go_on`].
    pub(crate) fn waiting(mut self) -> Self {
        self.waits = true;
        self
    }

    /// It gives back what is not read at this end of its pipe.
    pub(crate) fn giving_back(mut self, end: OwnedFd) -> Self {
        self.back = Some(end);
        self
    }

    fn is_empty(&self) -> bool {
        self.written == self.buffer.len()
    }

    /// What it waits for.
    fn wanted(&self) -> Option<PollFd<'_>> {
        match (&self.from, &self.to) {
            (_, Some(to)) if !self.is_empty() => Some(PollFd::new(to, PollFlags::OUT)),
            (Some(from), Some(_)) if !self.waits => Some(PollFd::new(from, PollFlags::IN)),
            _ => None,
        }
    }

    fn step(&mut self) -> Step {
        let (from, to) = match (&self.from, &self.to) {
            (from, Some(to)) => (from.as_ref(), to),
            _ => return Step::Waits,
        };
        if !self.is_empty() {
            return match rustix::io::write(to, &self.buffer[self.written..]) {
                Ok(length) => {
                    self.written += length;
                    Step::Went
                }
                Err(Errno::AGAIN | Errno::INTR) => Step::Waits,
                Err(errno) => {
                    self.failed = Some(errno).filter(|errno| *errno != Errno::PIPE && !has_hung_up(to.as_fd(), *errno));
                    Step::Refused
                }
            };
        }
        let Some(from) = from else { return Step::Ended };
        if self.stream == Stream::Input && !is_in_foreground(from.as_fd()) {
            self.waits = true;
            return Step::Waits;
        }
        self.buffer.resize(BLOCK, 0);
        self.written = 0;
        let read = rustix::io::read(from, &mut self.buffer[..]);
        self.buffer.truncate(read.unwrap_or(0));
        match read {
            Ok(1..) => Step::Went,
            Ok(0) => Step::Ended,
            Err(Errno::AGAIN | Errno::INTR) => Step::Waits,
            Err(errno) => {
                // One that is open for writing alone never had any.
                self.failed = Some(errno).filter(|errno| *errno != Errno::BADF && !has_hung_up(from.as_fd(), *errno));
                Step::Ended
            }
        }
    }

    /// Closes both sides: who reads at the other end finds the end, and who writes there an error.
    fn end(&mut self) {
        self.from = self.from.take_if(|_| self.back.is_some());
        self.to = None;
        self.buffer.clear();
        self.written = 0;
    }

    /// What the program has not read goes back to the file, as if the program itself had been reading there: who reads the
    /// same file next begins where it has stopped.
    fn give_back(&self) {
        let (Some(from), Some(back)) = (&self.from, &self.back) else { return };
        let in_pipe = rustix::io::ioctl_fionread(back).unwrap_or(0).cast_signed();
        let unread = in_pipe + (self.buffer.len() - self.written) as i64;
        if unread > 0 {
            let _ = rustix::fs::seek(from, rustix::fs::SeekFrom::Current(-unread));
        }
    }
}

impl Relay {
    /// Whether there is nothing to copy.
    pub(crate) fn is_idle(&self) -> bool {
        self.pumps.is_empty()
    }

    /// All that is held open.
    pub(crate) fn descriptors(&self) -> Vec<RawFd> {
        let ends = self.pumps.iter().flat_map(|pump| [&pump.from, &pump.to, &pump.back]).flatten();
        let terminal = self.terminal.iter().flat_map(Terminal::descriptors);
        ends.map(AsRawFd::as_raw_fd).chain(terminal).collect()
    }

    /// Copies until there is a signal to read.
    pub(crate) fn serve_until(&mut self, signals: BorrowedFd<'_>) {
        loop {
            let (signal, ready) = self.wait(signals, |_| true);
            for number in ready {
                self.step(number);
            }
            if signal {
                return;
            }
        }
    }

    /// Waits for one of these pumps, or a signal: whether there is a signal, and which pumps are ready.
    fn wait(&self, signals: BorrowedFd<'_>, which: impl Fn(usize) -> bool) -> (bool, Vec<usize>) {
        let mut all = vec![PollFd::from_borrowed_fd(signals, PollFlags::IN)];
        let mut numbers = Vec::with_capacity(self.pumps.len());
        for (number, pump) in self.pumps.iter().enumerate().filter(|(number, _)| which(*number)) {
            if let Some(wanted) = pump.wanted() {
                all.push(wanted);
                numbers.push(number);
            }
        }
        if poll(&mut all, None).is_err() {
            return (false, Vec::new());
        }
        let ready = |descriptor: &PollFd<'_>| !descriptor.revents().is_empty();
        let pumps = numbers.into_iter().zip(&all[1..]).filter(|(_, found)| ready(found)).map(|(number, _)| number);
        (ready(&all[0]), pumps.collect())
    }

    /// A step of one pump, and what follows from it for the others.
    fn step(&mut self, number: usize) -> Step {
        let pump = &mut self.pumps[number];
        let (stream, step) = (pump.stream, pump.step());
        if matches!(step, Step::Went | Step::Waits) {
            return step;
        }
        match (stream, &mut self.terminal) {
            (Stream::Messages, Some(terminal)) => {
                pump.end();
                terminal.begin();
                self.let_all_go();
            }
            (Stream::Input, Some(terminal)) if step == Step::Ended => match terminal.end_of_input() {
                // What a person types to say that it is the end.
                // Once for a line that has begun, which it only hands over, and once for the end itself.
                Some(character) if pump.from.is_some() => {
                    pump.from = None;
                    pump.buffer = vec![character; 2];
                    pump.written = 0;
                }
                Some(_) => pump.end(),
                None => self.hang_up(),
            },
            (Stream::Output, Some(_)) if step == Step::Refused => self.hang_up(),
            _ => pump.end(),
        }
        step
    }

    /// The caller's terminal is gone, or nobody takes what is shown, and the program's goes with it: the kernel tells those
    /// who use it. A terminal that is still there is left as it was found.
    fn hang_up(&mut self) {
        self.pause();
        for pump in self.pumps.iter_mut().filter(|pump| pump.stream != Stream::Messages) {
            pump.end();
        }
        self.terminal = None;
    }

    fn let_all_go(&mut self) {
        self.pumps.iter_mut().for_each(|pump| pump.waits = false);
    }

    /// Leaves the caller's terminal as it was found, for as long as this process is stopped.
    pub(crate) fn pause(&mut self) {
        if let Some(terminal) = &mut self.terminal {
            terminal.restore();
        }
    }

    /// After a stop, whoever caused it.
    pub(crate) fn go_on(&mut self) {
        match &mut self.terminal {
            Some(terminal) if !terminal.has_begun() => return,
            Some(terminal) => terminal.begin(),
            None => {}
        }
        self.let_all_go();
    }

    /// Hands on the size of the caller's terminal, where the program has one: the kernel tells the program then.
    pub(crate) fn resize(&self) -> bool {
        self.terminal.as_ref().map(Terminal::resize).is_some()
    }

    /// What has kept the program from being given all its input, or the caller all its output.
    pub(crate) fn failures(&self) -> impl Iterator<Item = (Stream, Errno)> {
        self.pumps.iter().filter_map(|pump| Some((pump.stream, pump.failed?)))
    }

    /// The program has ended: copies what it has said, and leaves everything as it was found. What others still have open
    /// is not waited for. A signal that means the end ends it earlier.
    pub(crate) fn finish(&mut self, signals: &SignalFd) {
        let room = |pump: &Pump| pump.from.as_ref().and_then(|from| rustix::pipe::fcntl_getpipe_size(from).ok());
        // Somebody in the background may go on and on.
        let mut left: Vec<_> = self.pumps.iter().map(|pump| room(pump).unwrap_or(HELD).max(BLOCK)).collect();
        let mut drained: Vec<_> = self.pumps.iter().map(|pump| pump.stream == Stream::Input).collect();
        while drained.contains(&false) {
            for number in 0..drained.len() {
                while !drained[number] {
                    let is_new = self.pumps[number].is_empty();
                    match self.pumps[number].step() {
                        Step::Went if is_new => {
                            left[number] = left[number].saturating_sub(self.pumps[number].buffer.len())
                        }
                        Step::Went => drained[number] = self.pumps[number].is_empty() && left[number] == 0,
                        Step::Waits if !is_new => break,
                        Step::Waits | Step::Ended | Step::Refused => drained[number] = true,
                    }
                }
                // A program that was quick: what it has said is for a terminal in raw mode all the same.
                if let (Stream::Messages, Some(terminal)) = (self.pumps[number].stream, &mut self.terminal)
                    && drained[number]
                    && !terminal.has_begun()
                {
                    terminal.begin();
                }
            }
            let (signal, _) = match drained.contains(&false) {
                true => self.wait(signals.as_fd(), |number| !drained[number]),
                false => break,
            };
            if signal && signals.read_signal().ok().flatten().is_some_and(|received| is_end(received.ssi_signo)) {
                break;
            }
        }
        self.pumps.iter().for_each(Pump::give_back);
        self.pause();
    }
}

/// Whether this is what a terminal says that has hung up, and no failure of a disk.
fn has_hung_up(stream: BorrowedFd<'_>, errno: Errno) -> bool {
    let is_device = || {
        let found = rustix::fs::fstat(stream);
        found.is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice)
    };
    errno == Errno::IO && is_device()
}

fn is_end(signal: u32) -> bool {
    [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM].contains(&signal.cast_signed())
}

/// Whether what is typed on a terminal is for us, rather than for a shell that has us in the background.
fn is_in_foreground(terminal: BorrowedFd<'_>) -> bool {
    match rustix::termios::tcgetpgrp(terminal) {
        Ok(group) => group == rustix::process::getpgrp(),
        // No terminal, or none that controls us.
        Err(_) => true,
    }
}
