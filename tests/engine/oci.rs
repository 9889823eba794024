//! Containers of runc and crun that were run by hand: their ID is their only name, and what the runtime left on disk is
//! all that there is to ask.

use anyhow::Result;
use testbed::oci::{Container, Runtime};
use testbed::{Scratch, guard, podman};

use crate::run::{NET, OWN, assert_refused, quiet, run};

const BOTH: [Runtime; 2] = [Runtime::Runc, Runtime::Crun];

#[test]
fn by_its_id_what_the_runtime_enters_is_entered() -> Result<()> {
    for runtime in BOTH {
        let web = Container::run(runtime, None, &[], &["sleep", "1000"])?;
        for target in [web.id(), &format!("oci://{}", web.id())] {
            assert_eq!(quiet(["--net", target].iter().chain(&NET))?, web.exec(&NET)?, "{runtime:?}");
        }
        assert_eq!(quiet([web.id(), "hostname"])?, web.id());
        assert_eq!(quiet([web.id(), "sh", "-c", "echo $PATH"])?, web.exec(&["sh", "-c", "echo $PATH"])?);
        // Names match whole.
        let output = run(["--net", &web.id()[..web.id().len() - 1], "true"])?;
        assert_eq!(output.code, Some(OWN), "{output:?}");
    }
    Ok(())
}

#[test]
fn a_folder_of_ones_own_is_named() -> Result<()> {
    for runtime in BOTH {
        let folder = Scratch::new()?;
        let web = Container::run(runtime, Some(folder.path()), &[], &["sleep", "1000"])?;
        assert_eq!(run(["--net", web.id(), "true"])?.code, Some(OWN));
        let root = folder.path().display().to_string();
        assert_eq!(quiet(["--state-root", &root, "--net", web.id()].iter().chain(&NET))?, web.exec(&NET)?);
    }
    Ok(())
}

#[test]
fn what_was_created_and_not_started_is_not_entered() -> Result<()> {
    for runtime in BOTH {
        let id = guard::unique_name();
        let made = Container::create_as(runtime, None, &id, &[], &["sleep", "1000"])?;
        assert_refused(
            &run(["--net", &id, "true"])?,
            &format!("container {id} was created and never started"),
            &format!("{} start {id}; --wait enters it as soon as it runs", runtime.program()),
        );
        made.start()?;
        assert!(run(["--net", &id, "true"])?.success());
    }
    Ok(())
}

#[test]
fn a_process_that_ended_is_gone() -> Result<()> {
    for runtime in BOTH {
        let web = Container::run(runtime, None, &[], &["sleep", "1000"])?;
        let pid = web.pid()?;
        let end = std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status()?;
        assert!(end.success());
        testbed::wait::until(std::time::Duration::from_secs(10), "its end", || {
            (!std::path::Path::new(&format!("/proc/{pid}/ns/net")).exists()).then_some(())
        })?;
        assert_refused(
            &run(["--net", web.id(), "true"])?,
            &format!("container {} is not running: its recorded pid {pid} is gone", web.id()),
            "what the runtime left on disk is older than its end; --wait enters its next run",
        );
    }
    Ok(())
}

#[test]
fn a_name_that_two_runtimes_know_names_both() -> Result<()> {
    let by_podman = podman::Container::run(&[], &["sleep", "1000"])?;
    let name = by_podman.name();
    let by_hand = Container::create_as(Runtime::Runc, None, name, &[], &["sleep", "1000"])?;
    by_hand.start()?;
    let output = run(["--net", name, "true"])?;
    let short = &by_podman.id()[..12];
    let expected = format!(
        "cnsenter: {name} is ambiguous:\n    podman://{short}   (container {name})\n    oci://{name}   (container {name})\n\
         hint: name one of these\n"
    );
    assert_eq!((output.stderr.as_str(), output.code), (expected.as_str(), Some(OWN)));
    // Each of its lines can be pasted back.
    assert_eq!(quiet(["--net", &format!("podman://{short}")].iter().chain(&NET))?, by_podman.exec(&NET)?);
    assert_eq!(quiet(["--net", &format!("oci://{name}")].iter().chain(&NET))?, by_hand.exec(&NET)?);
    Ok(())
}
