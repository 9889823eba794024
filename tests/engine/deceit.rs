//! Who lies about names: images with labels of their own, tenants who call a container like another's ID, ordinary users
//! with a part of the cgroups, engines that let others wait. None of them decides what root enters.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use testbed::{Container, Scratch, containerd, cri, fake, guard, image, ns, output, pid, wait};

use crate::run::{NET, OWN, cnsenter, quiet, run};

/// Debian's nobody.
const USER: u32 = 65534;

#[test]
fn an_images_labels_take_over_no_pod() -> Result<()> {
    let pod = cri::Pod::run_on_host_network(&guard::unique_name(), "shop")?;
    let (name, namespace) = (format!("io.kubernetes.pod.name={}", pod.name()), "io.kubernetes.pod.namespace=shop");
    let labels = ["--label", &name, "--label", namespace, "--label", "io.kubernetes.docker.type=podsandbox"];
    let liar = Container::run(image::busybox()?, &[&labels[..], &["--network", "none"]].concat(), &["sleep", "1000"])?;
    let theirs = ns::link("ipc", ns::inode(pod.sandbox_pid()?, "ipc")?);
    let target = format!("pod/shop/{}", pod.name());
    assert_eq!(quiet(["--ipc", &target, "readlink", "/proc/self/ns/ipc"])?, theirs);
    assert_ne!(ns::link("ipc", ns::inode(liar.pid()?, "ipc")?), theirs);
    Ok(())
}

#[test]
fn a_name_like_the_beginning_of_anothers_id_is_neithers() -> Result<()> {
    let id = format!("{:0>64}", format!("{:x}abcdef", std::process::id()));
    let id = format!("fe{}", &id[2..]);
    let victim = containerd::Container::run_as(containerd::NAMESPACE, &id, &[], &["sleep", "1000"])?;
    let annotation = format!("nerdctl/name={}", &id[..12]);
    let _liar = containerd::Container::run(containerd::NAMESPACE, &["--annotation", &annotation], &["sleep", "1000"])?;
    let output = run(["--net", &format!("containerd://{}", &id[..12]), "true"])?;
    assert!(output.code == Some(OWN) && output.stderr.contains(" is ambiguous:\n"), "{output:?}");
    assert_eq!(quiet(["--net", &id].iter().chain(&NET))?, ns::link("net", victim.netns()?));
    Ok(())
}

/// A part of the cgroups that was given to an ordinary user.
struct Delegated(PathBuf);

impl Delegated {
    fn new(below: &str) -> Result<Delegated> {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
        let mut points =
            mounts.lines().filter(|line| line.contains(" - cgroup")).filter_map(|line| line.split(' ').nth(4));
        let top = Path::new(points.next().context("no cgroups")?).join(guard::unique_name());
        std::fs::create_dir(&top)?;
        let delegated = Delegated(top);
        for folder in [delegated.0.clone(), delegated.0.join(below)] {
            let _ = std::fs::create_dir(&folder);
            chown(&folder, Some(USER), Some(USER))?;
        }
        Ok(delegated)
    }
}

impl Drop for Delegated {
    fn drop(&mut self) {
        // A cgroup goes once its last process has been reaped.
        let _ = wait::until(Duration::from_secs(5), "the cgroups' end", || {
            for entry in std::fs::read_dir(&self.0).into_iter().flatten().flatten() {
                let _ = std::fs::remove_dir(entry.path());
            }
            std::fs::remove_dir(&self.0).ok()
        });
    }
}

#[test]
fn a_users_cgroup_makes_no_container() -> Result<()> {
    let id = format!("{:a>64}", format!("{:x}", std::process::id()));
    let delegated = Delegated::new(&format!("docker-{id}.scope"))?;
    // The first process of a pid namespace of its own, as a container's would be.
    let liar = pid::Process::spawn(Command::new("unshare").args(["-pf", "--kill-child", "sleep", "1000"]))?;
    let children = format!("/proc/{0}/task/{0}/children", liar.pid());
    let first: u32 = wait::until(Duration::from_secs(5), "its child", || {
        std::fs::read_to_string(&children).ok()?.split_whitespace().next()?.parse().ok()
    })?;
    std::fs::write(delegated.0.join(format!("docker-{id}.scope/cgroup.procs")), first.to_string())?;
    // Nobody knows the ID, and a process has it in its cgroup's name.
    for target in [id[..12].to_owned(), id.clone(), format!("docker://{id}"), format!("podman://{id}")] {
        let output = run(["--net", &target, "true"])?;
        assert_eq!(output.code, Some(OWN), "{target}: {output:?}");
    }
    // A record that names it, left from before the machine was started anew.
    let state = Scratch::new()?;
    let folder = state.path().join("containers").join(&id);
    std::fs::create_dir_all(&folder)?;
    std::fs::write(
        folder.join("config.v2.json"),
        format!(r#"{{"Name":"/db","State":{{"Running":true,"Pid":{first}}}}}"#),
    )?;
    let root = state.path().display().to_string();
    let output = run(["-H", "unix:///nonexistent.sock", "--state-root", &root, "--net", "db", "true"])?;
    let message = format!("cnsenter: container db is not running: its recorded pid {first} is gone\n");
    assert!(output.code == Some(OWN) && output.stderr.starts_with(&message), "{output:?}");
    drop(liar);
    Ok(())
}

#[test]
fn a_podman_that_hangs_keeps_nobody_from_a_slow_docker() -> Result<()> {
    let web = Container::run(image::busybox()?, &["--network", "none"], &["sleep", "1000"])?;
    // What the real engine says, later than podman is asked.
    let slow =
        fake::Engine::in_front_of(testbed::engine::SOCKET, |_, _| std::thread::sleep(Duration::from_millis(400)))?;
    let silent = fake::Engine::silent()?;
    let socket = |engine: &fake::Engine| format!("unix://{}", engine.socket().display());
    let mut command = cnsenter(["--timeout", "5s", "--net", web.name()].iter().chain(&NET));
    let start = Instant::now();
    let output = output::run(command.env("DOCKER_HOST", socket(&slow)).env("CONTAINER_HOST", socket(&silent)))?;
    assert_eq!(output.stdout.trim_end(), ns::link("net", web.netns()?), "{output:?}");
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    Ok(())
}

#[test]
fn what_another_runtime_has_is_not_taken_for_dockers_without_a_word() -> Result<()> {
    let task = containerd::Container::run(containerd::NAMESPACE, &[], &["sleep", "1000"])?;
    let silent = fake::Engine::silent()?;
    let mut command = cnsenter(["--timeout", "300ms", "--net", task.id()].iter().chain(&NET));
    let output = output::run(command.env("DOCKER_HOST", format!("unix://{}", silent.socket().display())))?;
    assert_eq!(output.stdout.trim_end(), ns::link("net", task.netns()?), "{output:?}");
    assert!(
        output.stderr.starts_with("cnsenter: note: cannot ask Docker at ")
            && output.stderr.contains("no answer in 0.3 s")
    );
    Ok(())
}
