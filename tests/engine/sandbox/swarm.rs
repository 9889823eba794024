//! The networks of a swarm, in which no container's process is: on a newest engine of its own, so that the machine's
//! engine never joins one.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use testbed::{engine, image, output, wait};

use super::mounts::after;
use crate::run::{NET, OWN};

/// Makes this mount namespace's netns folder that of the engine whose folder is the argument. Files of namespaces can be
/// bound from another mount namespace, as other files cannot, and by a path that mount(8) must leave as it is.
pub(crate) const ADOPT: &str = "
mount -t tmpfs none /run/docker/netns
for file in \"$1\"/*; do
    : >\"/run/docker/netns/${file##*/}\"
    mount --no-canonicalize --bind \"$file\" \"/run/docker/netns/${file##*/}\"
done
";

#[test]
fn each_file_of_a_swarm_is_entered_by_its_name() -> Result<()> {
    let newest = engine::Newest::start()?;
    newest.docker(&["swarm", "init", "--advertise-addr", "127.0.0.1"])?;
    // A service on an overlay network of its own has a load balancer: a sandbox of a third kind.
    let image = image::busybox_at(&newest.socket())?;
    newest.docker(&["network", "create", "--driver", "overlay", "overlay"])?;
    let service = ["service", "create", "--detach", "--no-resolve-image", "--network", "overlay", "--name", "web"];
    newest.docker(&[&service[..], &[image, "sleep", "1000"]].concat())?;
    let folder = Path::new(&newest.socket()).parent().context("no folder")?.join("exec/netns");
    let folder = format!("/proc/{}/root{}", newest.pid(), folder.display());
    let limit = Duration::from_secs(30);
    let names = wait::until(limit, "the swarm's networks", || namespaces(&folder).filter(|names| complete(names)))?;
    // A task that starts still changes its own tables.
    wait::until(limit, "the service's task", || newest.docker(&["ps", "-q"]).ok().filter(|ids| !ids.is_empty()))?;

    let on = format!("unix://{}", newest.socket());
    let mut rules = Vec::new();
    for name in &names {
        let file = format!("--net={folder}/{name}");
        let sandbox = |words: &[&str]| after(ADOPT, &folder, &[&["-H", &on, "--sandbox", name], words].concat());
        let by_nsenter = output::stdout(Command::new("nsenter").arg(&file).args(NET))?;
        let output = sandbox(&NET)?;
        assert!(output.success() && output.stderr.is_empty(), "{name}: {output:?}");
        assert_eq!(output.stdout.trim_end(), by_nsenter, "{name}");
        let tables = ["iptables", "-t", "nat", "-S"];
        let by_nsenter = output::run(Command::new("nsenter").arg(&file).args(tables))?;
        assert_eq!(sandbox(&tables)?, by_nsenter, "{name}");
        rules.push(by_nsenter.stdout);
        // Its beginning is not its name.
        let output = after(ADOPT, &folder, &["-H", &on, "--sandbox", &name[..3], "true"])?;
        assert_eq!(output.code, Some(OWN), "{name}: {output:?}");
    }
    assert!(rules.iter().any(|text| text.contains("-A ")), "no table has a rule: {rules:?}");
    crate::see::netns::check_swarm(&newest, &folder, &names)?;
    newest.docker(&["service", "rm", "web"])?;
    newest.docker(&["swarm", "leave", "--force"])?;
    Ok(())
}

/// The files of a folder, once all of them are namespaces.
fn namespaces(folder: &str) -> Option<Vec<String>> {
    const NSFS_MAGIC: i64 = 0x6e73_6673;
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).ok()?.flatten() {
        if rustix::fs::statfs(entry.path()).ok()?.f_type != NSFS_MAGIC {
            return None;
        }
        names.push(entry.file_name().into_string().ok()?);
    }
    Some(names)
}

/// Whether there is one of each kind: the ingress, a network, a load balancer, a task's own.
fn complete(names: &[String]) -> bool {
    let own = |name: &String| name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let any = |start: &str| names.iter().any(|name| name.starts_with(start));
    any("ingress_sbox") && any("1-") && any("lb_") && names.iter().any(own)
}
