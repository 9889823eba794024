//! batch takes all the CPU that there is, worker works at the limit of its own, api was killed at the limit of its memory,
//! and in web it is a child that is killed.

use std::time::Duration;

use anyhow::Result;
use testbed::host::Host;
use testbed::wait;

pub(crate) fn make(host: &Host) -> Result<()> {
    super::images(host)?;
    host.run(
        r#"
        set -e
        docker run -d --name worker --cpus 0.05 app sh -c 'while :; do :; done'
        docker run -d --name api --memory 32m app sh -c 'tail /dev/zero'
        docker run -d --name web --memory 32m app \
            sh -c 'tail /dev/zero; kept=$(head -c 8000000 /dev/zero | tr "\0" x); sleep infinity; :'
        "#,
    )?;
    wait::until(Duration::from_secs(20), "two programs to be killed", || {
        let state = |name, format| host.docker(&["inspect", "--format", format, name]).ok();
        let ended = state("api", "{{.State.Status}} {{.State.OOMKilled}}")?;
        // The kernel tells the engine why only while the program ends, and the engine may hear of the end first.
        if ended == "exited false" {
            host.docker(&["start", "api"]).ok()?;
        }
        let alone =
            host.docker(&["top", "web", "-o", "pid,args"]).ok()?.lines().any(|line| line.ends_with(" sleep infinity"));
        (ended == "exited true" && alone).then_some(())
    })?;
    host.run("docker run -d --name batch app sh -c 'while :; do :; done'")?;
    Ok(())
}
