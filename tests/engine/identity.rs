//! Who the program is, where the plain facts of `fidelity` do not reach: users and groups of odd files, as docker exec
//! takes them or safer; files that are none; and callers with attributes of their own, of which none is handed on.

use std::os::unix::fs::symlink;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use testbed::probe::{self, Facts};
use testbed::{Container, Scratch, engine, image, output};

use crate::run::{OWN, cnsenter, on_default_engine, run};

const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/sh
# comment
bad
1337:x:2000:2001:a number:/number:/bin/sh
app:x:1000:1000:the application:/home/app:/bin/sh
short:x:77
letters:x:abc:91::/letters:/bin/sh
negative:x:-5:5::/negative:/bin/sh
huge:x:4294967295:1::/huge:/bin/sh
  spaced:x:88:89::/spaced:/bin/sh  \n\
plus:x:+92:+93::/plus:/bin/sh
nohome:x:94:94:::/bin/sh
relative:x:95:95::relative:/bin/sh
app:x:9:9::/second:/bin/sh
last:x:96:97:::";
const GROUP: &str = "\
root:x:0:
adm:x:4:app,1337,x
added:x:55:app
  spaced:x:56:app
twice:x:4:app
letters:x:zz:root
own:x:1000:app
member:x:69: app
short:x:70
last:x:71:app";

/// What a program says of who it is.
const IDS: &str = "grep -E '^(Uid|Gid|Groups|Cap)' /proc/self/status; echo \"HOME=$HOME\"";

/// A container with these two files in the place of its own.
fn with_accounts(options: &[&str], passwd: &str, group: &str) -> Result<Container> {
    let container = Container::run(image::busybox()?, options, &["sleep", "100000"])?;
    let folder = Scratch::new()?;
    for (name, text) in [("passwd", passwd), ("group", group)] {
        let file = folder.path().join(name);
        std::fs::write(&file, text)?;
        let file = file.to_str().context("a scratch folder of another encoding")?;
        engine::docker(&["cp", file, &format!("{}:/etc/{name}", container.id())])?;
    }
    Ok(container)
}

