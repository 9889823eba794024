//! systemd-nspawn's machines, registered and not, against nsenter; and what only calls itself one. That a machine is
//! registered is a fake: systemd-machined needs systemd.

use std::process::Command;

use anyhow::{Context, Result};
use testbed::guard::unique_name;
use testbed::nspawn::{Machine, Record};
use testbed::pid::Process;
use testbed::{Container, Scratch, image, ns, wait};

use crate::lxc::LINKS;
use crate::run::{NET, OWN, assert_refused, quiet, run, stdout, without_asked};

fn net_link(machine: &Machine) -> Result<String> {
    Ok(ns::link("net", ns::inode(machine.leader(), "net")?))
}

/// Demands that nobody is called so.
#[track_caller]
fn assert_unknown(name: &str) -> Result<()> {
    let output = run(["--net", name, "true"])?;
    let said = without_asked(&output.stderr);
    assert!(said.starts_with(&format!("cnsenter: no such container: {name}\n")), "{output:?}");
    assert_eq!(output.code, Some(OWN), "{output:?}");
    Ok(())
}

#[test]
fn a_machine_is_entered_as_nsenter_does() -> Result<()> {
    let mut web = Machine::start()?;
    let leader = web.leader().to_string();
    let inside = |words: &[&str]| stdout("nsenter", &[&["-t", &leader, "-a"], words].concat());
    let links = inside(&LINKS)?;
    // nspawn's filter is its own: it is written down nowhere.
    let notice =
        format!("cnsenter: note: the seccomp filter of process {leader} is recorded nowhere, and is not applied\n");
    let whole = |words: &[&str]| {
        let output = run(words)?;
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), notice.as_str()), "{output:?}");
        anyhow::Ok(output.stdout.trim_end().to_owned())
    };
    for target in [web.name().to_owned(), format!("nspawn://{}", web.name())] {
        assert_eq!(whole(&[&[target.as_str()], &LINKS[..]].concat())?, links, "{target}");
        assert_eq!(quiet(["--net", &target].iter().chain(&NET))?, net_link(&web)?, "{target}");
        assert_eq!(whole(&[&target, "hostname"])?, inside(&["hostname"])?);
        assert_eq!(whole(&[target.as_str(), "sh", "-c", "echo $container; id -u"])?, "systemd-nspawn\n0");
    }
    assert_eq!(inside(&["hostname"])?, web.name());
    let name = web.name().to_owned();
    assert_unknown(&name[..name.len() - 1])?;
    web.stop()?;
    assert_unknown(&name)
}

#[test]
fn a_registered_machine_is_its_leader_as_long_as_the_unit_has_it() -> Result<()> {
    // Noted under a name that the command line does not have.
    let (web, name) = (Machine::start()?, unique_name());
    let leader = web.leader();
    let record = Record::write(&name, leader, "payload")?;
    for target in [name.clone(), format!("nspawn://{name}")] {
        assert_eq!(quiet(["--net", &target].iter().chain(&NET))?, net_link(&web)?, "{target}");
    }
    drop(record);
    assert_unknown(&name)?;

    // The same pid, and by now another container's.
    let record = Record::write(&name, leader, r"machine-cnsenter\x2dtest.scope")?;
    let message = format!("container {name} is not running: its recorded pid {leader} is gone");
    let hint = "what the runtime left on disk is older than its end; --wait enters its next run";
    assert_refused(&run(["--net", &name, "true"])?, &message, hint);
    drop(record);
    // A process that is no container's first.
    let record = Record::write(&name, std::process::id(), "payload")?;
    assert_eq!(run(["--net", &name, "true"])?.code, Some(OWN));
    drop(record);
    // Virtual machines and LXC containers may be registered as well.
    for lines in ["SERVICE=qemu\nCLASS=vm\n", "SERVICE=systemd-vmspawn\nCLASS=vm\n", "SERVICE=lxc\nCLASS=container\n"] {
        let _record = Record::write_lines(&name, &format!("{lines}LEADER={leader}\n"), "payload")?;
        assert_unknown(&name)?;
    }
    Ok(())
}

