//! Nothing is wrong: nginx and busybox1, as in the notes that the page goes through.

use anyhow::Result;
use testbed::host::Host;

pub(crate) fn make(host: &Host) -> Result<()> {
    super::images(host)?;
    host.run(
        "
        docker tag app busybox
        docker run -d --name nginx nginx
        docker run -d --name busybox1 busybox sleep infinity
        ",
    )?;
    Ok(())
}
