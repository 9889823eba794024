//! What is wrong on the host of each page, one file a page; what they share stands here.

use anyhow::Result;
use testbed::host::Host;
use testbed::image;

pub(crate) mod name_does_not_resolve;

/// Loads images under the short names that pages use: `app`, which is busybox, and `nginx`.
fn images(host: &Host) -> Result<()> {
    host.docker(&["tag", image::busybox_at(&host.socket())?, "app"])?;
    host.docker(&["tag", image::nginx_at(&host.socket())?, "nginx"])?;
    Ok(())
}