#[test]
fn a_registered_machine_does_not_hide_one_whose_name_begins_its_own() -> Result<()> {
    let (short, other) = (Machine::start()?, Machine::start()?);
    let _record = Record::write(&format!("{}-longer", short.name()), other.leader(), "payload")?;
    assert_eq!(quiet(["--net", short.name()].iter().chain(&NET))?, net_link(&short)?);
    Ok(())
}

#[test]
fn of_two_machines_with_one_name_neither_is_taken() -> Result<()> {
    let name = unique_name();
    let first = Machine::start_as(&name, &[])?;
    let second = Machine::start_as(&name, &[])?;
    assert_ne!(net_link(&first)?, net_link(&second)?);
    assert_unknown(&name)?;
    drop(second);
    assert_eq!(quiet(["--net", &name].iter().chain(&NET))?, net_link(&first)?);
    Ok(())
}

/// What looks like a machine of this name: a program called `systemd-nspawn`, the image on whose command line is called
/// `name`, with a child that is the first of a pid namespace. It is util-linux's unshare.
fn forged(folder: &Scratch, name: &str, before: &[&str]) -> Result<Process> {
    use std::os::unix::fs::PermissionsExt;
    let (program, image) = (folder.path().join("systemd-nspawn"), folder.path().join(name));
    std::fs::copy("/usr/bin/unshare", &program)?;
    std::fs::write(&image, "#!/bin/sh\nexec sleep 1000\n")?;
    for path in [folder.path(), &image] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    }
    let words = before.iter().map(AsRef::as_ref).chain([program.as_os_str()]).collect::<Vec<_>>();
    // To nspawn, "--fork" would be the value of "--pid".
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).args(["--pid", "--fork", "--kill-child=KILL", "-i"]).arg(&image);
    let process = Process::spawn(&mut command)?;
    wait_for_child(process.pid())?;
    Ok(process)
}

fn wait_for_child(pid: u32) -> Result<()> {
    wait::until(std::time::Duration::from_secs(10), "the child of a forged machine", || {
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
        (!children.is_empty()).then_some(())
    })
}

#[test]
fn what_a_user_calls_systemd_nspawn_is_no_machine() -> Result<()> {
    let (folder, name) = (Scratch::new()?, unique_name());
    // Root's on the host is one, so the forgery is good.
    let of_root = forged(&folder, &name, &["env"])?;
    quiet(["--net", &name, "true"])?;
    drop(of_root);
    // With what it takes to make a pid namespace, which is nothing that tells root from others.
    let able = ["--clear-groups", "--inh-caps=+sys_admin", "--ambient-caps=+sys_admin"];
    for user in [
        [&["setpriv", "--reuid=65534", "--regid=65534"][..], &able].concat(),
        // Not even as root's program.
        vec!["setpriv", "--ruid=65534", "--keep-groups"],
        // Root of a user namespace.
        vec!["unshare", "--user", "--map-root-user"],
    ] {
        let _forged = forged(&folder, &name, &user).with_context(|| format!("{user:?}"))?;
        assert_unknown(&name)?;
    }
    Ok(())
}

#[test]
fn what_a_container_calls_systemd_nspawn_is_no_machine() -> Result<()> {
    let name = unique_name();
    let script = format!(
        "ln -s /bin/busybox /tmp/systemd-nspawn; printf '#!/bin/sh\\nexec sleep 1000\\n' >/tmp/{name}; chmod 755 /tmp/{name}
         exec -a unshare /tmp/systemd-nspawn --pid --fork -n -i /tmp/{name}"
    );
    for namespaces in [&["--pid", "host"][..], &[]] {
        let mut options = vec!["--network", "none", "--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined"];
        options.extend(namespaces);
        let container = Container::run(image::busybox()?, &options, &["sh", "-c", &script])?;
        wait_for_child(container.pid()?)?;
        let pid = container.pid()?;
        assert_eq!(std::fs::read_to_string(format!("/proc/{pid}/comm"))?, "systemd-nspawn\n");
        assert_unknown(&name)?;
    }
    Ok(())
}
