//! Containers that lie: nothing of the host's is shown, nothing hangs, and no terminal obeys what they say.

use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testbed::{Container, engine, fake, image, output, pid, wait};

use super::{inspect, sleeper};
use crate::run::{on_default_engine, quiet, run, stdout};

#[test]
fn a_resolv_conf_leads_nowhere() -> Result<()> {
    let secret = std::fs::read_to_string("/etc/shadow")?;
    let free =
        ["--cap-add", "SYS_ADMIN", "--security-opt", "apparmor=unconfined", "--security-opt", "seccomp=unconfined"];
    for (trap, said) in [
        ("ln -s /etc/shadow /etc/resolv.conf", None),
        ("ln -s ../../../../../../etc/shadow /etc/resolv.conf", None),
        ("ln -s /proc/1/root/etc/shadow /etc/resolv.conf", Some("cannot be read")),
        ("ln -s resolv.conf /etc/resolv.conf", Some("cannot be read")),
        ("mkfifo /etc/resolv.conf", Some("is no file")),
        ("mknod /etc/resolv.conf c 1 5", Some("is no file")),
        ("mkdir /etc/resolv.conf", Some("is no file")),
        // Whoever reads it takes the kernel's messages from those who collect them.
        ("ln -s /proc/kmsg /etc/resolv.conf", Some("is no file")),
        ("truncate -s 1G /etc/resolv.conf", Some("is too large to be one")),
        ("rm -rf /etc", None),
    ] {
        let web = sleeper(&free)?;
        let script = format!("umount /etc/resolv.conf /etc/hosts /etc/hostname; rm -f /etc/resolv.conf; {trap}");
        web.exec(&[], &["sh", "-c", &script])?;
        let shown = inspect(web.name())?;
        let why = shown["unseen"]["dns"].as_str();
        ensure!(why.is_some() == said.is_some(), "{trap}: {shown:#}");
        ensure!(said.is_none_or(|said| why.is_some_and(|why| why.contains(said))), "{trap}: {why:?}");
        let output = run(["inspect", web.name()])?;
        ensure!(output.success(), "{trap}: {output:?}");
        let text = format!("{shown:#}{output:?}");
        ensure!(!secret.lines().any(|line| text.contains(line)), "{trap}: {text}");
    }
    Ok(())
}

#[test]
fn a_file_system_that_never_answers_is_not_waited_for() -> Result<()> {
    let web = sleeper(&[])?;
    let pid = web.pid()?.to_string();
    let script = "exec 3<>/dev/fuse; exec nsenter -t \"$1\" -m sh -euc \"$2\"";
    let inside = "mount -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 none /etc; exec sleep 1000";
    let _server = pid::Process::spawn(Command::new("sh").args(["-euc", script, "sh", &pid, inside]))?;
    let mounted = || std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).ok()?.contains(" - fuse ").then_some(());
    wait::until(Duration::from_secs(15), "a mount", mounted)?;
    let mut command = on_default_engine(Command::new("timeout"));
    let program = crate::run::cnsenter([""]).get_program().to_owned();
    let output = output::run(command.args(["--signal", "KILL", "10"]).arg(program).args(["inspect", web.name()]))?;
    ensure!(output.success(), "{output:?}");
    for said in
        ["\ndns        its /etc/resolv.conf cannot be read: timed out\n", "\nuser       0, group 0\n", "\nroot "]
    {
        ensure!(output.stdout.contains(said), "{said}: {output:?}");
    }
    Ok(())
}

#[test]
fn what_a_container_says_at_length_is_cut_on_the_screen() -> Result<()> {
    let web = sleeper(&["--cap-add", "NET_ADMIN"])?;
    let script =
        "ip addr add 10.98.7.6/32 dev lo; printf 'nameserver %0100000d\nsearch %0100000d\n' 1 2 >/etc/resolv.conf";
    web.exec(&[], &["sh", "-c", script])?;
    let text = quiet(["inspect", web.name()])?;
    ensure!(text.len() < 10_000 && text.contains("000...; search 000"), "{text}");
    // An address that somebody else may have as well.
    ensure!(text.contains("\nnetwork    lo up 127.0.0.1/8 10.98.7.6/32 "), "{text}");
    Ok(())
}

