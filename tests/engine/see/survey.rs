//! What `survey` reads of processes and of networks' holders, beside lsns, ps and docker: by the tests' own containers.
//! What is in a network is in `survey/network.rs`, cgroups in `survey/usage.rs`.

mod network;
mod usage;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use serde_json::Value;
use survey::{Depth, Descriptor, Extent, Held, Home, Inode, Kind, Namespaces, Process, networks};
use testbed::{Container, Scratch, guard, image, ns, pid, wait};

use crate::run::stdout;

const LIMIT: Duration = Duration::from_secs(10);

pub(crate) fn sleeper(args: &[&str]) -> Result<Container> {
    Container::run(image::busybox()?, args, &["sleep", "1000"])
}

pub(crate) fn pid_of(container: &Container) -> Result<i32> {
    Ok(container.pid()?.cast_signed())
}

fn net(pid: u32) -> Result<Inode> {
    Ok(Inode(ns::inode(pid, "net")?))
}

fn held(depth: Depth, inode: Inode) -> Result<Held> {
    let found = networks(depth)?.held;
    found.into_iter().find(|held| held.inode == inode).with_context(|| format!("nobody holds {inode:?}"))
}

/// A network namespace that `ip netns` keeps, removed when dropped.
pub(crate) struct Named(pub(crate) String);

impl Named {
    pub(crate) fn add() -> Result<Self> {
        let name = guard::unique_name();
        stdout("ip", &["netns", "add", &name])?;
        Ok(Self(name))
    }

    pub(crate) fn path(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.0)
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        let _ = stdout("ip", &["netns", "delete", &self.0]);
    }
}

/// A process in a new network namespace, once it is there.
pub(crate) fn unshared() -> Result<pid::Process> {
    let process = pid::Process::spawn(Command::new("unshare").args(["--net", "sleep", "1000"]))?;
    let ours = ns::own("net")?;
    wait::until(LIMIT, "a new network", || ns::inode(process.pid(), "net").ok().filter(|net| *net != ours))?;
    Ok(process)
}

/// A process that holds a file open as descriptor 9, and nothing else of it.
pub(crate) fn holding(file: &str) -> Result<pid::Process> {
    let process = pid::Process::spawn(Command::new("sh").args(["-c", "exec 9<\"$1\"; exec sleep 1000", "sh", file]))?;
    let held = format!("/proc/{}/fd/9", process.pid());
    wait::until(LIMIT, "an open descriptor", || std::fs::read_link(&held).ok())?;
    Ok(process)
}

#[test]
fn namespaces_are_those_of_proc() -> Result<()> {
    let web = sleeper(&[])?;
    let found = Namespaces::of_process(pid_of(&web)?)?;
    for kind in Kind::ALL {
        assert_eq!(found.get(kind), ns::inode(web.pid()?, kind.name()).ok().map(Inode), "{kind:?}");
    }
    let on_host = sleeper(&["--network", "host"])?;
    let theirs = Namespaces::of_process(pid_of(&on_host)?)?;
    assert_eq!(theirs.get(Kind::Net), Namespaces::of_host().get(Kind::Net));
    assert_ne!(theirs.get(Kind::Mount), Namespaces::of_host().get(Kind::Mount));
    Ok(())
}

#[test]
fn holders_are_those_of_lsns() -> Result<()> {
    let web = sleeper(&[])?;
    let guest = sleeper(&["--network", &format!("container:{}", web.name())])?;
    let alone = sleeper(&["--network", "none"])?;
    let by_lsns: Value = serde_json::from_str(&stdout("lsns", &["-t", "net", "-J"])?)?;
    let rows = by_lsns["namespaces"].as_array().context("no rows")?;
    for container in [&web, &guest, &alone] {
        let inode = net(container.pid()?)?;
        let row = rows.iter().find(|row| row["ns"] == inode.0).with_context(|| format!("no row of {inode:?}"))?;
        for depth in [Depth::Names, Depth::Everything] {
            let held = held(depth, inode)?;
            assert_eq!(row["nprocs"], held.processes.len(), "{held:?}");
            assert_eq!(row["pid"], held.processes[0]);
            let files = row["nsfs"].as_str().context("no file")?.lines().map(PathBuf::from).collect::<Vec<_>>();
            assert_eq!(files, held.files);
            assert!(held.processes.contains(&pid_of(container)?));
        }
    }
    let found = networks(Depth::Names)?;
    assert_eq!(Some(found.held[0].inode), Namespaces::of_host().get(Kind::Net));
    assert!(found.held.is_sorted_by_key(|held| (held.inode != found.held[0].inode, held.inode)));
    Ok(())
}

#[test]
fn a_file_alone_holds_a_network() -> Result<()> {
    let named = Named::add()?;
    let inode = Inode(ns::inode_of_file(&named.path().to_string_lossy())?);
    let held = held(Depth::Names, inode)?;
    assert_eq!((held.processes.len(), &held.files), (0, &vec![named.path()]));
    assert_eq!(held.home(), Some(Home::File(named.path())));
    Ok(())
}

