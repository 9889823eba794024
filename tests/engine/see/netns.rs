//! `netns`, beside lsns, ip and docker: by the tests' own namespaces. Swarm's are in `sandbox/swarm.rs`, which has one.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testbed::{Container, Network, Output, engine, fake, image, ns, output, pid, podman, pty, wait};

use super::survey::{Named, holding, sleeper, unshared};
use crate::run::{OWN, cnsenter, copy_for_everybody, on_default_engine, run, stdout};

/// All namespaces, by `--json`.
fn all(words: &[&str]) -> Result<Vec<Value>> {
    let output = run([&["netns", "--json"], words].concat())?;
    rows(&output)
}

fn rows(output: &Output) -> Result<Vec<Value>> {
    anyhow::ensure!(output.success(), "{output:?}");
    Ok(serde_json::from_str(&output.stdout)?)
}

fn row_of(rows: &[Value], inode: u64) -> Result<&Value> {
    rows.iter().find(|row| row["inode"] == inode).with_context(|| format!("no row of {inode}: {rows:?}"))
}

fn net(pid: u32) -> Result<u64> {
    ns::inode(pid, "net")
}

fn names(row: &Value) -> BTreeSet<&str> {
    row["containers"].as_array().into_iter().flatten().filter_map(|container| container["name"].as_str()).collect()
}

/// The addresses in a network, each with the length of its prefix.
fn addresses(row: &Value) -> BTreeSet<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let of_interface = |interface: &Value| {
        let (addresses, prefixes) = (list(&interface["addresses"]), list(&interface["prefixes"]));
        let pairs = addresses.into_iter().zip(prefixes);
        pairs.map(|(address, prefix)| format!("{}/{prefix}", address.as_str().unwrap_or_default())).collect::<Vec<_>>()
    };
    list(&row["interfaces"]).iter().flat_map(of_interface).collect()
}

#[test]
fn containers_own_their_networks() -> Result<()> {
    let network = Network::create(&[])?;
    let bridge = sleeper(&[])?;
    let user = sleeper(&["--network", network.name()])?;
    let guest = sleeper(&["--network", &format!("container:{}", bridge.name())])?;
    let none = sleeper(&["--network", "none"])?;
    let host = sleeper(&["--network", "host"])?;
    let of_podman = podman::Container::run(&[], &["sleep", "1000"])?;
    // Which of these came first, its records do not say: the kernel does.
    let with_it =
        podman::Container::run(&["--network", &format!("container:{}", of_podman.name())], &["sleep", "1000"])?;
    let rows = all(&[])?;
    // It gives up where a process ends meanwhile.
    let lsns = || stdout("lsns", &["-t", "net", "-J"]).ok();
    let by_lsns: Value = serde_json::from_str(&wait::until(Duration::from_secs(10), "lsns to come through", lsns)?)?;
    let by_lsns = by_lsns["namespaces"].as_array().context("no rows")?;
    for (container, sharing) in [(&bridge, vec![&guest]), (&user, vec![]), (&none, vec![])] {
        let inode = container.netns()?;
        let row = row_of(&rows, inode)?;
        let all = std::iter::once(container).chain(sharing.iter().copied());
        let owner = all.clone().map(|container| format!("docker://{}", container.name())).collect::<Vec<_>>();
        assert_eq!((row["kind"].as_str(), row["owner"].as_str()), (Some("container"), Some(owner.join(", ").as_str())));
        assert_eq!(names(row), all.map(Container::name).collect());
        let theirs = by_lsns.iter().find(|row| row["ns"] == inode).context("lsns has no such row")?;
        let files = theirs["nsfs"].as_str().into_iter().flat_map(str::lines).collect::<Vec<_>>();
        assert_eq!(row["files"], json!(files));
        assert_eq!(json!(row["processes"].as_array().map(Vec::len)), theirs["nprocs"]);
        let key = container.sandbox_key()?;
        assert_eq!(files, [key.strip_prefix("/var").unwrap_or(&key)]);
        let all = addresses(row);
        let on_its_network = all.iter().filter(|address| !address.starts_with("127.") && !address.contains(':'));
        let format =
            "{{range .NetworkSettings.Networks}}{{if .IPAddress}}{{.IPAddress}}/{{.IPPrefixLen}}{{end}}{{end}}";
        assert_eq!(on_its_network.cloned().collect::<String>(), container.inspect(format)?);
        assert_eq!(row["unseen"], Value::Null);
    }
    let row = row_of(&rows, ns::own("net")?)?;
    assert_eq!((&row["kind"], row), (&json!("host"), &rows[0]));
    assert!(
        row["owner"].as_str().is_some_and(|owner| owner.starts_with("the host, ")) && names(row).contains(host.name())
    );
    let row = row_of(&rows, net(of_podman.pid()?)?)?;
    assert_eq!(row["owner"], format!("podman://{}, podman://{}", of_podman.name(), with_it.name()));
    Ok(())
}

