//! The filters of `ls`, beside docker's own with the same words.

use anyhow::Result;
use testbed::{Container, Network, image};

use super::{SLEEP, docker, guard};
use crate::run::{quiet, stdout};

#[test]
fn filters_mean_what_they_mean_to_docker() -> Result<()> {
    let mark = guard::unique_name();
    let network = Network::create(&[])?;
    let label = format!("--label=of={mark}");
    let busybox = image::busybox()?;
    let run = |suffix: &str, more: &[&str], program: &[&str]| {
        Container::run(busybox, &[&["--name", &format!("{mark}-{suffix}"), &label], more].concat(), program)
    };
    let web = run("web", &["--label", "tier=front", "--label", "empty="], &SLEEP)?;
    let _web_2 = run("web-2", &["--label", "tier=back", "--network", network.name()], &SLEEP)?;
    let _dotted = run("w.b", &["--label", "tier=front", "--label", "odd=a=b", "--network", "none"], &SLEEP)?;
    let paused = run("db", &[], &SLEEP)?;
    paused.docker(&["pause"])?;
    let failed = run("failed", &[], &["sh", "-c", "exit 3"])?;
    failed.docker(&["wait"])?;
    let _created = Container::create(busybox, &["--name", &format!("{mark}-created"), &label], &SLEEP)?;
    let of = format!("label=of={mark}");
    let exactly = format!("name=^{mark}-web$");
    let with_slash = format!("name=^/{mark}-web$");
    let anything = format!("name={mark}-w.b");
    let literally = format!(r"name={mark}-w\.b");
    let either = format!("name={mark}-db|{mark}-web$");
    let id_of_network = stdout("docker", &["network", "inspect", "--format", "network={{.Id}}", network.name()])?;
    let id_of_network = id_of_network.trim();
    let network = format!("network={}", network.name());
    let [id, short] = [web.id(), web.short_id()].map(|id| format!("id={id}"));
    let middle = format!("id={}", &web.id()[20..40]);
    let ancestor = format!("ancestor={busybox}");
    for filters in [
        &[][..],
        &[&exactly[..]],
        &[&with_slash[..]],
        &[&anything[..]],
        &[&literally[..]],
        &[&either[..]],
        &["name=web"],
        &["name=web", "name=db"],
        &["name=web", "name=nobody"],
        &["name=nobody"],
        &["name="],
        &[&id[..]],
        &[&short[..]],
        &[&middle[..]],
        &["label=tier"],
        &["label=tier=front"],
        &["label=tier=front", "label=odd"],
        &["label=tier=front", "label=tier=back"],
        &["label=odd=a=b"],
        &["label=empty"],
        &["label=empty="],
        &["label=tier=fro"],
        &["status=running"],
        &["status=paused"],
        &["status=exited"],
        &["status=created"],
        &["status=exited", "status=paused"],
        &["status=exited", "name=web"],
        &["exited=3"],
        &["exited=0"],
        &[&network[..]],
        &[id_of_network],
        &[&id_of_network[..20]],
        &["network=none"],
        &["network=bridge"],
        &[&network[..], "network=none"],
        &[&network[..], "label=tier=back", "status=running"],
        &[&ancestor[..]],
        &["ancestor=nothing"],
    ] {
        for all in [&[][..], &["--all"]] {
            let filters = filters.iter().flat_map(|filter| ["--filter", filter]);
            let words =
                ["--quiet", "--no-trunc", "--filter", &of].into_iter().chain(filters).chain(all.iter().copied());
            let words: Vec<_> = words.collect();
            let told = stdout("docker", &[&["ps"], &words[..]].concat())?;
            assert_eq!(quiet([&["ls"], &words[..]].concat())?, told, "{words:?}");
        }
    }
    Ok(())
}

#[test]
fn runtimes_and_pods_have_filters_of_their_own() -> Result<()> {
    let web = docker(&[])?;
    let pod = testbed::cri::Pod::run(&guard::unique_name(), "ls-filters")?;
    let app = pod.container("app", &SLEEP)?;
    let ids = |filters: &[&str]| -> Result<Vec<String>> {
        let filters = filters.iter().flat_map(|filter| ["--filter", filter]);
        let words = ["ls", "--quiet", "--no-trunc"].into_iter().chain(filters);
        Ok(quiet(words)?.lines().map(str::to_owned).collect())
    };
    let mut of_pod = ids(&[&format!("pod={}", pod.name())])?;
    of_pod.sort();
    let mut truth = [pod.sandbox_id().to_owned(), app.id().to_owned()];
    truth.sort();
    assert_eq!(of_pod, truth);
    assert_eq!(ids(&[&format!("pod=ls-filters/{}", pod.name()), "name=^app$"])?, [app.id()]);
    // As it is shown: a pod's containers by the pod's name, too.
    assert_eq!(ids(&[&format!("name=^{}/app$", pod.name())])?, [app.id()]);
    let mut shown = ids(&[&format!("name=^{}", pod.name())])?;
    shown.sort();
    assert_eq!(shown, truth);
    assert!(ids(&[&format!("pod=other/{}", pod.name())])?.is_empty());
    let of_docker = ids(&["runtime=docker"])?;
    assert!(of_docker.iter().any(|id| id == web.id()) && !of_docker.iter().any(|id| id == app.id()));
    let both = ids(&["runtime=docker", "runtime=containerd"])?;
    assert!([web.id(), app.id()].iter().all(|id| both.iter().any(|found| found == id)));
    Ok(())
}
