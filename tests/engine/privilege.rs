//! Who may enter and who may not, how that is said, and what cnsenter itself does without: threads, name services. What
//! the program may do once it runs is in `process.rs` and `options.rs`.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use testbed::{Container, Output, Scratch, engine, fake, image, output};

use crate::run::{NET, assert_refused, cnsenter, copy_for_everybody, on_default_engine, stdout};

/// A group that nobody has.
const GROUP: u32 = 54321;
/// Whom Debian calls nobody.
const NOBODY: &str = "65534";

fn container() -> Result<Container> {
    Container::run(image::busybox()?, &["--network", "none"], &["sleep", "1000"])
}

/// A proxy to the real engine whose socket belongs to root and the group, as Docker's own does.
fn engine_of_group() -> Result<(fake::Engine, String)> {
    let proxy = fake::Engine::in_front_of(engine::SOCKET, |_, _| {})?;
    let socket = proxy.socket();
    let folder = socket.parent().context("no folder")?;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))?;
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o660))?;
    chown(&socket, Some(0), Some(GROUP))?;
    let on = format!("unix://{}", socket.display());
    Ok((proxy, on))
}

/// Runs cnsenter as nobody, with these supplementary groups.
fn as_nobody(cnsenter: &Path, groups: &str, words: &[&str]) -> Result<Output> {
    let mut command = on_default_engine(Command::new("setpriv"));
    command.args(["--reuid", NOBODY, "--regid", NOBODY, groups]).arg(cnsenter).args(words);
    output::run(&mut command)
}

fn sudo(line: &str) -> String {
    format!("joining namespaces needs CAP_SYS_ADMIN, and the engine's socket its group: sudo cnsenter {line}")
}

#[test]
fn a_member_of_the_docker_group_is_told_what_is_missing() -> Result<()> {
    let web = container()?;
    let (name, pid) = (web.name(), web.pid()?);
    let (_folder, cnsenter) = copy_for_everybody()?;
    let (_proxy, on) = engine_of_group()?;
    let groups = format!("--groups={GROUP}");
    for (words, message) in [
        (&["--net", name, "--", "ip", "a b"][..], format!("cannot join the net namespace of process {pid}")),
        (&["--net", "-e", name, "true"], format!("cannot open /proc/{pid}/environ")),
        (&["--net", "-r", name, "true"], format!("cannot open /proc/{pid}/root")),
        (&["-u", "-n", name, "true"], format!("cannot join the uts namespace of process {pid}")),
    ] {
        let output = as_nobody(&cnsenter, &groups, &[&["-H", &on], words].concat())?;
        let reason = if message.contains("join") { "Operation not permitted" } else { "Permission denied" };
        let line = [&["-H", &on], words].concat().join(" ").replace("a b", "'a b'");
        assert_refused(&output, &format!("{message}: {reason}"), &sudo(&line));
    }
    for words in [&["-a", name, "true"][..], &[name], &["--sandbox", name, "true"]] {
        let output = as_nobody(&cnsenter, &groups, &[&["-H", &on], words].concat())?;
        assert_eq!((output.code, output.stdout.as_str()), (Some(125), ""), "{words:?}: {output:?}");
        assert!(output.stderr.contains("\nhint: joining namespaces needs CAP_SYS_ADMIN, "), "{words:?}: {output:?}");
    }
    Ok(())
}

#[test]
fn a_file_that_may_not_be_seen_is_not_called_missing() -> Result<()> {
    let web = container()?;
    let key = web.sandbox_key()?;
    let file = Path::new(&key).file_name().context("no file")?.to_string_lossy().into_owned();
    let (_folder, cnsenter) = copy_for_everybody()?;
    let (_proxy, on) = engine_of_group()?;
    let groups = format!("--groups={GROUP}");
    let ls = output::run(Command::new("setpriv").args(["--reuid", NOBODY, "--clear-groups", "ls", &key]))?;
    assert_eq!(ls.code, Some(2), "everybody can see into the folder: {ls:?}");
    for target in [web.name(), &file] {
        let output = as_nobody(&cnsenter, &groups, &["-H", &on, "--sandbox", target, "true"])?;
        assert_eq!((output.code, output.stdout.as_str()), (Some(125), ""), "{target}: {output:?}");
        assert!(output.stderr.contains("ermission denied"), "{target}: {output:?}");
        assert!(!output.stderr.contains("is not a namespace in this mount namespace"), "{target}: {output:?}");
        assert!(!output.stderr.contains("no such container"), "{target}: {output:?}");
        assert!(output.stderr.contains("\nhint: joining namespaces needs CAP_SYS_ADMIN, "), "{target}: {output:?}");
    }
    Ok(())
}

#[test]
fn a_forbidden_socket_is_said_to_be_forbidden() -> Result<()> {
    let web = container()?;
    let (_folder, cnsenter) = copy_for_everybody()?;
    let (_proxy, on) = engine_of_group()?;
    let line = ["-H", &on, "--net", web.name(), "ss", "-ltn"];
    let output = as_nobody(&cnsenter, "--clear-groups", &line)?;
    let socket = on.trim_start_matches("unix://");
    assert_refused(
        &output,
        &format!("cannot ask Docker at {socket} (-H): permission denied on the socket"),
        &sudo(&line.join(" ")),
    );
    Ok(())
}

