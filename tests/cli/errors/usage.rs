//! Lines that cannot be understood: 125, or 1 where nsenter would have been asked the same.

use super::{fails, nsenter_fails};

const EXEC: &str = "docker's word exec is left out here: cnsenter TARGET PROGRAM";
const HELP: &str = "cnsenter --help lists the options";
const BEFORE: &str = "options come before TARGET; a program of that name comes after --";

#[test]
fn unknown_and_ambiguous_options() {
    fails(&[
        ("-q nginx", 125, "unknown option -q", HELP),
        ("-nq nginx", 1, "cannot open q: No such file or directory", ""),
        (
            "-it nginx sh",
            1,
            "cannot open t: No such file or directory",
            "docker exec's -it is not needed: a program gets a terminal by itself; nsenter's is -i -t",
        ),
        (
            "--user=root nginx id",
            1,
            "cannot open root: No such file or directory",
            "--user=FILE is a namespace's file; as a user of the container's: --as root",
        ),
        (
            "-e A=1 nginx env",
            125,
            "\"A=1\" is not a container's name: '=' cannot be part of one",
            "to set a variable: -E A=1",
        ),
        ("-aq nginx", 125, "unknown option -q", HELP),
        ("--bogus nginx", 125, "unknown option --bogus", HELP),
        ("--bogus=1 nginx", 125, "unknown option --bogus", HELP),
        ("--sandbx nginx", 125, "unknown option --sandbx", "did you mean --sandbox?"),
        ("--nett nginx", 125, "unknown option --nett", "did you mean --net?"),
        ("--x nginx", 125, "unknown option --x", HELP),
        ("--=x nginx", 125, "unknown option --", HELP),
        ("--ne nginx", 125, "option --ne is ambiguous", "it may be --net, --net-socket"),
        ("--set 0 nginx", 125, "option --set is ambiguous", "it may be --setuid, --setgid"),
        ("-t 1 --bogus", 1, "unknown option --bogus", HELP),
    ]);
}

#[test]
fn values_that_are_missing_or_too_many() {
    fails(&[
        ("-t", 125, "option -t needs a value", "it takes PID[:INODE]|TARGET"),
        ("--target", 125, "option --target needs a value", "it takes PID[:INODE]|TARGET"),
        ("-n -S", 125, "option -S needs a value", "it takes UID|follow"),
        ("-N", 125, "option -N needs a value", "it takes FD"),
        ("--host", 125, "option --host needs a value", "it takes SOCKET"),
        ("--timeout", 125, "option --timeout needs a value", "it takes DURATION"),
        ("--context", 125, "option --context needs a value", "it takes NAME"),
        (
            "--sandbox=nginx ss",
            125,
            "option --sandbox takes no value, but \"nginx\" is attached to it",
            "write --sandbox nginx",
        ),
        ("--net= ss", 1, "option --net has an empty value", "--net alone takes the target's; is a variable empty?"),
        ("-a=nginx ss", 125, "option -a takes no value, but \"nginx\" is attached to it", "write -a nginx"),
    ]);
}

#[test]
fn numbers_and_durations() {
    let user = "a number, or the word follow for the target's";
    let fd = "ls -l /proc/PID/fd lists the target's";
    let id = "it is a number; --net=FILE takes a file";
    let duration = "write it like 500ms, 2s or 1m";
    fails(&[
        ("-S root nginx", 125, "\"root\" is not the number of a user", user),
        ("-G -1 nginx", 125, "\"-1\" is not the number of a group", user),
        ("-t 1 -n -S x", 1, "\"x\" is not the number of a user", user),
        ("-N x nginx", 125, "\"x\" is not a descriptor's number", fd),
        ("-N -1 nginx", 125, "\"-1\" is not a descriptor's number", fd),
        ("--net=:x sh", 125, "\"x\" is not a namespace's ID", id),
        ("--timeout soon nginx", 125, "\"soon\" is not a duration", duration),
        ("--timeout 0 nginx", 125, "\"0\" is not a duration", duration),
        ("-n -t 0", 1, "\"0\" is not a pid", "a pid is a number from 1 on"),
        ("-n -t -1", 1, "\"-1\" is not a pid", "a pid is a number from 1 on"),
        (
            "-n -t 120000000000",
            1,
            "\"120000000000\" is not a pid",
            "if it is a container's ID: -t docker://120000000000",
        ),
        ("-t 1 -t 2", 1, "option --target may be given only once", "one line enters one target"),
    ]);
}

