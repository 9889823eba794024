//! `--print`, `-v`, `-V` and colours: what is shown is what is done. How a failure is worded is where it happens, in the
//! other files.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use anyhow::Result;
use testbed::{Container, Output, Scratch, image, output, peers, pty};

use crate::run::{assert_refused, cnsenter, quiet, run, with_input, without_asked};

fn container(args: &[&str]) -> Result<Container> {
    Container::run(image::busybox()?, &[&["--network", "none"], args].concat(), &["sleep", "1000"])
}

/// One folder and one environment for both sides, since a program inside may print any part of them.
fn alike(command: &mut Command) -> Result<std::process::Output> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).env("TERM", "dumb").env("LANG", "C").env("SHELL", "/bin/sh");
    Ok(command.env("PWD", "/").current_dir("/").stdin(Stdio::null()).output()?)
}

/// What `--print` shows, in bytes: the words need not be text.
fn printed<W: AsRef<OsStr>>(words: &[W]) -> Result<OsString> {
    let all = std::iter::once(OsStr::new("--print")).chain(words.iter().map(AsRef::as_ref));
    let output = alike(&mut cnsenter(all))?;
    let quiet = output.status.success() && output.stderr.is_empty();
    assert!(quiet, "{:?}", Output::from(output));
    Ok(OsString::from_vec(output.stdout))
}

/// Runs the line as it is, and what `--print` shows of it through a shell: the same to the byte.
fn same_by_hand<W: AsRef<OsStr>>(words: &[W]) -> Result<Output> {
    let by_us = alike(&mut cnsenter(words))?;
    let line = printed(words)?;
    let by_hand = alike(Command::new("sh").arg("-c").arg(&line))?;
    assert!(by_us.stdout == by_hand.stdout, "{line:?}:\n{:?}\n{:?}", Output::from(by_us), Output::from(by_hand));
    // The shell between tells a signal by a number.
    let status = |output: &std::process::Output| output.status.code().or(output.status.signal().map(|by| 128 + by));
    assert_eq!(status(&by_us), status(&by_hand), "{line:?}: {by_us:?} {by_hand:?}");
    Ok(by_us.into())
}

#[test]
fn the_printed_line_does_the_same() -> Result<()> {
    let web = container(&["--hostname", "bee", "-e", "GREETING=it's \"$HOME\"\nand more", "--workdir", "/etc"])?;
    let (name, pid, key) = (web.name(), web.pid()?.to_string(), web.sandbox_key()?);
    let net = format!("--net={key}");
    let all = "for kind in cgroup ipc mnt net pid user uts; do readlink /proc/self/ns/$kind; done; hostname; pwd";
    // The view is a mount namespace that nsenter makes none of.
    let but_view = &all.replace(" mnt", "");
    for words in [
        &["--net", name, "sh", "-c", but_view][..],
        &["--raw", "--net", name, "sh", "-c", all],
        &["--sandbox", name, "sh", "-c", but_view],
        &["--sandbox", "--uts", name, "sh", "-c", but_view],
        &[name, "sh", "-c", all],
        &[name, "env"],
        &[name, "ps", "-o", "comm"],
        &["--as", "nobody", name, "sh", "-c", "id -u; id -g; echo $HOME"],
        &["--as", "7:8", name, "sh", "-c", "id -u; id -g; echo $HOME"],
        &["-a", name, "sh", "-c", all],
        &["--raw", name, "sh", "-c", all],
        &["--keep-env", name, "sh", "-c", "echo $SHELL $LANG; hostname"],
        &["-m", "-u", "-i", "-n", "-p", name, "sh", "-c", all],
        &["-n", "-F", "-p", name, "sh", "-c", "readlink /proc/self/ns/pid_for_children"],
        &["--net", "-r", "-w", name, "sh", "-c", "pwd; ls /"],
        &["--net", "-r", name, "sh", "-c", "pwd; ls /"],
        &["--mount", "-w", name, "pwd"],
        &["--mount", "--wdns=/etc", name, "pwd"],
        &["--net", "--wd=/usr", name, "pwd"],
        &["--net", "--root=/usr", name, "/bin/pwd"],
        &["--net", "-S", "33", "-G", "1000", name, "id"],
        &["--net", "-S", "33", name, "id"],
        &["-m", "-S", "1000", "-G", "1000", name, "id"],
        &["-n", "-t", &pid, "sh", "-c", all],
        &["-at", &pid, "--", "sh", "-c", all],
        &[&net, "sh", "-c", all],
        &["--net", name, "sh", "-c", "exit 42"],
        &["--net", name, "sh", "-c", "kill -TERM $$"],
        &["-u", "-n", name],
    ] {
        let shown = same_by_hand(words)?;
        let empty = words.len() < 4 || words.last().is_some_and(|word| word.contains("exit") || word.contains("kill"));
        assert!(empty || !shown.stdout.is_empty(), "{words:?} shows nothing: {shown:?}");
    }
    Ok(())
}

