//! Signals: passed on, taken over as the way to end, and left as the caller had them.

use std::os::unix::process::ExitStatusExt;

use anyhow::{Result, ensure};
use testbed::output;

use super::Running;
use crate::spellings::sides::{Sides, Target, each, same, same_below};

#[test]
fn a_signal_to_cnsenter_reaches_the_program() -> Result<()> {
    let target = Target::unshared("--pid --user --map-root-user")?;
    let pid = target.pid().to_string();
    let sides = Sides::new()?;
    // HUP INT QUIT USR1 USR2 PIPE ALRM TERM CONT WINCH, and two real-time ones.
    let numbers = [1, 2, 3, 10, 12, 13, 14, 15, 18, 28, 40, 64];
    for options in [&["-p", "-t", &pid][..], &["-a", "-t", &pid], &["-p", "-F", "-t", &pid], &["-U", "-t", &pid]] {
        each(&numbers, |number| {
            let script = format!("trap 'kill $!; echo got {number}; exit 7' {number}; sleep 1000 & echo ready; wait");
            let running = Running::start(sides.ours(), options, &script)?;
            output::stdout(
                std::process::Command::new("kill").args([&format!("-{number}"), &running.pid(0)?.to_string()]),
            )?;
            let (line, status) = running.finish()?;
            ensure!(line == format!("got {number}\n") && status.code() == Some(7), "{options:?}: {line:?} {status:?}");
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn without_a_handler_the_program_dies_of_it_and_so_do_we() -> Result<()> {
    let target = Target::unshared("--pid")?;
    let pid = target.pid().to_string();
    let sides = Sides::new()?;
    for number in [1, 2, 10, 15, 34, 64] {
        let running = Running::start(sides.ours(), &["-p", "-t", &pid], "echo ready; exec sleep 1000")?;
        output::stdout(std::process::Command::new("kill").args([&format!("-{number}"), &running.pid(0)?.to_string()]))?;
        let (_, status) = running.finish()?;
        ensure!(status.signal() == Some(number), "{number}: {status:?}");
    }
    Ok(())
}

#[test]
fn the_programs_end_is_ours() -> Result<()> {
    let target = Target::unshared("--pid --net")?;
    let pid = target.pid().to_string();
    let sides = Sides::new()?;
    let places = |script: &str| [("{pid}".to_owned(), pid.clone()), ("{script}".to_owned(), script.to_owned())];
    for options in ["-n", "-p", "-n -p", "-p -F"] {
        let line = format!("{options} -t {{pid}} sh -c {{script}}");
        let run = |script: &str| {
            let places = places(script);
            let places: Vec<_> = places.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            same(sides.four(), &line, &places)
        };
        for number in [1, 2, 3, 4, 6, 9, 11, 13, 15, 31, 34, 50, 64] {
            let output = run(&format!("ulimit -c 0; kill -{number} $$"))?;
            ensure!(output.signal == Some(number), "{options} {number}: {output:?}");
        }
        for code in [0, 1, 2, 77, 125, 126, 127, 130, 255] {
            let output = run(&format!("exit {code}"))?;
            ensure!(output.code == Some(code), "{options} {code}: {output:?}");
        }
    }
    // As a shell sees it.
    for (number, seen) in [(9, 137), (15, 143), (2, 130)] {
        let script = format!("\"$@\" -p -t {pid} bash -c 'kill -{number} $$'; echo $?");
        for side in sides.four() {
            let output = output::run(&mut side.below(&["bash", "-c", &script, "bash"], &[]))?;
            ensure!(output.stdout == format!("{seen}\n"), "{}: {output:?}", side.name);
        }
    }
    Ok(())
}

#[test]
fn ignored_and_blocked_ones_stay_so() -> Result<()> {
    let target = Target::unshared("--pid --net --mount")?;
    let pid = target.pid().to_string();
    let sides = Sides::new()?;
    let callers: [&[&str]; 4] = [
        &["env", "--ignore-signal=PIPE,HUP,INT,TSTP,USR1,CHLD", "--"],
        &["env", "--default-signal=PIPE", "--block-signal=USR1,TERM,CHLD,PIPE", "--"],
        &["env", "--ignore-signal=QUIT", "--block-signal=RTMIN,RTMAX,WINCH", "--"],
        &["nohup"],
    ];
    for caller in callers {
        for line in ["-n -t {pid} {probe}", "-p -t {pid} {probe}", "-m -n -t {pid} {probe}", "-a -t {pid} {probe}"] {
            let output = same_below(sides.four(), caller, line, &[("{pid}", &pid)])?;
            ensure!(output.success() && output.stdout.contains("SigIgn"), "{caller:?} {line}: {output:?}");
        }
    }
    // A pipe's end kills the program, silently, as it does without us.
    for options in ["-n", "-p", "-m"] {
        let script = format!("\"$@\" {options} -t {pid} yes | head -n 1; echo ${{PIPESTATUS[0]}}");
        for side in sides.four() {
            let output = output::run(&mut side.below(&["bash", "-c", &script, "bash"], &[]))?;
            ensure!(output.stdout == "y\n141\n" && output.stderr.is_empty(), "{}: {output:?}", side.name);
        }
    }
    Ok(())
}
