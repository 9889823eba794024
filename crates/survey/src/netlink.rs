//! Questions to the kernel over a netlink(7) socket, and the attributes of its answers. What they mean belongs in
//! `link.rs` and `route.rs`.
//!
//! Whoever rules over a network namespace may send to any socket in it, and name its interfaces as they like: answers
//! are taken from the kernel alone, and read with bounds.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NetlinkBuffer, NlasIterator,
};
use netlink_sys::SocketAddr;
use netlink_sys::protocols::{NETLINK_ROUTE, NETLINK_SOCK_DIAG};
use rustix::buffer::spare_capacity;
use rustix::net::{RecvFlags, SendFlags};

/// The kernel's answers come in pieces of up to 32 KiB, but for an interface that has 64 KiB of names.
const PIECE: usize = 96 << 10;
/// A list that changes while it is told is asked for that often; then it is taken as it is.
const TRIES: u32 = 8;
/// So many questions are sent at once: their answers have to fit into the socket's buffer, which holds 200 KiB as a rule.
const BATCH: usize = 16;
/// The header of every message.
const HEADER: usize = 16;
/// The own header of a request for a list, whatever it asks for: `ifinfomsg` is the longest.
const REQUEST: usize = 16;

/// The header of every attribute.
const ATTRIBUTE: usize = 4;

/// `include/uapi/linux/rtnetlink.h` and `net_namespace.h`: RTM_…NSID, NETNSA_….
const RTM_NEWNSID: u16 = 88;
const RTM_GETNSID: u16 = 90;
const NETNSA_NSID: u16 = 1;
const NETNSA_PID: u16 = 2;
const NETNSA_FD: u16 = 3;
/// `rtgenmsg`, with what fills it up.
const GENERAL: usize = 4;

/// An open socket. It stays in the network in which it was opened.
pub(crate) struct Socket {
    socket: netlink_sys::Socket,
    sequence: u32,
    piece: Vec<u8>,
}

/// What a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// rtnetlink(7).
    Route,
    /// sock_diag(7).
    SocketDiagnosis,
}

/// A network that is asked for.
pub(crate) enum Other<'a> {
    Network(BorrowedFd<'a>),
    /// A process's.
    Process(i32),
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    More,
    Enough,
}

