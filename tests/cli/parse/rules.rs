//! The rules of the command line: what is a valid nsenter line, what is the TARGET, where options end, what is entered
//! without being asked for. How an option is spelled belongs in `getopt.rs`, what it takes in `values.rs`.

use cnsenter::cli::{self, CalledAs};
use enter::Namespace;

use super::{cnsenter, nsenter, refused, split};

/// Lines that scripts in the wild use, and what each means.
const NSENTER_LINES: &[(&str, &str)] = &[
    ("-t 1 -m -u -i -n -p -- /bin/bash", "pid 1, ipc, uts, net, pid, mount -> /bin/bash"),
    ("-t1 -m -u -i -n", "pid 1, ipc, uts, net, mount"),
    ("-at 4711", "pid 4711, all"),
    ("--all --target=1 -- su -", "pid 1, all -> su -"),
    ("-m -u -i -n -p -C -r -w --target=1 -- su -", "pid 1, cgroup, ipc, uts, net, pid, mount, root, wd -> su -"),
    (
        "--target 4711 --mount --uts --ipc --net --pid kill -SIGINT 7",
        "pid 4711, ipc, uts, net, pid, mount -> kill -SIGINT 7",
    ),
    ("-n -t 4711 iptables -t nat -nvL", "pid 4711, net -> iptables -t nat -nvL"),
    ("--net=/var/run/docker/netns/lb_X sysctl -w k=v", "net=/var/run/docker/netns/lb_X -> sysctl -w 'k=v'"),
    (
        "--mount=/proc/7/ns/mnt nsenter --net=/var/run/docker/netns/X bash",
        "mount=/proc/7/ns/mnt -> nsenter '--net=/var/run/docker/netns/X' bash",
    ),
    ("-n/proc/7/ns/net -- nc -vz -w 2 ip port", "net=/proc/7/ns/net -> nc -vz -w 2 ip port"),
    ("-U --preserve-credentials -n -m -t 7", "pid 7, user, net, mount, preserve-credentials"),
    (
        "--user=/proc/self/fd/3/ns/user --net=/n --mount=/m -S 0 -G 0",
        "user=/proc/self/fd/3/ns/user, net=/n, mount=/m, setuid 0, setgid 0",
    ),
    (
        "-r/ -w/home --preserve-credentials -m -t 7 -F cmd",
        "pid 7, mount, root=/, wd=/home, preserve-credentials, no-fork -> cmd",
    ),
    ("-n -t6700", "pid 6700, net"),
    ("--net=/var/run/docker/netns/a5e6c4190230 sh", "net=/var/run/docker/netns/a5e6c4190230 -> sh"),
    ("-t 7 -N 3 ss", "pid 7, net-socket 3 -> ss"),
    ("-t 7:123 -n --user-parent ss", "pid 7:123, net, user-parent -> ss"),
    (
        "-t 7 -S follow -G follow -e -c -Z -T -a",
        "pid 7, time, setuid follow, setgid follow, all, env, join-cgroup, follow-context",
    ),
    ("-n=:4026531840 -p=/p -W=/x ls", "net=:4026531840, pid=/p, wdns=/x -> ls"),
];

#[test]
fn rule_1_every_nsenter_line_means_the_same_here() {
    cnsenter(NSENTER_LINES);
    nsenter(NSENTER_LINES);
}

#[test]
fn rule_1_called_as_nsenter_there_is_no_target_word_and_no_option_of_ours() {
    nsenter(&[
        ("", "error: no target PID specified"),
        ("nginx", "error: no target PID specified"),
        ("--net nginx ip a", "error: no target PID specified"),
        ("-n/f -r sh", "error: no target PID specified"),
        ("-t nginx -n", "error: \"nginx\" is not a pid"),
        ("-t docker://nginx -n", "error: \"docker://nginx\" is not a pid"),
        ("--sandbox -t 1", "error: unknown option --sandbox"),
        ("--raw -t 1 -n", "error: unknown option --raw"),
        ("--keep-env -t 1 -n", "error: unknown option --keep-env"),
        ("--host x -t 1 -n", "error: unknown option --host"),
        ("-H x -t 1 -n", "error: unknown option -H"),
        ("--context x -t 1 -n", "error: unknown option --context"),
        ("--timeout 1 -t 1 -n", "error: unknown option --timeout"),
        ("--print -t 1 -n", "error: unknown option --print"),
        ("--verbose -t 1 -n", "error: unknown option --verbose"),
        ("-v -t 1 -n", "error: unknown option -v"),
    ]);
}

