//! The networks of a swarm, in which no container's process is, and its tasks: on a newest engine of its own, so that the
//! machine's engine never joins one.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use testbed::{engine, image, ns, output, wait};

use super::rows;

#[test]
fn sandboxes_without_a_process_are_found_by_their_file_and_tasks_by_their_name() -> Result<()> {
    let newest = engine::Newest::start()?;
    newest.docker(&["swarm", "init", "--advertise-addr", "127.0.0.1"])?;
    let image = image::busybox_at(&newest.socket())?;
    let service = ["service", "create", "--detach", "--no-resolve-image", "--publish", "8080:80", "--name", "web"];
    newest.docker(&[&service[..], &[image, "sleep", "1000"]].concat())?;
    let limit = Duration::from_secs(30);
    let id = wait::until(limit, "the service's task", || {
        newest.docker(&["ps", "-q", "--no-trunc"]).ok().filter(|ids| !ids.is_empty())
    })?;
    let name = newest.docker(&["inspect", "--format", "{{.Name}} {{.State.Pid}}", &id])?;
    let (name, pid) = name.split_once(' ').context("no pid")?;
    let folder = Path::new(&newest.socket()).parent().context("no folder")?.join("exec/netns");
    let folder = format!("/proc/{}/root{}", newest.pid(), folder.display());
    let ingress = wait::until(limit, "the ingress network", || {
        let inode = ns::inode_of_file(&format!("{folder}/ingress_sbox")).ok()?;
        let addresses = Command::new("nsenter")
            .args([&format!("--net={folder}/ingress_sbox"), "ip", "-o", "-4", "address"])
            .output()
            .ok()?;
        let text = String::from_utf8(addresses.stdout).ok()?;
        let gateway = text.lines().find(|line| line.contains(" eth1 "))?.split_whitespace().nth(3)?.to_owned();
        Some((inode, gateway))
    })?;
    let socket = format!("unix://{}", newest.socket());
    let link = ns::link("net", ingress.0);
    // In the network of that engine, where the bridge is, with its files where an engine of the host's has them.
    let in_place = format!("{}\nshift; exec \"$@\"", crate::sandbox::swarm::ADOPT);
    let mut who = crate::run::on_default_engine(Command::new("nsenter"));
    who.args([
        "-n",
        "-t",
        &newest.pid().to_string(),
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-euc",
        &in_place,
        "sh",
        &folder,
    ]);
    who.arg(crate::cnsenter().get_program()).args(["who", "-H", &socket, &link, &ingress.1, pid]);
    let output = output::run(&mut who)?;
    let sandbox = "--net=/run/docker/netns/ingress_sbox";
    let task = format!("docker://{}", name.trim_start_matches('/'));
    let all = rows(&output)?;
    for (word, owner) in [(&link, sandbox), (&ingress.1, sandbox), (&pid.to_owned(), &task)] {
        assert!(all.iter().any(|(what, found, _)| what == word && found == owner), "{word} is {owner}'s: {output:?}");
    }
    newest.docker(&["service", "rm", "web"])?;
    newest.docker(&["swarm", "leave", "--force"])?;
    Ok(())
}
