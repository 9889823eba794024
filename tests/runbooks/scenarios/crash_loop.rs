//! A program that fails half a second after its start, since nobody listens on the port that it wants, and is started again
//! and again. Docker waits longer each time: the page begins when it waits for some seconds.

use std::time::Duration;

use anyhow::Result;
use testbed::host::Host;
use testbed::wait;

pub(crate) fn make(host: &Host) -> Result<()> {
    super::images(host)?;
    host.run(
        "
        docker run -d --name api --restart always -e DB=127.0.0.1:5432 app \\
            sh -c 'sleep 1; nc ${DB%:*} ${DB#*:} </dev/null || { echo \"fatal: no database at $DB\" >&2; exit 3; }'
        ",
    )?;
    wait::until(Duration::from_secs(60), "the fifth restart", || {
        let state = host.docker(&["inspect", "--format", "{{.RestartCount}} {{.State.Restarting}}", "api"]).ok()?;
        (state == "5 true").then_some(())
    })
}
