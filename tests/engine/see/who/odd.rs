//! What is no container's first process: the host's own processes, threads, the dead, liars; and words that fit several
//! things, or none.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use testbed::{Container, containerd, guard, image, ns, output, pid, wait};

use super::{owners, rows, who};
use crate::run::{OWN, cnsenter, with_input};

const NOT_FOUND: Option<i32> = Some(1);

fn sleeping() -> Result<Container> {
    Container::run(image::busybox()?, &["--network", "none"], &["sleep", "100000"])
}

/// Whose one word is.
fn owner(word: impl ToString) -> Result<String> {
    let all = owners(&word.to_string())?;
    let mut all = all.into_iter();
    let first = all.next().context("nobody's")?;
    assert_eq!(all.next(), None, "{}", word.to_string());
    Ok(first)
}

#[test]
fn processes_of_the_host_are_named_with_their_pid() -> Result<()> {
    let sleep = pid::Process::spawn(Command::new("sleep").arg("1000"))?;
    let pid = sleep.pid();
    assert_eq!(owner(pid)?, format!("host process sleep (pid {pid})"));
    let first = std::fs::read_to_string("/proc/1/comm")?;
    assert_eq!(owner(1)?, format!("host process {} (pid 1)", first.trim_end()));
    // In a network of its own.
    let apart = pid::Process::spawn(Command::new("unshare").args(["--net", "sleep", "1000"]))?;
    let pid = apart.pid();
    let inode = wait::until(std::time::Duration::from_secs(10), "a network", || {
        ns::inode(pid, "net").ok().filter(|inode| ns::own("net").is_ok_and(|own| own != *inode))
    })?;
    wait::until(std::time::Duration::from_secs(10), "sleep", || {
        std::fs::read_to_string(format!("/proc/{pid}/comm")).ok().filter(|name| name == "sleep\n")
    })?;
    for word in [pid.to_string(), inode.to_string(), ns::link("net", inode), format!("/proc/{pid}/ns/net")] {
        assert_eq!(owner(&word)?, format!("host process sleep (pid {pid})"), "{word}");
    }
    Ok(())
}

#[test]
fn the_hosts_own_namespaces_are_the_hosts_and_of_those_that_share_them() -> Result<()> {
    let web = Container::run(image::busybox()?, &["--network", "host"], &["sleep", "100000"])?;
    let name = format!("docker://{}", web.name());
    let words =
        ["net", "user"].map(|kind| Ok::<_, anyhow::Error>((kind, ns::link(kind, ns::inode(web.pid()?, kind)?))));
    for word in words {
        let (kind, word) = word?;
        let rows = rows(&who(&[&word])?)?;
        assert_eq!((rows[0].1.as_str(), rows[0].2.clone()), ("host", format!("its own {kind} namespace")));
        assert!(
            rows.iter().any(|(_, owner, how)| *owner == name && *how == format!("has the host's {kind} namespace"))
        );
    }
    // And what is its own, is.
    assert_eq!(owner(ns::link("mnt", ns::inode(web.pid()?, "mnt")?))?, name);
    assert_eq!(owner(web.pid()?)?, name);
    Ok(())
}

#[test]
fn a_thread_is_its_processs() -> Result<()> {
    let program = ["nginx", "-g", "daemon off; thread_pool some threads=2;"];
    let web = Container::run(image::nginx()?, &["--network", "none"], &program)?;
    let thread = wait::until(std::time::Duration::from_secs(10), "a thread", || {
        let workers = output::stdout(Command::new("pgrep").args(["-P", &web.pid().ok()?.to_string()])).ok()?;
        workers.split_whitespace().find_map(|worker| {
            let threads = std::fs::read_dir(format!("/proc/{worker}/task")).ok()?.flatten();
            let names = threads.filter_map(|thread| thread.file_name().into_string().ok());
            names.filter(|thread| thread != worker).min().map(|thread| (worker.to_owned(), thread))
        })
    })?;
    let rows = rows(&who(&[&thread.1])?)?;
    let how = format!("thread of nginx (pid {}), in its cgroup", thread.0);
    assert_eq!(rows, [(thread.1, format!("docker://{}", web.name()), how)]);
    // One of this test's own, which runs in one.
    let own = rustix::thread::gettid().as_raw_nonzero().to_string();
    assert_ne!(own, std::process::id().to_string());
    let said = owner(own)?;
    assert!(said.starts_with("host process ") && said.ends_with(&format!(" (pid {})", std::process::id())), "{said}");
    Ok(())
}