impl Socket {
    /// In this thread's network.
    pub(crate) fn open(protocol: Protocol) -> io::Result<Self> {
        let socket = netlink_sys::Socket::new(match protocol {
            Protocol::Route => NETLINK_ROUTE,
            Protocol::SocketDiagnosis => NETLINK_SOCK_DIAG,
        })?;
        // The kernel then refuses what others send to it.
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self { socket, sequence: 0, piece: Vec::with_capacity(PIECE) })
    }

    /// Makes the kernel heed what a question for a list says beside what kind of list, and refuse what it does not understand.
    ///
    /// # Errors
    /// Before Linux 4.20.
    pub(crate) fn be_strict(&mut self) -> io::Result<()> {
        self.socket.set_netlink_get_strict_chk(true)
    }

    /// Asks for a whole list, and hands over each message of that `answer`. Begins anew when the list changed meanwhile.
    pub(crate) fn list<T: Default>(
        &mut self,
        question: u16,
        answer: u16,
        each: impl FnMut(&mut T, &[u8]) -> Next,
    ) -> io::Result<T> {
        self.list_of(question, &[0; REQUEST], answer, each)
    }

    /// The same of a list that the request's own header and what follows it describe.
    pub(crate) fn list_of<T: Default>(
        &mut self,
        question: u16,
        body: &[u8],
        answer: u16,
        mut each: impl FnMut(&mut T, &[u8]) -> Next,
    ) -> io::Result<T> {
        let mut tries = 0;
        loop {
            tries += 1;
            self.send(question, NLM_F_REQUEST | NLM_F_DUMP, &[body])?;
            let mut list = T::default();
            let changed = self.answers(answer, &mut |payload| each(&mut list, payload))?;
            if !changed || tries == TRIES {
                return Ok(list);
            }
        }
    }

    /// Asks for many things, and takes what `parse` makes of the place of each and its answer; nothing of what is refused,
    /// or was lost: whoever has an interface with very many names takes the room of other answers.
    pub(crate) fn get_each<T>(
        &mut self,
        question: u16,
        bodies: &[impl AsRef<[u8]>],
        answer: u16,
        parse: impl Fn(usize, &[u8]) -> Option<T>,
    ) -> Vec<Option<T>> {
        let mut all: Vec<_> = bodies.iter().map(|_| None).collect();
        for (batch, begin) in bodies.chunks(BATCH).zip((0..).step_by(BATCH)) {
            let before = self.sequence;
            if self.send(question, NLM_F_REQUEST, batch).is_err() {
                break;
            }
            // By now the kernel has answered. Where answers were lost, an error is told before the others.
            for _ in 0..=batch.len() {
                match self.receive(RecvFlags::DONTWAIT) {
                    Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => break,
                    Err(_) => continue,
                    Ok(()) => {}
                }
                for message in messages(&self.piece).map_while(Result::ok) {
                    let place = message.sequence_number().wrapping_sub(before).checked_sub(1).map(|at| at as usize);
                    if let Some(place) = place.filter(|at| *at < batch.len())
                        && message.message_type() == answer
                    {
                        all[begin + place] = parse(begin + place, message.payload());
                    }
                }
            }
        }
        all
    }

    /// Asks for one thing.
    pub(crate) fn get<T>(
        &mut self,
        question: u16,
        body: &[u8],
        answer: u16,
        parse: impl Fn(&[u8]) -> Option<T>,
    ) -> Option<T> {
        self.get_each(question, &[body], answer, |_, payload| parse(payload)).pop()?
    }

    /// The number by which the socket's network knows another one, if it does.
    pub(crate) fn number_of(&mut self, other: BorrowedFd<'_>) -> Option<i32> {
        self.numbers_of(&[Other::Network(other)]).pop().flatten()
    }

    /// The same of many.
    pub(crate) fn numbers_of(&mut self, others: &[Other<'_>]) -> Vec<Option<i32>> {
        let question = |other: &Other<'_>| {
            let (way, value) = match other {
                Other::Network(network) => (NETNSA_FD, network.as_raw_fd()),
                Other::Process(pid) => (NETNSA_PID, *pid),
            };
            [&[0; GENERAL][..], &attribute(way, &value.to_ne_bytes())].concat()
        };
        let questions: Vec<_> = others.iter().map(question).collect();
        self.get_each(RTM_GETNSID, &questions, RTM_NEWNSID, |_, payload| {
            let (_, value) = attributes(payload, GENERAL).find(|(kind, _)| *kind == NETNSA_NSID)?;
            bytes(value).map(i32::from_ne_bytes).filter(|id| *id >= 0)
        })
    }

    fn send(&mut self, question: u16, flags: u16, bodies: &[impl AsRef<[u8]>]) -> io::Result<()> {
        let mut requests = Vec::new();
        for body in bodies.iter().map(AsRef::as_ref) {
            self.sequence = self.sequence.wrapping_add(1);
            let begin = requests.len();
            requests.resize(begin + HEADER, 0);
            requests.extend_from_slice(body);
            let mut message = NetlinkBuffer::new(&mut requests[begin..]);
            message.set_length((HEADER + body.len()) as u32);
            message.set_message_type(question);
            message.set_flags(flags);
            message.set_sequence_number(self.sequence);
            requests.resize(requests.len().next_multiple_of(4), 0);
        }
        rustix::io::retry_on_intr(|| rustix::net::send(&self.socket, &requests, SendFlags::empty()))?;
        Ok(())
    }

    fn receive(&mut self, flags: RecvFlags) -> io::Result<()> {
        self.piece.clear();
        let (socket, piece) = (&self.socket, &mut self.piece);
        let receive = || rustix::net::recv(socket, spare_capacity(&mut *piece), flags | RecvFlags::TRUNC);
        let (_, size) = rustix::io::retry_on_intr(receive)?;
        if size > self.piece.len() { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(()) }
    }

    /// Whether the list changed while it was told.
    fn answers(&mut self, answer: u16, each: &mut dyn FnMut(&[u8]) -> Next) -> io::Result<bool> {
        let mut changed = false;
        let mut enough = false;
        loop {
            self.receive(RecvFlags::empty())?;
            for message in messages(&self.piece) {
                let message = message?;
                if message.sequence_number() != self.sequence {
                    continue;
                }
                changed |= message.flags() & NLM_F_DUMP_INTR != 0;
                match message.message_type() {
                    NLMSG_DONE => return ended(message.payload()).map(|()| changed),
                    NLMSG_ERROR => return ended(message.payload()).map(|()| changed),
                    kind if kind == answer && !enough => {
                        enough = each(message.payload()) == Next::Enough;
                    }
                    // The rest of a list is heard to its end: before that, the kernel takes no other question.
                    _ => {}
                }
            }
        }
    }
}

/// A list's end begins with a number: nothing, or an error's, negated.
fn ended(payload: &[u8]) -> io::Result<()> {
    match i32::from_ne_bytes(bytes(payload).unwrap_or_default()) {
        code if code < 0 => Err(io::Error::from_raw_os_error(-code)),
        _ => Ok(()),
    }
}

/// The messages of a piece.
pub(crate) fn messages(mut piece: &[u8]) -> impl Iterator<Item = io::Result<NetlinkBuffer<&[u8]>>> {
    std::iter::from_fn(move || {
        if piece.is_empty() {
            return None;
        }
        let Ok(message) = NetlinkBuffer::new_checked(piece) else {
            piece = &[];
            return Some(Err(io::ErrorKind::InvalidData.into()));
        };
        let length = message.length() as usize;
        piece = piece.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Ok(message))
    })
}