#[test]
fn a_file_that_is_seen_in_another_mount_namespace_alone_is_found_there() -> Result<()> {
    let process = unshared()?;
    let (inode, folder) = (net(process.pid())?, Scratch::new()?);
    let file = folder.path().join("net work");
    std::fs::write(&file, "")?;
    let script = "mount --bind \"/proc/$1/ns/net\" \"$2\"; : >\"$3\"; exec sleep 1000";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh", &process.pid().to_string()]);
    let done = folder.path().join("done");
    let other = pid::Process::spawn(command.arg(&file).arg(&done))?;
    wait::until(LIMIT, "a mount", || done.exists().then_some(()))?;
    assert_eq!(held(Depth::Names, inode)?.files, [""; 0].map(PathBuf::from));
    let below = file.strip_prefix("/")?;
    let seen = Path::new("/proc").join(other.pid().to_string()).join("root").join(below);
    assert_eq!(held(Depth::Everything, inode)?.files, vec![seen.clone()]);
    // It outlives the process, and is looked into by that path.
    drop(process);
    let held = held(Depth::Everything, inode)?;
    assert_eq!((held.processes.len(), held.home()), (0, Some(Home::File(seen))));
    assert_eq!(survey::network(held.home().as_ref(), Extent::Everything)?.inode, inode);
    Ok(())
}

#[test]
fn a_descriptor_alone_holds_a_network() -> Result<()> {
    let first = unshared()?;
    let inode = net(first.pid())?;
    let holder = holding(&format!("/proc/{}/ns/net", first.pid()))?;
    drop(first);
    assert!(held(Depth::Names, inode).is_err(), "it is held by something else, and nothing is shown here");
    let held = held(Depth::Everything, inode)?;
    let descriptor = Descriptor { pid: holder.pid().cast_signed(), fd: 9 };
    let expected =
        Held { inode, processes: Vec::new(), threads: Vec::new(), files: Vec::new(), descriptors: vec![descriptor] };
    assert_eq!(held, expected);
    let network = survey::network(held.home().as_ref(), Extent::Everything)?;
    assert_eq!((network.inode, network.links.len()), (inode, 1));
    Ok(())
}

#[test]
fn a_thread_alone_holds_a_network() -> Result<()> {
    let ours = Inode(ns::own("net")?);
    let (said, told) = mpsc::channel();
    let (go, gone) = mpsc::channel::<()>();
    let thread = std::thread::spawn(move || -> Result<()> {
        // SAFETY: only this thread's network changes, and no descriptor of it is shared.
        unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET)? };
        let inode = std::fs::read_link("/proc/thread-self/ns/net")?;
        said.send((rustix::thread::gettid().as_raw_nonzero().get(), inode))?;
        let _ = gone.recv();
        Ok(())
    });
    let (tid, link) = told.recv()?;
    let inode = link.to_string_lossy().trim_matches(|c: char| !c.is_ascii_digit()).parse().map(Inode)?;
    assert_ne!(inode, ours);
    assert!(held(Depth::Names, inode).is_err());
    let held = held(Depth::Everything, inode)?;
    assert_eq!((held.processes.len(), &held.threads), (0, &vec![tid]));
    assert_eq!(survey::network(held.home().as_ref(), Extent::Everything)?.inode, inode);
    drop(go);
    thread.join().ok().context("the thread panicked")?
}

#[test]
fn a_process_is_as_docker_says() -> Result<()> {
    let user = sleeper(&["--user", "1234:567"])?;
    let process = Process::read(pid_of(&user)?)?;
    assert_eq!((process.name.as_str(), process.uid, process.gid), ("sleep", 1234, 567));
    assert_eq!(process.command, ["sleep", "1000"]);
    let by_ps = stdout("ps", &["-o", "etimes=", "-p", &process.pid.to_string()])?;
    let age = SystemTime::now().duration_since(process.started)?;
    assert!(age.as_secs().abs_diff(by_ps.trim().parse()?) <= 1, "{age:?}, by ps {by_ps}");
    // A thread is its process's.
    let script = "import threading,time; threading.Thread(target=time.sleep,args=(1000,)).start()";
    let threaded = pid::Process::spawn(Command::new("python3").args(["-c", script]))?;
    let of_thread = || {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", threaded.pid())).ok()?.flatten();
        let numbers = tasks.filter_map(|task| task.file_name().to_str()?.parse::<u32>().ok());
        numbers.max().filter(|tid| *tid != threaded.pid())
    };
    let tid = wait::until(LIMIT, "a second thread", of_thread)?;
    assert_eq!(Process::read(tid.cast_signed())?.pid, threaded.pid().cast_signed());
    Ok(())
}

#[test]
fn a_process_may_call_itself_anything() -> Result<()> {
    let folder = Scratch::new()?;
    let program = folder.path().join("a) R 1 (\n\x1b[2J");
    std::fs::copy("/bin/sleep", &program)?;
    let process = pid::Process::spawn(Command::new(&program).arg("1000"))?;
    let found = Process::read(process.pid().cast_signed())?;
    // The kernel keeps fifteen bytes.
    assert_eq!(found.name, "a) R 1 (\n\x1b[2J");
    assert_eq!((found.pid, found.command.len()), (process.pid().cast_signed(), 2));
    Ok(())
}