#[test]
fn root_without_the_capability_is_told_so() -> Result<()> {
    let web = container()?;
    let (name, pid, key) = (web.name(), web.pid()?, web.sandbox_key()?);
    for (words, what) in [
        (&["--net", name, "true"][..], format!("net namespace of process {pid}")),
        (&["--sandbox", name, "true"], format!("net namespace of {key}")),
        (&["--uts", name, "true"], format!("uts namespace of process {pid}")),
    ] {
        let mut command = on_default_engine(Command::new("setpriv"));
        command.args(["--bounding-set", "-sys_admin"]).arg(cnsenter([""]).get_program()).args(words);
        assert_refused(
            &output::run(&mut command)?,
            &format!("cannot join the {what}: Operation not permitted"),
            "this root has no CAP_SYS_ADMIN over the target: run it on the host itself",
        );
    }
    let capabilities = "--caps=cap_dac_override,cap_sys_ptrace+ep";
    let mut command = Command::new("capsh");
    let program = cnsenter([""]).get_program().to_owned();
    command.args(["--drop=cap_sys_admin", capabilities, "--", "-c", "exec \"$0\" \"$@\""]).arg(program);
    let output = output::run(on_default_engine(command).args([name, "true"]))?;
    assert_eq!((output.code, output.stdout.as_str()), (Some(125), ""), "{output:?}");
    assert!(output.stderr.contains("this root has no CAP_SYS_ADMIN over the target"), "{output:?}");
    Ok(())
}

/// The system calls of these kinds, from argv to the end of a static program that makes none of them.
fn calls(kinds: &str, words: &[&str]) -> Result<Vec<String>> {
    let folder = Scratch::new()?;
    let log = folder.path().join("trace");
    let mut command = on_default_engine(Command::new("strace"));
    command.args(["-f", "-qq", "-e", &format!("trace={kinds}"), "-o"]).arg(&log);
    output::stdout(command.arg(cnsenter([""]).get_program()).args(words).args(["/bin/busybox", "true"]))?;
    Ok(std::fs::read_to_string(&log)?.lines().map(str::to_owned).collect())
}

#[test]
fn no_thread_is_started_and_no_child_where_none_is_needed() -> Result<()> {
    let web = container()?;
    for words in [&["--net", web.name()][..], &["--sandbox", web.name()], &["-n", "-u", "-i", web.name()]] {
        let made = calls("clone,clone3,fork,vfork", words)?;
        assert!(made.is_empty(), "{words:?}: {made:?}");
    }
    // Where the pid namespace is entered, it takes two children, the keeper and the program, and no thread.
    let made = calls("clone,clone3,fork,vfork", &["-n", "-p", web.name()])?;
    assert_eq!(made.len(), 2, "{made:?}");
    assert!(!made.iter().any(|call| call.contains("CLONE_THREAD")), "{made:?}");
    Ok(())
}

#[test]
fn neither_name_services_nor_host_names_are_asked() -> Result<()> {
    let web = container()?;
    let lines = [
        &["--raw", "--net", web.name()][..],
        &["--raw", "--sandbox", web.name()],
        &["-n", "--raw", "-S", "33", "-G", "33", web.name()],
        // The view reads files of names, and asks none of them.
        &["--net", web.name()],
    ];
    for words in lines {
        let opened = calls("open,openat,openat2,socket,connect", words)?;
        assert!(opened.iter().any(|line| line.contains(engine::SOCKET)), "the trace shows nothing: {opened:?}");
        let files = if words.contains(&"--raw") { &["nsswitch", "etc/hosts", "resolv.conf"][..] } else { &[] };
        let names = [files, &["etc/passwd", "etc/group", "libnss", "locale", "nscd"]].concat();
        for line in &opened {
            assert!(!names.iter().any(|name| line.contains(name)), "{words:?}: {line}");
        }
        let connections = opened.iter().filter(|line| line.contains("connect("));
        let connections: Vec<_> = connections.filter(|line| !line.contains(engine::SOCKET)).collect();
        assert!(connections.is_empty(), "{words:?}: {connections:?}");
    }
    // The control: a program that does ask.
    let folder = Scratch::new()?;
    let log = folder.path().join("trace").display().to_string();
    stdout("strace", &["-f", "-qq", "-e", "trace=openat", "-o", &log, "getent", "passwd", "root"])?;
    assert!(std::fs::read_to_string(&log)?.contains("nsswitch.conf"));
    Ok(())
}

#[test]
fn a_filter_that_forbids_unshare_forbids_nothing_that_is_needed() -> Result<()> {
    // As the default seccomp profile of an engine does, for cnsenter in a container.
    let container = Container::run(image::busybox()?, &[], &["sleep", "100000"])?;
    let line = cnsenter(["--raw", "--net", container.name(), NET[0], NET[1]]);
    let mut filtered = on_default_engine(Command::new("strace"));
    filtered
        .args(["-o", "/dev/null", "-e", "inject=unshare:error=EPERM"])
        .arg(line.get_program())
        .args(line.get_args());
    assert_eq!(output::stdout(&mut filtered)?, container.exec(&[], &NET)?);
    Ok(())
}
