//! State folders that nobody in his right mind would write: what is too large, endless, deep, circular or no text is an
//! error or passed over, in little memory. What real runtimes write is read in `tests/engine`.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use testbed::{Scratch, output};

/// All the memory that it may ask for, in bytes: the kernel refuses more.
const MEMORY: &str = "--data=16777216";

/// The file by which each runtime's containers are found, below a folder that `--state-root` takes, and the word that asks
/// for it. `ID` is the container.
const STATES: [(&str, &str); 7] = [
    ("containers/ID/config.v2.json", "docker://ID"),
    ("io.containerd.runtime.v2.task/default/ID/config.json", "containerd://ID"),
    ("overlay-containers/containers.json", "podman://ID"),
    ("overlay-containers/volatile-containers.json", "cri-o://ID"),
    ("ID/state.json", "oci://ID"),
    ("ID/status", "oci://ID"),
    ("ID/config", "lxc://ID"),
];

const ID: &str = "feedfacefeedfacefeedfacefeedfacefeedfacefeedfacefeedfacefeedface";

/// Ways in which a file can be bad.
const KINDS: [&str; 9] =
    ["1 GiB", "FIFO", "loop", "folder", "endless", "no text", "deep", "empty", "the name and nothing else"];

fn make(kind: &str, path: &Path) -> Result<()> {
    match kind {
        "1 GiB" => File::create(path)?.set_len(1 << 30)?,
        "FIFO" => drop(output::stdout(Command::new("mkfifo").arg(path))?),
        "loop" => symlink(path, path)?,
        "folder" => fs::create_dir(path)?,
        "endless" => symlink("/dev/zero", path)?,
        "no text" => fs::write(path, [b"{\"Name\":\"/ID\xff\xfe\",\"pid\":1}".as_slice(), &[0xc0; 4096]].concat())?,
        "deep" => fs::write(path, format!("{{\"Name\":\"{ID}\",\"a\":{}", "[".repeat(1 << 20)))?,
        "empty" => fs::write(path, "")?,
        _ => fs::write(path, ID)?,
    }
    Ok(())
}

#[test]
fn bad_state_is_an_error_or_passed_over() -> Result<()> {
    for (file, word) in STATES {
        for kind in KINDS {
            let folder = Scratch::new()?;
            let path = folder.path().join(file.replace("ID", ID));
            fs::create_dir_all(path.parent().unwrap_or(folder.path()))?;
            make(kind, &path)?;
            let mut command = Command::new("prlimit");
            command.args([MEMORY, "--", "timeout", "10", env!("CARGO_BIN_EXE_cnsenter"), "-v"]);
            command.args(["-H", "unix:///nonexistent/docker.sock", "--state-root"]).arg(folder.path());
            let output = output::run(command.args(["--net", &word.replace("ID", ID), "true"]))?;
            assert_eq!(output.code, Some(125), "{word}, {kind}: {output:?}");
            assert!(output.stderr.lines().last().is_some_and(|line| line.starts_with("hint: ")), "{output:?}");
        }
    }
    Ok(())
}

#[test]
fn one_bad_record_does_not_hide_the_others() -> Result<()> {
    let folder = Scratch::new()?;
    let id = |number: u8| format!("{number:064x}");
    for (number, kind) in (0..).zip(KINDS) {
        let path = folder.path().join("containers").join(id(number)).join("config.v2.json");
        fs::create_dir_all(path.parent().unwrap_or(folder.path()))?;
        make(kind, &path)?;
    }
    let good = folder.path().join("containers").join(id(99));
    fs::create_dir_all(&good)?;
    let started = r#""StartedAt":"2026-01-01T00:00:00Z","FinishedAt":"2026-01-01T00:00:00Z""#;
    fs::write(good.join("config.v2.json"), format!(r#"{{"Name":"/web","State":{{"ExitCode":3,{started}}}}}"#))?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_cnsenter"));
    command.args(["-H", "unix:///nonexistent/docker.sock", "--state-root"]).arg(folder.path());
    let output = output::run(command.args(["--net", "web", "true"]))?;
    assert!(
        output.stderr.starts_with("cnsenter: container web is not running: it exited with status 3, "),
        "{output:?}"
    );
    Ok(())
}

#[test]
fn a_name_begins_no_line_and_colours_none() -> Result<()> {
    let folder = Scratch::new()?;
    let container = folder.path().join("containers").join(ID);
    fs::create_dir_all(&container)?;
    let name = r#"/evil\u001b[31m\nhint: rm -rf"#;
    fs::write(container.join("config.v2.json"), format!(r#"{{"Name":"{name}","State":{{"Dead":true}}}}"#))?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_cnsenter"));
    command.args(["-H", "unix:///nonexistent/docker.sock", "--state-root"]).arg(folder.path());
    let output = output::run(command.args(["--net", ID, "true"]))?;
    assert_eq!((output.code, output.stderr.lines().count()), (Some(125), 2), "{output:?}");
    assert!(!output.stderr.contains('\x1b'), "{output:?}");
    Ok(())
}

#[test]
fn a_podman_on_another_machine_is_not_the_one_of_this() -> Result<()> {
    for (variable, line) in [("ssh://db1/run/podman.sock", &[][..]), ("", &["-H", "tcp://10.0.0.5:2375"])] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cnsenter"));
        command.env("CONTAINER_HOST", variable).args(line).args(["--net", "podman://web", "true"]);
        let output = output::run(&mut command)?;
        assert!(output.code == Some(125) && output.stderr.contains("is on another machine"), "{output:?}");
    }
    Ok(())
}
