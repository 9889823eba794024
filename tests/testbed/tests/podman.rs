//! That podman's containers and pods, and those of runc and crun by hand, are real: they start, run programs, and leave
//! nothing behind.

use std::path::Path;

use anyhow::Result;
use testbed::{Scratch, guard, ns, oci, podman};

#[test]
fn a_container_runs_and_is_removed() -> Result<()> {
    let web = podman::Container::run(&["--hostname", "bee"], &["sleep", "1000"])?;
    assert_eq!(web.exec(&["hostname"])?, "bee");
    let id = web.id().to_owned();
    assert_eq!(format!("net:[{}]", ns::inode(web.pid()?, "net")?), web.exec(&["readlink", "/proc/1/ns/net"])?);
    drop(web);
    assert!(podman::podman(&["container", "exists", &id]).is_err());
    assert!(!Path::new("/run/crun").join(id).exists());
    Ok(())
}

#[test]
fn a_pod_shares_a_network() -> Result<()> {
    let pod = podman::Pod::create()?;
    let web = pod.run(&[], &["sleep", "1000"])?;
    assert_eq!(ns::inode(web.pid()?, "net")?, ns::inode(pod.infra_pid()?, "net")?);
    Ok(())
}

#[test]
fn the_service_answers_and_is_gone() -> Result<()> {
    let service = podman::Service::start()?;
    let socket = service.socket().to_owned();
    assert!(socket.exists());
    drop(service);
    assert!(!socket.exists());
    Ok(())
}

#[test]
fn runc_and_crun_run_by_hand() -> Result<()> {
    let folder = Scratch::new()?;
    for runtime in [oci::Runtime::Runc, oci::Runtime::Crun] {
        for root in [None, Some(folder.path())] {
            let web = oci::Container::run(runtime, root, &[], &["sleep", "1000"])?;
            assert_eq!(web.exec(&["hostname"])?, web.id(), "{runtime:?}");
            assert!(ns::inode(web.pid()?, "net")? > 0);
        }
        let id = guard::unique_name();
        let made = oci::Container::create_as(runtime, None, &id, &[("a", "b")], &["sleep", "1000"])?;
        assert!(made.words(&["state"])?.contains("\"created\""), "{runtime:?}");
        made.start()?;
        made.exec(&["true"])?;
    }
    Ok(())
}
