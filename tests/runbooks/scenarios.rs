//! What is wrong on the host of each page, one file a page; what they share stands here.

use anyhow::Result;
use testbed::host::Host;
use testbed::image;

pub(crate) mod connection_times_out;
pub(crate) mod cpu_memory_oom;
pub(crate) mod crash_loop;
pub(crate) mod from_nsenter_by_hand;
pub(crate) mod name_does_not_resolve;
pub(crate) mod published_port_is_dead;
pub(crate) mod swarm_ingress;

/// Loads images under the short names that pages use: `app`, which is busybox, and `nginx`.
fn images(host: &Host) -> Result<()> {
    host.docker(&["tag", image::busybox_at(&host.socket())?, "app"])?;
    host.docker(&["tag", image::nginx_at(&host.socket())?, "nginx"])?;
    Ok(())
}

/// Gives the host an address, which is not that of its loopback.
fn uplink(host: &Host) -> Result<()> {
    host.run(
        "
        ip link add eth0 type veth peer name uplink
        ip address add 192.168.0.10/24 dev eth0
        ip link set eth0 up
        ip link set uplink up
        ",
    )?;
    Ok(())
}