#[test]
fn what_a_container_calls_itself_is_not_obeyed() -> Result<()> {
    const EVIL: &str = "\x1b[2J\x1b]0;evil\x07";
    let label = format!("evil={EVIL}");
    let folder = testbed::Scratch::new()?;
    let bound = folder.path().join(EVIL);
    std::fs::create_dir(&bound)?;
    let volume = format!("{}:/{EVIL}", bound.display());
    let script = "S=printf '\\033[2J' > /proc/$$/comm; printf 'search \\033[2J\\nnameserver \\033c\\n' > /etc/resolv.conf; \
        touch /done; sleep 1000; :";
    let options = ["--label", &label, "-e", script, "-v", &volume];
    let web = Container::run(image::busybox()?, &options, &["sh", "-c", "eval \"$S\"", EVIL])?;
    let pid = web.pid()?.to_string();
    let done = || web.exec(&[], &["test", "-e", "/done"]).ok();
    wait::until(Duration::from_secs(15), "all that it does", done)?;
    let add = ["-t", &pid, "-n", "ip", "link", "add", "\x1b[2J", "type", "veth", "peer", "name", "\u{202e}b"];
    stdout("nsenter", &add)?;
    let obeyed = |text: &str| text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}');
    let text = quiet(["inspect", web.name()])?;
    ensure!(!obeyed(&text), "{text:?}");
    for escaped in
        ["\\u{1b}[2J down", "\\u{1b}c", "search \\u{1b}[2J", "sh -c eval \"$S\" \\u{1b}[2J", "\\u{202e}b down"]
    {
        ensure!(text.contains(escaped), "{escaped}: {text}");
    }
    let json = output::stdout(&mut crate::run::cnsenter(["inspect", "--json", web.name()]))?;
    ensure!(!json.contains('\x1b'), "{json}");
    let shown = inspect(web.name())?;
    assert_eq!((&shown["process"]["name"], &shown["process"]["command"][3]), (&json!("\x1b[2J"), &json!(EVIL)));
    Ok(())
}

/// Further down than its container's, as systemd is as well.
#[test]
fn what_a_container_uses_is_all_that_is_in_its_cgroup() -> Result<()> {
    let web = sleeper(&["--memory", "256m"])?;
    let pid = web.pid()?.to_string();
    // The whole of the container's, where the process was.
    let script = "line=$(grep -m 1 -E ':memory:|^0::' /proc/$1/cgroup); below=${line#*:*:}
        for top in /sys/fs/cgroup/memory /sys/fs/cgroup; do test ! -d $top$below || break; done
        mkdir $top$below/empty; echo $1 >$top$below/empty/cgroup.procs; echo $below";
    let below = stdout("sh", &["-euc", script, "sh", &pid])?;
    web.exec(&[], &["sh", "-c", "head -c 50000000 /dev/zero >/dev/shm/x"])?;
    let cgroup = &inspect(web.name())?["cgroup"];
    assert_eq!((&cgroup["path"], &cgroup["memory_limit"]), (&json!(below.trim_end()), &json!(256 << 20)));
    ensure!(cgroup["memory"].as_u64().is_some_and(|used| used > 50_000_000), "{cgroup}");
    Ok(())
}

#[test]
fn a_table_of_mounts_without_end_is_cut_on_the_screen() -> Result<()> {
    let free =
        ["--cap-add", "SYS_ADMIN", "--security-opt", "apparmor=unconfined", "--security-opt", "seccomp=unconfined"];
    let web = sleeper(&free)?;
    web.exec(&[], &["sh", "-c", "mkdir /m; for i in $(seq 300); do mount -t tmpfs x /m; done"])?;
    let text = output::stdout(&mut crate::run::cnsenter(["inspect", web.name()]))?;
    ensure!(text.lines().count() <= 40 && text.contains("and 295 more\n"), "{text}");
    let shown = inspect(web.name())?;
    ensure!(shown["mounts"].as_array().is_some_and(|all| all.len() == 300));
    Ok(())
}

#[test]
fn a_pid_that_is_anothers_by_now_is_not_looked_at() -> Result<()> {
    let web = sleeper(&[])?;
    let pid = web.pid()?;
    let impostor = Arc::new(Mutex::new(None));
    let made = Arc::clone(&impostor);
    // It ends after the engine has answered, and its pid is another's before that is heard.
    let proxy = fake::Engine::in_front_of(engine::SOCKET, move |_, answer| {
        let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.is_none() && answer.contains(&format!("\"Pid\":{pid}")) {
            let ended = pid::end(pid);
            *made = Some(ended.and_then(|()| pid::recycle(pid, Command::new("sleep").arg("1000"))));
        }
    })?;
    let on = format!("unix://{}", proxy.socket().display());
    let output = run(["inspect", "-H", &on, web.name()])?;
    let made = impostor.lock().unwrap_or_else(PoisonError::into_inner).take();
    made.context("the engine was not asked")??;
    ensure!(output.success() && output.stdout.contains(&format!("its recorded pid {pid} is gone\n")), "{output:?}");
    for group in ["process", "user", "namespaces", "network", "cgroup", "rights"] {
        ensure!(!output.stdout.contains(&format!("\n{group} ")), "{group}: {output:?}");
    }
    Ok(())
}
