//! Connections that time out. In db's own network a packet filter drops what comes; on the host one drops what api sends to
//! port 443, and a route swallows a whole network. The way to the world is narrower behind the router than before it, and the
//! router does not say so.

use anyhow::Result;
use testbed::host::Host;

pub(crate) fn make(host: &Host) -> Result<()> {
    super::images(host)?;
    host.run(
        "
        set -e
        docker network create shop
        docker run -d --name db --network shop app nc -ll -p 5432 -e echo ready
        docker run -d --name web --network shop nginx
        docker run -d --name api --network shop app sleep infinity

        ip netns add router
        ip netns add world
        ip link add eth0 type veth peer name lan netns router
        ip link add wan netns router type veth peer name eth0 netns world
        ip address add 192.168.0.10/24 dev eth0
        ip link set eth0 up
        ip route add default via 192.168.0.1
        ip -n router address add 192.168.0.1/24 dev lan
        ip -n router address add 198.51.100.1/24 dev wan
        ip -n router link set lan mtu 1400 up
        ip -n router link set wan up
        ip -n world address add 198.51.100.5/24 dev eth0
        ip -n world link set eth0 up
        ip -n world route add default via 198.51.100.1
        ip netns exec router sysctl -qw net.ipv4.ip_forward=1
        ip netns exec router iptables -A OUTPUT -p icmp --icmp-type fragmentation-needed -j DROP
        mkdir /run/world
        echo small >/run/world/small
        head -c 100000 /dev/zero >/run/world/large
        ip netns exec world busybox httpd -p 80 -h /run/world
        ip netns exec world busybox httpd -p 443 -h /run/world

        ip route add blackhole 10.2.0.0/16
        nsenter -t $(docker inspect -f {{.State.Pid}} db) -n iptables -A INPUT -p tcp --dport 5432 -j DROP
        iptables -I DOCKER-USER -s 172.18.0.4 -p tcp --dport 443 -j DROP
        ",
    )?;
    Ok(())
}
