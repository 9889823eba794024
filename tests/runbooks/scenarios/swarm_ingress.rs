//! A swarm whose service is published and does not answer, since the kernel has no IPVS.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use testbed::host::Host;
use testbed::wait;

pub(crate) fn make(host: &Host) -> Result<()> {
    ensure!(!Path::new("/proc/net/ip_vs").exists(), "this kernel has IPVS, and the page is of one that has not");
    super::images(host)?;
    super::uplink(host)?;
    host.run(
        "
        set -e
        docker swarm init --advertise-addr 192.168.0.10
        docker service create --detach --no-resolve-image --name front -p 8085:80 nginx
        ",
    )?;
    wait::until(Duration::from_secs(60), "the service's task", || {
        let states = host.docker(&["service", "ps", "--format", "{{.CurrentState}}", "front"]).ok()?;
        states.starts_with("Running").then_some(())
    })
}