#[test]
fn what_only_the_newest_nsenter_has_is_printed_for_it() -> Result<()> {
    let web = container(&["--user", "1000:1000"])?;
    let folder = Scratch::new()?;
    let words = peers::nsenter_newest()?;
    let line = words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    let newest = folder.path().join("nsenter");
    std::fs::write(&newest, format!("#!/bin/sh\nexec {line} \"$@\"\n"))?;
    std::fs::set_permissions(&newest, std::fs::Permissions::from_mode(0o755))?;
    for words in [
        &["--net", "--setuid=follow", "--setgid=follow", web.name(), "id"][..],
        &["--net", "-S", "follow", web.name(), "id"],
        &["-W/etc", "--mount", web.name(), "pwd"],
        &["--net", "-e", web.name(), "sh", "-c", "env | sort"],
    ] {
        let line = format!("PATH={}:$PATH\n{}", folder.path().display(), printed(words)?.display());
        let (by_us, by_hand) = (alike(&mut cnsenter(words))?, alike(Command::new("sh").args(["-c", &line]))?);
        assert_eq!(Output::from(by_hand), Output::from(by_us), "{line}");
    }
    Ok(())
}

#[test]
fn the_printed_line_finds_nsenter_whatever_the_containers_path() -> Result<()> {
    let args = ["--network", "none", "-e", "PATH=/app/bin"];
    let web = Container::run(image::busybox()?, &args, &["/bin/sleep", "1000"])?;
    let output = same_by_hand(&[web.name(), "/bin/busybox", "env"])?;
    assert!(output.stdout.contains("PATH=/app/bin\n"), "{output:?}");
    Ok(())
}

#[test]
fn arguments_survive_the_shell() -> Result<()> {
    let web = container(&[])?;
    let name = OsStr::new(web.name());
    for word in [
        &b"two words"[..],
        b"",
        b"it's",
        b"\"double\"",
        b"$HOME `id` $(id) ${x:-y}",
        b"a\nb\n\nc",
        b"back\\slash\\n",
        b"* ? [a-z] ~ {a,b}",
        b"; & | < > # !",
        b"\tTab",
        b"-n",
        b"\xff\xfe not UTF-8 \x80",
        "ümläut — ✓".as_bytes(),
        b"'\\''",
        b"\x1b[31m",
    ] {
        let word = OsStr::from_bytes(word);
        let words = [OsStr::new("--net"), name, OsStr::new("printf"), OsStr::new("<%s>\\n"), word, OsStr::new("end")];
        let output = same_by_hand(&words)?;
        assert!(output.stdout.ends_with(">\n<end>\n"), "{word:?}: {output:?}");
        let words = [name, OsStr::new("printf"), OsStr::new("<%s>\\n"), word];
        same_by_hand(&words)?;
    }
    Ok(())
}