#[test]
fn rule_2_the_first_word_is_the_target_where_one_is_needed() {
    cnsenter(&[
        ("--net nginx -- tcpdump -i eth0", "container nginx, net -> tcpdump -i eth0"),
        (
            "--sandbox bc5db459d077 iptables -nvL -t mangle",
            "container bc5db459d077, sandbox -> iptables -nvL -t mangle",
        ),
        ("--net nginx ip a", "container nginx, net -> ip a"),
        ("nginx", "container nginx"),
        ("nginx sh -c 'a b'", "container nginx -> sh -c 'a b'"),
        ("", "error: no target: nothing says what to enter"),
        ("--net", "error: no target: nothing says what to enter"),
        ("--print", "error: no target: nothing says what to enter"),
    ]);
}

#[test]
fn rule_2_each_option_that_has_no_file_of_its_own_needs_a_target() {
    cnsenter(&[
        ("-a X P", "container X, all -> P"),
        ("--sandbox X P", "container X, sandbox -> P"),
        ("-m X P", "container X, mount -> P"),
        ("-u X P", "container X, uts -> P"),
        ("-i X P", "container X, ipc -> P"),
        ("-n X P", "container X, net -> P"),
        ("-p X P", "container X, pid -> P"),
        ("-C X P", "container X, cgroup -> P"),
        ("-U X P", "container X, user -> P"),
        ("-T X P", "container X, time -> P"),
        ("--user-parent X P", "container X, user-parent -> P"),
        ("-N 3 X P", "container X, net-socket 3 -> P"),
        ("-n/f -p X P", "container X, net=/f, pid -> P"),
        ("-n/f -a X P", "container X, net=/f, all -> P"),
        ("-n/f --user-parent X P", "container X, net=/f, user-parent -> P"),
        ("-n/f -r X P", "container X, net=/f, root -> P"),
        ("-n/f -w X P", "container X, net=/f, wd -> P"),
        ("-n/f -e X P", "container X, net=/f, env -> P"),
        ("-n/f -c X P", "container X, net=/f, join-cgroup -> P"),
        ("-n/f -S follow X P", "container X, net=/f, setuid follow -> P"),
        ("-n/f -G follow X P", "container X, net=/f, setgid follow -> P"),
    ]);
}

#[test]
fn rule_2_where_all_has_a_file_the_first_word_is_the_program() {
    cnsenter(&[
        ("--mount=/f P X", "mount=/f -> P X"),
        ("--uts=/f P", "uts=/f -> P"),
        ("--ipc=/f P", "ipc=/f -> P"),
        ("--net=/f P", "net=/f -> P"),
        ("--net=:7 P", "net=:7 -> P"),
        ("--pid=/f P", "pid=/f -> P"),
        ("--cgroup=/f P", "cgroup=/f -> P"),
        ("--user=/f P", "user=/f -> P"),
        ("--time=/f P", "time=/f -> P"),
        ("-n/f -r/d P", "net=/f, root=/d -> P"),
        ("-n/f -w/d P", "net=/f, wd=/d -> P"),
        ("-n/f -W/d P", "net=/f, wdns=/d -> P"),
        ("-n/f -W P", "net=/f -> P"),
        ("-n/f -S 1 -G 2 P", "net=/f, setuid 1, setgid 2 -> P"),
        ("-n/f -F P", "net=/f, no-fork -> P"),
        ("-n/f -Z P", "net=/f, follow-context -> P"),
        ("-n/f --preserve-credentials --keep-caps P", "net=/f, preserve-credentials, keep-caps -> P"),
        ("-n/f --raw --keep-env -v P", "net=/f, keep-env, raw, verbose -> P"),
        ("-n/f -H h --timeout 1s P", "net=/f, host h, timeout 1s -> P"),
        ("-n/f --context c --print P", "print, net=/f, context c -> P"),
        ("-n/f", "net=/f"),
    ]);
}

#[test]
fn rule_2_the_option_for_the_target_leaves_the_first_word_to_the_program() {
    cnsenter(&[
        ("-t 1 -n X P", "pid 1, net -> X P"),
        ("-t nginx -n X P", "container nginx, net -> X P"),
        ("-t nginx X P", "container nginx -> X P"),
        ("-n -t nginx --sandbox ss", "container nginx, net, sandbox -> ss"),
        ("-t docker://nginx -n/f P", "container docker://nginx, net=/f -> P"),
    ]);
}