#[test]
fn what_is_no_containers_is_told_by_what_keeps_it() -> Result<()> {
    let named = Named::add()?;
    let process = unshared()?;
    let inside = Container::run(
        image::busybox()?,
        &["--cap-add", "SYS_ADMIN"],
        &["sh", "-c", "unshare -n sleep 1001 & exec sleep 1000"],
    )?;
    let outer = inside.netns()?;
    let nested = || {
        let child = stdout("pgrep", &["-P", &inside.pid().ok()?.to_string(), "-x", "sleep"]).ok()?.parse().ok()?;
        net(child).ok().filter(|inner| *inner != outer).map(|_| child)
    };
    let nested: u32 = wait::until(Duration::from_secs(10), "a network in a container", nested)?;
    let rows = all(&[])?;
    let row = row_of(&rows, ns::inode_of_file(&named.path().to_string_lossy())?)?;
    assert_eq!((&row["kind"], &row["owner"]), (&json!("ip-netns"), &json!(format!("ip netns {}", named.0))));
    assert_eq!((&row["files"], &row["processes"]), (&json!([named.path()]), &json!([])));
    assert!(stdout("ip", &["netns", "list"])?.lines().any(|line| line.split(' ').next() == Some(&named.0)));
    let row = row_of(&rows, net(process.pid())?)?;
    let owner = json!(format!("process sleep ({})", process.pid()));
    assert_eq!((&row["kind"], &row["owner"], &row["processes"]), (&json!("process"), &owner, &json!([process.pid()])));
    let row = row_of(&rows, net(nested)?)?;
    let owner = format!("process sleep ({nested}) in docker://{}", inside.name());
    assert_eq!((&row["kind"], &row["owner"], &row["containers"]), (&json!("process"), &json!(owner), &json!([])));
    Ok(())
}

/// In mounts of their own, a container and an ordinary user call a file as they like: it speaks for nobody.
#[test]
fn a_name_that_somebody_else_gave_makes_no_owner() -> Result<()> {
    let victim = sleeper(&[])?;
    let key = victim.sandbox_key()?.replace("/var/run/", "/run/");
    let files = [key.as_str(), "/run/docker/netns/ingress_sbox", "/run/netns/blue"];
    let script =
        "for file; do mkdir -p ${file%/*}; : >$file; mount --bind /proc/self/ns/net $file; done; exec sleep 1001";
    let inside = "unshare -n sh -ec \"$@\" & exec sleep 1000";
    let program = [&["sh", "-c", inside, "sh", script, "sh"], &files[..]].concat();
    let container = Container::run(image::busybox()?, &["--cap-add", "SYS_ADMIN"], &program)?;
    let of_user = format!("mount -t tmpfs none /run; {script}");
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "unshare", "--user", "--map-root-user"]);
    let user = pid::Process::spawn(command.args(["--mount", "--net", "sh", "-ec", &of_user, "sh"]).args(files))?;
    let child = || stdout("pgrep", &["-P", &container.pid().ok()?.to_string(), "-x", "sleep"]).ok()?.parse().ok();
    let child: u32 = wait::until(Duration::from_secs(10), "a network in a container", child)?;
    wait::until(Duration::from_secs(10), "a user's network", || {
        std::fs::read_to_string(format!("/proc/{}/comm", user.pid())).ok().filter(|name| name == "sleep\n")
    })?;
    let rows = all(&[])?;
    for (pid, of) in [(child, format!(" in docker://{}", container.name())), (user.pid(), String::new())] {
        let row = row_of(&rows, net(pid)?)?;
        assert_eq!(row["files"].as_array().map(Vec::len), Some(files.len()), "{row}");
        let owner = format!("process sleep ({pid}){of}");
        assert_eq!((&row["kind"], &row["owner"]), (&json!("process"), &json!(owner)), "{row}");
    }
    assert_eq!(names(row_of(&rows, victim.netns()?)?), BTreeSet::from([victim.name()]));
    Ok(())
}