#[test]
fn what_another_program_started_inside_is_the_containers() -> Result<()> {
    let web = sleeping()?;
    web.exec(&["--detach"], &["sleep", "4711"])?;
    let pid = wait::until(std::time::Duration::from_secs(10), "the program", || {
        let cgroup = |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let all = output::stdout(Command::new("pgrep").args(["-fx", "sleep 4711"])).ok()?;
        all.split_whitespace().find(|pid| cgroup(pid).contains(web.id())).map(str::to_owned)
    })?;
    assert_eq!(owner(pid)?, format!("docker://{}", web.name()));
    // A program of the host's that went there is found as such.
    let target = web.pid()?.to_string();
    let mut visitor = Command::new("nsenter");
    let mut visitor =
        pid::Process::spawn(visitor.args(["--net", "-t", &target, "cat"]).stdin(std::process::Stdio::piped()))?;
    let pid = visitor.pid();
    let inside = wait::until(std::time::Duration::from_secs(10), "nsenter", || {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        let ended = visitor.child().try_wait().ok()?.is_some();
        (ended || name == "cat\n").then_some(!ended)
    })?;
    if inside {
        let rows = rows(&who(&[pid.to_string()])?)?;
        assert_eq!(rows[0].1, format!("docker://{}", web.name()), "{rows:?}");
        assert!(rows[0].2.contains("in its net namespace"), "{rows:?}");
    }
    Ok(())
}

#[test]
fn a_process_of_a_container_that_calls_itself_dockerd_is_the_containers() -> Result<()> {
    let script = "printf dockerd >/proc/$$/comm; while :; do sleep 1000; done";
    let liar = Container::run(image::busybox()?, &["--network", "host", "--pid", "host"], &["sh", "-c", script])?;
    let pid = liar.pid()?;
    wait::until(std::time::Duration::from_secs(10), "the lie", || {
        std::fs::read_to_string(format!("/proc/{pid}/comm")).ok().filter(|name| name == "dockerd\n")
    })?;
    assert_eq!(owner(pid)?, format!("docker://{}", liar.name()));
    Ok(())
}

/// Each cgroup of a container, in every hierarchy that is mounted.
fn cgroups(id: &str) -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = std::fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    let all = hierarchies.chain([root.to_owned()]).flat_map(|mount| {
        let unit = format!("docker-{id}.scope");
        [mount.join("docker").join(id), mount.join("system.slice").join(unit)]
    });
    let mut all: Vec<_> = all.filter(|folder| folder.join("cgroup.procs").exists()).collect();
    // cpu,cpuacct has links by either name.
    all.retain(|folder| folder.canonicalize().is_ok_and(|path| path == *folder));
    all
}

/// A cgroup made below another one for a process, which is moved back when this is dropped.
struct Below {
    folder: PathBuf,
    pid: String,
}

impl Below {
    fn put(above: &Path, name: &str, pid: u32) -> Result<Below> {
        let folder = above.join(name);
        std::fs::create_dir(&folder)?;
        let below = Below { folder, pid: pid.to_string() };
        // Of version 1, it takes nobody before it has these.
        for file in ["cpuset.cpus", "cpuset.mems"] {
            if let (true, Ok(value)) = (below.folder.join(file).exists(), std::fs::read(above.join(file))) {
                std::fs::write(below.folder.join(file), value)?;
            }
        }
        std::fs::write(below.folder.join("cgroup.procs"), &below.pid)?;
        Ok(below)
    }
}

impl Drop for Below {
    fn drop(&mut self) {
        let above = self.folder.parent().unwrap_or(&self.folder);
        let _ = std::fs::write(above.join("cgroup.procs"), &self.pid);
        let _ = std::fs::remove_dir(&self.folder);
    }
}