#[test]
fn a_non_utf8_word_is_printed_and_passed_as_it_is() -> Result<()> {
    let web = container(&[])?;
    let word = OsString::from_vec(b"\xff\xfe".to_vec());
    let words = ["--net", web.name(), "printf", "%s"].map(OsString::from);
    let words: Vec<_> = words.into_iter().chain([word]).collect();
    assert_eq!(cnsenter(&words).output()?.stdout, b"\xff\xfe");
    let text = printed(&words)?;
    assert!(text.as_bytes().windows(2).any(|pair| pair == b"\xff\xfe"), "{}", text.display());
    Ok(())
}

#[test]
fn nothing_is_run_and_nothing_is_joined() -> Result<()> {
    let web = container(&[])?;
    let folder = Scratch::new()?;
    let made = folder.path().join("made");
    let words = ["--net", web.name(), "touch"].map(OsString::from);
    let words: Vec<_> = words.into_iter().chain([made.clone().into()]).collect();
    printed(&words)?;
    assert!(!made.exists());
    assert!(run(&words)?.success() && made.exists(), "the line itself does nothing");

    let log = folder.path().join("trace");
    let mut command = crate::run::on_default_engine(Command::new("strace"));
    command.args(["-f", "-qq", "-e", "trace=execve,setns,clone,clone3,fork,vfork", "-o"]).arg(&log);
    command.arg(cnsenter([""]).get_program()).args(["--print", "-a", web.name(), "true"]);
    output::stdout(&mut command)?;
    let calls = std::fs::read_to_string(&log)?;
    assert_eq!(calls.lines().count(), 1, "{calls}");
    Ok(())
}

#[test]
fn the_plan_says_what_stands_behind_the_line() -> Result<()> {
    let web = container(&["--hostname", "bee"])?;
    let (name, id, pid, key) = (web.name(), web.short_id(), web.pid()?, web.sandbox_key()?);
    let container = format!("# container: {name} (docker://{id}, process {pid})\n");
    let alone = "# by cnsenter alone: the container's resolv.conf, hosts and /sys\n";
    assert_eq!(
        quiet(["--print", "--net", name, "--", "ss", "-ltn"])?,
        format!("{container}# joins: net of process {pid}\n{alone}nsenter --target {pid} --net -- ss -ltn")
    );
    assert_eq!(
        quiet(["--print", "--sandbox", name, "iptables", "-nvL"])?,
        format!("{container}# joins: net of {key}\n{alone}nsenter '--net={key}' -- iptables -nvL")
    );
    // Without a container there is nothing to say of one; without a program there is none to say.
    let file = key.rsplit('/').next().unwrap_or_default();
    assert_eq!(
        quiet(["--print", "--sandbox", file])?,
        format!("# joins: net of /var/run/docker/netns/{file}\nnsenter '--net=/var/run/docker/netns/{file}'")
    );
    let whole = quiet(["--print", name, "hostname"])?;
    assert!(whole.starts_with(&container) && whole.contains("HOSTNAME=bee"), "{whole}");
    // What cannot be entered cannot be planned either.
    web.docker(&["kill"])?;
    let output = run(["--print", "--net", name, "true"])?;
    assert!(output.code == Some(125) && output.stdout.is_empty(), "{output:?}");
    let output = run(["--print", "--net", "zzzzzzzzzzzzzzzzzzzzzzzzzz", "true"])?;
    assert_refused(&output, "no such container: zzzzzzzzzzzzzzzzzzzzzzzzzz", "cnsenter ls -a lists what there is");
    Ok(())
}

