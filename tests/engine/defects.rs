//! What nsenter does badly: each case shows the defect under nsenter first, then that cnsenter does not have it. A
//! case whose first half fails says that nsenter was mended, and has become one for `options`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use testbed::{Container, Output, Scratch, engine, image, output};

use crate::spellings::sides::{NOBODY, Side, Sides, Target, check_joined, fill, run_with, same_below};

fn run(side: &Side, outer: &[&str], line: &str, places: &[(&str, &str)]) -> Result<Output> {
    let words = fill(line, side, places);
    let mut command = if outer.is_empty() { side.command(&words) } else { side.below(outer, &words) };
    run_with(&mut command, "typed\n")
}

/// Words with blanks in them, for [`fill`].
const SHOW: &str = "cat; ls /proc/self/fd | tr '\\n' ' '; grep ^0:: /proc/self/cgroup";

#[test]
fn joining_the_cgroup() -> Result<()> {
    // Releases differ in what they break here: 2.40 took standard input away and left a writable descriptor open, 2.42
    // goes by the first line of /proc/PID/cgroup, whichever hierarchy that is. One of these it must be.
    let target = Target::unshared("--net --pid")?;
    let mounts = std::fs::read_to_string("/proc/self/mounts")?;
    let mut mounts = mounts.lines().filter_map(|line| line.split_once(" cgroup2 ")?.0.split_once(' '));
    let mount = mounts.next().context("no cgroup v2 is mounted")?.1.to_owned();
    let name = testbed::guard::unique_name();
    let folder = Path::new(&mount).join(&name);
    std::fs::create_dir(&folder)?;
    let unified = "mount -t cgroup2 none /sys/fs/cgroup; mount -t tmpfs none /mnt; { echo '7:fake:/'; grep ^0:: \
                   /proc/$0/cgroup; } >/mnt/cgroup; mount --bind /mnt/cgroup /proc/$0/cgroup; exec \"$@\"";
    let pid = target.pid().to_string();
    let outer = ["unshare", "-m", "sh", "-ec", unified, &pid];
    let places = [("{pid}", pid.as_str()), ("{show}", SHOW)];
    let moved = std::fs::write(folder.join("cgroup.procs"), &pid);
    let sides = Sides::new()?;
    let outputs = moved.context("cannot move the target").and_then(|()| {
        let newest = run(sides.newest(), &outer, "-c -n -p -t {pid} sh -c {show}", &places)?;
        Ok((newest, run(sides.ours(), &outer, "-c -n -p -t {pid} sh -c {show}", &places)?))
    });
    drop(target);
    // The kernel lets the last process go a moment after it was reaped.
    let limit = std::time::Duration::from_secs(5);
    testbed::wait::until(limit, "an empty cgroup", || std::fs::remove_dir(&folder).ok())?;
    let (newest, ours) = outputs?;
    let right = format!("typed\n0 1 2 3 0::/{name}\n");
    ensure!(newest.stdout != right, "nsenter is mended: {newest:?}");
    ensure!(ours.success() && ours.stdout == right, "{ours:?}");
    Ok(())
}

#[test]
fn an_error_names_the_namespace() -> Result<()> {
    let target = Target::unshared("--net --uts")?;
    let pid = target.pid().to_string();
    let places = [("{pid}", pid.as_str())];
    let sides = Sides::new()?;
    let output = run(sides.newest(), NOBODY, "-n -t {pid} true", &places)?;
    ensure!(output.code == Some(1) && !output.stderr.contains("net"), "nsenter names it: {output:?}");
    for (line, name) in [("-n -t {pid} true", "net"), ("-u -t {pid} true", "uts"), ("-u -n -t {pid} true", "uts")] {
        let output = run(sides.ours(), NOBODY, line, &places)?;
        let message = format!("cannot join the {name} namespace of process {pid}");
        ensure!(output.code == Some(1) && output.stderr.contains(&message), "{output:?}");
    }
    Ok(())
}

#[test]
fn all_by_an_ordinary_user() -> Result<()> {
    // Their own user and network; the rest is everybody's, and cannot be joined a second time without privilege.
    let unshare = ["unshare", "--fork", "--kill-child", "--user", "--map-root-user", "--net"];
    let target = Target::start(&[NOBODY, &unshare].concat())?;
    let pid = target.pid().to_string();
    let places = [("{pid}", pid.as_str())];
    let sides = Sides::new()?;
    let line = "-a --preserve-credentials -t {pid} {probe}";
    for side in [sides.newest(), sides.debian()] {
        let output = run(side, NOBODY, line, &places)?;
        ensure!(output.code == Some(1) && output.stdout.is_empty(), "nsenter is mended: {output:?}");
    }
    for line in [line, "-a -t {pid} {probe}"] {
        check_joined(&same_below(&sides.three()[1..], NOBODY, line, &places)?, "user net", target.pid())?;
    }
    Ok(())
}

