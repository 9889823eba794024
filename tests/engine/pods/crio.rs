//! CRI-O's pods: a FIXTURE, since no package of this machine's distribution has CRI-O. The folders are laid out as its
//! documentation and containers/storage have them; only the processes that they name are real. Where containerd's CRI
//! stands in the same place it is tested for real, in `pods.rs`.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use testbed::{Output, Scratch, guard, ns, output, pid, wait};

use crate::run::{NET, OWN, assert_refused, cnsenter, without_asked};
use crate::search::candidates;

/// What CRI-O and its OCI runtime leave of one pod, and a process for each of its two containers.
struct Pod {
    folder: Scratch,
    name: String,
    sandbox: Member,
    app: Member,
}

struct Member {
    id: String,
    process: pid::Process,
}

impl Member {
    /// A process in namespaces of its own: what the runtime's record is about.
    fn start(beginning: &str) -> Result<Self> {
        let mut command = Command::new("unshare");
        command.args(["--net", "--uts", "--ipc", "--mount", "sleep", "1000"]);
        let process = pid::Process::spawn(&mut command)?;
        let apart = || ns::inode(process.pid(), "net").ok().filter(|net| Some(*net) != ns::own("net").ok());
        let comm = || fs::read_to_string(format!("/proc/{}/comm", process.pid())).ok().filter(|name| name == "sleep\n");
        wait::until(Duration::from_secs(10), "namespaces of its own", || apart().and(comm()))?;
        let id = format!("{beginning}{:0>1$x}", process.pid(), 64 - beginning.len());
        Ok(Self { id, process })
    }

    fn net(&self) -> Result<String> {
        Ok(ns::link("net", ns::inode(self.process.pid(), "net")?))
    }

    /// When its process started: field 22 of proc_pid_stat(5).
    fn started(&self) -> Result<u64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.pid()))?;
        let fields = stat.rsplit_once(") ").context("no such line")?.1;
        Ok(fields.split_whitespace().nth(19).context("no 22nd field")?.parse()?)
    }
}

/// Which OCI runtime's records there are.
#[derive(Clone, Copy)]
enum By {
    Runc,
    Crun,
}

impl Pod {
    fn start(by: By) -> Result<Self> {
        let (name, folder) = (guard::unique_name(), Scratch::new()?);
        let pod = Self { folder, name, sandbox: Member::start("5a")?, app: Member::start("c0")? };
        let containers = pod.storage().join("overlay-containers");
        fs::create_dir_all(&containers)?;
        let name_of = |kind: &str| format!("k8s_{kind}_{}_shop_0000_0", pod.name);
        let entry = |member: &Member, kind: &str| {
            let id = &member.id;
            format!(r#"{{"id":"{id}","names":["{}"],"layer":"0","metadata":"{{}}"}}"#, name_of(kind))
        };
        let listed = format!("[{},{}]", entry(&pod.sandbox, "POD"), entry(&pod.app, "app"));
        fs::write(containers.join("containers.json"), listed)?;
        for (member, kind) in [(&pod.sandbox, "sandbox"), (&pod.app, "container")] {
            let userdata = containers.join(&member.id).join("userdata");
            fs::create_dir_all(&userdata)?;
            fs::write(userdata.join("config.json"), pod.config(kind, &member.id))?;
            write_record(by, &pod.records().join(&member.id), member, &userdata)?;
        }
        Ok(pod)
    }

    fn storage(&self) -> std::path::PathBuf {
        self.folder.path().join("storage")
    }

    fn records(&self) -> std::path::PathBuf {
        self.folder.path().join("records")
    }

    /// The bundle's configuration, as far as it says whose it is.
    fn config(&self, kind: &str, id: &str) -> String {
        let (name, sandbox) = (&self.name, &self.sandbox.id);
        let container = if kind == "sandbox" { "POD" } else { "app" };
        format!(
            r#"{{
                "ociVersion": "1.1.0",
                "process": {{"args": ["sleep"], "cwd": "/", "env": ["PATH=/usr/bin:/bin", "KIND={kind}"]}},
                "hostname": "{name}",
                "annotations": {{
                    "io.kubernetes.container.name": "{container}",
                    "io.kubernetes.pod.name": "{name}",
                    "io.kubernetes.pod.namespace": "shop",
                    "io.kubernetes.pod.uid": "0000",
                    "io.kubernetes.cri-o.ContainerID": "{id}",
                    "io.kubernetes.cri-o.ContainerType": "{kind}",
                    "io.kubernetes.cri-o.SandboxID": "{sandbox}",
                    "io.kubernetes.cri-o.Name": "k8s_{container}_{name}_shop_0000_0"
                }},
                "linux": {{
                    "cgroupsPath": "kubepods-besteffort-pod0000.slice:crio:{id}",
                    "namespaces": [{{"type": "pid"}}, {{"type": "mount"}}, {{"type": "network", "path": "/proc/1/ns/net"}}]
                }}
            }}"#
        )
    }

    fn run(&self, words: &[&str]) -> Result<Output> {
        let (storage, records) = (self.storage(), self.records());
        let roots = [&storage, &records].map(|root| format!("--state-root={}", root.display()));
        let words = roots.iter().map(String::as_str).chain(words.iter().copied());
        output::run(&mut cnsenter(words))
    }

    fn net_of(&self, target: &str) -> Result<String> {
        let output = self.run(&[&["--net", target], &NET[..]].concat())?;
        assert!(output.success() && output.stderr.is_empty(), "{target}: {output:?}");
        Ok(output.stdout.trim_end().to_owned())
    }
}

