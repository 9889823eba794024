//! Every parser of bytes that somebody else has a hand in, in a form that tests can feed: `tests/fuzz` at length, the tests
//! below for a moment. Not part of the library's interface, and compiled for tests alone.

use crate::link::Address;
use crate::mount::Mount;
use crate::{Inode, Kind, Link, Listener, Protocol, Route, cgroup, listener, netlink, process, socket};

/// What a netlink socket hands over: names, addresses and routes are those of whoever rules over the network. Here as
/// below, what counts is that nothing is read beyond its end.
pub fn netlink(bytes: &[u8]) {
    let messages = netlink::messages(bytes).map_while(Result::ok);
    let payloads: Vec<_> = messages.map(|message| message.payload().to_vec()).collect();
    for payload in payloads.iter().map(Vec::as_slice).chain([bytes]) {
        if let Some(link) = Link::parse(payload) {
            assert!(!link.name.contains('\0') && link.peer != Some(0), "{link:?}");
        }
        let _ = (Link::mac_of(payload), Address::parse(payload));
        assert!(Route::parse(payload).len() <= payload.len(), "more routes than bytes");
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            let _ = socket::listener(payload, protocol);
        }
    }
}

/// `/proc/PID/{mountinfo,cgroup,stat,status,cmdline}`, `/proc/PID/net/tcp`, and what a link of `/proc/PID/ns` says.
pub fn texts(bytes: &[u8]) {
    let lines = || bytes.split(|byte| *byte == b'\n');
    let mounts = lines().filter_map(|line| Mount::parse(line, &[]));
    assert!(mounts.count() <= lines().count(), "more mounts than lines");
    for id in ["", "aaaaaaaaaaaaaaaa"] {
        let list = cgroup::down_to(bytes, id);
        assert!(bytes.len() >= list.len() && (!id.is_empty() || list == bytes), "a list grows");
        let _ = cgroup::main_path(&list);
    }
    let _ = (process::stat(bytes), process::words(bytes), process::Status::parse(bytes));
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        let found: Vec<Listener> = listener::waiting(lines().map(<[u8]>::to_vec), protocol).collect();
        assert!(found.len() <= lines().count(), "more sockets than lines");
    }
    let _ = Kind::ALL.map(|kind| Inode::of_link(bytes, kind));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a real kernel said, cut down.
    const SAMPLES: [&[u8]; 6] = [
        b"64 25 0:4 net:[4026532633] /run/a\\040b rw shared:9 - nsfs nsfs rw\n27 26 0:24 / /c rw - cgroup2 cgroup2 ro\n",
        b"9:name=systemd:/docker/aaaaaaaaaaaaaaaa/x\n4:memory,cpu:/a\n0::/docker-aaaaaaaaaaaaaaaa.scope\n",
        b"7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 0 0\nTgid:\t7\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\n",
        b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1\n",
        // A link: lo, up, with a hardware address of four bytes and a name.
        b"\x30\0\0\0\x10\0\x02\0\x01\0\0\0\0\0\0\0\0\0\x04\x03\x01\0\0\0\x49\0\x01\0\0\0\0\0\x07\0\x03\0lo\0\0\x08\0\x01\0\x01\x02\x03\x04",
        // A route by 10.0.0.1 on the second interface.
        b"\x34\0\0\0\x18\0\x02\0\x01\0\0\0\0\0\0\0\x02\0\0\0\xfe\x03\0\x01\0\0\0\0\x08\0\x0f\0\xfe\0\0\0\x08\0\x05\0\x0a\0\0\x01\x08\0\x04\0\x02\0\0\0",
    ];

    /// A real answer with some of its bytes replaced, some cut off and some repeated.
    fn damaged() -> impl Strategy<Value = Vec<u8>> {
        let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8);
        let sample = prop::sample::select(SAMPLES.to_vec());
        (sample, changes, any::<prop::sample::Index>(), 0..3_u8).prop_map(|(sample, changes, at, how)| {
            let mut bytes = sample.to_vec();
            for (index, byte) in changes {
                *index.get_mut(&mut bytes) = byte;
            }
            let at = at.index(bytes.len());
            match how {
                0 => bytes.truncate(at),
                1 => bytes.extend_from_within(at..),
                _ => {}
            }
            bytes
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn damaged_answers_are_refused_or_read(bytes in damaged()) {
            netlink(&bytes);
            texts(&bytes);
        }

        #[test]
        fn noise_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            netlink(&bytes);
            texts(&bytes);
        }
    }

    #[test]
    fn the_samples_are_what_they_are_said_to_be() {
        let payload = |at: usize| netlink::messages(SAMPLES[at]).next().unwrap().unwrap().payload().to_vec();
        assert_eq!(Link::parse(&payload(4)).unwrap().name, "lo");
        assert_eq!(Route::parse(&payload(5)).len(), 1);
        assert_eq!(SAMPLES[0].split(|byte| *byte == b'\n').filter_map(|line| Mount::parse(line, &[])).count(), 2);
    }
}
