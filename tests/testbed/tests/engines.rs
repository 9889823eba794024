//! The testbed's own check of what podman and its relatives need of the machine, as root: networks that the host sees too,
//! an ordinary user's podman, and that whatever fails half-way leaves nothing behind.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use testbed::guard::unique_name;
use testbed::oci::{self, Runtime};
use testbed::podman::rootless::Rootless;
use testbed::podman::{self, Container, Network, Service, podman};
use testbed::{Scratch, ns, output};

#[test]
fn a_network_of_podmans_is_seen_by_the_host_and_by_the_next_podman() -> Result<()> {
    let network = Network::create()?;
    let web = Container::run(&["--network", network.name()], &["sleep", "1000"])?;
    let key = web.inspect("{{.NetworkSettings.SandboxKey}}")?;
    assert_eq!(ns::inode_of_file(&key)?, ns::inode(web.pid()?, "net")?);
    assert!(web.exec(&["ip", "-4", "address", "show", "eth0"])?.contains("inet 10."));
    let name = network.name().to_owned();
    drop(web);
    drop(network);
    let addresses = Path::new("/var/lib/cni/networks").join(&name);
    assert!(!addresses.exists() && !Path::new(&key).exists() && podman(&["network", "exists", &name]).is_err());
    Ok(())
}

#[test]
fn a_container_that_cannot_start_goes_and_so_does_a_paused_one() -> Result<()> {
    let program = format!("/{}", unique_name());
    assert!(Container::run(&[], &[&program]).is_err());
    assert!(!podman(&["ps", "--all", "--format", "{{.Command}}"])?.contains(&program));
    let web = Container::run(&[], &["sleep", "1000"])?;
    web.podman(&["pause"])?;
    assert_eq!(web.inspect("{{.State.Status}}")?, "paused");
    let id = web.id().to_owned();
    drop(web);
    assert!(podman(&["container", "exists", &id]).is_err() && !Path::new("/run/crun").join(id).exists());
    Ok(())
}

#[test]
fn an_id_that_is_taken_is_left_alone() -> Result<()> {
    let root = Scratch::new()?;
    for runtime in [Runtime::Runc, Runtime::Crun] {
        for root in [None, Some(root.path())] {
            let id = unique_name();
            let first = oci::Container::create_as(runtime, root, &id, &[], &["sleep", "1000"])?;
            assert!(oci::Container::create_as(runtime, root, &id, &[], &["sleep", "1000"]).is_err());
            first.start()?;
            let pid = first.pid()?;
            drop(first);
            assert!(ns::inode(pid, "net").is_err(), "{runtime:?}");
        }
        let error = oci::Container::create_as(runtime, None, &unique_name(), &[], &["/no/such/program"]).map(drop);
        assert!(error.is_err_and(|error| error.to_string().contains("/no/such/program")), "{runtime:?}");
    }
    Ok(())
}

#[test]
fn the_service_may_have_the_usual_socket() -> Result<()> {
    let service = Service::start_at(Path::new(podman::SOCKET))?;
    let web = Container::run(&[], &["sleep", "1000"])?;
    let url = format!("http://d/containers/{}/json", web.name());
    let answer = output::stdout(Command::new("curl").args(["-sS", "--unix-socket", podman::SOCKET, &url]))?;
    let answer: serde_json::Value = serde_json::from_str(&answer)?;
    assert_eq!((answer["Id"].as_str(), answer["State"]["Pid"].as_u64()), (Some(web.id()), Some(web.pid()?.into())));
    drop(service);
    assert!(!Path::new(podman::SOCKET).exists());
    Ok(())
}

#[test]
fn an_ordinary_user_has_a_podman_of_his_own() -> Result<()> {
    let rootless = Rootless::new()?;
    let (name, id) = rootless.run(&["sleep", "1000"])?;
    let pid = rootless.pid(&name)?;
    assert_ne!(ns::inode(pid, "user")?, ns::own("user")?);
    assert_eq!(rootless.podman(&["exec", &name, "id", "-u"])?, "0");
    assert!(rootless.runtime_folder().join("crun").join(&id).join("status").exists());
    assert!(podman(&["container", "exists", &id]).is_err(), "root's podman does not know it");
    let service = rootless.serve()?;
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--unix-socket"]).arg(rootless.socket()).arg(format!("http://d/containers/{name}/json"));
    assert!(output::stdout(rootless.as_user(&mut curl))?.contains(&id));
    drop(service);
    let folder = rootless.home();
    drop(rootless);
    assert!(!folder.exists() && ns::inode(pid, "net").is_err());
    Ok(())
}
