//! Files and processes that cannot be joined, as far as no privilege is needed to find out: 1, as nsenter.

use testbed::Scratch;

use super::{fails, fails_in};

const KINDS: &str = "a namespace is a file like /proc/PID/ns/net, or one that is bind-mounted from there";

/// The hint for who writes `--net=NAME`.
fn container(option: &str, name: &str) -> String {
    format!("{option}=FILE is a namespace's file; a container is a word of its own: {option} {name}")
}

#[test]
fn a_file_that_is_missing() {
    fails(&[
        ("-n/missing sh", 1, "cannot open /missing: No such file or directory", ""),
        ("--mount=missing sh", 1, "cannot open missing: No such file or directory", &container("--mount", "missing")),
        ("-n/proc/self/ns/net --uts=web", 1, "cannot open web: No such file or directory", &container("--uts", "web")),
        ("--mount=./missing sh", 1, "cannot open ./missing: No such file or directory", ""),
        ("-n/proc/self/ns/net -r/missing sh", 1, "cannot open /missing: No such file or directory", ""),
        ("-n/proc/self/ns/net -w/missing sh", 1, "cannot open /missing: No such file or directory", ""),
    ]);
}

#[test]
fn letters_that_were_taken_for_a_file() {
    let missing = |file: &str| format!("cannot open {file}: No such file or directory");
    fails(&[
        ("-mt 1", 1, &missing("t"), "-mt is -m with the file t; write -m -t 1"),
        ("-mt 1 ps", 1, &missing("t"), "-mt is -m with the file t; write -m -t 1"),
        ("-F -nt 1", 1, &missing("t"), "-nt is -n with the file t; write -n -t 1"),
        ("-muinpt 1 sh", 1, &missing("uinpt"), "-muinpt is -m with the file uinpt; write -m -u -i -n -p -t 1"),
        ("-nF sh", 1, &missing("F"), "-nF is -n with the file F; write -n -F"),
        // These are files, and mean it.
        ("-nfoo sh", 1, &missing("foo"), ""),
        ("--net=t sh -xt", 1, &missing("t"), &container("--net", "t")),
        ("-n/t sh", 1, &missing("/t"), ""),
    ]);
}

#[test]
fn a_file_that_is_no_namespace() {
    let folder = Scratch::new().unwrap();
    std::fs::create_dir(folder.path().join("netns")).unwrap();
    std::fs::write(folder.path().join("netns/stale"), "").unwrap();
    fails_in(
        &folder,
        |_| {},
        &[
            ("-n/etc/passwd sh", 1, "/etc/passwd is not a namespace, but a plain file", KINDS),
            ("--mount=/etc/passwd", 1, "/etc/passwd is not a namespace, but a plain file", KINDS),
            (
                "--net=DIR/netns/stale sh",
                1,
                "DIR/netns/stale is not a namespace, but a plain file",
                "nothing is mounted there: its container has ended, or the engine's mounts are not visible from here",
            ),
        ],
    );
}

#[test]
fn a_namespace_of_another_kind() {
    fails(&[
        (
            "-m/proc/self/ns/net sh",
            1,
            "/proc/self/ns/net is not a mount namespace",
            "readlink /proc/self/ns/net shows its kind, or lsns",
        ),
        (
            "-n/proc/self/ns/uts sh",
            1,
            "/proc/self/ns/uts is not a net namespace",
            "readlink /proc/self/ns/uts shows its kind, or lsns",
        ),
    ]);
}

#[test]
fn a_process_that_is_not_there() {
    let gone = "nothing was entered; ps -e lists the processes that there are";
    fails(&[
        ("-n -t 2147483647 sh", 1, "no process with pid 2147483647", gone),
        ("-at 2147483647", 1, "no process with pid 2147483647", gone),
        ("-n -t 2147483647:5 sh", 1, "no process with pid 2147483647", gone),
    ]);
}

#[test]
fn our_own_user_namespace_cannot_be_joined_again() {
    let pid = std::process::id();
    fails(&[(
        &format!("-U -t {pid} sh"),
        1,
        &format!("already in the user namespace of process {pid}"),
        "leave out --user",
    )]);
}
