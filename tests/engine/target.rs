//! TARGET: every way to name a container, and what Docker itself takes the same word for. A sandbox's other names are
//! in `sandbox.rs`, what a container's state does to it is in `state.rs`.

mod entry;
mod words;

use anyhow::Result;
use testbed::{Container, engine, image, ns};

use crate::run::{NET, OWN, assert_refused, quiet, run, stdout, without_asked};

fn container(args: &[&str]) -> Result<Container> {
    let mut all = vec!["--network", "none"];
    all.extend(args);
    Container::run(image::busybox()?, &all, &["sleep", "1000"])
}

fn net_of(target: &str) -> Result<String> {
    quiet(["--net", target].iter().chain(&NET))
}

#[test]
fn every_name_of_a_container_leads_to_it() -> Result<()> {
    let web = container(&[])?;
    let (id, name) = (web.id(), web.name());
    let by_docker = web.exec(&[], &NET)?;
    assert_ne!(by_docker, ns::link("net", ns::own("net")?));
    for target in [
        name.to_owned(),
        format!("/{name}"),
        id.to_owned(),
        web.short_id().to_owned(),
        id[..20].to_owned(),
        format!("docker://{name}"),
        format!("docker:///{name}"),
        format!("docker://{id}"),
        format!("docker://{}", web.short_id()),
    ] {
        assert_eq!(net_of(&target)?, by_docker, "--net {target}");
        assert_eq!(quiet(["-t", &target, "-n"].iter().chain(&NET))?, by_docker, "-t {target}");
        assert_eq!(quiet(["-n", &format!("-t{target}")].iter().chain(&NET))?, by_docker, "-t{target}");
        assert_eq!(quiet([&format!("--target={target}"), "-n"].iter().chain(&NET))?, by_docker, "--target={target}");
    }
    Ok(())
}

#[test]
fn names_match_whole_and_in_their_case() -> Result<()> {
    let web = container(&[])?;
    for word in [&web.name()[..web.name().len() - 1], &web.name().to_uppercase(), &web.id()[1..13]] {
        let output = run(["--net", word, "true"])?;
        assert!(engine::docker(&["inspect", word]).is_err(), "Docker knows {word}");
        assert_eq!(output.code, Some(OWN), "{word}: {output:?}");
        assert!(
            without_asked(&output.stderr).starts_with(&format!("cnsenter: no such container: {word}\nhint: ")),
            "{output:?}"
        );
    }
    Ok(())
}

#[test]
fn digits_after_t_are_a_process_and_docker_makes_them_an_id() -> Result<()> {
    let web = container(&[])?;
    let pid = web.pid()?.to_string();
    assert_eq!(quiet(["-t", &pid, "-n"].iter().chain(&NET))?, web.exec(&[], &NET)?);
    // As a container's name the same digits are asked of Docker, and the process is offered.
    let output = run(["--net", &pid, "true"])?;
    assert_refused(
        &output,
        &format!("no such container: {pid}"),
        &format!("to enter the process of that number: -t {pid}"),
    );
    let output = run(["-t", &format!("docker://{pid}"), "-n", "true"])?;
    assert_eq!(output.code, Some(OWN), "{output:?}");
    assert!(output.stderr.starts_with(&format!("cnsenter: no such container: docker://{pid}\n")), "{output:?}");
    Ok(())
}

#[test]
fn an_ambiguous_prefix_lists_what_can_be_pasted() -> Result<()> {
    // Seventeen IDs cannot begin with sixteen digits; mostly five or six are enough.
    let mut all: Vec<Container> = Vec::new();
    let (first, second) = loop {
        let new = Container::create(image::busybox()?, &["--network", "none"], &["sleep", "1000"])?;
        if let Some(at) = all.iter().position(|old| old.id()[..1] == new.id()[..1]) {
            break (all.swap_remove(at), new);
        }
        all.push(new);
    };
    first.docker(&["start"])?;
    second.docker(&["start"])?;
    let prefix = &first.id()[..1];
    let by_docker = engine::docker(&["inspect", prefix]);
    assert!(by_docker.is_err(), "Docker takes {prefix} for one");

    let output = run(["--net", prefix, "true"])?;
    assert_eq!((output.code, output.stdout.as_str()), (Some(OWN), ""), "{output:?}");
    let mut lines = output.stderr.lines();
    assert_eq!(lines.next(), Some(format!("cnsenter: {prefix} is ambiguous:").as_str()));
    assert_eq!(lines.next_back(), Some("hint: name one of these"), "{output:?}");
    let lines: Vec<_> = lines.collect();
    for container in [&first, &second] {
        let line = lines.iter().find(|line| line.ends_with(&format!("(container {})", container.name())));
        let word = line.and_then(|line| line.split_whitespace().next()).unwrap_or_default();
        assert_eq!(word, format!("docker://{}", container.short_id()), "{output:?}");
        assert_eq!(net_of(word)?, container.exec(&[], &NET)?, "{word}");
    }
    Ok(())
}

