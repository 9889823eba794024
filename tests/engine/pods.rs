//! Kubernetes' pods on this node: real ones of containerd's CRI plugin, by every word that a pod's status or a person has
//! for them. CRI-O's are a fixture, in `pods/crio.rs`.

mod crio;

use anyhow::Result;
use testbed::cri::{Container, Pod};
use testbed::guard::unique_name;
use testbed::{ns, output};

use crate::run::{NET, OWN, assert_refused, cnsenter, quiet, run, stdout, without_asked};
use crate::search::candidates;

/// The Kubernetes namespace.
const SHOP: &str = "shop";

fn pod() -> Result<Pod> {
    Pod::run(&unique_name(), SHOP)
}

/// A container that does nothing for long.
fn app(pod: &Pod, name: &str) -> Result<Container> {
    pod.container(name, &["sleep", "1000"])
}

/// The whole reference, of the sandbox or of one container.
fn reference(pod: &Pod, container: &str) -> String {
    let name = format!("pod/{}/{}", pod.namespace(), pod.name());
    if container.is_empty() { name } else { format!("{name}/{container}") }
}

/// The namespace of a kind that a target leads to, by an entry into that one alone.
fn led_to(kind: &str, target: &str) -> Result<String> {
    let option = match kind {
        "pid" => "--pid",
        "ipc" => "--ipc",
        "uts" => "--uts",
        _ => "--net",
    };
    quiet([option, target, "readlink", &format!("/proc/self/ns/{kind}")])
}

fn link_of(kind: &str, pid: u32) -> Result<String> {
    Ok(ns::link(kind, ns::inode(pid, kind)?))
}

#[test]
fn a_pod_is_its_sandbox_and_a_container_is_itself() -> Result<()> {
    let pod = pod()?;
    let (web, helper) = (app(&pod, "app")?, app(&pod, "helper")?);
    let (sandbox, by_web, by_helper) = (reference(&pod, ""), reference(&pod, "app"), reference(&pod, "helper"));
    let net = link_of("net", pod.sandbox_pid()?)?;
    assert_eq!(web.exec(&NET)?, net, "a pod's containers share its network");
    for target in [&sandbox, &by_web, &by_helper] {
        assert_eq!(led_to("net", target)?, net, "{target}");
        assert_eq!(quiet(["-n", "-t", target].iter().chain(&NET))?, net, "-t {target}");
    }
    // Pods are on this node, wherever Docker's client is told to go.
    let mut elsewhere = cnsenter(["--net", &sandbox].iter().chain(&NET));
    let output = output::run(elsewhere.env("DOCKER_HOST", "tcp://10.0.0.5:2375"))?;
    assert_eq!((output.stdout.trim_end(), output.stderr.as_str()), (net.as_str(), ""));
    // A sandbox has no files to speak of, and says where they are.
    let output = run([&sandbox, "no-such-program"])?;
    let hint =
        format!("\nhint: this is the pod's sandbox, which has next to no files; {sandbox}/CONTAINER has those of");
    assert!(output.code == Some(127) && output.stderr.contains(&hint), "{output:?}");
    // What they do not share tells them apart.
    for (target, pid) in [(&sandbox, pod.sandbox_pid()?), (&by_web, web.pid()?), (&by_helper, helper.pid()?)] {
        assert_eq!(quiet([target, "readlink", "/proc/self/ns/mnt"])?, link_of("mnt", pid)?, "{target}");
        assert_eq!(quiet([target, "readlink", "/proc/self/ns/pid"])?, link_of("pid", pid)?, "{target}");
    }
    Ok(())
}

