//! LXC containers: by name alone and by folder, against lxc-attach and nsenter; and the ways in which a cgroup's name is
//! not the container's. Everybody's options on a container that has been found are tested elsewhere, on Docker.

use anyhow::Result;
use testbed::guard::unique_name;
use testbed::{Scratch, lxc, ns};

use crate::run::{NET, OWN, assert_refused, quiet, run, stdout, without_asked};

/// Prints every namespace that a program finds itself in, those for its children too.
pub(crate) const LINKS: [&str; 3] = ["sh", "-c", "for link in /proc/self/ns/*; do echo $link; readlink $link; done"];

/// `--state-root FOLDER`, and the words for what is in the way of entering by its network alone.
fn net_under(folder: &Scratch, name: &str) -> Result<String> {
    let folder = folder.path().display().to_string();
    quiet(["--state-root", &folder, "--net", name].iter().chain(&NET))
}

fn net_link(container: &lxc::Container) -> Result<String> {
    Ok(ns::link("net", ns::inode(container.pid()?, "net")?))
}

#[test]
fn a_container_is_entered_as_lxc_attach_and_nsenter_do() -> Result<()> {
    let web = lxc::Container::start()?;
    let by_lxc = web.exec(&LINKS)?;
    let pid = web.pid()?.to_string();
    assert_eq!(by_lxc, stdout("nsenter", &[&["-t", &pid, "-a"][..], &LINKS].concat())?);
    let by_lxc_net = web.exec(&NET)?;
    assert_ne!(by_lxc_net, ns::link("net", ns::own("net")?));
    for target in [web.name().to_owned(), format!("lxc://{}", web.name())] {
        assert_eq!(quiet([target.as_str()].iter().chain(&LINKS))?, by_lxc, "{target}");
        assert_eq!(quiet(["--net", &target].iter().chain(&NET))?, by_lxc_net, "{target}");
        assert_eq!(quiet([&target, "hostname"])?, web.name());
        let ours = quiet([target.as_str(), "sh", "-c", "echo $container $PATH; id -u"])?;
        assert_eq!(ours, web.exec(&["sh", "-c", "echo $container $PATH; id -u"])?);
    }
    // Names match whole, and another runtime's are not LXC's.
    for word in [&web.name()[..web.name().len() - 1], &format!("nspawn://{}", web.name())] {
        let output = run(["--net", word, "true"])?;
        assert_eq!(output.code, Some(OWN), "{output:?}");
    }
    Ok(())
}

#[test]
fn a_stopped_container_is_said_to_be_so_and_a_frozen_one_is_entered() -> Result<()> {
    let web = lxc::Container::start()?;
    let name = web.name();
    web.freeze()?;
    assert_eq!(quiet(["--net", name].iter().chain(&NET))?, net_link(&web)?);
    web.stop()?;
    for target in [name.to_owned(), format!("lxc://{name}")] {
        let message = format!("container {name} is not running");
        assert_refused(
            &run([target.as_str(), "true"])?,
            &message,
            &format!("lxc-start {name} starts it; --wait enters it then"),
        );
    }
    web.start_again()?;
    assert_eq!(quiet(["--net", name].iter().chain(&NET))?, net_link(&web)?);
    Ok(())
}

#[test]
fn one_name_in_two_folders_is_the_container_of_the_folder_that_was_named() -> Result<()> {
    let (here, there, name) = (Scratch::new()?, Scratch::new()?, unique_name());
    let first = lxc::Container::start_as(here.path(), &name, &[])?;
    assert_eq!(quiet(["--net", &name].iter().chain(&NET))?, net_link(&first)?, "one that runs needs no folder");
    // The cgroup of the second has another name, since the first has that one.
    let second = lxc::Container::start_as(there.path(), &name, &[])?;
    assert_ne!(net_link(&first)?, net_link(&second)?);
    assert_eq!(net_under(&here, &name)?, net_link(&first)?);
    assert_eq!(net_under(&there, &name)?, net_link(&second)?);
    // Without a folder neither is taken for the other.
    let output = run(["--net", &name, "true"])?;
    let said = without_asked(&output.stderr);
    assert!(
        output.code == Some(OWN) && said.starts_with(&format!("cnsenter: no such container: {name}\n")),
        "{output:?}"
    );

    first.stop()?;
    let output = run(["--state-root", &here.path().display().to_string(), "--net", &name, "true"])?;
    assert!(output.stderr.starts_with(&format!("cnsenter: container {name} is not running\n")), "{output:?}");
    assert_eq!(net_under(&there, &name)?, net_link(&second)?);
    // Started last, it has the name of the cgroup that has become free.
    first.start_again()?;
    assert_eq!(net_under(&here, &name)?, net_link(&first)?);
    assert_eq!(net_under(&there, &name)?, net_link(&second)?);
    Ok(())
}

#[test]
fn a_container_in_a_cgroup_of_another_name_is_found_by_its_monitor() -> Result<()> {
    let name = unique_name();
    let line = format!("lxc.cgroup.dir.container = {name}-payload");
    let monitor = format!("lxc.cgroup.dir.monitor = {name}-monitor");
    let web = lxc::Container::start_as(lxc::PATH.as_ref(), &name, &[&line, &monitor])?;
    assert_eq!(quiet(["--net", &name].iter().chain(&NET))?, net_link(&web)?);
    Ok(())
}