#[test]
fn a_name_goes_before_the_beginning_of_an_id() -> Result<()> {
    let one = container(&[])?;
    let other = container(&["--name", one.short_id()])?;
    let word = one.short_id();
    assert_eq!(engine::docker(&["inspect", "--format", "{{.Id}}", word])?, other.id(), "Docker's own order");
    assert_eq!(net_of(word)?, other.exec(&[], &NET)?);
    assert_eq!(net_of(&one.id()[..13])?, one.exec(&[], &NET)?);
    Ok(())
}

#[test]
fn an_id_goes_before_a_name() -> Result<()> {
    let one = container(&[])?;
    let other = container(&["--name", one.id()])?;
    assert_eq!(engine::docker(&["inspect", "--format", "{{.Id}}", one.id()])?, one.id(), "Docker's own order");
    assert_eq!(net_of(one.id())?, one.exec(&[], &NET)?);
    assert_eq!(net_of(other.id())?, other.exec(&[], &NET)?);
    Ok(())
}

#[test]
fn a_shared_network_is_that_of_its_owner() -> Result<()> {
    let owner = container(&[])?;
    let mode = format!("container:{}", owner.name());
    let guest = Container::run(image::busybox()?, &["--network", &mode], &["sleep", "1000"])?;
    assert_eq!(net_of(guest.name())?, owner.exec(&[], &NET)?);
    assert_eq!(net_of(guest.name())?, guest.exec(&[], &NET)?);
    Ok(())
}

#[test]
fn the_hosts_own_network_is_said_to_be_that() -> Result<()> {
    let web = Container::run(image::busybox()?, &["--network", "host"], &["sleep", "1000"])?;
    let note = format!("cnsenter: note: container {} uses the host's own network (--network host)\n", web.name());
    for option in ["--net", "--sandbox"] {
        let output = run([option, web.name()].iter().chain(&NET))?;
        assert!(output.success(), "{option}: {output:?}");
        assert_eq!(output.stderr, note, "{option}");
        assert_eq!(output.stdout.trim_end(), stdout("readlink", &["/proc/self/ns/net"])?, "{option}");
    }
    // Where the network is not entered, it is nobody's concern.
    let output = run(["--uts", web.name(), "true"])?;
    assert!(output.success() && output.stderr.is_empty(), "{output:?}");
    Ok(())
}

#[test]
fn a_slip_of_the_keyboard_is_answered_with_the_name() -> Result<()> {
    let web = container(&[])?;
    let at = web.name().len() - 3;
    let slip = format!("{}x{}", &web.name()[..at], &web.name()[at..]);
    let output = run(["--net", &slip, "true"])?;
    assert_eq!((output.code, output.stdout.as_str()), (Some(OWN), ""), "{output:?}");
    assert!(
        without_asked(&output.stderr).starts_with(&format!("cnsenter: no such container: {slip}\nhint: did you mean "))
    );
    assert!(output.stderr.contains(web.name()), "{output:?}");
    // One that has ended is offered too: why it cannot be entered is said when it is named.
    web.docker(&["kill"])?;
    assert!(run(["--net", &slip, "true"])?.stderr.contains(web.name()));

    let output = run(["--net", "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", "true"])?;
    let message = "no such container: zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz";
    assert_refused(&output, message, "cnsenter ls -a lists what there is");
    Ok(())
}

#[test]
fn a_habit_from_docker_is_answered_with_our_way() -> Result<()> {
    let web = container(&[])?;
    for (option, word, found, ours) in [
        ("-u", "zzzzzz", "zzzzzz", "docker exec's -u zzzzzz is --as zzzzzz here"),
        ("--user", "zzzzzz", "zzzzzz", "docker exec's --user zzzzzz is --as zzzzzz here"),
        ("-w", "/zzzzzz", "zzzzzz", "docker exec's -w /zzzzzz is --workdir /zzzzzz here"),
    ] {
        let output = run([option, word, web.name(), "true"])?;
        let hint = format!("cnsenter ls -a lists what there is; {ours}");
        assert_refused(&output, &format!("no such container: {found}"), &hint);
    }
    for (line, name, ours) in [
        (&["exec", web.name(), "true"][..], "exec", "docker's word exec is left out here: cnsenter TARGET PROGRAM"),
        (&["help"], "help", "cnsenter --help shows how it is used"),
        (&["--timeout", "5s", "ls"], "ls", "a subcommand is the first word: cnsenter ls"),
    ] {
        let output = run(line)?;
        let hint = format!("cnsenter ls -a lists what there is; {ours}");
        assert_refused(&output, &format!("no such container: {name}"), &hint);
    }
    let output = run(["--workdir", "/zzzzzz", web.name(), "true"])?;
    let hint = "--workdir names a folder of the container's, not of the host's";
    assert_refused(&output, "cannot open /zzzzzz: No such file or directory", hint);
    Ok(())
}