#[test]
fn rule_3_everything_from_the_program_on_is_the_programs() {
    cnsenter(&[
        ("--sandbox X iptables -nvL -t mangle", "container X, sandbox -> iptables -nvL -t mangle"),
        ("-n X -- iptables -nvL -t mangle", "container X, net -> iptables -nvL -t mangle"),
        ("-n X iptables -- -t mangle", "container X, net -> iptables -- -t mangle"),
        ("-n X -- -- P", "container X, net -> -- P"),
        ("-n X -- --help", "container X, net -> --help"),
        ("-n X P --help --version -h", "container X, net -> P --help --version -h"),
        ("-n X --", "container X, net"),
        ("-t 1 -n -- P --raw", "pid 1, net -> P --raw"),
        ("-t 1 -n P -- -a", "pid 1, net -> P -- -a"),
        ("-t 1 -n -- -- P", "pid 1, net -> -- P"),
        ("-n/f -- -x y", "net=/f -> -x y"),
        ("-t X -n -- P", "container X, net -> P"),
        ("-n X ''", "container X, net -> ''"),
    ]);
}

#[test]
fn rule_3_options_after_the_target_are_refused_rather_than_run() {
    for (line, option) in [
        ("--net nginx -t mangle", "-t"),
        ("nginx --net ss", "--net"),
        ("--sandbox X --raw ss", "--raw"),
        ("-n X -nvL", "-nvL"),
        ("-n X --anything", "--anything"),
    ] {
        let error = refused(CalledAs::Cnsenter, line);
        assert_eq!(error.message, format!("option {option} stands after the target"), "{line}");
        let hint = "options come before TARGET; a program of that name comes after --";
        assert_eq!(error.hint.as_deref(), Some(hint), "{line}");
    }
}

#[test]
fn two_dashes_before_the_target_leave_no_target() {
    // With a variable that is empty, `cnsenter --net $NAME -- nginx` would enter the container nginx.
    cnsenter(&[
        ("--net -- nginx", "error: no target before --"),
        ("--net -- tcpdump -i eth0", "error: no target before --"),
        ("-- nginx sh", "error: no target before --"),
        ("--sandbox -- nginx", "error: no target before --"),
    ]);
}

#[test]
fn rule_4_no_namespace_at_all_means_all_of_the_containers() {
    let none = |line: &str| cli::parse(CalledAs::Cnsenter, split(line)).unwrap();
    for line in ["nginx", "-t nginx", "-S 0 nginx", "-r/d nginx", "-e nginx", "--raw nginx", "-W/x nginx"] {
        let args = none(line);
        assert!(args.names_none() && args.enters_files() && args.enters_sight(), "{line}");
    }
    for line in ["--net nginx", "--sandbox nginx", "--net=/f", "-t 1 -n", "-N 3 nginx", "--user-parent nginx"] {
        let args = none(line);
        assert!(!args.names_none() && !args.enters_files() && !args.enters_sight(), "{line}");
    }
    let pid = none("--pid nginx");
    assert!(pid.names(Namespace::Pid) && !pid.names(Namespace::Net) && !pid.enters_files() && pid.enters_sight());
    for line in ["-a nginx", "-m nginx", "-at 1"] {
        assert!(none(line).enters_files() && none(line).enters_sight(), "{line}");
    }
}

#[test]
fn rule_4_a_pid_without_a_namespace_stays_an_error() {
    for line in ["-t 1", "-t 1 sh", "-t 1 -r sh", "-t 1 -w/x -S 0", "-t 1 -e -c -F -Z"] {
        for called_as in [CalledAs::Cnsenter, CalledAs::Nsenter] {
            let error = refused(called_as, line);
            assert_eq!((error.message.as_str(), error.as_nsenter), ("no namespace specified", true), "{line}");
        }
    }
}

#[test]
fn rule_5_the_word_of_a_subcommand_is_a_name_after_an_option() {
    for word in ["ls", "netns", "inspect", "who", "each", "completions", "man"] {
        cnsenter(&[
            (&format!("--net {word}"), &format!("container {word}, net")),
            (&format!("--sandbox {word} {word}"), &format!("container {word}, sandbox -> {word}")),
            (&format!("-t {word}"), &format!("container {word}")),
        ]);
    }
}
