//! Root, working directory, environment, cgroup and SELinux context of the program.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use testbed::{Container, Scratch, guard, image, output};

use crate::spellings::sides::{Sides, Target, check_joined, each, fill, same, same_below};

#[test]
fn root_and_working_directory() -> Result<()> {
    let container = Container::run(image::busybox()?, &["--workdir", "/usr/sbin"], &["sleep", "1000"])?;
    let (pid, number) = (container.pid()?, container.pid()?.to_string());
    let folder = Scratch::new()?;
    let host = folder.path().display().to_string();
    let places = [("{pid}", number.as_str()), ("{host}", &host)];
    let sides = Sides::new()?;
    let cases = [
        // A folder of another mount namespace has no name here.
        ("-t {pid} -n -w {probe}", ""),
        ("-t {pid} -n --wd {probe}", ""),
        ("-t {pid} -n -w{host} {probe}", &*host),
        ("-t {pid} -n -r/ -w{host} {probe}", &*host),
        ("-t {pid} -m -p {probe}", "/"),
        ("-t {pid} -m -p -w {probe}", "/usr/sbin"),
        ("-t {pid} -m -p -r {probe}", "/"),
        ("-t {pid} -m -p -r -w {probe}", "/usr/sbin"),
        ("-t {pid} -m -p --wd=/proc/{pid}/root/etc {probe}", "/etc"),
        ("-t {pid} -n -r -w {probe}", "/usr/sbin"),
        ("-t {pid} -n --root=/proc/{pid}/root -w/proc/{pid}/root/etc {probe}", "/etc"),
        ("-t {pid} -a -w {probe}", "/usr/sbin"),
    ];
    each(&cases, |(line, folder)| {
        let output = same(sides.four(), line, &places)?;
        let named = folder.is_empty() || output.stdout.lines().any(|line| line == *folder);
        ensure!(named && output.success(), "{line}: {output:?}");
        Ok(())
    })?;
    let cases = [
        ("-t {pid} -m -p -W/etc {probe}", "/etc"),
        ("-t {pid} -m -p --wdns=/etc {probe}", "/etc"),
        ("-t {pid} -m -p -Wusr/bin {probe}", "/usr/bin"),
        ("-t {pid} -n -W/etc {probe}", "/etc"),
        ("-t {pid} -n -r -W/usr/bin {probe}", "/usr/bin"),
        ("-t {pid} -m -p -W {probe}", "/"),
    ];
    each(&cases, |(line, folder)| {
        let output = same(sides.three(), line, &places)?;
        ensure!(output.stdout.lines().any(|line| line == *folder), "{line}: {output:?}");
        Ok(())
    })?;
    for line in [
        "-t {pid} -m -W{host} {probe}",
        "-t {pid} -n -w/no/such {probe}",
        "-t {pid} -n -r/no/such {probe}",
        "-t {pid} -n -w/etc/passwd {probe}",
        "-t {pid} -n -w{host} -W/ {probe}",
        "-t {pid} -r -w {probe}",
    ] {
        let output = same(sides.three(), line, &places)?;
        ensure!(output.code == Some(1) && output.stdout.is_empty(), "{line}: {output:?}");
    }
    // A root alone: from the newest on it needs a namespace beside it, and -r has none to take from without a target.
    ensure!(same(sides.three(), "--net=/proc/{pid}/ns/net -r/ -w{host} {probe}", &places)?.success());
    check_joined(&same(sides.four(), "--net=/proc/{pid}/ns/net -w{host} {probe}", &places)?, "net", pid)
}

#[test]
fn the_environment_of_the_target() -> Result<()> {
    let variables = [("WHOSE", "the target's"), ("SHELL", "/bin/dash"), ("EMPTY", ""), ("TWO", "a\nb=c")];
    let script = "unset WHOSE; export LATER=1; echo ready; exec sleep 1000";
    let variables = [&variables[..], &[("TERM", "the target's")]].concat();
    let target = Target::start_with(&["unshare", "--net"], script, &variables)?;
    let pid = target.pid().to_string();
    let sides = Sides::new()?;
    for line in ["-e -n -t {pid} {probe}", "--env -n -t {pid} {probe}", "-eF -n -t {pid} -- {probe}"] {
        let output = same(sides.three(), line, &[("{pid}", &pid)])?;
        let has = |entry: &&str| output.stdout.lines().any(|line| line == *entry);
        ensure!(["TWO=a", "b=c", "EMPTY=", "TERM=the target's"].iter().all(has), "{output:?}");
        ensure!(output.stdout.contains("LATER=1") && !output.stdout.contains("TERM=xterm"), "{output:?}");
    }
    // The shell is the target's too, and so is the PATH in which programs are looked for.
    let output = same(sides.three(), "-e -n -t {pid}", &[("{pid}", &pid)])?;
    ensure!(output.stdout.contains("words: -dash"), "{output:?}");
    let elsewhere = Target::start_with(&["unshare", "--net"], "PATH=/no/such; echo ready; exec /bin/sleep 1000", &[])?;
    let pid = elsewhere.pid().to_string();
    let output = same(sides.three(), "-e -n -t {pid} env", &[("{pid}", &pid)])?;
    ensure!(output.code == Some(127), "{output:?}");
    Ok(())
}

