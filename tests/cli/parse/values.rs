//! What options take: pids, references, namespaces, users, descriptors, durations. How a value is attached belongs in
//! `getopt.rs`.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use cnsenter::cli::{self, CalledAs, NamespaceWord};

use super::{cnsenter, nsenter, refused, split};

#[test]
fn target_takes_a_pid_and_the_inode_of_its_pidfd() {
    let rows = [
        ("-n -t 6700", "pid 6700, net"),
        ("-n -t 007", "pid 7, net"),
        ("-n -t 2147483647", "pid 2147483647, net"),
        ("-n -t 6700:12", "pid 6700:12, net"),
        ("-n -t 6700:18446744073709551615", "pid 6700:18446744073709551615, net"),
        ("-n -t 6700:18446744073709551616", "error: \"6700:18446744073709551616\" is not a pid"),
        ("-n -t 2147483648", "error: \"2147483648\" is not a pid"),
        ("-n -t 99999999999999999999999", "error: \"99999999999999999999999\" is not a pid"),
        ("-n -t 0", "error: \"0\" is not a pid"),
        ("-n -t 0:5", "error: \"0:5\" is not a pid"),
        ("-n -t -1", "error: \"-1\" is not a pid"),
        ("-n -t -n", "error: \"-n\" is not a pid"),
        ("-n -t 1 -t 2", "error: option --target may be given only once"),
        ("-n -t 1 -t 1", "error: option --target may be given only once"),
    ];
    cnsenter(&rows);
    nsenter(&rows);
}

/// `ps -o pid=` pads its numbers, and nsenter reads them with strtol(3).
#[test]
fn numbers_may_be_padded_as_for_nsenter() {
    let rows = [
        ("-n -t '   6700'", "pid 6700, net"),
        ("-n -t +6700", "pid 6700, net"),
        ("-n -t 1 -S ' 5' -G +6", "pid 1, net, setuid 5, setgid 6"),
        ("-t 1 -N ' 3'", "pid 1, net-socket 3"),
    ];
    cnsenter(&rows);
    nsenter(&rows);
}

#[test]
fn target_takes_a_container_as_well() {
    cnsenter(&[
        ("-t nginx", "container nginx"),
        ("-t bc5db459d077", "container bc5db459d077"),
        ("-t 0bc5", "container 0bc5"),
        ("-t 1-q7zk0 --sandbox", "container 1-q7zk0, sandbox"),
        ("-t docker://6700", "container docker://6700"),
        ("-t a -t b", "error: option --target may be given only once"),
        ("-t a -n -t 1", "error: option --target may be given only once"),
        ("-t ''", "error: the container's name is empty"),
        ("-t 1:x", "error: \"1:x\" is not a container's name: ':' cannot be part of one"),
        ("-t :5", "error: \":5\" is not a container's name: ':' cannot be part of one"),
    ]);
}

#[test]
fn a_reference_is_a_name_an_id_or_a_prefix_with_or_without_a_runtime() {
    cnsenter(&[
        ("web-1_a.b", "container web-1_a.b"),
        ("/web", "container web"),
        ("docker://web", "container docker://web"),
        ("docker:///web", "container docker://web"),
        ("6700", "container 6700"),
        ("--sandbox ingress_sbox", "container ingress_sbox, sandbox"),
        ("--sandbox lb_q7zk0", "container lb_q7zk0, sandbox"),
        ("--sandbox 1-q7zk0", "container 1-q7zk0, sandbox"),
        ("--sandbox default", "container default, sandbox"),
        ("--sandbox a5e6c4190230", "container a5e6c4190230, sandbox"),
        ("''", "error: the container's name is empty"),
        ("docker://", "error: the container's name is empty"),
        ("lxc://c1", "container lxc://c1"),
        ("containerd://k8s.io/bc5db459d077", "container containerd://k8s.io/bc5db459d077"),
        ("pod/default/web", "container pod/default/web"),
        ("compose://shop/web/2", "container compose://shop/web/2"),
        ("rkt://c1", "error: rkt:// names a runtime that this version cannot ask"),
        ("Docker://x", "error: Docker:// names a runtime that this version cannot ask"),
        ("://x", "error: :// names a runtime that this version cannot ask"),
        ("a/b", "error: \"a/b\" is not a container's name: '/' cannot be part of one"),
        ("'a b'", "error: \"a b\" is not a container's name: ' ' cannot be part of one"),
        ("é", "error: \"é\" is not a container's name: 'é' cannot be part of one"),
        ("a%2fb", "error: \"a%2fb\" is not a container's name: '%' cannot be part of one"),
    ]);
}

