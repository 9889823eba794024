//! Every spelling that nsenter takes, with the same effect under cnsenter: the lines of scripts in the wild, and the
//! rules of getopt_long(3). What each option does, beyond being understood, belongs in `options`.

pub(crate) mod sides;

use std::process::Command;

use anyhow::{Result, ensure};
use testbed::{Container, image, output};

use sides::{EVERYTHING, Sides, Target, check_joined, each, fill, run_with, same};

/// A line, and the namespaces that its program is then in.
type Case = (&'static str, &'static str);

fn places(target: &Target) -> [(&'static str, String); 6] {
    [
        ("{pid}", target.pid().to_string()),
        ("{net}", target.file("net")),
        ("{mnt}", target.file("mnt")),
        ("{uts}", target.file("uts")),
        ("{user}", target.file("user")),
        ("{here}", sides::HERE.to_owned()),
    ]
}

fn borrowed<'a>(places: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    places.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

#[test]
fn lines_of_scripts_in_the_wild_on_a_container() -> Result<()> {
    let container = Container::run(image::busybox()?, &["--hostname", "inside"], &["sleep", "1000"])?;
    let pid = container.pid()?;
    let (number, key) = (pid.to_string(), container.sandbox_key()?);
    let (key, folder) = (key.as_str(), "/proc/PID/ns".replace("PID", &number));
    let places = [("{pid}", number.as_str()), ("{key}", key), ("{ns}", folder.as_str())];
    let sides = Sides::new()?;
    let cases: &[Case] = &[
        ("-t {pid} -m -u -i -n -p -- /bin/sh", "mnt uts ipc net pid"),
        ("-t {pid} -m -u -i -n -p -- {probe}", "mnt uts ipc net pid"),
        ("-t{pid} -m -u -i -n", "mnt uts ipc net"),
        ("-n -t{pid} {probe}", "net"),
        ("-at {pid}", "mnt uts ipc net pid"),
        ("-at {pid} {probe}", "mnt uts ipc net pid"),
        ("--all --target={pid} -- su -", "mnt uts ipc net pid"),
        ("-m -u -i -n -p -C -r -w --target={pid} -- su -", "mnt uts ipc net pid"),
        ("--target {pid} --mount --uts --ipc --net --pid {probe} -SIGINT 1", "mnt uts ipc net pid"),
        ("--net={key} {probe} -w k=v", "net"),
        ("--net={key} sh", "net"),
        ("-n{key} -- {probe} -vz -w 2 127.0.0.1 80", "net"),
        ("-n{ns}/net -- {probe} -vz -w 2 ip port", "net"),
        ("-n -t {pid} {probe} -t nat -nvL", "net"),
        ("--mount={ns}/mnt --pid={ns}/pid {probe}", "mnt pid"),
    ];
    each(cases, |(line, joined)| check_joined(&same(sides.four(), line, &places)?, joined, pid))
}

#[test]
fn the_programs_that_people_run() -> Result<()> {
    let container = Container::run(image::busybox()?, &[], &["sleep", "1000"])?;
    let (id, key, pid) = (container.id().to_owned(), container.sandbox_key()?, container.pid()?.to_string());
    let sides = Sides::new()?;
    let lines = [
        format!("-n -t $(docker inspect --format '{{{{.State.Pid}}}}' {id}) iptables -t nat -nL"),
        format!("--net={key} sysctl -w net.ipv4.ip_default_ttl=61"),
        format!("--net={key} sysctl net.ipv4.ip_default_ttl"),
        format!("--net={key} ip -4 address show eth0"),
        format!("--target {pid} --mount --uts --ipc --net --pid kill -SIGWINCH 1"),
        format!("-t {pid} -n -- sh -c 'ip -o link | wc -l; exit 3' -t 1"),
    ];
    each(&lines, |line| {
        let run = |side: &sides::Side| {
            let script = format!("\"$@\" {line}");
            output::run(&mut side.below(&["sh", "-c", &script, "sh"], &[]))
        };
        let first = run(sides.newest())?;
        ensure!(first.success() || first.code == Some(3), "{line}: {first:?}");
        for side in [sides.ours(), sides.linked(), sides.debian()] {
            let other = run(side)?;
            ensure!(other == first, "{line}\nunder nsenter: {first:?}\nunder {}: {other:?}", side.name);
        }
        Ok(())
    })
}

#[test]
fn lines_of_scripts_in_the_wild_on_a_user_namespace() -> Result<()> {
    let target = Target::unshared(EVERYTHING)?;
    let places = places(&target);
    let sides = Sides::new()?;
    let cases: &[Case] = &[
        ("-U --preserve-credentials -n -m -t {pid}", "user net mnt"),
        ("-U --preserve-credentials -n -m -t {pid} {probe}", "user net mnt"),
        ("-m -u -i -n -p -C -r -w --target={pid} -- {probe}", "mnt uts ipc net pid cgroup"),
        ("-r/ -w{here} --preserve-credentials -m -t {pid} -F {probe}", "mnt"),
        ("--mount={mnt} {tool} --net={net} {probe}", "mnt net"),
        ("--mount={mnt} {tool} --net={net} bash", "mnt net"),
        ("--all --target={pid} -- {probe}", "all"),
        ("-t {pid} -m -u -i -n -p -- /bin/bash", "mnt uts ipc net pid"),
    ];
    each(cases, |(line, joined)| check_joined(&same(sides.four(), line, &borrowed(&places))?, joined, target.pid()))
}

#[test]
fn namespaces_below_an_inherited_descriptor() -> Result<()> {
    let target = Target::unshared(EVERYTHING)?;
    let folder = format!("/proc/{}", target.pid());
    let script = format!("exec 7<{folder}; exec \"$@\"");
    let line = "--user=/proc/self/fd/7/ns/user --net=/proc/self/fd/7/ns/net --mount=/proc/self/fd/7/ns/mnt -S 0 -G 0";
    let sides = Sides::new()?;
    let mut first: Option<String> = None;
    for side in sides.four() {
        let words = fill(line, side, &[]);
        let output = run_with(&mut side.below(&["bash", "-c", &script, "bash"], &words), sides::PROBE)?;
        check_joined(&output, "user net mnt", target.pid())?;
        // All but the descriptors: 7 reaches the program under nsenter, and that is one of its defects.
        let (seen, _) = output.stdout.rsplit_once("Seccomp").unwrap_or_default();
        let first = first.get_or_insert_with(|| seen.to_owned());
        ensure!(first == seen, "under {}: {output:?}\nexpected:\n{first}", side.name);
    }
    Ok(())
}

#[test]
fn rules_of_getopt() -> Result<()> {
    let target = Target::unshared(EVERYTHING)?;
    let places = places(&target);
    let sides = Sides::new()?;
    let cases: &[Case] = &[
        // Attached and separate values, clusters.
        ("-t {pid} -n {probe}", "net"),
        ("-t{pid} -n {probe}", "net"),
        ("-ZFt {pid} -n -u {probe}", "net uts"),
        ("--target={pid} --net {probe}", "net"),
        ("--target {pid} --net {probe}", "net"),
        ("-n{net} {probe}", "net"),
        ("--net={net} {probe}", "net"),
        ("-aFt {pid} --user={user} {probe}", "all"),
        ("-Ft{pid} -p {probe}", "pid"),
        ("-Zt{pid} -p {probe}", "pid"),
        ("-at{pid} {probe}", "all"),
        ("-t {pid} -n -S0 -G0 {probe}", "net"),
        ("-t {pid} -n -S 0 -G 0 {probe}", "net"),
        ("-t {pid} -n --setuid 0 --setgid 0 {probe}", "net"),
        ("-t {pid} -n --setuid=0 --setgid=0 {probe}", "net"),
        ("-t {pid} -n -w/tmp {probe}", "net"),
        ("-t {pid} -n --wd=/tmp {probe}", "net"),
        // Said twice: the last value counts, and no value takes none away.
        ("-n -n -t {pid} {probe}", "net"),
        ("-n/proc/self/ns/net -n{net} {probe}", "net"),
        ("-n{net} -u{uts} -n{net} {probe}", "net uts"),
        // Unique beginnings of long options.
        ("--targ {pid} --mou --net {probe}", "mnt net"),
        ("--targ={pid} --preserve --ut --user --net {probe}", "uts user net"),
        ("--ta={pid} --ut --ip --pi --cg --ti {probe}", "uts ipc pid cgroup time"),
        ("--al --tar={pid} {probe}", "all"),
        ("--mo={mnt} --ut={uts} {probe}", "mnt uts"),
        ("-t {pid} -n --setu=0 --setg=0 --fo --no-f {probe}", "net"),
        ("-t {pid} -n --wd=/tmp --roo=/ {probe}", "net"),
        // Parsing stops at the first word, and at `--`.
        ("-t {pid} -n {probe} -m --all -t 1 --no-such", "net"),
        ("-t {pid} -n -- {probe} -- -m", "net"),
        ("-t {pid} -n {probe} --", "net"),
        ("-t {pid} -n --", "net"),
        ("-n -t {pid} --", "net"),
    ];
    each(cases, |(line, joined)| check_joined(&same(sides.four(), line, &borrowed(&places))?, joined, target.pid()))?;
    let newest: &[Case] = &[
        ("-n={net} {probe}", "net"),
        ("-n={net} -u={uts} {probe}", "net uts"),
        ("-t {pid} -n -w=/tmp {probe}", "net"),
        ("-t {pid} -n -W/tmp {probe}", "net"),
        ("-t {pid} -n -W=/tmp {probe}", "net"),
        ("-t {pid} -n --wdns=/tmp {probe}", "net"),
        ("-t {pid} -n --env -F {probe}", "net"),
        ("-t {pid} -n -eF {probe}", "net"),
        ("-t {pid} -n --en {probe}", "net"),
        ("-t {pid} -n --setu=follow --setg follow {probe}", "net"),
    ];
    each(newest, |(line, joined)| check_joined(&same(sides.three(), line, &borrowed(&places))?, joined, target.pid()))?;
    // nsenter takes `=` after a letter with some options only; cnsenter with all that have a value.
    let more: &[Case] = &[
        ("-t={pid} -n {probe}", "net"),
        ("-t {pid} -n -r=/ {probe}", "net"),
        ("-t {pid} -n -S=0 -G=0 {probe}", "net"),
    ];
    each(more, |(line, joined)| {
        let run = |side: &sides::Side| output::run(&mut side.command(&fill(line, side, &borrowed(&places))));
        ensure!(run(sides.newest())?.code == Some(1), "{line} is taken by the newest nsenter too");
        check_joined(&run(sides.ours())?, joined, target.pid())?;
        check_joined(&run(sides.linked())?, joined, target.pid())
    })
}

#[test]
fn what_getopt_refuses() -> Result<()> {
    let target = Target::unshared(EVERYTHING)?;
    let places = places(&target);
    let places = borrowed(&places);
    let sides = Sides::new()?;
    // An optional value must be attached, so here a letter is taken for a file; and what is no option at all.
    let cases = [
        "-mt {pid} {probe}",
        "-muinpt {pid} {probe}",
        "-t {pid} -nF {probe}",
        "-t {pid} -m/no/such/file {probe}",
        "-t {pid} --net= {probe}",
        "-t {pid} --n {probe}",
        "-t {pid} --ne {probe}",
        "-t {pid} --us {probe}",
        "-t {pid} --user- --set=0 {probe}",
        "-t {pid} --all=yes {probe}",
        "-t 0 -n {probe}",
        "-n -t -5 {probe}",
        "-t {pid} --no-such {probe}",
        "-t {pid} -n -x {probe}",
        "-t {pid} -n --fork {probe}",
        "-t {pid} {probe}",
        "-t {pid}",
        "-t {pid} -n -S",
        "-t {pid} -n -w/tmp -W/tmp {probe}",
        "-t {pid} -n -S root {probe}",
        "-t {pid} -n -S -1x {probe}",
    ];
    each(&cases, |line| {
        let output = same(sides.three(), line, &places)?;
        ensure!(output.code == Some(1) && output.stdout.is_empty(), "{line}: {output:?}");
        Ok(())
    })?;
    // Where the line may have meant a container, the exit status is cnsenter's own, unless it is called nsenter.
    for line in ["-ant {pid} {probe}", "-t {pid}:x -n {probe}", "-n -t", "-t nobody -n {probe}"] {
        let codes = sides.three().iter().map(|side| output::run(&mut side.command(&fill(line, side, &places))));
        let codes: Vec<_> = codes.map(|output| output.map(|output| output.code)).collect::<Result<_>>()?;
        ensure!(codes == [Some(1), Some(125), Some(1)], "{line}: {codes:?}");
    }
    // Two targets: 2.42 takes the last of them, later ones refuse, as cnsenter does.
    for side in [sides.ours(), sides.linked()] {
        let output = output::run(&mut side.command(&fill("-t {pid} -t {pid} -n true", side, &places)))?;
        ensure!(output.code == Some(1) && output.stderr.contains("only once"), "{}: {output:?}", side.name);
    }
    // The trap that most people fall into has a way out named.
    for (line, hint) in [
        ("-mt {pid} true", "hint: -mt is -m with the file t; write -m -t"),
        ("-muinpt {pid} true", "hint: -muinpt is -m with the file uinpt; write -m -u -i -n -p -t"),
    ] {
        let output = output::run(&mut sides.ours().command(&fill(line, sides.ours(), &places)))?;
        ensure!(output.stderr.contains(hint), "{line}: {output:?}");
    }
    // What is no program ends like a program that is not there.
    for line in ["-t {pid} -n -- -x", "-t {pid} -n -- -- sh", "-t {pid} -n /no/such"] {
        let output = same(sides.four(), line, &places)?;
        ensure!(output.code == Some(127) && output.stdout.is_empty(), "{line}: {output:?}");
    }
    Ok(())
}

#[test]
fn called_nsenter_it_is_nsenter() -> Result<()> {
    let container = Container::run(image::busybox()?, &[], &["sleep", "1000"])?;
    let target = Target::unshared("--net")?;
    let pid = target.pid().to_string();
    let places = [("{pid}", pid.as_str()), ("{name}", container.name())];
    let sides = Sides::new()?;
    for line in ["--net {name} true", "{name} true", "-a", "-m -u sh", "-e {name}", "-n -r {name}", "--net"] {
        let output = same(&sides.three()[..1], line, &places)?;
        let linked = output::run(&mut sides.linked().command(&fill(line, sides.linked(), &places)))?;
        ensure!((output.code, linked.code) == (Some(1), Some(1)), "{line}: {output:?}\n{linked:?}");
        ensure!(linked.stderr.contains("no target PID specified"), "{line}: {linked:?}");
    }
    // Options of cnsenter alone, and targets that are no pids, are unknown there.
    let lines = [
        "--sandbox {name} true",
        "--raw -t {pid} -n true",
        "--keep-env -t {pid} -n true",
        "--print -t {pid} -n true",
        "-v -t {pid} -n true",
        "--verbose -t {pid} -n true",
        "-H unix:///run/docker.sock -t {pid} -n true",
        "--timeout 2s -t {pid} -n true",
        "--context default -t {pid} -n true",
        "-t {name} -n true",
        "-t docker://{name} -n true",
    ];
    each(&lines, |line| {
        for side in [sides.newest(), sides.linked()] {
            let output = output::run(&mut side.command(&fill(line, side, &places)))?;
            ensure!(output.code == Some(1) && output.stdout.is_empty(), "{line} under {}: {output:?}", side.name);
        }
        // The same line is understood under our own name, but for the wish to look at what is not there.
        let ours = output::run(&mut sides.ours().command(&fill(line, sides.ours(), &places)))?;
        ensure!(ours.success(), "{line} under our own name: {ours:?}");
        Ok(())
    })?;
    for line in ["--help", "-h", "--version", "-V"] {
        let output = output::run(&mut sides.linked().command(&fill(line, sides.linked(), &places)))?;
        ensure!(output.success() && !output.stdout.is_empty(), "{line}: {output:?}");
    }
    // A link further away, and one found in PATH.
    let folder = testbed::Scratch::new()?;
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_cnsenter"), folder.path().join("nsenter"))?;
    let mut found = Command::new("sh");
    found.args(["-c", "nsenter --net \"$0\" true", container.name()]);
    found.env("PATH", format!("{}:/usr/bin:/bin", folder.path().display()));
    let found = output::run(&mut found)?;
    ensure!(found.code == Some(1) && found.stderr.contains("no target PID specified"), "{found:?}");
    Ok(())
}