#[test]
fn words_mean_what_docker_exec_takes_them_for() -> Result<()> {
    let groups = ["--group-add", "55", "--group-add", "adm", "--group-add", "4242"];
    let container = with_accounts(&groups, PASSWD, GROUP)?;
    let mut failures = Vec::new();
    for word in [
        "root",
        "app",
        "1337",
        "2000",
        "1000",
        "01000",
        "2001",
        "spaced",
        "88",
        "plus",
        "92",
        "nohome",
        "relative",
        "last",
        "2147483647",
        "app:adm",
        "app:4",
        "app:added",
        "app:spaced",
        "app:short",
        "1000:9999",
        "app:",
        ":adm",
        "app:adm:x",
        "12345",
        "12345:55",
        "0:0",
    ] {
        let theirs = container.exec(&["--user", word], &["sh", "-c", IDS]).with_context(|| word.to_owned())?;
        let ours = run(["--as", word, container.name(), "sh", "-c", IDS])?;
        if ours.stdout.trim_end() != theirs.trim_end() || !ours.stderr.is_empty() {
            failures.push(format!("{word}: {ours:?}, not {theirs}"));
        }
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}

/// Where docker exec takes part in a guess, nobody is root by a slip of the file.
#[test]
fn who_is_not_there_is_nobody() -> Result<()> {
    let container = with_accounts(&[], PASSWD, GROUP)?;
    for (word, message) in [
        ("nope", "no user nope in the container's /etc/passwd"),
        ("bad", "no user bad in the container's /etc/passwd"),
        ("letters", "no user letters in the container's /etc/passwd"),
        ("negative", "no user negative in the container's /etc/passwd"),
        ("huge", "no user huge in the container's /etc/passwd"),
        ("app:nope", "no group nope in the container's /etc/group"),
        ("app:letters", "no group letters in the container's /etc/group"),
        ("3000000000", "3000000000 is no user or group"),
        ("-5", "-5 is no user or group"),
        ("0:-5", "-5 is no user or group"),
    ] {
        let ours = run(["--as", word, container.name(), "id"])?;
        ensure!(ours.code == Some(OWN) && ours.stderr.contains(message) && ours.stdout.is_empty(), "{word}: {ours:?}");
    }
    let hint = run(["--as", "nope", container.name(), "id"])?.stderr;
    ensure!(hint.contains("cat /etc/passwd shows who there is"), "{hint}");
    for word in ["nope", "app:nope", "3000000000"] {
        ensure!(container.exec(&["--user", word], &["id"]).is_err(), "docker exec --user {word}");
    }
    // docker exec makes root of it.
    let theirs = container.exec(&["--user", "letters"], &["id", "-u"])?;
    ensure!(theirs.trim() == "0", "{theirs}");
    Ok(())
}

/// What a container may have in the place of a file.
#[test]
fn files_that_are_none_stop_nobody_for_long() -> Result<()> {
    let secret = Scratch::new()?;
    let secret = secret.path().join("passwd");
    std::fs::write(&secret, "hosts:x:4711:4711::/:/bin/sh\n")?;
    let secret = secret.to_str().context("a scratch folder of another encoding")?;
    for (what, script) in [
        ("FIFO", "rm /etc/passwd /etc/group; mkfifo /etc/passwd /etc/group".to_owned()),
        ("folder", "rm /etc/passwd /etc/group; mkdir /etc/passwd /etc/group".to_owned()),
        ("device", "rm /etc/passwd /etc/group; mknod /etc/passwd c 1 5; mknod /etc/group c 1 5".to_owned()),
        ("large", "for file in passwd group; do yes x:x:1:1:::: | head -c 2000000 >/etc/$file; done".to_owned()),
        ("out", format!("ln -sf ../../../../../..{secret} /etc/passwd; ln -sf {secret} /etc/group")),
        ("proc", format!("ln -sf /proc/1/root{secret} /etc/passwd; ln -sf /proc/self/fd/0 /etc/group")),
        ("loop", "ln -sf passwd /etc/passwd; ln -sf /etc/group /etc/group".to_owned()),
        ("none", "rm /etc/passwd /etc/group".to_owned()),
    ] {
        let container = Container::run(image::busybox()?, &[], &["sleep", "100000"])?;
        container.exec(&[], &["sh", "-c", &script]).with_context(|| what.to_owned())?;
        // With a deadline: what hangs here would hang until the test's end. The program asks for no names.
        let within = |word: &str| {
            let mut command = on_default_engine(Command::new("timeout"));
            command.args(["30", env!("CARGO_BIN_EXE_cnsenter"), "--as", word, container.name()]);
            output::run(command.args(["grep", "Uid:", "/proc/self/status"]))
        };
        for name in ["hosts", "app"] {
            let by_name = within(name)?;
            ensure!(by_name.code == Some(OWN) && by_name.stderr.contains("/etc/passwd"), "{what}: {by_name:?}");
        }
        let by_number = within("1000:1000")?;
        ensure!(by_number.stdout == "Uid:\t1000\t1000\t1000\t1000\n", "{what}: {by_number:?}");
    }
    Ok(())
}

/// A link within the container is followed, as the container would.
#[test]
fn links_within_lead_where_they_lead_inside() -> Result<()> {
    let folder = Scratch::new()?;
    std::fs::write(folder.path().join("accounts"), "linked:x:321:322::/linked:/bin/sh\n")?;
    symlink("/mnt/accounts", folder.path().join("link"))?;
    let volume = format!("{}:/mnt:ro", folder.path().display());
    let container = Container::run(image::busybox()?, &["--volume", &volume], &["sleep", "100000"])?;
    container.exec(&[], &["ln", "-sf", "../mnt/link", "/etc/passwd"])?;
    let ours = run(["--as", "linked", container.name(), "sh", "-c", "id -u; id -g; echo $HOME"])?;
    ensure!(ours.stdout == "321\n322\n/linked\n", "{ours:?}");
    Ok(())
}

/// Each leaves cnsenter with something that exec would hand on.
const CALLERS: &[(&str, &[&str])] = &[
    ("nice", &["nice", "-n", "10"]),
    ("batch", &["chrt", "--batch", "0"]),
    ("idle", &["chrt", "--idle", "0"]),
    ("round robin", &["chrt", "--rr", "5"]),
    ("idle disk", &["ionice", "-c", "3"]),
    ("one processor", &["taskset", "-c", "0"]),
    ("personality", &["setarch", "--addr-no-randomize"]),
    ("limits", &["prlimit", "--nofile=64:", "--core=0:", "--stack=1048576:", "--fsize=1073741824:"]),
    ("victim", &["choom", "-n", "500", "--"]),
    ("groups", &["setpriv", "--groups=4,24,27", "--"]),
    ("group", &["setpriv", "--regid=24", "--keep-groups", "--"]),
    ("capabilities", &["setpriv", "--inh-caps=+net_raw", "--ambient-caps=+net_raw", "--"]),
    ("secure bits", &["setpriv", "--securebits=+no_setuid_fixup", "--"]),
    ("umask", &["sh", "-c", "umask 077; exec \"$@\"", "sh"]),
    ("ignored signals", &["env", "--ignore-signal=HUP,INT,USR1,RTMAX", "--"]),
    ("blocked signals", &["env", "--block-signal=HUP,USR1,RTMAX", "--"]),
    ("folder", &["env", "-C", "/usr", "--"]),
];

#[test]
fn whatever_the_caller_is_the_program_is_the_same() -> Result<()> {
    let volume = format!("{}:/probe:ro", probe::folder()?.display());
    let options = ["--volume", &volume, "--user", "app", "--group-add", "55", "--security-opt", "seccomp=unconfined"];
    let container = Container::run(image::busybox()?, &options, &["sleep", "100000"])?;
    let program = format!("/probe/{}", probe::NAME);
    let plain = Facts::of(&mut cnsenter([container.name(), &program]))?;
    let below = |caller: &[&str], program: &[&str]| {
        let mut command = on_default_engine(Command::new(caller[0]));
        command.args(&caller[1..]).args(program);
        command
    };
    let ours = [env!("CARGO_BIN_EXE_cnsenter"), container.name(), &program];
    let outside = probe::folder()?.join(probe::NAME);
    let outside = outside.to_str().context("a folder of another encoding")?;
    let before = Facts::of(&mut Command::new(outside))?;
    let mut failures = Vec::new();
    for (what, caller) in CALLERS {
        // Else the case would prove nothing. One processor may be all that there is.
        let leaks = Facts::of(&mut below(caller, &[outside]))?;
        ensure!(!leaks.differences(&before).is_empty() || *what == "one processor", "{what} changes nothing");
        let found = Facts::of(&mut below(caller, &ours)).with_context(|| (*what).to_owned())?;
        let differences = found.differences(&plain);
        failures.extend(differences.iter().map(|difference| format!("{what}: {}", difference.shown())));
    }
    let all = CALLERS.iter().flat_map(|(_, caller)| *caller).copied().collect::<Vec<_>>();
    let found = Facts::of(&mut below(&all, &ours))?;
    failures.extend(found.differences(&plain).iter().map(|difference| format!("all: {}", difference.shown())));
    ensure!(failures.is_empty(), "the program is not the same below another caller:\n{}", failures.join("\n"));
    Ok(())
}

/// What is recorded and cannot be given is said, and nothing runs without it.
#[test]
fn what_the_caller_cannot_give_is_named() -> Result<()> {
    let container = Container::run(image::busybox()?, &["--ulimit", "nofile=1000:1000"], &["sleep", "100000"])?;
    let program = [env!("CARGO_BIN_EXE_cnsenter"), container.name(), "id"];
    for (caller, message) in [
        (
            &["setpriv", "--bounding-set=-sys_resource", "--inh-caps=-sys_resource", "prlimit", "--nofile=500:500"][..],
            "cannot give the program the container's RLIMIT_NOFILE",
        ),
        (
            &["setpriv", "--bounding-set=-net_bind_service,-chown", "--"],
            "the container's programs have CAP_CHOWN, CAP_NET_BIND_SERVICE, which the caller lacks",
        ),
    ] {
        let mut command = on_default_engine(Command::new(caller[0]));
        let ours = output::run(command.args(&caller[1..]).args(program))?;
        ensure!(ours.code == Some(OWN) && ours.stderr.contains(message) && ours.stdout.is_empty(), "{ours:?}");
        ensure!(ours.stderr.contains("hint: --raw"), "{ours:?}");
    }
    Ok(())
}