/// A cgroup (v2) with a target inside.
struct Cgroup {
    folder: PathBuf,
}

impl Cgroup {
    fn around(target: &Target) -> Result<Cgroup> {
        let mounts = std::fs::read_to_string("/proc/self/mounts")?;
        let mut mounts = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let mount = mounts.find(|fields| fields.get(2) == Some(&"cgroup2")).context("no cgroup v2 is mounted")?;
        let folder = PathBuf::from(mount[1]).join(guard::unique_name());
        std::fs::create_dir(&folder)?;
        let cgroup = Cgroup { folder };
        std::fs::write(cgroup.folder.join("cgroup.procs"), target.pid().to_string())?;
        Ok(cgroup)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = std::fs::write(self.folder.join("cgroup.freeze"), "0");
        let _ = std::fs::write(self.folder.join("cgroup.kill"), "1");
        // The kernel lets the last process go a moment after it was reaped.
        let limit = std::time::Duration::from_secs(5);
        let _ = testbed::wait::until(limit, "an empty cgroup", || std::fs::remove_dir(&self.folder).ok());
    }
}

/// As on a machine with cgroup v2 alone: mounted in its place, and nothing else among the target's cgroups (the newest
/// nsenter goes by their first line, whichever hierarchy that is).
const UNIFIED: &str = "
    mount -t cgroup2 none /sys/fs/cgroup
    mount -t tmpfs none /mnt
    grep ^0:: /proc/$0/cgroup >/mnt/cgroup
    mount --bind /mnt/cgroup /proc/$0/cgroup
    exec \"$@\"
";

#[test]
fn the_cgroup_of_the_target() -> Result<()> {
    let target = Target::unshared("--net --pid --cgroup")?;
    let cgroup = Cgroup::around(&target)?;
    let name = cgroup.folder.file_name().and_then(|name| name.to_str()).context("a name")?.to_owned();
    let pid = target.pid().to_string();
    let places = [("{pid}", pid.as_str())];
    let sides = Sides::new()?;
    let unified = ["unshare", "-m", "sh", "-ec", UNIFIED, &pid];
    for line in
        ["-c -n -t {pid} grep ^0:: /proc/self/cgroup", "--join-cgroup -n -p -t {pid} grep ^0:: /proc/self/cgroup"]
    {
        let output = same_below(sides.three(), &unified, line, &places)?;
        ensure!(output.success() && output.stdout.contains(&name), "{line}: {output:?}");
    }
    // Without the option the program stays where the caller is.
    let output = same_below(sides.three(), &unified, "-n -t {pid} grep ^0:: /proc/self/cgroup", &places)?;
    ensure!(output.success() && !output.stdout.contains(&name), "{output:?}");
    // Where cgroup v1 is mounted, it can't be done.
    let legacy = ["unshare", "-m", "sh", "-c", "mount -t tmpfs none /sys/fs/cgroup && exec \"$@\"", "sh"];
    let output = same_below(sides.three(), &legacy, "-c -n -t {pid} {probe}", &places)?;
    ensure!(output.code == Some(1) && output.stdout.is_empty(), "{output:?}");
    // Whoever joins a frozen cgroup is frozen: nsenter hangs there, so it is not asked.
    std::fs::write(cgroup.folder.join("cgroup.freeze"), "1")?;
    let limit = std::time::Duration::from_secs(5);
    testbed::wait::until(limit, "a frozen cgroup", || {
        let events = std::fs::read_to_string(cgroup.folder.join("cgroup.events")).ok()?;
        events.contains("frozen 1").then_some(())
    })?;
    let words = fill("-c -n -t {pid} true", sides.ours(), &places);
    let bounded = [&["timeout", "--signal=KILL", "10"], &unified[..]].concat();
    let output = output::run(&mut sides.ours().below(&bounded, &words))?;
    ensure!(output.code == Some(1) && output.stderr.contains("is frozen"), "{output:?}");
    Ok(())
}

#[test]
fn without_selinux_its_context_is_nothing() -> Result<()> {
    let target = Target::unshared("--net")?;
    let pid = target.pid().to_string();
    let sides = Sides::new()?;
    for line in ["-Z -n -t {pid} {probe}", "--follow-context -n -t {pid} {probe}"] {
        check_joined(&same(sides.three(), line, &[("{pid}", &pid)])?, "net", target.pid())?;
    }
    Ok(())
}
