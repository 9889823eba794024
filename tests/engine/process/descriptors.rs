//! Standard input, output and errors as they were given, and no other descriptor in the program.

use std::io::{Read, Write};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use testbed::{Container, Scratch, image, output};

use super::owned;
use crate::spellings::sides::{Side, Sides, Target, each, fill};

/// A caller with descriptors that were left open.
const LEAKY: &[&str] = &["bash", "-c", "exec 5</etc 7</etc/passwd 9>/dev/null 200<&0; exec \"$@\"", "bash"];

#[test]
fn none_above_two_reaches_the_program() -> Result<()> {
    let container = Container::run(image::busybox()?, &[], &["sleep", "1000"])?;
    let target = Target::unshared("--net --pid --mount --user --map-root-user")?;
    let pid = target.pid().to_string();
    let (net, inside) = (target.file("net"), container.pid()?.to_string());
    let places = [("{pid}", pid.as_str()), ("{net}", &net), ("{in}", &inside), ("{name}", container.name())];
    let sides = Sides::new()?;
    let run = |side: &Side, line: &str| output::run(&mut side.below(LEAKY, &fill(line, side, &places)));
    let lines = [
        "-n -t {pid} ls /proc/self/fd",
        "--net={net} ls /proc/self/fd",
        "-p -t {pid} ls /proc/self/fd",
        "-m -t {pid} ls /proc/self/fd",
        "-a -t {pid} ls /proc/self/fd",
        "-a -F -t {pid} ls /proc/self/fd",
        "-a -r -w -e -t {pid} ls /proc/self/fd",
        "-U -n --keep-caps -t {pid} ls /proc/self/fd",
        "-m -p -t {in} ls /proc/self/fd",
    ];
    // The fourth is that of the folder which ls reads.
    let clean = |text: &str| text.split_whitespace().eq(["0", "1", "2", "3"]);
    each(&lines, |line| {
        let control = run(sides.newest(), line)?;
        ensure!(control.success() && control.stdout.contains("200"), "nsenter passes none on: {control:?}");
        for side in [sides.ours(), sides.linked()] {
            let output = run(side, line)?;
            ensure!(output.success() && clean(&output.stdout), "{line} under {}: {output:?}", side.name);
        }
        Ok(())
    })?;
    for line in ["{name} ls /proc/self/fd", "--net {name} ls /proc/self/fd", "--sandbox {name} ls /proc/self/fd"] {
        let output = run(sides.ours(), line)?;
        ensure!(output.success() && clean(&output.stdout), "{line}: {output:?}");
    }
    Ok(())
}

#[test]
fn the_standard_three_are_those_that_were_given() -> Result<()> {
    let target = Target::unshared("--net --pid --mount")?;
    let pid = target.pid().to_string();
    let folder = Scratch::new()?;
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("in"), "first\nsecond\n")?;
    let (told, sides) = (path("told").display().to_string(), Sides::new()?);
    // Which files they are, whether they can be read or written, and where in them one stands.
    let script = "read -r line; for f in 0 1 2; do readlink /proc/self/fd/$f; grep -E '^(pos|flags)' /proc/self/fdinfo/$f; \
                  done >&2; echo \"$line\"";
    for options in [&["-n", "-t", &pid][..], &["-p", "-t", &pid], &["-m", "-t", &pid], &["-a", "-t", &pid]] {
        let mut seen = Vec::new();
        for side in sides.four() {
            let words = owned(&[options, &["sh", "-c", script]].concat());
            let (out, err) = (std::fs::File::create(path("out"))?, std::fs::File::create(path("err"))?);
            let stdin = std::fs::File::open(path("in"))?;
            let status = side.command(&words).stdin(stdin).stdout(out).stderr(err).status()?;
            ensure!(status.success(), "{}", side.name);
            seen.push([std::fs::read_to_string(path("out"))?, std::fs::read_to_string(path("err"))?]);
        }
        ensure!(seen[0][0] == "first\n" && seen[0][1].contains("/in\n"), "{seen:?}");
        ensure!(seen.iter().all(|one| *one == seen[0]), "{options:?}: {seen:#?}");
    }
    // Closed ones stay closed.
    let script = format!("read -r pid rest </proc/self/stat; ls /proc/$pid/fd >{told}");
    for closed in ["0<&-", "1>&-", "2>&-", "0<&- 1>&-", "0<&- 1>&- 2>&-"] {
        for options in [&["-n", "-t", &pid][..], &["-p", "-t", &pid], &["-m", "-t", &pid]] {
            let outer = format!(
                "for fd in /proc/$$/fd/*; do fd=${{fd##*/}}; [ $fd -gt 2 ] && eval \"exec $fd>&-\"; done; exec \"$@\" {closed}"
            );
            let mut seen = Vec::new();
            for side in [sides.newest(), sides.ours(), sides.debian()] {
                let words = owned(&[options, &["bash", "-c", &script]].concat());
                output::run(&mut side.below(&["bash", "-c", &outer, "bash"], &words))?;
                seen.push(std::fs::read_to_string(&told)?);
                std::fs::remove_file(&told)?;
            }
            ensure!(seen[0] == seen[1], "{closed} {options:?}: {seen:?}");
        }
    }
    Ok(())
}

#[test]
fn a_mebibyte_of_any_bytes_goes_through_both_ways() -> Result<()> {
    let target = Target::unshared("--net --pid --mount")?;
    let pid = target.pid().to_string();
    let bytes: Vec<u8> = (0..1_u32 << 20).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let sides = Sides::new()?;
    for options in [&["-n", "-t", &pid][..], &["-p", "-t", &pid], &["-m", "-t", &pid], &["-a", "-t", &pid]] {
        let words = owned(&[options, &["cat"]].concat());
        let mut child = sides.ours().command(&words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (mut stdin, given) = (child.stdin.take().context("no pipe")?, bytes.clone());
        // Both at once, since a pipe holds 64 KiB only.
        let writer = std::thread::spawn(move || stdin.write_all(&given));
        let mut returned = Vec::new();
        child.stdout.take().context("no pipe")?.read_to_end(&mut returned)?;
        writer.join().ok().context("the writer panicked")??;
        ensure!(child.wait()?.success() && returned == bytes, "{options:?}: {} bytes came back", returned.len());
    }
    Ok(())
}
