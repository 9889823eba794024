//! The screen: it fits, it is coloured where somebody looks, and it says what it could not see.

use std::process::Command;

use anyhow::{Result, ensure};
use testbed::{Container, engine, fake, image, output, pty};

use super::sleeper;
use crate::run::{cnsenter, copy_for_everybody, on_default_engine, quiet, run};

/// What is shown on a terminal of that width.
fn on_terminal(name: &str, columns: u16) -> Result<String> {
    let mut command = on_default_engine(Command::new("sh"));
    // The size is there before it starts.
    let program = crate::cnsenter().get_program().to_string_lossy().into_owned();
    let line = format!("stty cols {columns} rows 40; exec {program} inspect {name}");
    command.args(["-c", &line]).env("TERM", "xterm").env_remove("NO_COLOR");
    let (status, text) = pty::Session::spawn(&mut command)?.finish()?;
    ensure!(status == 0, "{text}");
    Ok(text.replace('\r', ""))
}

/// Without the colours.
fn bare(text: &str) -> String {
    ["\x1b[0m", "\x1b[1m", "\x1b[1;31m"].iter().fold(text.to_owned(), |text, colour| text.replace(colour, ""))
}

#[test]
fn it_fits_a_terminal_and_is_coloured_there() -> Result<()> {
    let options =
        ["--memory", "64m", "--pids-limit", "50", "--cpus", "0.5", "-v", "/volume", "-p", "80", "--restart", "always"];
    let web = Container::run(image::nginx()?, &options, &[])?;
    for columns in [80, 160] {
        let text = on_terminal(web.name(), columns)?;
        let plain = bare(&text);
        ensure!(text.contains("\x1b[1mcontainer ") && !plain.contains('\x1b'), "{text:?}");
        ensure!(plain.lines().count() <= 40, "{plain}");
        let paths = |line: &&str| line.contains("nsenter ") || line.contains("overlay2") || line.contains("docker/");
        let wide = plain.lines().filter(|line| !paths(line)).find(|line| line.chars().count() > usize::from(columns));
        ensure!(wide.is_none(), "{wide:?}");
        // The same words as in a pipe.
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let piped = quiet(["inspect", web.name()])?;
        ensure!(!piped.contains('\x1b'));
        let labels = |text: &str| words(text).into_iter().filter(|word| word.ends_with("tcp")).collect::<Vec<_>>();
        assert_eq!(labels(&plain), labels(&piped));
    }
    Ok(())
}

#[test]
fn who_is_not_root_is_told_what_is_not_his_to_see() -> Result<()> {
    const GROUP: u32 = 54322;
    let web = sleeper(&["-v", "/volume"])?;
    let (_folder, copy) = copy_for_everybody()?;
    let proxy = fake::Engine::in_front_of(engine::SOCKET, |_, _| {})?;
    let socket = proxy.socket();
    let open = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))
    };
    open(socket.parent().unwrap(), 0o755)?;
    open(&socket, 0o660)?;
    std::os::unix::fs::chown(&socket, Some(0), Some(GROUP))?;
    let on = format!("unix://{}", socket.display());
    let mut command = on_default_engine(Command::new("setpriv"));
    command.args(["--reuid=65534", "--regid=65534", &format!("--groups={GROUP}")]).arg(copy);
    let output = output::run(command.args(["inspect", "-H", &on, web.name()]))?;
    ensure!(output.success(), "{output:?}");
    for group in ["namespaces", "network   ", "dns       "] {
        ensure!(output.stdout.contains(&format!("\n{group} not ours to see: run as root\n")), "{group}: {output:?}");
    }
    for known in ["\nuser       0", "\nmemory     ", "\nrights     capabilities: Docker's default: CHOWN, "] {
        ensure!(output.stdout.contains(known), "{known:?}: {output:?}");
    }
    Ok(())
}

#[test]
fn with_the_daemon_hung_it_goes_by_what_is_on_disk_and_says_so() -> Result<()> {
    let web = sleeper(&["-p", "80"])?;
    let silent = fake::Engine::silent()?;
    let on = format!("unix://{}", silent.socket().display());
    let words =
        ["inspect", "-H", &on, "--state-root", "/var/lib/docker", "--state-root", "/run/docker", "--timeout", "300ms"];
    let output = output::run(&mut cnsenter(words.iter().chain(&[web.name()])))?;
    // It is asked once, and not for each thing that there is to know.
    assert_eq!(silent.requests().len(), 1, "{:?}", silent.requests());
    ensure!(output.success() && output.stderr.contains("going by what is on disk, /var/lib/docker"), "{output:?}");
    let by_engine = quiet(["inspect", web.name()])?;
    let but_lines = |text: &str| {
        let lines = text
            .lines()
            .filter(|line| !line.starts_with("state") && !line.contains("cnsenter ") && !line.starts_with("cpu"));
        lines.filter(|line| !line.starts_with("memory")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(but_lines(&output.stdout), but_lines(&by_engine));
    let enter = format!("cnsenter --host {on} --state-root /var/lib/docker --state-root /run/docker docker://");
    ensure!(output.stdout.contains(&enter), "{output:?}");
    Ok(())
}

#[test]
fn a_command_line_that_says_nothing_is_refused() -> Result<()> {
    let output = run(["inspect"])?;
    assert_eq!((output.code, output.stdout.as_str()), (Some(125), ""), "{output:?}");
    assert_eq!(output.stderr, "cnsenter: inspect needs <TARGET>...\nhint: cnsenter inspect --help lists the options\n");
    let output = run(["inspect", "docker://"])?;
    assert_eq!((output.code, output.stdout.as_str()), (Some(125), ""), "{output:?}");
    Ok(())
}