#[test]
fn each_step_is_said_as_it_is_taken() -> Result<()> {
    let web = container(&[])?;
    let (name, pid, key) = (web.name(), web.pid()?, web.sandbox_key()?);
    let output = run(["-v", "--net", name, "echo", "done"])?;
    assert_eq!((output.code, output.stdout.as_str()), (Some(0), "done\n"), "{output:?}");
    let steps = format!(
        "cnsenter: asking Docker at /var/run/docker.sock for {name}\n\
         cnsenter: holding process {pid} by a pidfd\n\
         cnsenter: joined the net namespace of process {pid}\n\
         cnsenter: showing the target's files in a mount namespace of our own\n\
         cnsenter: executing echo\n"
    );
    assert_eq!(output.stderr, steps);
    let output = run(["--verbose", "--sandbox", name, "true"])?;
    assert!(output.stderr.contains(&format!("joined the net namespace of {key}\n")), "{output:?}");
    assert!(!output.stderr.contains("net namespace of process"), "{output:?}");
    // Whole: one line for each namespace that is entered.
    let output = run(["-v", name, "true"])?;
    for kind in ["ipc", "uts", "net", "pid", "mount"] {
        let line = format!("joined the {kind} namespace of process {pid}\n");
        assert_eq!(output.stderr.matches(&line).count(), 1, "{kind}: {output:?}");
    }
    Ok(())
}

#[test]
fn colour_is_for_terminals_that_want_it() -> Result<()> {
    let name = "zzzzzzzzzzzzzzzzzzzzzzzzzzzz";
    let on_terminal = |variables: &[(&str, &str)], words: &[&str]| -> Result<String> {
        let mut command = cnsenter(words);
        command.env_remove("NO_COLOR").env("TERM", "xterm").envs(variables.iter().copied());
        Ok(pty::Session::spawn(&mut command)?.finish()?.1.replace('\r', ""))
    };
    let plain = format!("cnsenter: no such container: {name}\nhint: cnsenter ls -a lists what there is\n");
    let coloured = on_terminal(&[], &["--net", name, "true"])?;
    assert!(coloured.contains("\x1b[") && coloured.contains("no such container"), "{coloured:?}");
    assert!(on_terminal(&[], &["--help"])?.contains("\x1b["));
    for variables in [&[("NO_COLOR", "1")][..], &[("TERM", "dumb")]] {
        assert_eq!(without_asked(&on_terminal(variables, &["--net", name, "true"])?), plain, "{variables:?}");
        assert!(!on_terminal(variables, &["--help"])?.contains('\x1b'), "{variables:?}");
    }
    // An empty NO_COLOR says nothing.
    assert!(on_terminal(&[("NO_COLOR", "")], &["--net", name, "true"])?.contains("\x1b["));
    // Into a pipe never.
    assert_eq!(without_asked(&run(["--net", name, "true"])?.stderr), plain);
    assert!(!quiet(["--help"])?.contains('\x1b'));
    Ok(())
}

#[test]
fn the_version_is_the_packages() -> Result<()> {
    for option in ["-V", "--version"] {
        assert_eq!(quiet([option])?, format!("cnsenter {}", env!("CARGO_PKG_VERSION")));
    }
    // Whatever else is on the line: no engine is asked.
    assert_eq!(quiet(["--net", "-H", "tcp://10.0.0.1:1", "-V"])?, format!("cnsenter {}", env!("CARGO_PKG_VERSION")));
    Ok(())
}

#[test]
fn what_a_terminal_would_obey_is_not_printed() -> Result<()> {
    let value = "X=one\u{1b}]0;t\u{7}'$HOME' \\0101 \u{3}end";
    let container = Container::run(image::busybox()?, &["-e", value], &["sleep", "100000"])?;
    let words = [container.name(), "sh", "-c", "echo \"$X\""];
    let mut line = cnsenter(["--print"]);
    let printed = output::stdout(line.args(words))?;
    let obeyed = |c: char| c.is_control() && c != '\n';
    assert!(!printed.contains(obeyed), "{printed:?}");
    let by_shell = with_input(&mut Command::new("sh"), printed.as_bytes())?;
    assert_eq!(by_shell.stdout, run(words)?.stdout);
    Ok(())
}