#[test]
fn a_whole_entry_is_what_the_runtime_enters() -> Result<()> {
    let pod = pod()?;
    let web = app(&pod, "app")?;
    let target = reference(&pod, "app");
    let links = "for file in /proc/self/ns/*; do echo $file $(readlink $file); done";
    let ours = |program: &[&str]| {
        let mut command = cnsenter(std::iter::once(&target.as_str()).chain(program));
        output::stdout(command.env_remove("TERM"))
    };
    for program in
        [&["sh", "-c", links][..], &["hostname"], &["env"], &["cat", "/etc/hostname", "/etc/hosts"], &["ip", "address"]]
    {
        assert_eq!(ours(program)?, web.exec(program)?, "{program:?}");
    }
    assert_eq!(ours(&["hostname"])?, pod.name());
    assert!(ours(&["env"])?.contains(&format!("HOSTNAME={}", pod.name())));
    let pid = web.pid()?.to_string();
    for (option, kind) in [("-n", "net"), ("-u", "uts"), ("-i", "ipc")] {
        let link = format!("/proc/self/ns/{kind}");
        assert_eq!(led_to(kind, &target)?, stdout("nsenter", &["-t", &pid, option, "readlink", &link])?);
    }
    // The host's tools in the pod's network, as nsenter has them.
    let addresses = quiet(["--net", &target, "ip", "-o", "address"])?;
    assert_eq!(addresses, stdout("nsenter", &["-t", &pid, "-n", "ip", "-o", "address"])?);
    assert!(addresses.contains("inet 10."));
    Ok(())
}

#[test]
fn every_word_for_a_container_leads_to_it() -> Result<()> {
    let pod = pod()?;
    let name = unique_name();
    let web = app(&pod, &name)?;
    let pid = link_of("pid", web.pid()?)?;
    let id = web.id();
    for target in [
        // As `kubectl get pod -o yaml` has it, and what people make of that.
        format!("containerd://{id}"),
        id.to_owned(),
        id[..13].to_owned(),
        format!("containerd://{}", &id[..12]),
        format!("containerd://k8s.io/{id}"),
        name.clone(),
        format!("containerd://{name}"),
        reference(&pod, &name),
    ] {
        assert_eq!(led_to("pid", &target)?, pid, "{target}");
    }
    // The pod's own name is its sandbox's.
    for target in [pod.name(), pod.sandbox_id(), &pod.sandbox_id()[..12]] {
        assert_eq!(led_to("pid", target)?, link_of("pid", pod.sandbox_pid()?)?, "{target}");
    }
    for target in [
        format!("pod/other/{}", pod.name()),
        // Words that its records hold, elsewhere.
        format!("pod/cnsenter/{}", pod.name()),
        reference(&pod, "cnsenter"),
        reference(&pod, &name[..name.len() - 1]),
    ] {
        let output = run(["--net", &target, "true"])?;
        let said = format!("cnsenter: no such container: {target}\n");
        assert!(output.code == Some(OWN) && without_asked(&output.stderr).starts_with(&said), "{output:?}");
    }
    Ok(())
}

#[test]
fn a_container_that_every_replica_has_is_ambiguous_and_each_can_be_pasted() -> Result<()> {
    let name = unique_name();
    let pods = [pod()?, pod()?];
    let apps = [app(&pods[0], &name)?, app(&pods[1], &name)?];
    for word in [name.clone(), format!("containerd://{name}")] {
        let output = run(["--net", &word, "true"])?;
        let offered = candidates(&output, &word);
        assert_eq!(offered.len(), 2, "{output:?}");
        for (pod, app) in pods.iter().zip(&apps) {
            let wanted = reference(pod, &name);
            assert!(offered.contains(&(wanted.clone(), format!("(container {name} of containerd)"))), "{output:?}");
            assert_eq!(led_to("pid", &wanted)?, link_of("pid", app.pid()?)?);
        }
    }
    Ok(())
}

#[test]
fn a_pod_of_that_name_in_another_namespace_is_another() -> Result<()> {
    let here = pod()?;
    let there = Pod::run(here.name(), "mall")?;
    let offered = candidates(&run(["--net", here.name(), "true"])?, here.name());
    assert_eq!(offered.len(), 2, "{offered:?}");
    for pod in [&here, &there] {
        let wanted = reference(pod, "");
        assert!(offered.iter().any(|(word, _)| *word == wanted), "{offered:?}");
        assert_eq!(led_to("net", &wanted)?, link_of("net", pod.sandbox_pid()?)?);
    }
    Ok(())
}

#[test]
fn of_two_sandboxes_that_run_the_newest_counts() -> Result<()> {
    let mut pod = pod()?;
    let _old_app = app(&pod, "app")?;
    let old_net = pod.netns()?;
    let old = pod.second_sandbox()?;
    let new_app = app(&pod, "app")?;
    assert_ne!(pod.netns()?, old_net);
    let net = link_of("net", pod.sandbox_pid()?)?;
    for target in [reference(&pod, ""), reference(&pod, "app"), pod.name().to_owned()] {
        assert_eq!(led_to("net", &target)?, net, "{target}");
    }
    assert_eq!(led_to("pid", &reference(&pod, "app"))?, link_of("pid", new_app.pid()?)?);
    assert_eq!(quiet(["--sandbox", &reference(&pod, "")].iter().chain(&NET))?, net);
    // By its ID the old one can still be meant.
    assert_eq!(led_to("net", &format!("containerd://{old}"))?, ns::link("net", old_net));
    Ok(())
}

