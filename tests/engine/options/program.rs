//! Finding the program, the shell where none is named, and the exit status.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Result, ensure};
use testbed::{Container, Output, Scratch, image};

use crate::spellings::sides::{self, PROBE, Side, Sides, Target, each, fill, run_with, same};

fn file(folder: &Path, name: &str, mode: u32, text: &str) -> Result<String> {
    let path = folder.join(name);
    std::fs::write(&path, text)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))?;
    Ok(path.display().to_string())
}

#[test]
fn exit_statuses_of_programs_that_are_not_reached() -> Result<()> {
    let target = Target::unshared("--net --pid")?;
    let pid = target.pid().to_string();
    let folder = Scratch::new()?;
    let here = folder.path();
    file(here, "plain", 0o644, "echo not reached\n")?;
    file(here, "headless", 0o755, "echo \"headless $0 $*\"; exit 5\n")?;
    file(here, "lost", 0o755, "#!/no/such/interpreter\n")?;
    file(here, "script", 0o755, "#!/bin/sh\necho \"script $*\"; exit 6\n")?;
    file(here, "garbage", 0o755, "\x7fELF and nothing more\n")?;
    file(here, "empty", 0o755, "")?;
    std::fs::create_dir(here.join("folder"))?;
    std::os::unix::fs::symlink("loop", here.join("loop"))?;
    let sides = Sides::new()?;
    let long = "x".repeat(300);
    let here = here.display().to_string();
    let places = [("{pid}", pid.as_str()), ("{here}", &here), ("{long}", &long)];
    let cases = [
        ("no-such-program", 127),
        ("/no/such/program", 127),
        ("./no-such-program", 127),
        ("{here}/plain", 126),
        ("{here}/folder", 126),
        ("{here}/plain/below", 126),
        ("{here}/lost", 127),
        ("{here}/loop", 126),
        ("{here}/{long}", 126),
        ("/", 126),
        ("{here}/headless one two", 5),
        ("{here}/script one two", 6),
        ("{here}/empty", 0),
        ("sh -c exit\\t300", 127),
        ("false", 1),
        ("true", 0),
    ];
    each(&cases, |(program, code)| {
        for line in ["-n -t {pid} ", "-n -p -t {pid} -- "] {
            let output = same(sides.four(), &format!("{line}{program}"), &places)?;
            ensure!(output.code == Some(*code), "{line}{program}: {output:?}");
        }
        Ok(())
    })?;
    // What only looks like a program is handed to a shell, as execvp(3) does.
    same(sides.four(), "-n -t {pid} {here}/garbage", &places)?;
    Ok(())
}

#[test]
fn the_path_in_which_programs_are_looked_for() -> Result<()> {
    let target = Target::unshared("--net")?;
    let (words, folder) =
        (["-n", "-t", &target.pid().to_string(), "tool", "a", "b"].map(str::to_owned), Scratch::new()?);
    let make = |name: &str, mode, text: &str| -> Result<String> {
        let below = folder.path().join(name);
        std::fs::create_dir(&below)?;
        file(&below, "tool", mode, text)?;
        Ok(below.display().to_string())
    };
    let denied = make("denied", 0o644, "#!/bin/sh\necho denied\n")?;
    let lost = make("lost", 0o755, "#!/no/such\n")?;
    let good = make("good", 0o755, "#!/bin/sh\necho good \"$0\" \"$@\"\n")?;
    let headless = make("headless", 0o755, "echo headless \"$0\" \"$@\"\n")?;
    let cases = [
        (format!("{good}:{headless}"), 0),
        (format!("{headless}:{good}"), 0),
        (format!("{denied}:{good}"), 0),
        (format!("/no/such:/etc/passwd:{good}"), 0),
        (format!("{good}/"), 0),
        (denied.clone(), 126),
        (format!("{denied}:/no/such"), 126),
        (format!("/no/such:{denied}"), 126),
        ("/no/such".to_owned(), 127),
        (lost.clone(), 127),
        (String::new(), 127),
    ];
    let sides = Sides::new()?;
    let run = |side: &Side, path: Option<&str>, words: &[String]| {
        let mut command = side.command(words);
        match path {
            Some(path) => command.env("PATH", path),
            None => command.env_remove("PATH"),
        };
        run_with(&mut command, "")
    };
    each(&cases, |(path, code)| {
        let first = run(sides.newest(), Some(path), &words)?;
        ensure!(first.code == Some(*code), "{path}: {first:?}");
        for side in &sides.four()[1..] {
            let other = run(side, Some(path), &words)?;
            ensure!(told(&other) == told(&first), "{path} under {}: {other:?}\nnot {first:?}", side.name);
        }
        Ok(())
    })?;
    // Without a PATH, the C library's own.
    let words = ["-n", "-t", &target.pid().to_string(), "env"].map(str::to_owned);
    let first = run(sides.newest(), None, &words)?;
    ensure!(first.success(), "{first:?}");
    for side in &sides.four()[1..] {
        ensure!(told(&run(side, None, &words)?) == told(&first), "under {}", side.name);
    }
    Ok(())
}

