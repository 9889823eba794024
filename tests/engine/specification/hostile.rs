//! Records that are not what they should be: whoever reads them neither hangs nor guesses, and says why.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use testbed::{oci, output};

use super::{container, settings};
use crate::run::run;

/// Why the record cannot be taken; `None` where it is passed over, or taken.
fn refusal(id: &str) -> Result<Option<String>> {
    let found = container(&format!("oci://{id}"), &settings())?;
    Ok(resolve::specification(&found, &settings()).err().map(|error| error.to_string()))
}

fn with_text(text: &'static str) -> impl Fn(&Path) -> Result<()> {
    move |path| Ok(std::fs::write(path, text)?)
}

#[test]
fn a_record_that_is_none_is_an_error_with_its_name() -> Result<()> {
    let web = oci::Container::run(oci::Runtime::Runc, None, &[], &["sleep", "1000"])?;
    let file = web.bundle().join("config.json");
    let real = std::fs::read_to_string(&file)?;
    let huge = |path: &Path| Ok(std::fs::File::create(path)?.set_len(1 << 40)?);
    let fifo = |path: &Path| output::stdout(Command::new("mkfifo").arg(path)).map(drop);
    let to_itself = |path: &Path| Ok(symlink(path, path)?);
    let to_a_device = |path: &Path| Ok(symlink("/dev/zero", path)?);
    let is_a_folder = |path: &Path| Ok(std::fs::create_dir(path)?);
    type Make<'a> = &'a dyn Fn(&Path) -> Result<()>;
    let cases: [(&str, Make<'_>, &str); 11] = [
        ("huge", &huge, "too large for what it should be"),
        ("a FIFO", &fifo, "not a regular file"),
        ("a loop", &to_itself, "too many symbolic links encountered"),
        ("a device", &to_a_device, "not a regular file"),
        ("a folder", &is_a_folder, "not a regular file"),
        ("empty", &with_text(""), "EOF while parsing a value at line 1 column 0"),
        ("no JSON", &with_text("\0\u{1b}]0;t\u{7}"), "expected value at line 1 column 1"),
        ("a number", &with_text("7"), "invalid type: integer `7`, expected struct Configuration at line 1 column 1"),
        ("no process", &with_text(r#"{"process":null}"#), "it says nothing of a process"),
        ("half", &with_text(r#"{"process":{"user":{"#), "EOF while parsing an object at line 1 column 20"),
        (
            "a list for a word",
            &with_text(r#"{"process":{"noNewPrivileges":["x"]}}"#),
            "invalid type: sequence, expected a boolean at line 1 column 30",
        ),
    ];
    for (what, make, reason) in cases {
        match file.symlink_metadata() {
            Ok(found) if found.is_dir() => std::fs::remove_dir(&file)?,
            _ => std::fs::remove_file(&file)?,
        }
        make(&file)?;
        let message = format!("cannot read {}: {reason}", file.display());
        assert_eq!(refusal(web.id())?, Some(message.clone()), "{what}");
        // What it forbids would be allowed: nobody goes in by accident, and those who say so do.
        let target = format!("oci://{}", web.id());
        let output = run([&target, "true"])?;
        let said = format!("cnsenter: {message}\nhint: it says what the container's programs may do; ");
        assert!(output.code == Some(125) && output.stderr.starts_with(&said), "{what}: {output:?}");
        for option in ["--raw", "--privileged", "--net"] {
            assert!(run([option, &target, "true"])?.success(), "{what}: {option}");
        }
    }
    std::fs::write(&file, real)?;
    assert_eq!(refusal(web.id())?, None);
    Ok(())
}