#[test]
fn no_target() {
    let dashes = "name a container there, or a process with -t PID";
    fails(&[
        ("", 125, "no target: nothing says what to enter", "name a container, or a process with -t PID"),
        ("--net", 125, "no target: nothing says what to enter", "name a container, or a process with -t PID"),
        ("--net -- nginx", 125, "no target before --", dashes),
        ("-- nginx", 125, "no target before --", dashes),
        ("--net ''", 125, "the container's name is empty", "name a container: cnsenter ls lists them"),
        ("-t 1", 1, "no namespace specified", "name some, --net say, or take -a for all"),
        ("-t 1 sh", 1, "no namespace specified", "name some, --net say, or take -a for all"),
    ]);
}

#[test]
fn options_out_of_place_or_at_odds() {
    fails(&[
        ("--net nginx -t mangle", 125, "option -t stands after the target", BEFORE),
        ("nginx --net ss", 125, "option --net stands after the target", BEFORE),
        ("exec -it nginx sh", 125, "option -it stands after the target", EXEC),
        (
            "--sandbox -t 1 ss",
            1,
            "option --sandbox goes with a container, not with a process",
            "--net -t PID joins its network",
        ),
        (
            "--sandbox --net=/f nginx",
            125,
            "two networks: --sandbox names one, and another option a second",
            "leave out one of them",
        ),
        ("-w/a -W/b nginx", 125, "options --wd and --wdns exclude each other", "--wdns is the folder as it is inside"),
        ("-H a --context b nginx", 125, "options --host and --context exclude each other", "a context has its host"),
    ]);
}

#[test]
fn words_that_name_no_container() {
    let names = "cnsenter ls lists the names of containers";
    fails(&[
        (
            "rkt://c1",
            125,
            "rkt:// names a runtime that this version cannot ask",
            "it asks docker://, podman://, containerd://, cri-o://, oci://, lxc:// and nspawn://",
        ),
        (
            "pod/a",
            125,
            "\"pod/a\" is not of the form pod/NAMESPACE/POD[/CONTAINER]",
            "cnsenter --help shows the forms of TARGET",
        ),
        (
            "compose://a/b/x",
            125,
            "\"compose://a/b/x\" is not of the form compose://PROJECT/SERVICE[/N]",
            "cnsenter --help shows the forms of TARGET",
        ),
        (
            "--net /run/netns/x ss",
            125,
            "\"/run/netns/x\" is not a container's name: '/' cannot be part of one",
            "for a namespace's file, attach it: --net=/run/netns/x; for a folder inside: --workdir /run/netns/x",
        ),
        ("--net 'a b' ss", 125, "\"a b\" is not a container's name: ' ' cannot be part of one", names),
        ("-t a:b ss", 125, "\"a:b\" is not a container's name: ':' cannot be part of one", names),
        ("café", 125, "\"café\" is not a container's name: 'é' cannot be part of one", names),
    ]);
}

#[test]
fn called_as_nsenter_the_status_is_nsenters() {
    nsenter_fails(&[
        ("", 1, "no target PID specified", "-t PID names it"),
        ("--net nginx ip a", 1, "no target PID specified", "-t PID names it"),
        ("-n -t nginx", 1, "\"nginx\" is not a pid", "a pid is a number from 1 on"),
        ("-n -t 120000000000", 1, "\"120000000000\" is not a pid", "a pid is a number from 1 on"),
        ("--sandbox x", 1, "unknown option --sandbox", HELP),
        ("-v -n -t 1", 1, "unknown option -v", HELP),
        ("--nett", 1, "unknown option --nett", "did you mean --net?"),
        ("--setuid", 1, "option --setuid needs a value", "it takes UID|follow"),
        ("-t 1", 1, "no namespace specified", "name some, --net say, or take -a for all"),
        ("-n/missing", 1, "cannot open /missing: No such file or directory", ""),
        (
            "-n -t 2147483647",
            1,
            "no process with pid 2147483647",
            "nothing was entered; ps -e lists the processes that there are",
        ),
    ]);
}
