//! Every parser of bytes that somebody else wrote, in a form that tests can feed: `tests/fuzz` at length, the tests below
//! for a moment. Not part of the library's interface, and compiled for tests alone.

use crate::api;
use crate::reference::Reference;
use crate::runtime::{cgroup, containerd, docker, lxc, nspawn, oci, process, record, storage};
use crate::specification;

/// runc's, crun's and youki's records.
pub fn state(bytes: &[u8]) {
    if let Ok(record) = serde_json::from_slice::<record::Record>(bytes) {
        let _ = (record.bundle(), record.init("no-such-container"), record.created());
    }
    if let Some(record) = record::Record::in_head(&String::from_utf8_lossy(bytes)) {
        assert!(record.root().is_none_or(|root| root.is_absolute()), "a root is absolute");
    }
}

/// Docker's `config.v2.json`, and the sentence on a container's state that its list has.
pub fn docker(bytes: &[u8]) {
    let shown = docker::parse(bytes).map(docker::Config::shown).unwrap_or_default();
    assert!(shown.1.iter().all(|port| port.host_port > 0), "a port that leads here has a number");
    let _ = api::code_in(&String::from_utf8_lossy(bytes));
}

/// `config.json` of a bundle: annotations, environment, namespaces, what its programs are; and lists of names.
pub fn annotations(bytes: &[u8]) {
    let _ = specification::parse(bytes);
    if let Ok(bundle) = serde_json::from_slice::<oci::Bundle>(bytes) {
        let _ = (bundle.env(), bundle.network(), bundle.service());
        let named = containerd::name(&bundle);
        assert!(bundle.pod().is_none() || named.is_some(), "a pod has a name");
    }
    let _ = storage::entries(bytes);
}

/// `/proc/PID/mountinfo`.
pub fn mountinfo(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mounts = cgroup::mounts(&text);
    assert!(mounts.len() <= text.lines().count(), "more mounts than lines");
}

/// `/proc/PID/{cgroup,stat,status,cmdline}`, machine files, and the configuration of LXC's containers.
pub fn process(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for path in process::cgroup_paths(&text) {
        if let Some((_, id)) = process::owner(path, "") {
            assert!(id.len() == 64 && path.contains(&id), "{path}");
        }
    }
    let _ = (process::start_field(&text), process::line_of(&text, "NSpid:"));
    let _ = (nspawn::name_on(bytes), nspawn::leader_in(&text));
    assert!(lxc::rootfs_in(&text).is_none_or(|root| root.is_absolute()), "a root is absolute");
}

/// A word of the command line.
pub fn reference(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(reference) = text.parse::<Reference>() {
        let shown = reference.to_string();
        assert_eq!(shown.parse(), Ok(reference), "{shown}");
        let paths = ["..", "//", "\0", "?", "#", "%"];
        let name = shown.split_once("://").map_or(shown.as_str(), |(_, name)| name);
        assert!(!paths.iter().any(|part| name.split('/').any(|word| word == *part)) && !name.contains('\0'), "{shown}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What real runtimes wrote, cut down.
    const SAMPLES: [&str; 9] = [
        r#"{"id":"w","init_process_pid":7,"init_process_start":9,"config":{"labels":["a=b","bundle=/b"]}}"#,
        r#"{"pid":7,"process-start-time":9,"bundle":"/b","cgroup-path":"/w","systemd-cgroup":false}"#,
        r#"{"Name":"/web","State":{"Running":true,"Pid":7,"ExitCode":0,"StartedAt":"2026-01-01T00:00:00Z"},
            "Config":{"Env":["A=b"],"Labels":{"c":"d"}},"NetworkSettings":{"SandboxKey":"/run/docker/netns/x",
            "Networks":{"b":{"IPAddress":"10.0.0.2"}},"Ports":{"80/tcp":[{"HostIp":"::","HostPort":"80"}]}}}"#,
        r#"{"process":{"env":["A=b"]},"annotations":{"io.kubernetes.cri.sandbox-name":"p",
            "io.kubernetes.cri.sandbox-namespace":"n","io.kubernetes.cri.container-type":"sandbox"},
            "linux":{"namespaces":[{"type":"network","path":"/run/netns/x"}]}}"#,
        "26 21 0:23 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro\n27 26 0:24 / /c\\040d rw - cgroup2 cgroup2 rw\n",
        "9:name=systemd:/docker/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n0::/x\nLEADER=7\n",
        "pod/default/web/app",
        r#"{"id":"w","init_process_pid":7,"init_process_start":9,"created":"2026-01-02T03:04:05Z","config":{"rootfs":"/b"}}"#,
        "lxc.rootfs.path = dir:/srv/c1/rootfs\nlxc.rootfs = /x\nExited (137) 5 minutes ago\n",
    ];

    /// A real text with some of its bytes replaced, some cut off and some repeated.
    fn damaged() -> impl Strategy<Value = Vec<u8>> {
        let sample = prop::sample::select(SAMPLES.to_vec()).prop_map(|text| text.as_bytes().to_vec());
        let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8);
        (sample, changes, any::<prop::sample::Index>(), 0..3_u8).prop_map(|(mut bytes, changes, at, how)| {
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

    fn feed(bytes: &[u8]) {
        [state, docker, annotations, mountinfo, process, reference].into_iter().for_each(|parser| parser(bytes));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn damaged_texts_are_refused_or_read(bytes in damaged()) {
            feed(&bytes);
        }

        #[test]
        fn noise_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            feed(&bytes);
        }
    }

    #[test]
    fn depth_and_length_are_refused_without_a_crash() {
        for open in ["[", "{\"a\":", "{\"annotations\":{\"a\":", "{\"State\":", "{\"config\":{\"labels\":["] {
            feed(open.repeat(100_000).as_bytes());
        }
        feed("a".repeat(1 << 20).as_bytes());
        feed("0::/".repeat(1 << 16).as_bytes());
    }
}