/// Somebody else's mounts: below one that its server does not answer for, and without end.
#[test]
fn mounts_of_others_keep_nobody_waiting() -> Result<()> {
    let folder = testbed::Scratch::new()?;
    let script = "cd $1; for i in $(seq 100); do : >$i; mount --bind /proc/self/ns/net $i; done; mkdir d; : >d/own; : >d/kept
        mount --bind /proc/self/ns/net d/own; unshare --net=d/kept true; stat -c %i d/kept >made
        exec 3<>/dev/fuse; mount -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 none d; mv made done; exec sleep 1000";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--net", "--propagation", "private", "sh", "-euc", script, "sh"]).arg(folder.path());
    let server = pid::Process::spawn(&mut command)?;
    let done = || std::fs::read_to_string(folder.path().join("done")).ok()?.trim().parse().ok();
    let kept: u64 = wait::until(Duration::from_secs(20), "mounts", done)?;
    let mut command = on_default_engine(Command::new("timeout"));
    command.args(["--signal", "KILL", "10"]).arg(cnsenter([""]).get_program()).args(["netns", "--json"]);
    let output = output::run(&mut command)?;
    let rows = rows(&output)?;
    let row = row_of(&rows, net(server.pid())?)?;
    assert_eq!(row["files"].as_array().map(Vec::len), Some(64), "{row}");
    let row = row_of(&rows, kept)?;
    let path = format!("/proc/{}/root{}/d/kept", server.pid(), folder.path().display());
    assert_eq!((&row["kind"], &row["files"]), (&json!("file"), &json!([path])), "{row}");
    assert!(row["unseen"].as_str().is_some_and(|why| why.ends_with("which may never answer")), "{row}");
    Ok(())
}

#[test]
fn what_a_descriptor_alone_holds_is_marked() -> Result<()> {
    let first = unshared()?;
    let inode = net(first.pid())?;
    let holder = holding(&format!("/proc/{}/ns/net", first.pid()))?;
    drop(first);
    let rows = all(&[])?;
    let row = row_of(&rows, inode)?;
    let owner = format!("held by a descriptor: 9 of sleep ({})", holder.pid());
    assert_eq!((&row["kind"], &row["owner"]), (&json!("descriptor"), &json!(owner)));
    assert_eq!(row["descriptors"], json!([{"pid": holder.pid(), "fd": 9}]));
    assert_eq!(row["interfaces"][0]["name"], "lo");
    Ok(())
}

#[test]
fn the_container_that_holds_a_network_by_a_descriptor_is_named() -> Result<()> {
    let script = "unshare -n sleep 1000 & own=$(readlink /proc/self/ns/net)
        until made=$(readlink /proc/$!/ns/net) && [ $made != $own ]; do :; done
        exec 9</proc/$!/ns/net; kill $!; wait; echo $made; exec sleep 1000";
    let web = Container::run(image::busybox()?, &["--cap-add", "SYS_ADMIN"], &["sh", "-c", script])?;
    let inode = wait::until(Duration::from_secs(20), "a network", || {
        let made = web.docker(&["logs"]).ok()?;
        made.trim().strip_prefix("net:[")?.strip_suffix(']')?.parse().ok()
    })?;
    let comm = format!("/proc/{}/comm", web.pid()?);
    let is_sleep = || std::fs::read_to_string(&comm).ok().filter(|name| name == "sleep\n");
    wait::until(Duration::from_secs(20), "sleep", is_sleep)?;
    let rows = all(&[])?;
    let owner = format!("held by a descriptor: 9 of sleep ({}) in docker://{}", web.pid()?, web.name());
    assert_eq!(row_of(&rows, inode)?["owner"], owner);
    Ok(())
}

