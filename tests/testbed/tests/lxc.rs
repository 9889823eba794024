//! The testbed's own check of LXC containers and nspawn machines, as root: each starts, runs a program, and leaves
//! nothing behind. What cnsenter does with them is checked in `tests/engine`.

use std::path::Path;

use anyhow::Result;
use testbed::guard::unique_name;
use testbed::{Scratch, lxc, ns, nspawn, output};

#[test]
fn an_lxc_container_runs_a_program_stops_starts_and_goes_with_its_guard() -> Result<()> {
    let container = lxc::Container::start()?;
    let pid = container.pid()?;
    assert_ne!(ns::inode(pid, "net")?, ns::own("net")?);
    assert_eq!(container.exec(&["readlink", "/proc/self/ns/net"])?, ns::link("net", ns::inode(pid, "net")?));
    assert_eq!(container.exec(&["hostname"])?, container.name());
    container.stop()?;
    assert!(container.pid().is_err() && ns::inode(pid, "net").is_err());
    assert_eq!(container.state()?, "STOPPED");
    container.start_again()?;
    let again = container.pid()?;
    assert_ne!(again, pid);
    let folder = Path::new(lxc::PATH).join(container.name());
    assert!(folder.exists());
    drop(container);
    assert!(!folder.exists() && ns::inode(again, "net").is_err());
    Ok(())
}

#[test]
fn an_lxc_name_may_be_in_two_folders_and_once_in_each() -> Result<()> {
    let (here, there, name) = (Scratch::new()?, Scratch::new()?, unique_name());
    let first = lxc::Container::start_as(here.path(), &name, &[])?;
    let second = lxc::Container::start_as(there.path(), &name, &[])?;
    assert_ne!(first.pid()?, second.pid()?);
    assert!(lxc::Container::start_as(there.path(), &name, &[]).is_err());
    assert_eq!(second.state()?, "RUNNING", "a failed start does not take the other along");
    Ok(())
}

#[test]
fn a_machine_runs_a_program_and_goes_with_its_guard() -> Result<()> {
    let (machine, other) = (nspawn::Machine::start()?, nspawn::Machine::start()?);
    let leader = machine.leader();
    assert_ne!(ns::inode(leader, "net")?, ns::own("net")?);
    assert_ne!(ns::inode(leader, "net")?, ns::inode(other.leader(), "net")?);
    let inside = output::stdout(std::process::Command::new("nsenter").args(["-at", &leader.to_string(), "hostname"]))?;
    assert_eq!(inside, machine.name());
    let supervisor = machine.supervisor();
    drop(machine);
    assert!(ns::inode(leader, "net").is_err() && ns::inode(supervisor, "net").is_err());
    assert!(ns::inode(other.leader(), "net").is_ok());
    Ok(())
}

#[test]
fn a_machine_that_cannot_start_says_why() {
    let error = nspawn::Machine::start_as(&unique_name(), &["--no-such-option"]).unwrap_err();
    assert!(format!("{error:#}").contains("no-such-option"), "{error:#}");
}
