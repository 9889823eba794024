//! Names that do not resolve: web is on another network than db, api has a DNS server that does not answer, and worker has a
//! line in its hosts file that is older than db. The host has a DNS server that knows example.com and nothing else.

use anyhow::Result;
use testbed::host::Host;

pub(crate) fn make(host: &Host) -> Result<()> {
    super::images(host)?;
    host.run(
        "
        ip address add 192.0.2.1/32 dev lo
        dnsmasq --conf-file=/dev/null --pid-file --user=root --listen-address=192.0.2.1 --bind-interfaces --no-resolv \\
            --no-hosts --address=/#/ --address=/example.com/192.0.2.80
        docker network create shop
        docker run -d --name db --network shop app nc -ll -p 5432 -e cat
        docker run -d --name web nginx
        docker run -d --name api --network shop --dns 192.0.2.53 app sleep infinity
        docker run -d --name worker --network shop --add-host db:172.18.0.9 app sleep infinity
    ",
    )?;
    Ok(())
}
