//! `compose://PROJECT/SERVICE[/N]`: Compose's labels, put on containers by hand as Compose puts them. Names and IDs are
//! in `target.rs`.

use anyhow::Result;
use testbed::containerd::{self, NAMESPACE};
use testbed::guard::unique_name;
use testbed::{Container, Output, image, ns};

use crate::run::{NET, OWN, quiet, run, without_asked};
use crate::search::candidates;

/// What Compose writes on a container.
fn labels(project: &str, service: &str, number: u32) -> [String; 4] {
    [
        format!("com.docker.compose.project={project}"),
        format!("com.docker.compose.service={service}"),
        format!("com.docker.compose.container-number={number}"),
        "com.docker.compose.oneoff=False".to_owned(),
    ]
}

fn replica(project: &str, service: &str, number: u32) -> Result<Container> {
    let labels = labels(project, service, number);
    let mut args = vec!["--network", "none"];
    labels.iter().for_each(|label| args.extend(["--label", label]));
    Container::run(image::busybox()?, &args, &["sleep", "1000"])
}

fn net_of(target: &str) -> Result<String> {
    quiet(["--net", target].iter().chain(&NET))
}

fn net(container: &Container) -> Result<String> {
    Ok(ns::link("net", container.netns()?))
}

fn to(target: &str) -> Result<Output> {
    run(["--net", target, "true"])
}

#[test]
fn a_service_leads_to_its_container() -> Result<()> {
    let project = unique_name();
    let (web, db) = (replica(&project, "web", 1)?, replica(&project, "db", 1)?);
    let elsewhere = replica(&unique_name(), "web", 1)?;
    let service = format!("compose://{project}/web");
    assert_eq!(net_of(&service)?, net(&web)?);
    assert_eq!(net_of(&format!("{service}/1"))?, net(&web)?);
    assert_eq!(net_of(&format!("compose://{project}/db"))?, net(&db)?);
    assert_ne!(net_of(&service)?, net(&elsewhere)?);
    assert_eq!(quiet(["--sandbox", &service].iter().chain(&NET))?, net(&web)?);
    assert_eq!(quiet([service.as_str(), "hostname"])?, web.short_id());
    assert_eq!(quiet(["-t", &service, "-n"].iter().chain(&NET))?, net(&web)?);
    Ok(())
}

#[test]
fn several_replicas_are_ambiguous_and_each_has_its_number() -> Result<()> {
    let project = unique_name();
    let replicas = [replica(&project, "web", 1)?, replica(&project, "web", 2)?, replica(&project, "web", 10)?];
    let service = format!("compose://{project}/web");
    let offered = candidates(&to(&service)?, &service);
    assert_eq!(offered.len(), 3, "{offered:?}");
    for replica in &replicas {
        let said = format!("(container {})", replica.name());
        let word = offered.iter().find(|(_, about)| *about == said).map(|(word, _)| word.as_str()).unwrap_or_default();
        assert_eq!(word, format!("docker://{}", replica.short_id()));
        assert_eq!(net_of(word)?, net(replica)?);
    }
    for (number, replica) in [1, 2, 10].iter().zip(&replicas) {
        assert_eq!(net_of(&format!("{service}/{number}"))?, net(replica)?);
    }
    let third = format!("{service}/3");
    let output = to(&third)?;
    assert!(
        without_asked(&output.stderr).starts_with(&format!("cnsenter: no such container: {third}\n")),
        "{output:?}"
    );
    assert_eq!(output.code, Some(OWN));
    Ok(())
}

#[test]
fn replicas_that_ended_do_not_count_unless_all_did() -> Result<()> {
    let project = unique_name();
    let (first, second) = (replica(&project, "web", 1)?, replica(&project, "web", 2)?);
    first.docker(&["kill"])?;
    let service = format!("compose://{project}/web");
    assert_eq!(net_of(&service)?, net(&second)?);
    let output = to(&format!("{service}/1"))?;
    let ended =
        |of: &Container| format!("cnsenter: container {} is not running: it exited with status 137, ", of.name());
    assert!(output.code == Some(OWN) && output.stderr.starts_with(&ended(&first)), "{output:?}");

    second.docker(&["kill"])?;
    assert_eq!(candidates(&to(&service)?, &service).len(), 2);
    drop(first);
    let output = to(&service)?;
    assert!(output.code == Some(OWN) && output.stderr.starts_with(&ended(&second)), "{output:?}");
    Ok(())
}

#[test]
fn what_compose_run_started_is_not_the_service() -> Result<()> {
    let project = unique_name();
    let mut labels = labels(&project, "web", 1);
    labels[3] = "com.docker.compose.oneoff=True".to_owned();
    let mut args = vec!["--network", "none"];
    labels.iter().for_each(|label| args.extend(["--label", label]));
    let alone = Container::run(image::busybox()?, &args, &["sleep", "1000"])?;
    let service = format!("compose://{project}/web");
    let output = to(&service)?;
    let message = format!("cnsenter: no such container: {service}\n");
    assert!(output.code == Some(OWN) && without_asked(&output.stderr).starts_with(&message), "{output:?}");
    let web = replica(&project, "web", 1)?;
    assert_eq!(net_of(&service)?, net(&web)?);
    assert_eq!(net_of(alone.name())?, net(&alone)?);
    Ok(())
}

#[test]
fn projects_of_other_runtimes_have_services_too() -> Result<()> {
    let project = unique_name();
    let annotations = labels(&project, "web", 2);
    let mut options = Vec::new();
    annotations.iter().for_each(|annotation| options.extend(["--annotation", annotation]));
    let task = containerd::Container::run(NAMESPACE, &options, &["sleep", "1000"])?;
    let service = format!("compose://{project}/web");
    assert_eq!(net_of(&service)?, ns::link("net", task.netns()?));
    assert_eq!(net_of(&format!("{service}/2"))?, ns::link("net", task.netns()?));
    assert_eq!(to(&format!("{service}/1"))?.code, Some(OWN));
    // Where Docker has such a project, its word counts, as with names.
    let web = replica(&project, "web", 1)?;
    assert_eq!(net_of(&service)?, net(&web)?);
    Ok(())
}
