//! Netns files that are no namespace as seen from here: the mount is in another mount namespace, or was never there. All
//! of it in private mount namespaces; the engine's own folder is never written to.

use std::process::Command;

use anyhow::Result;
use testbed::{Container, Output, engine, image, output};

use super::{container, file_name};
use crate::run::{NET, OWN, assert_refused, cnsenter, run};

/// Runs cnsenter in a mount namespace of its own after a shell has prepared it. `$1` is the script's own argument.
pub(super) fn after(script: &str, argument: &str, words: &[&str]) -> Result<Output> {
    let mut command = crate::run::on_default_engine(Command::new("unshare"));
    command.args(["--mount", "--propagation", "private", "sh", "-euc"]);
    command.arg(format!("{script}\nshift; exec \"$@\"")).args(["sh", argument]);
    output::run(command.arg(cnsenter([""]).get_program()).args(words))
}

#[test]
fn an_invisible_file_is_taken_from_the_engines_mount_namespace() -> Result<()> {
    let web = container()?;
    let (key, file) = (web.sandbox_key()?, file_name(&web)?);
    let theirs = web.exec(&[], &NET)?;
    let by_nsenter = output::run(Command::new("unshare").args([
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        "umount -l \"$1\"; exec nsenter --net=\"$1\" true",
        "sh",
        &key,
    ]))?;
    assert_eq!(by_nsenter.code, Some(1), "{by_nsenter:?}");
    for target in [web.name(), &file] {
        let output = after("umount -l \"$1\"", &key, &["--sandbox", target, NET[0], NET[1]])?;
        assert!(output.success(), "{output:?}");
        assert_eq!(output.stdout.trim_end(), theirs, "{target}");
        let note =
            format!("cnsenter: note: {key} is not a namespace in this mount namespace; taken from the daemon's, ");
        assert!(output.stderr.starts_with(&note), "{output:?}");
        assert!(output.stderr.trim_end().ends_with(&format!("/root/run/docker/netns/{file}")), "{output:?}");
    }
    // The whole folder is hidden: the container's record still leads to the file.
    let output = after("mount -t tmpfs none \"$1\"", "/run/docker", &["--sandbox", web.name(), NET[0], NET[1]])?;
    assert!(output.success(), "{output:?}");
    assert_eq!(output.stdout.trim_end(), theirs);
    Ok(())
}

#[test]
fn a_file_that_is_no_namespace_anywhere_is_said_to_be_none() -> Result<()> {
    const FOLDER: &str = "/run/docker/netns";
    let script = "mount -t tmpfs none \"$1\"; : >\"$1\"/0123456789ab; : >\"$1\"/ingress_fake";
    for file in ["0123456789ab", "ingress_fake", "012345"] {
        let whole = if file == "012345" { "0123456789ab" } else { file };
        let output = after(script, FOLDER, &["--sandbox", file, "true"])?;
        assert_refused(
            &output,
            &format!("/var/run/docker/netns/{whole} is no namespace as seen from here"),
            "the engine keeps it in a mount namespace of its own, or its container has ended",
        );
    }
    // As nsenter's option it is nsenter's failure, with more to say than "Invalid argument".
    let words = ["--net=/var/run/docker/netns/0123456789ab", "true"];
    let output = after(script, FOLDER, &words)?;
    assert_eq!(output.code, Some(1), "{output:?}");
    let message = "cnsenter: /var/run/docker/netns/0123456789ab is not a namespace, but a plain file\nhint: ";
    assert!(output.stderr.starts_with(message), "{output:?}");
    Ok(())
}

#[test]
fn the_beginning_of_two_names_lists_what_can_be_pasted() -> Result<()> {
    let (one, other) = (container()?, container()?);
    let script = "
        mount -t tmpfs none /run/docker/netns
        for file in abcdef000001 abcdef000002; do : >/run/docker/netns/$file; done
        mount --bind /proc/${1%:*}/ns/net /run/docker/netns/abcdef000001
        mount --bind /proc/${1#*:}/ns/net /run/docker/netns/abcdef000002
    ";
    let pids = format!("{}:{}", one.pid()?, other.pid()?);
    let output = after(script, &pids, &["--sandbox", "abcdef", "true"])?;
    assert_eq!((output.code, output.stdout.as_str()), (Some(OWN), ""), "{output:?}");
    let lines: Vec<_> = output.stderr.lines().map(str::trim_start).collect();
    assert_eq!((lines[0], lines[3]), ("cnsenter: abcdef is ambiguous:", "hint: name one of these"), "{output:?}");
    let mut lines = [lines[1], lines[2]];
    lines.sort_unstable();
    for (line, container) in lines.iter().zip([&one, &other]) {
        let pasted = line.split_whitespace().next().unwrap_or_default();
        let output = after(script, &pids, &[pasted, NET[0], NET[1]])?;
        assert_eq!(output.stdout.trim_end(), container.exec(&[], &NET)?, "{line}: {output:?}");
    }
    // One digit more, and it is a name.
    let output = after(script, &pids, &["--sandbox", "abcdef000002", NET[0], NET[1]])?;
    assert_eq!(output.stdout.trim_end(), other.exec(&[], &NET)?, "{output:?}");
    Ok(())
}

#[test]
fn an_engine_with_a_mount_namespace_of_its_own_gives_its_networks_all_the_same() -> Result<()> {
    let newest = engine::Newest::start()?;
    let socket = newest.socket();
    let web = Container::run_at(&socket, image::busybox_at(&socket)?, &["--network", "none"], &["sleep", "1000"])?;
    let key = web.sandbox_key()?;
    let by_nsenter = output::run(Command::new("nsenter").args([&format!("--net={key}"), "true"]))?;
    assert_eq!(by_nsenter.code, Some(1), "the file is visible, so that nothing is shown here: {by_nsenter:?}");
    let on = format!("unix://{socket}");
    let output = run(["-H", &on, "--sandbox", web.name(), NET[0], NET[1]])?;
    assert!(output.success(), "{output:?}");
    assert_eq!(output.stdout.trim_end(), web.exec(&[], &NET)?);
    let from = format!("/proc/{}/root{key}", newest.pid());
    let note = format!("{key} is not a namespace in this mount namespace; taken from the daemon's, {from}");
    assert_eq!(output.stderr, format!("cnsenter: note: {note}\n"));
    // It ended: there is no process to fall back to, and nothing is joined.
    web.docker(&["kill"])?;
    let output = run(["-H", &on, "--sandbox", web.name(), "true"])?;
    assert_eq!((output.code, output.stdout.as_str()), (Some(OWN), ""), "{output:?}");
    Ok(())
}
