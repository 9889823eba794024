//! The storm under containerd's records and under crun's, as podman has them.

use anyhow::Result;
use testbed::{Scratch, containerd, podman};

use super::{ROUNDS, ROUNDS_EACH, Recorded, storm};
use crate::run::stdout;

#[test]
fn recycled_pids_under_containerds_records() -> Result<()> {
    let mut kept = None;
    let counts = storm(ROUNDS, || {
        drop(kept.take());
        // A task that ended keeps its record until somebody deletes it.
        let task = containerd::Container::run(containerd::NAMESPACE, &[], &["sleep", "100000"])?;
        let made =
            Recorded { pid: task.pid()?, words: vec![format!("containerd://{}", task.id())], rounds: ROUNDS_EACH };
        kept = Some(task);
        Ok(made)
    })?;
    println!("containerd: {counts:?}");
    Ok(())
}

#[test]
fn recycled_pids_under_podmans_records() -> Result<()> {
    let mut kept = None;
    let counts = storm(ROUNDS, || {
        drop(kept.take());
        let web = podman::Container::run(&[], &["sleep", "100000"])?;
        // podman's monitor has crun's record removed when the process ends: a copy is what is left where it does not.
        let copy = Scratch::new()?;
        stdout("cp", &["-a", &format!("/run/crun/{}", web.id()), &copy.path().display().to_string()])?;
        let words = ["--state-root", &copy.path().display().to_string(), &format!("podman://{}", web.name())];
        let made = Recorded { pid: web.pid()?, words: words.map(str::to_owned).into(), rounds: ROUNDS_EACH };
        kept = Some((web, copy));
        Ok(made)
    })?;
    println!("podman: {counts:?}");
    Ok(())
}