/// Runs cnsenter where the engine's netns folder is a private one that a script has filled.
fn in_folder(script: &str, words: &[&str]) -> Result<Output> {
    let mut command = on_default_engine(Command::new("unshare"));
    let script = format!("mount -t tmpfs none /run/docker/netns; cd /run/docker/netns\n{script}\nexec \"$@\"");
    command.args(["--mount", "--propagation", "private", "sh", "-euc", &script, "sh"]);
    output::run(command.arg(cnsenter([""]).get_program()).args(words))
}

/// Makes a network namespace that a file of that name keeps, and nothing else.
const MAKE: &str = "make() { touch -d \"$2\" \"$1\"; unshare --net=\"$1\" true; }\n";

#[test]
fn what_an_engine_left_behind_is_marked() -> Result<()> {
    let script = "
        make 0123456789ab '1 hour ago'
        make 123456789abc now
        make lb_q7zk0abcd '1 hour ago'
        make other '1 hour ago'
        mkdir -p /run/netns
        mount -t tmpfs none /run/netns; cd /run/netns
        make cni-4f0e5a4c-0b0f-4a1e-9d44-0123456789ab '1 hour ago'
        make cni-mine '1 hour ago'
    ";
    let output = in_folder(&[MAKE, script].concat(), &["netns", "--json"])?;
    let rows = rows(&output)?;
    let row = |file: &str| {
        let keeps = |row: &&Value| row["files"] == json!([file]);
        rows.iter().find(keeps).with_context(|| format!("no row of {file}: {output:?}"))
    };
    for (file, kind) in [
        ("/run/docker/netns/0123456789ab", "leaked"),
        // A container's may be on its way.
        ("/run/docker/netns/123456789abc", "file"),
        ("/run/docker/netns/lb_q7zk0abcd", "load-balancer"),
        ("/run/docker/netns/other", "file"),
        ("/run/netns/cni-4f0e5a4c-0b0f-4a1e-9d44-0123456789ab", "leaked"),
        ("/run/netns/cni-mine", "ip-netns"),
    ] {
        let row = row(file)?;
        assert_eq!((&row["kind"], &row["processes"]), (&json!(kind), &json!([])), "{row}");
    }
    assert_eq!(row("/run/docker/netns/0123456789ab")?["owner"], "leaked: no container has it");
    // Whose engine was not asked, its containers are not known.
    let silent = fake::Engine::silent()?;
    let on = format!("unix://{}", silent.socket().display());
    let words = ["-H", &on, "--timeout", "300ms", "netns", "--json"];
    let words = [words[4], words[0], words[1], words[2], words[3], words[5]];
    let output = in_folder(&[MAKE, "make 0123456789ab '1 hour ago'"].concat(), &words)?;
    assert!(
        output.stderr.contains("Docker was not asked: ") && output.stderr.contains("no answer in 0.3 s"),
        "{output:?}"
    );
    let rows = self::rows(&output)?;
    let row = rows.iter().find(|row| row["files"] == json!(["/run/docker/netns/0123456789ab"])).context("no row")?;
    assert_eq!(row["kind"], "file");
    Ok(())
}

#[test]
fn a_network_in_use_is_never_called_leaked() -> Result<()> {
    // An old file that a process is in, as of a container of an engine that is not asked.
    let script = "
        touch -d '1 hour ago' 0123456789ab
        unshare --net=0123456789ab sleep 1000 &
        until nsenter --net=0123456789ab true 2>/dev/null; do :; done
        trap \"kill $!\" EXIT
        \"$@\"
        exit
    ";
    let rows = rows(&in_folder(script, &["netns", "--json"])?)?;
    let row = rows.iter().find(|row| row["files"] == json!(["/run/docker/netns/0123456789ab"])).context("no row")?;
    assert_eq!(row["kind"], "process", "{row}");
    Ok(())
}