#[test]
fn a_namespace_takes_a_file_or_an_id() {
    let rows = [
        ("--net=/f", "net=/f"),
        ("--net=f", "net=f"),
        ("--net=:4026531840", "net=:4026531840"),
        ("-n:7", "net=:7"),
        ("-n=:7", "net=:7"),
        ("--net=:18446744073709551615", "net=:18446744073709551615"),
        ("--net=:18446744073709551616", "error: \"18446744073709551616\" is not a namespace's ID"),
        ("--net=:", "error: \"\" is not a namespace's ID"),
        ("--net=:x", "error: \"x\" is not a namespace's ID"),
        ("--net=:-1", "error: \"-1\" is not a namespace's ID"),
    ];
    cnsenter(&rows);
    nsenter(&rows);
}

/// What a script's variable is when it is not set.
#[test]
fn an_empty_file_or_folder_is_refused() {
    let rows = [
        ("--net= sh", "error: option --net has an empty value"),
        ("--m= sh", "error: option --m has an empty value"),
        ("-n= sh", "error: option -n has an empty value"),
        ("-n/f --root= sh", "error: option --root has an empty value"),
        ("-n/f -w= sh", "error: option -w has an empty value"),
        ("-n/f --wdns= sh", "error: option --wdns has an empty value"),
    ];
    cnsenter(&rows);
    nsenter(&rows);
}

#[test]
fn user_and_group_take_a_number_or_follow() {
    let rows = [
        ("-t 1 -n -S 0 -G 0", "pid 1, net, setuid 0, setgid 0"),
        ("-t 1 -n -S 4294967295 -G 4294967295", "pid 1, net, setuid 4294967295, setgid 4294967295"),
        ("-t 1 -n -Sfollow -Gfollow", "pid 1, net, setuid follow, setgid follow"),
        ("-t 1 -n -S 4294967296", "error: \"4294967296\" is not the number of a user"),
        ("-t 1 -n -G 4294967296", "error: \"4294967296\" is not the number of a group"),
        ("-t 1 -n -S root", "error: \"root\" is not the number of a user"),
        ("-t 1 -n -S -1", "error: \"-1\" is not the number of a user"),
        ("-t 1 -n -S ''", "error: \"\" is not the number of a user"),
        ("-t 1 -n -G Follow", "error: \"Follow\" is not the number of a group"),
        ("-t 1 -n -S 0x0", "error: \"0x0\" is not the number of a user"),
        ("-t 1 -n -S 1.5", "error: \"1.5\" is not the number of a user"),
    ];
    cnsenter(&rows);
    nsenter(&rows);
}

#[test]
fn a_socket_is_the_number_of_a_descriptor() {
    let rows = [
        ("-t 1 -N 0", "pid 1, net-socket 0"),
        ("-t 1 -N 2147483647", "pid 1, net-socket 2147483647"),
        ("-t 1 -N 2147483648", "error: \"2147483648\" is not a descriptor's number"),
        ("-t 1 -N -1", "error: \"-1\" is not a descriptor's number"),
        ("-t 1 -N x", "error: \"x\" is not a descriptor's number"),
        ("-t 1 -N ''", "error: \"\" is not a descriptor's number"),
    ];
    cnsenter(&rows);
    nsenter(&rows);
}

#[test]
fn durations_are_seconds_or_have_a_unit() {
    for (text, shown) in [
        ("500ms", "500ms"),
        ("0.5", "500ms"),
        ("3", "3s"),
        ("3s", "3s"),
        ("1m", "60s"),
        ("1m 30s", "90s"),
        ("1h", "3600s"),
        ("1e2", "100s"),
    ] {
        cnsenter(&[(&format!("--timeout '{text}' x"), &format!("container x, timeout {shown}"))]);
    }
    cnsenter(&[("--timeout 2s x", "container x"), ("--timeout 9 --timeout 4 x", "container x, timeout 4s")]);
    for text in
        ["0", "0s", "-0", "-1", "", "x", "inf", "nan", "1 x", "s", "1e300", "2,5", "1e-30", "99999999999999999999s"]
    {
        let error = cli::parse(CalledAs::Cnsenter, ["--timeout", text, "x"].map(OsString::from)).expect_err(text);
        assert_eq!(error.message, format!("{text:?} is not a duration"));
        assert_eq!(error.hint.as_deref(), Some("write it like 500ms, 2s or 1m"));
    }
}