#[test]
fn inherited_descriptors() -> Result<()> {
    // A folder of the host, through which the program reaches every file of the host: CVE-2024-21626.
    let container = Container::run(image::busybox()?, &[], &["sleep", "1000"])?;
    let pid = container.pid()?.to_string();
    let places = [("{pid}", pid.as_str()), ("{name}", container.name())];
    let sides = Sides::new()?;
    let outer = ["bash", "-c", "exec 7</etc; exec \"$@\"", "bash"];
    let output = run(sides.newest(), &outer, "-m -p -t {pid} cat /proc/self/fd/7/passwd", &places)?;
    ensure!(output.success() && output.stdout == std::fs::read_to_string("/etc/passwd")?, "mended: {output:?}");
    for line in ["-m -p -t {pid} cat /proc/self/fd/7/passwd", "-a -t {pid} cat /proc/self/fd/7/passwd"] {
        let output = run(sides.ours(), &outer, line, &places)?;
        ensure!(output.code == Some(1) && output.stdout.is_empty(), "{output:?}");
    }
    let output = run(sides.ours(), &outer, "{name} cat /proc/self/fd/7/passwd", &places)?;
    ensure!(output.code == Some(1) && output.stdout.is_empty(), "{output:?}");
    Ok(())
}

#[test]
fn the_callers_environment() -> Result<()> {
    let container = Container::run(image::busybox()?, &["--env", "OF=the container"], &["sleep", "1000"])?;
    let pid = container.pid()?.to_string();
    let places = [("{pid}", pid.as_str()), ("{name}", container.name())];
    let sides = Sides::new()?;
    let outer = ["env", "SECRET=of the caller"];
    let output = run(sides.newest(), &outer, "-a -t {pid} env", &places)?;
    ensure!(output.stdout.contains("SECRET") && !output.stdout.contains("OF="), "{output:?}");
    let output = run(sides.ours(), &outer, "{name} env", &places)?;
    ensure!(output.success() && !output.stdout.contains("SECRET"), "{output:?}");
    ensure!(output.stdout.contains("OF=the container\n") && !output.stdout.contains("TERM="), "{output:?}");
    // A pid is as nsenter has it, since scripts hand variables over that way; and so it is when it is wished.
    for line in ["-a -t {pid} env", "--keep-env {name} env", "--raw {name} env", "--net {name} env"] {
        let output = run(sides.ours(), &outer, line, &places)?;
        ensure!(output.stdout.contains("SECRET=of the caller\n"), "{line}: {output:?}");
    }
    Ok(())
}

/// In the place of the container's dynamic loader, and run by the kernel with the rights of whoever entered: it keeps a
/// descriptor of the program that entered, and overwrites that once it is no longer running. Without a C library, whose
/// start code would take the program that is to be loaded for its own.
#[cfg(target_arch = "x86_64")]
const HOSTILE_LOADER: &str = r#"
static long call(long number, long a, long b, long c) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}
void _start(void) {
    char fd[2] = {0, 0};
    fd[0] = '0' + call(2 /* open */, (long)"/proc/self/exe", 0, 0);
    char *words[] = {"/bin/sh", "/overwrite", fd, 0}, *none[] = {0};
    call(59 /* execve */, (long)words[0], (long)words, (long)none);
    call(60 /* exit */, 1, 0, 0);
}
"#;

/// Goes on trying after the program has ended, since a file that runs cannot be written to. Whoever reads its output
/// waits for it.
#[cfg(target_arch = "x86_64")]
const OVERWRITE: &str = "
tries=0
until echo hostile >/proc/self/fd/$1; do tries=$((tries + 1)); [ $tries -lt 60 ] || exit; sleep 0.02; done &
";

#[cfg(target_arch = "x86_64")]
#[test]
fn the_binary_that_entered_is_overwritten_from_inside() -> Result<()> {
    crate::escape::in_each(|kind| overwritten_from_inside(kind.options))
}

