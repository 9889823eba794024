//! `cargo xtask demo`: the lines that cnsenter is for, run as a person would type them, against a real
//! nginx in a real container, with their real output. What it made is gone afterwards, on Ctrl-C too.

use std::io::{IsTerminal, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use testbed::{Container, LABEL, engine, guard, image, pty};

use crate::{binary, interrupt};

/// Shows both lines, and fails unless they showed the traffic that there was.
pub(crate) fn run() -> Result<()> {
    interrupt::watch()?;
    crate::engine::up()?;
    tell("building cnsenter, a static release binary");
    let binary = binary::build()?;

    let name = free_name()?;
    let nginx = Container::run(image::nginx()?, &["--name", &name], &[])?;
    nginx.wait_for_port(80)?;
    let address = format!("{}:80", nginx.ip()?);
    tell(&format!("a container named {name} runs nginx, and http://{address}/ gets requests from now on"));
    let requests = Requests::start(address);

    let shell = Shell { folder: binary.path.parent().context("the binary is in no folder")? };
    tell("the host's tcpdump, in the container's network:");
    // -n: tcpdump's own questions for names would be traffic of this network too. -c: a new interface begins
    // with some packets of its own, and two exchanges come to about twenty.
    let traffic = shell.type_line(&format!("cnsenter --net {name} -- tcpdump -i eth0 -n -c 20"))?;
    let seen = traffic.lines().filter(|line| line.contains("HTTP: GET /")).count();
    if seen == 0 {
        bail!("tcpdump saw none of the requests");
    }

    tell("the host's iptables, by the container's sandbox file; first a rule that counts, then the table:");
    let id = nginx.short_id();
    shell
        .type_line(&format!("cnsenter --sandbox {id} iptables -t mangle -A PREROUTING -p tcp --dport 80 -j ACCEPT"))?;
    requests.wait_for(3)?;
    let table = shell.type_line(&format!("cnsenter --sandbox {id} iptables -nvL -t mangle"))?;
    let counted = packets(&table).context("iptables did not show the rule")?;
    if counted == 0 {
        bail!("the rule counted none of the requests");
    }

    tell("a program of the container's own, as docker exec runs it: the same rights, in a fraction of the time:");
    let rights = "grep -E 'CapEff|Seccomp:' /proc/self/status";
    let ours = shell.type_line(&format!("cnsenter {name} {rights}"))?;
    let theirs = shell.type_line(&format!("docker exec {name} {rights}"))?;
    if ours != theirs || !ours.contains("Seccomp:\t2") {
        bail!("cnsenter and docker exec run it with other rights");
    }

    let sent = requests.stop();
    drop(nginx);
    let done = format!("{sent} requests were sent: tcpdump showed {seen} of them, iptables counted {counted} packets");
    tell(&format!("{done}; the container is removed, the host as it was"));
    Ok(())
}

/// `nginx`, unless somebody has a container of that name: theirs is not touched.
fn free_name() -> Result<String> {
    let label = LABEL.split('=').next().unwrap_or(LABEL);
    let format = format!("{{{{index .Config.Labels \"{label}\"}}}}");
    match engine::docker(&["inspect", "--type=container", "--format", &format, "nginx"]) {
        Err(_) => Ok("nginx".to_owned()),
        // What a killed demo left.
        Ok(label) if label == "1" => {
            engine::docker(&["rm", "--force", "--volumes", "nginx"])?;
            Ok("nginx".to_owned())
        }
        Ok(_) => {
            let name = guard::unique_name();
            tell(&format!("a container named nginx is here already and stays untouched; the demo's is {name}"));
            Ok(name)
        }
    }
}

/// A person at a terminal, whose PATH has cnsenter.
struct Shell<'a> {
    folder: &'a Path,
}

impl Shell<'_> {
    /// Types a command line, shows what the terminal shows, and returns it. The command has to succeed.
    fn type_line(&self, line: &str) -> Result<String> {
        println!("\n{}", paint("1", &format!("# {line}")));
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("sh");
        command.args(["-c", line]).env("PATH", format!("{}:{path}", self.folder.display()));
        let session = pty::Session::spawn(&mut command)?;
        let ended = session.finish_within(Duration::from_secs(60));
        interrupt::check()?;
        let (code, shown) = ended?;
        let shown = shown.replace('\r', "");
        print!("{shown}");
        if code != 0 {
            bail!("this line failed with status {code}: {line}");
        }
        Ok(shown)
    }
}

/// Requests to a web server, a few each second, until stopped or dropped.
struct Requests {
    stop: Option<mpsc::Sender<()>>,
    sent: mpsc::Receiver<()>,
    thread: Option<JoinHandle<u32>>,
}

impl Requests {
    fn start(address: String) -> Requests {
        let (stop, stopped) = mpsc::channel();
        let (tell_sent, sent) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let mut count = 0;
            // The wait for the end is also what spaces the requests.
            while stopped.recv_timeout(Duration::from_millis(150)) == Err(mpsc::RecvTimeoutError::Timeout) {
                if get(&address).is_ok() {
                    count += 1;
                    let _ = tell_sent.send(());
                }
            }
            count
        });
        Requests { stop: Some(stop), sent, thread: Some(thread) }
    }

    /// Waits until this many more were answered.
    fn wait_for(&self, count: usize) -> Result<()> {
        while self.sent.try_recv().is_ok() {}
        for _ in 0..count {
            self.sent.recv_timeout(Duration::from_secs(10)).context("nginx stopped answering")?;
        }
        interrupt::check()
    }

    fn stop(mut self) -> u32 {
        self.stop.take();
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or(0)
    }
}

fn get(address: &str) -> Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    write!(stream, "GET / HTTP/1.1\r\nHost: nginx\r\nUser-Agent: cnsenter-demo\r\nConnection: close\r\n\r\n")?;
    stream.read_to_end(&mut Vec::new())?;
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