#[test]
fn options_that_exclude_each_other_are_refused_in_both_orders() {
    cnsenter(&[
        ("-H a --context b x", "error: options --host and --context exclude each other"),
        ("--context b -H a x", "error: options --host and --context exclude each other"),
        ("--sandbox -t 1", "error: option --sandbox goes with a container, not with a process"),
        ("-t 1 --sandbox", "error: option --sandbox goes with a container, not with a process"),
        ("--sandbox -t 1 --net", "error: option --sandbox goes with a container, not with a process"),
        ("--sandbox --net=/f x", "error: two networks: --sandbox names one, and another option a second"),
        ("--net=:5 --sandbox x", "error: two networks: --sandbox names one, and another option a second"),
        ("--sandbox -N 3 x", "error: two networks: --sandbox names one, and another option a second"),
        ("--sandbox --net x", "container x, net, sandbox"),
        ("--sandbox --pid=/f x", "container x, pid=/f, sandbox"),
        ("--sandbox -a x", "container x, all, sandbox"),
    ]);
    let rows = [
        ("-t 1 -n -w -W/x", "error: options --wd and --wdns exclude each other"),
        ("-t 1 -n -W/x -w", "error: options --wd and --wdns exclude each other"),
        ("-t 1 -n -w/y -W/x", "error: options --wd and --wdns exclude each other"),
        ("-t 1 -n -W/x -w/y", "error: options --wd and --wdns exclude each other"),
        ("-t 1 -n -w -W", "error: options --wd and --wdns exclude each other"),
    ];
    cnsenter(&rows);
    nsenter(&rows);
}

#[test]
fn files_and_programs_keep_bytes_that_are_no_text() {
    let word = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    let words = [word(b"--net=/f\xff"), word(b"-r/\xfe"), word(b"p\xfd"), word(b"-\xfc")];
    for called_as in [CalledAs::Cnsenter, CalledAs::Nsenter] {
        let args = cli::parse(called_as, words.clone()).unwrap();
        let Some(NamespaceWord::File(file)) = &args.namespaces[0].1 else { panic!("{args:?}") };
        assert_eq!(file.as_os_str().as_bytes(), b"/f\xff");
        assert_eq!(args.root, Some(enter::Directory::Path(word(b"/\xfe").into())));
        assert_eq!(args.words, [word(b"p\xfd"), word(b"-\xfc")]);
    }
    for bytes in [&b"-\xff"[..], b"--\xff", b"--net\xff=/f", b"\xff", b"-t\xff", b"-S\xff", b"--timeout=\xff"] {
        let error = cli::parse(CalledAs::Cnsenter, [word(bytes)]).expect_err("no option, no name");
        assert!(!error.message.is_empty(), "{bytes:?}");
    }
}

#[test]
fn very_many_and_very_long_words_are_taken() {
    let mut words = split("-t 1");
    words.extend(std::iter::repeat_n(OsString::from("-n"), 100_000));
    words.push("p".into());
    words.extend(std::iter::repeat_n(OsString::from("-x"), 100_000));
    let args = cli::parse(CalledAs::Cnsenter, words).unwrap();
    assert_eq!((args.namespaces.len(), args.words.len()), (1, 100_001));
    let flags = format!("-{}", "Fe".repeat(50_000));
    assert!(cli::parse(CalledAs::Cnsenter, ["-n", &flags, "x"].map(OsString::from)).unwrap().no_fork);
    assert!(refused(CalledAs::Cnsenter, &"a/".repeat(100_000)).message.contains("'/'"));
}

#[test]
fn usage_errors_know_whether_nsenter_was_asked() {
    for (called_as, line, as_nsenter) in [
        (CalledAs::Cnsenter, "--bogus", false),
        (CalledAs::Cnsenter, "-S x", false),
        (CalledAs::Cnsenter, "-t nginx -S x", false),
        (CalledAs::Cnsenter, "-t 1 -S x", true),
        (CalledAs::Cnsenter, "-t 1 -t 2", true),
        (CalledAs::Nsenter, "--bogus", true),
        (CalledAs::Nsenter, "-t x", true),
    ] {
        assert_eq!(refused(called_as, line).as_nsenter, as_nsenter, "{line}");
    }
}
