//! podman of an ordinary user: found in the folders that his environment names, or that `--state-root` does; never by root
//! who was not told of them, since whoever writes there would decide what root enters.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use testbed::output::{self, Output};
use testbed::podman::rootless::Rootless;

use crate::run::{NET, OWN, cnsenter, copy_for_everybody, on_default_engine, run};

/// What the user's own cnsenter answers.
fn as_user(rootless: &Rootless, program: &Path, words: &[&str]) -> Result<Output> {
    let mut command = on_default_engine(Command::new(program));
    command.args(words);
    output::run(rootless.as_user(&mut command))
}

#[test]
fn a_users_container_is_found_by_him_and_by_whom_he_tells() -> Result<()> {
    let rootless = Rootless::new()?;
    let (name, id) = rootless.run(&["sleep", "1000"])?;
    let theirs = rootless.podman(&["exec", &name, NET[0], NET[1]])?;
    let (_folder, program) = copy_for_everybody()?;
    // His own: the user namespace is what gives him the right.
    for target in [&name, &id[..12].to_owned(), &format!("podman://{name}")] {
        let words = [&["--user", "--preserve-credentials", "--net", target], &NET[..]].concat();
        let output = as_user(&rootless, &program, &words)?;
        assert_eq!(output.stdout.trim_end(), theirs, "{target}: {output:?}");
    }
    // Through his service the same, where he has one.
    let service = rootless.serve()?;
    let words = [&["-v", "--user", "--preserve-credentials", "--net", &name], &NET[..]].concat();
    let output = as_user(&rootless, &program, &words)?;
    assert_eq!(output.stdout.trim_end(), theirs, "{output:?}");
    assert!(output.stderr.contains(&format!("asking podman at {}", rootless.socket().display())), "{output:?}");
    drop(service);

    // Root does not look there by himself.
    assert_eq!(run(["--net", &name, "true"])?.code, Some(OWN));
    let roots = [rootless.runtime_folder().join("crun"), rootless.home().join(".local/share/containers/storage")];
    let roots: Vec<_> = roots.iter().map(|root| root.display().to_string()).collect();
    let told = ["--state-root", &roots[0], "--state-root", &roots[1], "--net", &name];
    let output = output::run(&mut cnsenter(told.iter().chain(&NET)))?;
    assert_eq!(output.stdout.trim_end(), theirs, "{output:?}");
    Ok(())
}