/// All but the words of an error.
fn told(output: &Output) -> (&str, Option<i32>, Option<i32>) {
    (&output.stdout, output.code, output.signal)
}

fn with_shell(side: &Side, line: &str, pid: &str, shell: Option<&str>) -> Result<Output> {
    let mut command = side.command(&fill(line, side, &[("{pid}", pid)]));
    match shell {
        Some(shell) => command.env("SHELL", shell),
        None => command.env_remove("SHELL"),
    };
    run_with(&mut command, PROBE)
}

#[test]
fn without_a_program_a_login_shell() -> Result<()> {
    let target = Target::unshared("--net --pid")?;
    let pid = target.pid().to_string();
    let folder = Scratch::new()?;
    let plain = file(folder.path(), "plain", 0o644, "")?;
    let headless = file(folder.path(), "headless", 0o755, "echo headless; read -r line; echo \"$line\"\n")?;
    let sides = Sides::new()?;
    for line in ["-n -t {pid}", "-n -p -t {pid}", "-n -t {pid} --", "-n -t {pid} -S 33"] {
        for shell in [Some("/bin/bash"), Some("/usr/bin/dash"), Some(""), None, Some(&*plain)] {
            let first = with_shell(sides.newest(), line, &pid, shell)?;
            // 2.38 knows no shell of the user, and takes an empty name for one.
            let who = if shell.unwrap_or_default().is_empty() { sides.three() } else { sides.four() };
            for side in &who[1..] {
                let other = with_shell(side, line, &pid, shell)?;
                ensure!(told(&other) == told(&first), "{line} {shell:?} under {}: {other:?}\nnot {first:?}", side.name);
            }
        }
    }
    // A shell is executed by execv(3) there: what has no header of its own is handed to no other shell. It is here.
    ensure!(with_shell(sides.newest(), "-n -t {pid}", &pid, Some(&headless))?.code == Some(126));
    ensure!(with_shell(sides.ours(), "-n -t {pid}", &pid, Some(&headless))?.stdout.starts_with("headless\n"));
    let seen = with_shell(sides.ours(), "-n -t {pid}", &pid, Some("/bin/bash"))?;
    ensure!(seen.stdout.contains("words: -bash"), "{seen:?}");
    Ok(())
}

#[test]
fn the_next_shell_where_one_is_not_there() -> Result<()> {
    // The host's shell is in no container of busybox: nsenter gives up, cnsenter takes the container's.
    let container = Container::run(image::busybox()?, &[], &["sleep", "1000"])?;
    let pid = container.pid()?.to_string();
    let sides = Sides::new()?;
    for side in [sides.newest(), sides.debian()] {
        let output = with_shell(side, "-m -p -t {pid}", &pid, Some("/bin/bash"))?;
        ensure!(output.code == Some(127), "{}: {output:?}", side.name);
    }
    for side in [sides.ours(), sides.linked()] {
        let output = with_shell(side, "-m -p -t {pid}", &pid, Some("/bin/bash"))?;
        sides::check_joined(&output, "mnt pid", container.pid()?)?;
        ensure!(output.stdout.contains("words: -sh"), "{output:?}");
    }
    Ok(())
}
