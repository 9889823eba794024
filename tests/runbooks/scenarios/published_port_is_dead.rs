//! Published ports that are dead: api listens on the loopback of its own network only, web's port is published as another
//! than it listens on, worker does not listen at all, admin is published on the host's loopback only.

use anyhow::Result;
use testbed::host::Host;

pub(crate) fn make(host: &Host) -> Result<()> {
    super::images(host)?;
    super::uplink(host)?;
    host.run(
        "
        docker run -d --name api -p 8080:80 app \\
            sh -c 'echo it works >/tmp/index.html; exec httpd -f -p 127.0.0.1:80 -h /tmp'
        docker run -d --name web -p 8081:8080 nginx
        docker run -d --name worker -p 8082:80 app sleep infinity
        docker run -d --name admin -p 127.0.0.1:8083:80 nginx
        ",
    )?;
    Ok(())
}