#[test]
fn a_container_within_a_container_is_the_outer_ones() -> Result<()> {
    let (web, other) = (sleeping()?, sleeping()?);
    // What an engine inside would do, done from outside: a cgroup below, called like a container of the host's.
    let pid = web.pid()?;
    let _below: Vec<_> =
        cgroups(web.id()).iter().map(|above| Below::put(above, other.id(), pid)).collect::<Result<_>>()?;
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
    let inside = text.lines().filter(|line| line.contains(web.id()));
    assert!(inside.clone().count() > 0 && inside.clone().all(|line| line.contains(other.id())), "{text}");
    assert_eq!(owner(pid)?, format!("docker://{}", web.name()));
    Ok(())
}

#[test]
fn what_is_not_there_is_said_and_the_rest_is_answered() -> Result<()> {
    let web = sleeping()?;
    let mut dead = Command::new("true").spawn()?;
    let dead_pid = dead.id().to_string();
    dead.wait()?;
    let absent = guard::unique_name();
    let output = who(&[dead_pid.as_str(), web.name(), "net:[7]", &absent, "/docker/no/such", web.short_id()])?;
    assert_eq!(output.code, NOT_FOUND, "{output:?}");
    let owners: Vec<_> = rows(&output)?.into_iter().map(|(what, owner, _)| (what, owner)).collect();
    let name = format!("docker://{}", web.name());
    assert_eq!(owners, [(web.name().to_owned(), name.clone()), (web.short_id().to_owned(), name)]);
    let messages: Vec<_> = output.stderr.lines().filter(|line| line.starts_with("cnsenter: ")).collect();
    let expected = [
        format!("cnsenter: no process and no thread has the number {dead_pid}"),
        "cnsenter: no process is in the namespace net:[7]".to_owned(),
        format!("cnsenter: {absent} is nobody's on this host"),
        "cnsenter: /docker/no/such is no container's".to_owned(),
    ];
    assert_eq!(messages, expected, "{output:?}");
    assert_eq!(output.stderr.lines().filter(|line| line.starts_with("hint: ")).count(), 4, "{output:?}");
    Ok(())
}

#[test]
fn a_beginning_that_several_ids_have_lists_them_all() -> Result<()> {
    let begin = format!("{:0>20}", format!("{:x}e1", std::process::id()));
    let ids = ["a", "b"].map(|end| format!("fe{}{end:0>42}", &begin));
    let run = |id: &String| containerd::Container::run_as(containerd::NAMESPACE, id, &[], &["sleep", "1000"]);
    let _both = [run(&ids[0])?, run(&ids[1])?];
    let expected: Vec<_> = ids.iter().map(|id| format!("containerd://{}/{id}", containerd::NAMESPACE)).collect();
    let said = owners(&ids[0][..22])?;
    assert_eq!(said.into_iter().collect::<Vec<_>>(), expected);
    Ok(())
}

#[test]
fn words_come_from_standard_input_too() -> Result<()> {
    let web = sleeping()?;
    let name = format!("docker://{}", web.name());
    let input = format!("{}\n\n  {} {}\n", web.name(), web.short_id(), web.pid()?);
    let output = with_input(&mut cnsenter(["who", web.id(), "-"]), input.as_bytes())?;
    assert!(output.success(), "{output:?}");
    let rows = rows(&output)?;
    assert_eq!(rows.len(), 4, "{output:?}");
    assert!(rows.iter().all(|(_, owner, _)| *owner == name), "{output:?}");
    let endless = vec![b'a'; (1 << 20) + 1];
    let output = with_input(&mut cnsenter(["who", "-"]), &endless)?;
    assert_eq!((output.code, output.stdout.as_str()), (Some(OWN), ""), "{}", output.stderr);
    assert_eq!(output.stderr, "cnsenter: standard input is longer than 1024 KiB\n");
    for words in [&["who"][..], &["who", "--nonsense", "x"]] {
        let output = crate::run::run(words)?;
        assert_eq!((output.code, output.stdout.as_str()), (Some(OWN), ""), "{output:?}");
    }
    Ok(())
}