#[test]
fn the_table_fits_its_terminal_and_obeys_nobody() -> Result<()> {
    let web = sleeper(&[])?;
    let folder = testbed::Scratch::new()?;
    let program = folder.path().join("a\x1b[2J\nb");
    std::fs::copy("/bin/sleep", &program)?;
    let process = pid::Process::spawn(Command::new("unshare").arg("--net").arg(&program).arg("1000"))?;
    wait::until(Duration::from_secs(10), "a new name", || {
        std::fs::read_to_string(format!("/proc/{}/comm", process.pid())).ok().filter(|name| name.starts_with('a'))
    })?;
    let whole = run(["netns"])?;
    assert!(whole.success(), "{whole:?}");
    let of = |text: &str, inode: u64| text.lines().find(|line| line.starts_with(&inode.to_string())).map(str::to_owned);
    let line = of(&whole.stdout, web.netns()?).context("no line")?;
    let words: Vec<_> = line.split_whitespace().collect();
    let key = web.sandbox_key()?;
    let file = key.strip_prefix("/var").unwrap_or(&key);
    assert_eq!(words[1..], [&format!("docker://{}", web.name()), "1", &web.ip()?, file]);
    let line = of(&whole.stdout, net(process.pid())?).context("no line")?;
    assert!(line.contains(&format!("process a\\u{{1b}}[2J\\nb ({})", process.pid())), "{line}");

    let mut command = on_default_engine(Command::new("sh"));
    // What it has to say of others that end meanwhile is no part of the table.
    command.args(["-c", "stty cols 80; exec \"$@\" 2>/dev/null", "sh"]).arg(cnsenter([""]).get_program()).arg("netns");
    let (status, text) = pty::Session::spawn(command.env("NO_COLOR", "1"))?.finish()?;
    assert_eq!(status, 0, "{text}");
    let longest = text.lines().map(|line| line.trim_end().chars().count()).max().unwrap_or(0);
    assert!(longest > 60 && longest <= 80, "{longest}\n{text}");
    assert!(of(&text, web.netns()?).is_some(), "{text}");
    Ok(())
}

#[test]
fn who_may_not_look_is_told_what_is_missing() -> Result<()> {
    let web = sleeper(&[])?;
    let (_folder, copy) = copy_for_everybody()?;
    let mut command = on_default_engine(Command::new("setpriv"));
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&copy).args(["netns", "--json"]);
    let output = output::run(&mut command)?;
    let rows = rows(&output)?;
    // Its own is there to be seen by anybody.
    let own = row_of(&rows, ns::own("net")?)?;
    assert!(own["interfaces"].as_array().is_some_and(|all| all.iter().any(|interface| interface["name"] == "lo")));
    let row = row_of(&rows, web.netns()?)?;
    assert_eq!((&row["kind"], &row["interfaces"]), (&json!("file"), &Value::Null));
    let why = "cannot look into the network /run/docker/netns/";
    assert!(row["unseen"].as_str().is_some_and(|unseen| unseen.starts_with(why)), "{row}");
    for said in [
        "Docker was not asked: ",
        " processes are not ours to look at: networks that they alone are in",
        "cannot look into ",
    ] {
        assert!(output.stderr.contains(said), "{said}: {output:?}");
    }
    // Nobody that can be seen is not nobody.
    let mut command = on_default_engine(Command::new("setpriv"));
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(copy).arg("netns");
    let table = output::stdout(&mut command)?;
    let inode = web.netns()?.to_string();
    let row = table.lines().find(|line| line.starts_with(&inode)).context("no row")?;
    assert!(row.contains(" kept by a file ") && row.contains("  0+ "), "{table}");
    Ok(())
}