/// The record of the OCI runtime, with the pid and the start of the real process.
fn write_record(by: By, folder: &Path, member: &Member, bundle: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let (pid, start) = (member.process.pid(), member.started()?);
    let scope = format!("/kubepods.slice/crio-{}.scope", member.id);
    let (id, bundle) = (&member.id, bundle.display());
    let (name, record) = match by {
        By::Runc => (
            "state.json",
            format!(
                r#"{{"id":"{id}","init_process_pid":{pid},"init_process_start":{start},
                    "config":{{"labels":["bundle={bundle}"],"cgroups":{{"path":"{scope}"}}}}}}"#
            ),
        ),
        By::Crun => (
            "status",
            format!(r#"{{"pid":{pid},"process-start-time":{start},"cgroup-path":"{scope}","bundle":"{bundle}"}}"#),
        ),
    };
    Ok(fs::write(folder.join(name), record)?)
}

#[test]
fn every_word_for_a_container_leads_to_it() -> Result<()> {
    for by in [By::Runc, By::Crun] {
        let pod = Pod::start(by)?;
        let (app, sandbox) = (&pod.app, &pod.sandbox);
        for target in [
            format!("cri-o://{}", app.id),
            format!("cri-o://{}", &app.id[..63]),
            app.id.clone(),
            format!("pod/shop/{}/app", pod.name),
        ] {
            assert_eq!(pod.net_of(&target)?, app.net()?, "{target}");
        }
        for target in [format!("pod/shop/{}", pod.name), format!("cri-o://{}", sandbox.id), pod.name.clone()] {
            assert_eq!(pod.net_of(&target)?, sandbox.net()?, "{target}");
        }
        assert_eq!(pod.net_of("cri-o://app")?, app.net()?, "by the container's name");
        let output = pod.run(&["--print", "--net", &format!("pod/shop/{}/app", pod.name), "true"])?;
        assert!(output.stdout.contains(&format!("pod/shop/{}/app", pod.name)), "{output:?}");
        let whole = pod.run(&["-e", "--net", &format!("cri-o://{}", app.id), "true"])?;
        assert!(whole.success(), "{whole:?}");
    }
    Ok(())
}

#[test]
fn a_record_older_than_its_process_leads_nowhere() -> Result<()> {
    let mut pod = Pod::start(By::Crun)?;
    let target = format!("pod/shop/{}/app", pod.name);
    assert_eq!(pod.net_of(&target)?, pod.app.net()?);
    let old = pod.app.process.pid();
    pod.app.process.child().kill()?;
    pod.app.process.child().wait()?;
    let check = |pod: &Pod| -> Result<()> {
        assert_refused(
            &pod.run(&["--net", &target, "true"])?,
            &format!("container app is not running: its recorded pid {old} is gone"),
            "what the runtime left on disk is older than its end; --wait enters its next run",
        );
        Ok(())
    };
    check(&pod)?;
    let _impostor = pid::recycle(old, Command::new("sleep").arg("1000"))?;
    check(&pod)
}

#[test]
fn without_a_record_a_process_of_another_cgroup_is_not_believed() -> Result<()> {
    let pod = Pod::start(By::Crun)?;
    fs::remove_dir_all(pod.records())?;
    let userdata = pod.storage().join("overlay-containers").join(&pod.app.id).join("userdata");
    // CRI-O's own note: it has no start time, and the process is in no cgroup of this container's.
    fs::write(userdata.join("pidfile"), pod.app.process.pid().to_string())?;
    let output = pod.run(&["--net", &format!("cri-o://{}", pod.app.id), "true"])?;
    assert!(output.code == Some(OWN) && output.stderr.contains("container app is not running"), "{output:?}");
    Ok(())
}

#[test]
fn two_pods_with_a_container_of_that_name_are_told_apart() -> Result<()> {
    let (one, other) = (Pod::start(By::Crun)?, Pod::start(By::Runc)?);
    let roots = [one.storage(), one.records(), other.storage(), other.records()];
    let roots = roots.map(|root| format!("--state-root={}", root.display()));
    let to = |target: &str| {
        let words = roots.iter().map(String::as_str).chain(["--net", target]).chain(NET);
        output::run(&mut cnsenter(words))
    };
    let offered = candidates(&to("cri-o://app")?, "cri-o://app");
    assert_eq!(offered.len(), 2, "{offered:?}");
    for pod in [&one, &other] {
        let wanted = format!("pod/shop/{}/app", pod.name);
        assert!(offered.iter().any(|(word, _)| *word == wanted), "{offered:?}");
        assert_eq!(to(&wanted)?.stdout.trim_end(), pod.app.net()?);
    }
    let output = to("pod/shop/nobody")?;
    assert!(without_asked(&output.stderr).starts_with("cnsenter: no such container: pod/shop/nobody\n"), "{output:?}");
    assert!(output.stderr.contains("\n    cri-o: not among 4 in "), "{output:?}");
    Ok(())
}
