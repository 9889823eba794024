//! What the tool is for: the lines that people type, with the programs that they run, each once under nsenter and once
//! under cnsenter. How a target is found is in `target.rs` and `sandbox.rs`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use testbed::{Container, Output, image, output, pty, wait};

use crate::run::{cnsenter, quiet, run, stdout, with_input};

fn nginx() -> Result<Container> {
    let nginx = Container::run(image::nginx()?, &[], &[])?;
    nginx.wait_for_port(80)?;
    // Until the kernel has made sure that nobody else has its address, `ip address` shows something else each time.
    let file = format!("--net={}", nginx.sandbox_key()?);
    wait::until(Duration::from_secs(10), "the addresses to settle", || {
        let addresses = stdout("nsenter", &[&file, "ip", "-6", "address"]).ok()?;
        (!addresses.contains("tentative")).then_some(())
    })?;
    Ok(nginx)
}

/// One request to a web server, to its end.
fn get(container: &Container, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect((container.ip()?.as_str(), 80))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    // In one piece, so that it is one packet.
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: nginx\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn tcpdump_sees_a_request_to_nginx() -> Result<()> {
    let nginx = nginx()?;
    // At a terminal, as a person has it: into a pipe, tcpdump would keep its lines to itself.
    let mut command = cnsenter(["--net", nginx.name(), "--", "tcpdump", "-i", "eth0"]);
    let mut session = pty::Session::spawn(&mut command)?;
    session.expect("listening on eth0")?;
    assert!(get(&nginx, "/seen-by-tcpdump")?.starts_with("HTTP/1.1 404"));
    session.expect("GET /seen-by-tcpdump HTTP/1.1")?;
    session.expect("404 Not Found")?;
    // The key's signal may come while tcpdump writes, and then it ends with an error: the end is all that matters.
    session.type_text("\x03")?;
    session.finish()?;
    Ok(())
}

#[test]
fn the_mangle_table_of_a_sandbox_counts_its_traffic() -> Result<()> {
    let nginx = nginx()?;
    let file = format!("--net={}", nginx.sandbox_key()?);
    let rule = ["iptables", "-t", "mangle", "-A", "PREROUTING", "-p", "tcp", "--dport", "80", "-j", "MARK"];
    stdout("nsenter", &[&[file.as_str()], &rule[..], &["--set-mark", "7"]].concat())?;
    let table = ["iptables", "-nvL", "-t", "mangle"];
    let packets = |text: &str| -> Result<u64> {
        let rule = text.lines().find(|line| line.contains("dpt:80")).with_context(|| format!("no rule in {text}"))?;
        Ok(rule.split_whitespace().next().unwrap_or_default().parse()?)
    };
    let line = [&["--sandbox", nginx.short_id()], &table[..]].concat();
    let before = quiet(&line)?;
    assert_eq!(packets(&before)?, 0, "{before}");
    assert!(get(&nginx, "/")?.contains("It works"));
    let after = quiet(&line)?;
    assert!(packets(&after)? > 3, "{after}");
    assert_eq!(after, stdout("nsenter", &[&[file.as_str()], &table[..]].concat())?);
    assert_ne!(after, stdout("iptables", &table[1..])?, "the host's own table");
    Ok(())
}

/// Runs the same words under nsenter and under cnsenter, with the same input, and demands the same of both.
fn alike(words: &[&str], input: &[u8]) -> Result<Output> {
    // A login shell reads the profiles of whoever runs the tests, and the shell is theirs: neither is at stake here.
    let set = |command: &mut Command| with_input(command.env("SHELL", "/bin/sh").env("HOME", "/nonexistent"), input);
    let by_nsenter = set(Command::new("nsenter").args(words))?;
    let by_us = set(&mut cnsenter(words))?;
    assert_eq!(by_us, by_nsenter, "{words:?}");
    Ok(by_us)
}

#[test]
fn the_seeds_lines_work_with_another_first_word() -> Result<()> {
    let nginx = nginx()?;
    let (pid, file) = (nginx.pid()?.to_string(), nginx.sandbox_key()?);
    let address = nginx.ip()?;

    let shown = alike(&["-n", &format!("-t{pid}"), "ip", "address"], b"")?;
    assert!(shown.success() && shown.stdout.contains(&address), "{shown:?}");

    let net = format!("--net={file}");
    let shown = alike(&[&net, "sh"], b"readlink /proc/self/ns/net\nip -o -4 address\nexit 3\n")?;
    assert!(shown.code == Some(3) && shown.stdout.contains(&address), "{shown:?}");
    // And as the seed has it, in words of the folder that everybody knows.
    let name = std::path::Path::new(&file).file_name().context("no file")?.to_string_lossy();
    let shown = alike(&[&format!("--net=/var/run/docker/netns/{name}"), "sh"], b"ip -o -4 address\n")?;
    assert!(shown.success() && shown.stdout.contains(&address), "{shown:?}");

    let commands = b"hostname; cat /etc/hostname; ps -o comm; readlink /proc/self/ns/pid; ls /; exit 4\n";
    let all = ["-t", &pid, "-m", "-u", "-i", "-n", "-p"];
    let shown = alike(&all, commands)?;
    assert_eq!(shown.code, Some(4), "{shown:?}");
    assert!(shown.stdout.contains("nginx\n"), "{shown:?}");
    assert!(shown.stdout.starts_with(nginx.short_id()), "{shown:?}");
    Ok(())
}

#[test]
fn no_program_is_a_shell_that_is_a_login_shell() -> Result<()> {
    let nginx = nginx()?;
    let (pid, file) = (nginx.pid()?.to_string(), nginx.sandbox_key()?);
    let net = format!("--net={file}");
    for words in [&["-n", "-t", &pid][..], &[&net]] {
        let shown = alike(words, b"echo $0; readlink /proc/self/ns/net\n")?;
        assert!(shown.stdout.starts_with("-sh\nnet:["), "{words:?}: {shown:?}");
    }
    Ok(())
}

#[test]
fn the_hosts_tools_show_the_containers_network() -> Result<()> {
    let nginx = nginx()?;
    let pid = nginx.pid()?.to_string();
    let file = format!("--net={}", nginx.sandbox_key()?);
    for program in [
        &["ss", "-ltn"][..],
        &["ip", "address"],
        &["ip", "-json", "route"],
        &["ip", "neighbour", "show", "nud", "permanent"],
        &["cat", "/proc/self/net/dev_mcast"],
        // Not in every kernel: where it fails, it fails the same.
        &["ipvsadm", "-ln"],
    ] {
        let by_nsenter = output::run(Command::new("nsenter").args(["-t", &pid, "-n"]).args(program))?;
        for target in [&["--net", nginx.name()][..], &["--sandbox", nginx.name()], &["-n", "-t", &pid], &[&file]] {
            assert_eq!(run([target, program].concat())?, by_nsenter, "{target:?} {program:?}");
        }
    }
    let listening = quiet(["--net", nginx.name(), "ss", "-ltn"])?;
    assert!(listening.contains("0.0.0.0:80"), "{listening}");
    Ok(())
}

#[test]
fn ping_goes_out_from_the_container() -> Result<()> {
    let (one, other) = (nginx()?, nginx()?);
    let file = format!("--net={}", one.sandbox_key()?);
    let address = other.ip()?;
    // What it says of times differs each time.
    let summary = |output: Output| -> (Option<i32>, String) {
        let line = output.stdout.lines().find(|line| line.contains("packets transmitted")).unwrap_or_default();
        (output.code, line.split(", time").next().unwrap_or_default().to_owned())
    };
    let nowhere = ["ping", "-n", "-c1", "-W1", "-I", "lo", "203.0.113.1"];
    for program in [&["ping", "-n", "-c1", "-W5", &address][..], &nowhere] {
        let by_nsenter = summary(output::run(Command::new("nsenter").arg(&file).args(program))?);
        let by_us = summary(run([&["--net", one.name()], program].concat())?);
        assert_eq!(by_us, by_nsenter, "{program:?}");
    }
    assert!(quiet(["--net", one.name(), "ping", "-n", "-c1", "-W5", &address])?.contains("1 received"));
    Ok(())
}

#[test]
fn a_server_started_in_a_sandbox_serves_there() -> Result<()> {
    let nginx = nginx()?;
    // The container's own loopback, which nothing outside can reach: both ways.
    let inside = ["busybox", "wget", "-qO-", "http://127.0.0.1/"];
    let page = quiet([&["--sandbox", nginx.name()], &inside[..]].concat())?;
    assert!(page.contains("It works, in a container"), "{page}");
    assert_eq!(page, nginx.exec(&[], &inside[1..])?);
    Ok(())
}

#[test]
fn too_much_to_hand_over_is_said_as_such() -> Result<()> {
    let container = testbed::Container::run(testbed::image::busybox()?, &[], &["sleep", "100000"])?;
    let scratch = testbed::Scratch::new()?;
    let file = scratch.path().join("variables");
    // A single one may have 128 KiB, and all together a quarter of the stack: execve(2).
    let lines: String = (0..80).map(|number| format!("V{number}={}\n", "x".repeat(120_000))).collect();
    std::fs::write(&file, lines)?;
    let words = ["--env-file", &file.display().to_string(), container.name(), "true"].map(str::to_owned);
    let output = testbed::output::run(&mut crate::run::cnsenter(words))?;
    anyhow::ensure!(
        output.code == Some(126) && output.stderr.contains("hint: arguments and environment"),
        "{output:?}"
    );
    Ok(())
}