/// The attributes that follow a header of that size: their kinds and values. What is cut off ends them.
pub(crate) fn attributes(payload: &[u8], header: usize) -> impl Iterator<Item = (u16, &[u8])> {
    let all = NlasIterator::new(payload.get(header..).unwrap_or_default());
    all.map_while(Result::ok).filter_map(|attribute| {
        let (kind, length) = (attribute.kind(), usize::from(attribute.length()));
        Some((kind, attribute.into_inner().get(4..length)?))
    })
}

/// The first bytes of a value.
pub(crate) fn bytes<const N: usize>(value: &[u8]) -> Option<[u8; N]> {
    value.first_chunk().copied()
}

/// A number at a place of a header or value.
pub(crate) fn u32_at(value: &[u8], at: usize) -> Option<u32> {
    value.get(at..).and_then(bytes).map(u32::from_ne_bytes)
}

/// The same of eight bytes.
pub(crate) fn u64_at(value: &[u8], at: usize) -> Option<u64> {
    value.get(at..).and_then(bytes).map(u64::from_ne_bytes)
}

/// An attribute for a question, padded.
pub(crate) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = ATTRIBUTE + value.len();
    let mut all = [&(length as u16).to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat();
    all.resize(length.next_multiple_of(4), 0);
    all
}

/// A name, which ends with a zero byte.
pub(crate) fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: u32, body: &[u8]) -> Vec<u8> {
        [&length.to_ne_bytes()[..], &[0; 12], body].concat()
    }

    #[test]
    fn cut_messages_are_errors_and_nothing_worse() {
        let whole = message(20, b"abcd");
        assert_eq!(messages(&whole).next().unwrap().unwrap().payload(), b"abcd");
        let two = [message(17, b"a\0\0\0"), message(16, b"")].concat();
        assert_eq!(messages(&two).filter(Result::is_ok).count(), 2);
        for length in [0, 15, 21, u32::MAX] {
            let piece = message(length, b"abcd");
            assert!(messages(&piece).next().unwrap().is_err(), "{length}");
            assert_eq!(messages(&piece).count(), 1, "{length}");
        }
        for end in 1..whole.len() {
            assert!(messages(&whole[..end]).next().unwrap().is_err(), "{end}");
        }
    }

    #[test]
    fn cut_attributes_end_the_list() {
        let one = [&[7, 0, 3, 0][..], b"lo\0", &[0], &[5, 0, 0x34, 0x80], b"x"].concat();
        assert_eq!(attributes(&one, 0).collect::<Vec<_>>(), [(3, &b"lo\0"[..]), (0x34, b"x")]);
        assert_eq!(attributes(&one[..11], 0).count(), 1);
        assert_eq!(attributes(&one, 99).count(), 0);
        for length in [0, 1, 3, 99] {
            assert_eq!(attributes(&[length, 0, 3, 0, 1, 1], 0).count(), 0, "{length}");
        }
        assert_eq!((text(b"lo\0x"), text(b"")), ("lo".to_owned(), String::new()));
        assert_eq!((u32_at(&[1, 2, 3], 0), u32_at(&[1; 8], 5), u32_at(&[1], 9)), (None, None, None));
    }

    #[test]
    fn each_answer_is_in_the_place_of_its_question() {
        // The loopback is the first interface; nothing has the other number.
        let question = |at: i32| {
            let mut header = [0; 16];
            header[4..8].copy_from_slice(&if at % 3 == 0 { 1 } else { i32::MAX }.to_ne_bytes());
            header
        };
        let questions: Vec<_> = (0..40).map(question).collect();
        let (ask, told) = (crate::network::RTM_GETLINK, crate::network::RTM_NEWLINK);
        let mut socket = Socket::open(Protocol::Route).unwrap();
        let answers = socket.get_each(ask, &questions, told, |at, payload| Some((at, u32_at(payload, 4)?)));
        let expected: Vec<_> = (0..40).map(|at| (at % 3 == 0).then_some((at, 1))).collect();
        assert_eq!(answers, expected);
    }

    #[test]
    fn an_error_ends_a_list() {
        let refused = ended(&(-13_i32).to_ne_bytes()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        assert!(ended(&0_i32.to_ne_bytes()).is_ok() && ended(&[]).is_ok());
    }

    #[test]
    fn nobody_but_the_kernel_is_listened_to() {
        let ours = Socket::open(Protocol::Route).unwrap();
        let mut address = SocketAddr::new(0, 0);
        ours.socket.get_address(&mut address).unwrap();
        let open = || netlink_sys::Socket::new(NETLINK_ROUTE).unwrap();
        let other = open();
        let sent = |to: &SocketAddr| other.send_to(&[0; 16], to, 0).map_err(|cause| cause.kind());
        // Whoever rules over the network may send to a socket that is not as careful.
        let mut careless = open();
        let careless = careless.bind_auto().unwrap();
        if rustix::process::geteuid().is_root() {
            assert_eq!(sent(&careless), Ok(16));
            assert_eq!(sent(&address), Err(io::ErrorKind::ConnectionRefused));
        } else {
            assert_eq!(sent(&address), Err(io::ErrorKind::PermissionDenied));
        }
    }
}