#[test]
fn a_sandbox_that_was_started_anew_is_the_one_that_is_entered() -> Result<()> {
    let mut pod = pod()?;
    let before = pod.netns()?;
    let old = pod.restart_sandbox()?;
    let net = link_of("net", pod.sandbox_pid()?)?;
    assert_eq!(led_to("net", &reference(&pod, ""))?, net);
    assert_eq!(led_to("net", pod.name())?, net);
    let output = run(["--net", &format!("containerd://{old}"), "true"])?;
    assert!(output.code == Some(OWN) && output.stderr.starts_with("cnsenter: no such container: "), "{output:?}");
    assert!(before > 0 && old != pod.sandbox_id());
    Ok(())
}

#[test]
fn a_container_that_ended_is_unknown_until_it_runs_again() -> Result<()> {
    let pod = pod()?;
    let first = app(&pod, "app")?;
    let target = reference(&pod, "app");
    assert_eq!(led_to("pid", &target)?, link_of("pid", first.pid()?)?);
    first.kill()?;
    for target in [target.clone(), format!("containerd://{}", first.id())] {
        let output = run(["--net", &target, "true"])?;
        let said = format!("cnsenter: no such container: {target}\n");
        assert!(output.code == Some(OWN) && without_asked(&output.stderr).starts_with(&said), "{output:?}");
    }
    // Its pod is there all the same.
    assert_eq!(led_to("net", &reference(&pod, ""))?, link_of("net", pod.sandbox_pid()?)?);
    let second = app(&pod, "app")?;
    assert_eq!(led_to("pid", &target)?, link_of("pid", second.pid()?)?);
    Ok(())
}

#[test]
fn a_pods_sandbox_has_a_file() -> Result<()> {
    let pod = pod()?;
    let _app = app(&pod, "app")?;
    let target = reference(&pod, "");
    let net = link_of("net", pod.sandbox_pid()?)?;
    assert_eq!(quiet(["--sandbox", &target].iter().chain(&NET))?, net);
    assert_eq!(quiet(["--sandbox", pod.name()].iter().chain(&NET))?, net);
    let print = quiet(["--print", "--sandbox", &target, "true"])?;
    let file =
        print.split_whitespace().find_map(|word| word.trim_matches('\'').strip_prefix("--net=")).unwrap_or_default();
    assert!(file.starts_with("/var/run/netns/cni-"), "{print}");
    assert_eq!(ns::link("net", ns::inode_of_file(file)?), net);
    // It needs no process, and so none is held.
    let verbose = run(["-v", "--raw", "--sandbox", &target, "true"])?;
    assert!(verbose.success() && !verbose.stderr.contains("holding process"), "{verbose:?}");
    // The network of a container is its pod's, and has no file of its own.
    let output = run(["--sandbox", &reference(&pod, "app"), "true"])?;
    let message = "the engine names no sandbox file for container app";
    assert_refused(&output, message, "--net joins the network of its process");
    Ok(())
}

#[test]
fn a_pod_on_the_hosts_network_is_said_to_be_that() -> Result<()> {
    let pod = Pod::run_on_host_network(&unique_name(), SHOP)?;
    let web = app(&pod, "app")?;
    let own = ns::link("net", ns::own("net")?);
    let sandbox = reference(&pod, "");
    let output = run(["--net", &sandbox].iter().chain(&NET))?;
    assert_eq!(output.stdout.trim_end(), own, "{output:?}");
    let note = format!("cnsenter: note: container {} uses the host's own network (--network host)\n", pod.name());
    assert_eq!(output.stderr, note);
    let target = reference(&pod, "app");
    let output = run(["--net", &target].iter().chain(&NET))?;
    assert_eq!(output.stdout.trim_end(), own, "{output:?}");
    assert_eq!(quiet([&target, "readlink", "/proc/self/ns/pid"])?, link_of("pid", web.pid()?)?);
    Ok(())
}
