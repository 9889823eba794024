//! Options about the program: user, rights, variables, folder, terminal, and what they go with.

use super::{cnsenter, nsenter};

#[test]
fn variables_keep_their_order() {
    cnsenter(&[
        ("-E A=1 --env-file f --set-env=B=2 web id", "container web, set A=1, set of f, set B=2 -> id"),
        ("-EA=1 web id", "container web, set A=1 -> id"),
        ("-E A web id", "container web, set A -> id"),
        ("-E A= web id", "container web, set A= -> id"),
        ("-n -E A=1 web id", "container web, net, set A=1 -> id"),
        ("-E =1 web id", "error: \"=1\" sets no variable"),
        ("-E '' web id", "error: \"\" sets no variable"),
    ]);
}

#[test]
fn a_folder_inside_is_workdir_or_wdns() {
    cnsenter(&[
        ("--workdir /srv web id", "container web, wdns=/srv -> id"),
        ("--workdir=/srv web id", "container web, wdns=/srv -> id"),
        ("--workdir /srv -w web id", "error: options --wd and --wdns exclude each other"),
    ]);
}

#[test]
fn user_and_rights_go_with_a_whole_container() {
    const AS: &str = "error: option --as goes with a container that is entered as a whole";
    const PRIVILEGED: &str = "error: option --privileged goes with a container that is entered as a whole";
    cnsenter(&[
        ("--as www-data web id", "container web, as www-data -> id"),
        ("--as 33:33 -a web id", "container web, as 33:33, all -> id"),
        ("--as=:33 web id", "container web, as :33 -> id"),
        ("--as '' web id", "error: option --as has an empty value"),
        ("--as root -n web id", AS),
        ("--as root --raw web id", AS),
        ("--as root -a -t 1 id", AS),
        ("--as root -S 0 web id", "error: options --as and --setuid or --setgid exclude each other"),
        ("--privileged web id", "container web, privileged -> id"),
        ("--privileged -n web id", PRIVILEGED),
        ("--privileged --raw web id", PRIVILEGED),
        ("--privileged -m -t 1 id", PRIVILEGED),
    ]);
}

#[test]
fn a_terminal_goes_with_files_or_processes_of_a_container() {
    const PTY: &str = "error: option --pty goes with a container whose files or processes are entered";
    cnsenter(&[
        ("--pty web id", "container web, pty -> id"),
        ("--pty -p web id", "container web, pid, pty -> id"),
        ("--pty --no-pty web id", "container web, no-pty -> id"),
        ("--no-pty -n web id", "container web, net, no-pty -> id"),
        ("--pty -n web id", PTY),
        ("--pty --raw web id", PTY),
        ("--pty -m -t 1 id", PTY),
        ("--pty -F web id", PTY),
    ]);
}

#[test]
fn nsenter_has_none_of_them() {
    nsenter(&[
        ("-t 1 -n --as root", "error: unknown option --as"),
        ("-t 1 -n --privileged", "error: unknown option --privileged"),
        ("-t 1 -n -E A=1", "error: unknown option -E"),
        ("-t 1 -n --pty", "error: unknown option --pty"),
    ]);
}
