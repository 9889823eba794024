//! `cargo xtask demo`: the lines that cnsenter is for, run as a person would type them, against a real
//! nginx in a real container, with their real output. What it made is gone afterwards, on Ctrl-C too.

use std::io::{IsTerminal, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use testbed::{Container, LABEL, engine, guard, image};

use crate::shell::{self, Shell};
use crate::{binary, interrupt};

/// The width of the terminal, unless the user's own has one.
const COLUMNS: u16 = 100;

/// How many requests there are for the rule to count.
const REQUESTS: usize = 3;

/// Shows the lines, and fails unless they showed the traffic that there was.
pub(crate) fn run() -> Result<()> {
    interrupt::watch()?;
    crate::engine::up()?;
    tell("building cnsenter, a static release binary");
    let size = rustix::termios::tcgetwinsize(std::io::stdout());
    let columns = size.map(|size| size.ws_col).ok().filter(|columns| *columns > 0);
    let shell = Shell::new(&binary::build()?, columns.unwrap_or(COLUMNS))?;

    let name = free_name()?;
    let nginx = Container::run(image::nginx()?, &["--name", &name], &[])?;
    nginx.wait_for_port(80)?;
    let (id, address) = (nginx.short_id(), format!("{}:80", nginx.ip()?));

    tell("what runs here:");
    let listed = show(&shell, &format!("cnsenter ls --filter name={name}"))?;
    if !listed.contains(&name) {
        bail!("cnsenter ls did not list {name}");
    }

    tell(&format!("the host's tcpdump, in the container's network, while somebody asks for http://{address}/:"));
    // -n: tcpdump's own questions for names would be traffic of this network too.
    let line = format!("cnsenter --net {name} -- tcpdump -i eth0 -n -c 6 port 80");
    println!("{}", prompt(&line));
    let mut session = shell.start(&line)?;
    let begun = session.expect("listening on eth0")?;
    get(&address)?;
    let traffic = shell::finish(session)?;
    print!("{}{traffic}", begun.replace('\r', ""));
    if !traffic.contains("HTTP: GET /") {
        bail!("tcpdump did not see the request");
    }

    tell("the host's iptables, by the container's sandbox file: a rule that counts, some requests, the table:");
    let rule = "-t mangle -A PREROUTING -p tcp --dport 80 -j ACCEPT";
    show(&shell, &format!("cnsenter --sandbox {id} iptables {rule}"))?;
    (0..REQUESTS).try_for_each(|_| get(&address))?;
    let table = show(&shell, &format!("cnsenter --sandbox {id} iptables -nvL PREROUTING -t mangle"))?;
    let counted = packets(&table).context("iptables did not show the rule")?;
    if counted == 0 {
        bail!("the rule counted none of the requests");
    }

    tell("a program of the container's own, as docker exec runs it, in a fraction of the time:");
    let rights = "grep -E 'CapEff|Seccomp:' /proc/self/status";
    let ours = show(&shell, &format!("cnsenter {name} {rights}"))?;
    let theirs = show(&shell, &format!("docker exec {name} {rights}"))?;
    if ours != theirs || !ours.contains("Seccomp:\t2") {
        bail!("cnsenter and docker exec run it with other rights");
    }

    drop(nginx);
    tell("the container is removed, the host as it was");
    Ok(())
}

/// `nginx`, unless somebody has a container of that name: theirs is not touched.
fn free_name() -> Result<String> {
    // What a killed demo left.
    let [label, name] = [format!("label={LABEL}"), "name=^/nginx$".to_owned()];
    let left = engine::docker(&["ps", "-aq", "--filter", &label, "--filter", &name])?;
    if !left.is_empty() {
        engine::docker(&["rm", "--force", "--volumes", &left])?;
    }
    if engine::docker(&["inspect", "--type=container", "nginx"]).is_err() {
        return Ok("nginx".to_owned());
    }
    let name = guard::unique_name();
    tell(&format!("a container named nginx is here already and stays untouched; the demo's is {name}"));
    Ok(name)
}

/// Types a command line and shows what the terminal shows.
fn show(shell: &Shell, line: &str) -> Result<String> {
    println!("{}", prompt(line));
    let shown = shell.run(line)?;
    print!("{shown}");
    Ok(shown)
}

fn prompt(line: &str) -> String {
    paint("1", &format!("# {line}"))
}

fn get(address: &str) -> Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    write!(stream, "GET / HTTP/1.1\r\nHost: nginx\r\nUser-Agent: cnsenter-demo\r\nConnection: close\r\n\r\n")?;
    stream.read_to_end(&mut Vec::new()).context("nginx stopped answering")?;
    Ok(())
}

/// The packets that the rule for port 80 counted, out of `iptables -nvL`.
fn packets(table: &str) -> Option<u64> {
    let rule = table.lines().find(|line| line.contains("dpt:80"))?;
    rule.split_whitespace().next()?.parse().ok()
}

fn tell(text: &str) {
    println!("\n{} {text}", paint("36;1", "demo:"));
}

fn paint(code: &str, text: &str) -> String {
    if std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        format!("\x1b[{code}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::packets;

    #[test]
    fn the_rule_is_found_among_the_chains() {
        let table = "Chain PREROUTING (policy ACCEPT 0 packets, 0 bytes)\n pkts bytes target\n   \
                     18  1104 ACCEPT  tcp  --  *  *  0.0.0.0/0  0.0.0.0/0  tcp dpt:80\n";
        assert_eq!(packets(table), Some(18));
        assert_eq!(packets("Chain INPUT (policy ACCEPT)"), None);
    }
}