#[test]
fn a_user_namespace_of_ones_own_is_no_way_there_and_not_back() -> Result<()> {
    let mut command = on_default_engine(Command::new("unshare"));
    command.args(["--user", "--map-root-user", "sh", "-c"]);
    // There it may join the new network, and never return to its own.
    let script = "unshare --net sleep 1000 & trap \"kill $!\" EXIT
        until [ \"$(readlink /proc/$!/ns/net)\" != \"$(readlink /proc/self/ns/net)\" ]; do :; done
        nsenter --net=/proc/$!/ns/net true || exit 9; stat -Lc %i /proc/$!/ns/net; \"$@\"";
    let output =
        output::run(command.arg(script).arg("sh").arg(cnsenter([""]).get_program()).args(["netns", "--json"]))?;
    let (inode, document) = output.stdout.split_once('\n').with_context(|| format!("{output:?}"))?;
    let rows: Vec<Value> = serde_json::from_str(document).with_context(|| format!("{output:?}"))?;
    let row = row_of(&rows, inode.parse()?)?;
    assert_eq!((&row["kind"], &row["interfaces"]), (&json!("process"), &Value::Null));
    assert!(row["unseen"].as_str().is_some_and(|unseen| unseen.ends_with("operation not permitted")), "{row}");
    Ok(())
}

#[test]
fn an_engine_that_hangs_keeps_nobody_from_the_rest() -> Result<()> {
    let (web, named) = (sleeper(&[])?, Named::add()?);
    let silent = fake::Engine::silent()?;
    let on = format!("unix://{}", silent.socket().display());
    let output = run(["netns", "-H", &on, "--timeout", "300ms", "--json"])?;
    assert!(output.stderr.contains("no answer in 0.3 s"), "{output:?}");
    let rows = rows(&output)?;
    assert_eq!(row_of(&rows, web.netns()?)?["kind"], "process");
    assert_eq!(row_of(&rows, ns::inode_of_file(&named.path().to_string_lossy())?)?["kind"], "ip-netns");
    // What is wrong with the line is wrong here, too.
    let output = run(["netns", "-H", "tcp://192.0.2.1:2375"])?;
    assert_eq!((output.code, output.stdout.as_str()), (Some(OWN), ""), "{output:?}");
    Ok(())
}

/// Demands that the files of a swarm are told for what they are. `folder` is the engine's as seen from here.
pub(crate) fn check_swarm(newest: &engine::Newest, folder: &str, files: &[String]) -> Result<()> {
    let on = format!("unix://{}", newest.socket());
    let rows = all(&["-H", &on])?;
    let networks = newest.docker(&["network", "ls", "--no-trunc", "--format", "{{.ID}} {{.Name}}"])?;
    let task = newest.docker(&["ps", "--format", "{{.Names}}"])?;
    for name in files {
        let path = format!("{folder}/{name}");
        let row = row_of(&rows, ns::inode_of_file(&path)?)?;
        assert_eq!(row["files"], json!([path]), "{row}");
        let id = name.split_once(['-', '_']).map(|(_, id)| id).unwrap_or_default();
        let network = networks.lines().filter_map(|line| line.split_once(' ')).find(|(full, _)| full.starts_with(id));
        let (kind, owner) = match name.as_str() {
            "ingress_sbox" => ("ingress", "swarm ingress".to_owned()),
            _ if name.starts_with("lb_") => {
                ("load-balancer", format!("overlay {} (load balancer)", network.context("unknown")?.1))
            }
            _ if name.starts_with("1-") => ("overlay", format!("overlay {}", network.context("unknown")?.1)),
            _ => ("container", format!("docker://{task}")),
        };
        assert_eq!((&row["kind"], &row["owner"]), (&json!(kind), &json!(owner)), "{row}");
        if matches!(kind, "overlay" | "load-balancer") {
            let (id, name) = network.context("unknown")?;
            assert_eq!(row["network"], json!({"id": id, "name": name}));
        }
    }
    assert!(Path::new(folder).exists());
    Ok(())
}