#[cfg(target_arch = "x86_64")]
fn overwritten_from_inside(options: &[&str]) -> Result<()> {
    let container = Container::run(image::busybox()?, options, &["sleep", "1000"])?;
    let folder = Scratch::new()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("loader.c"), HOSTILE_LOADER)?;
    // The C compiler that Rust links with.
    output::stdout(Command::new("cc").args([
        "-static",
        "-nostdlib",
        "-fno-stack-protector",
        "-O1",
        "-o",
        &path("loader"),
        &path("loader.c"),
    ]))?;
    let loader =
        output::stdout(Command::new("sh").args(["-c", "ls /lib64/ld-linux-*.so.* /lib/ld-linux-*.so.* | head -n 1"]))?;
    let parent = Path::new(&loader).parent().context("a folder")?.display().to_string();
    let script = "mkdir -p $0; printf '#!/proc/self/exe\\n' >/attack; chmod 755 /attack; echo \"$1\" >/overwrite";
    container.exec(&[], &["sh", "-c", script, &parent, OVERWRITE])?;
    engine::docker(&["cp", &path("loader"), &format!("{}:{loader}", container.id())])?;
    let pid = container.pid()?.to_string();
    // Copies, since the attack works.
    let overwritten = |program: &str, words: &[&str]| -> Result<bool> {
        let copy = path("copy");
        std::fs::copy(program, &copy)?;
        output::run(Command::new(&copy).args(words).args(["/attack"]))?;
        Ok(std::fs::read(&copy)?.starts_with(b"hostile"))
    };
    ensure!(overwritten("/usr/bin/nsenter", &["-t", &pid, "-m", "-p"])?, "nsenter withstands it");
    ensure!(overwritten("/usr/bin/nsenter", &["-t", &pid, "-a"])?, "nsenter withstands it");
    let ours = env!("CARGO_BIN_EXE_cnsenter");
    for words in [&["-t", &pid, "-m", "-p"][..], &["-a", "-t", &pid], &["-a", "-F", "-t", &pid], &[container.name()]] {
        ensure!(!overwritten(ours, words)?, "cnsenter {words:?}");
    }
    Ok(())
}

#[test]
fn a_root_without_its_working_directory() -> Result<()> {
    let container = Container::run(image::busybox()?, &[], &["sleep", "1000"])?;
    let target = Target::unshared("--net")?;
    let pid = target.pid().to_string();
    let root = format!("/proc/{}/root", container.pid()?);
    let places = [("{pid}", pid.as_str()), ("{root}", &root)];
    let sides = Sides::new()?;
    // From there, the host's files are a step away.
    let escape = "-n --root={root} -t {pid} cat ../../etc/debian_version";
    let host = std::fs::read_to_string("/etc/debian_version")?;
    for side in [sides.newest(), sides.debian()] {
        let output = run(side, &[], escape, &places)?;
        ensure!(output.stdout == host, "nsenter is mended: {output:?}");
    }
    for line in [escape, "-n --root={root} -t {pid} pwd"] {
        let output = run(sides.ours(), &[], line, &places)?;
        ensure!(!output.stdout.contains(&host) && (!line.ends_with("pwd") || output.stdout == "/\n"), "{output:?}");
    }
    Ok(())
}

#[test]
fn capabilities_that_were_to_be_kept() -> Result<()> {
    // 2.42 forgets that it has joined the user namespace, and then keeps nothing.
    let target = Target::unshared("--user")?;
    for map in ["uid_map", "gid_map"] {
        std::fs::write(format!("/proc/{}/{map}", target.pid()), "0 0 65536")?;
    }
    let (pid, user) = (target.pid().to_string(), target.file("user"));
    let places = [("{pid}", pid.as_str()), ("{user}", &user)];
    let sides = Sides::new()?;
    let set = |output: &Output, name: &str| {
        let line = output.stdout.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
        line.and_then(|digits| u64::from_str_radix(digits, 16).ok()).context("a capability set")
    };
    for line in [
        "-U -t {pid} --keep-caps {probe}",
        "--user={user} --keep-caps {probe}",
        "-U -t {pid} --keep-caps --preserve-credentials {probe}",
    ] {
        let output = run(sides.newest(), &[], line, &places)?;
        ensure!(set(&output, "CapAmb")? == 0, "nsenter is mended: {output:?}");
        let output = run(sides.ours(), &[], line, &places)?;
        let all = set(&output, "CapBnd")?;
        for name in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            ensure!(set(&output, name)? == all, "{line} {name}: {output:?}");
        }
    }
    // Which is of use for those who are not root inside.
    let unmapped = Target::unshared("--user")?;
    let pid = unmapped.pid().to_string();
    let output = run(sides.ours(), &[], "-U -t {pid} --keep-caps --preserve-credentials {probe}", &[("{pid}", &pid)])?;
    ensure!(set(&output, "CapEff")? != 0 && output.stdout.contains("uid=65534"), "{output:?}");
    let output = run(sides.ours(), &[], "-U -t {pid} --preserve-credentials {probe}", &[("{pid}", &pid)])?;
    ensure!(set(&output, "CapEff")? == 0, "{output:?}");
    Ok(())
}
