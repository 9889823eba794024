//! What the command line makes of a recorded user, environment and folder, next to `docker exec`. Every fact that a program
//! finds out about itself belongs in `fidelity`.

use anyhow::Result;
use testbed::{Container, image};

use crate::run::{OWN, quiet, run};

const ENVIRONMENT: [&str; 3] = ["sh", "-c", "id; env | grep -v -e ^SHLVL= | sort"];

#[test]
fn another_user_has_his_own_home_and_the_groups_that_all_have() -> Result<()> {
    let other = Container::run(image::busybox()?, &[], &["sleep", "1000"])?;
    let link = format!("{}:db", other.name());
    for options in [
        &[][..],
        &["--user", "app", "--group-add", "adm", "--group-add", "4242"],
        &["--env", "HOME=/of/the/image", "--env", "TERM=of-the-image"],
        &["--env", "HOME=", "--tty"],
        &["--link", &link],
    ] {
        let web = Container::run(image::busybox()?, options, &["sleep", "1000"])?;
        assert_eq!(quiet([&[web.name()], &ENVIRONMENT[..]].concat())?, web.exec(&[], &ENVIRONMENT)?, "{options:?}");
        for user in ["app", "root", "1000", "1000:33", "7", ":adm"] {
            let ours = quiet([&["--as", user, web.name()], &ENVIRONMENT[..]].concat())?;
            assert_eq!(ours, web.exec(&["--user", user], &ENVIRONMENT)?, "{options:?} {user}");
        }
    }
    Ok(())
}

#[test]
fn a_recorded_folder_that_is_gone_is_an_error_and_another_one_is_taken() -> Result<()> {
    let web = Container::run(image::busybox()?, &["--network", "none", "--workdir", "/tmp/x"], &["sleep", "1000"])?;
    let name = web.name();
    assert_eq!(quiet([name, "pwd"])?, "/tmp/x");
    assert_eq!(quiet(["--wdns=/etc", name, "pwd"])?, "/etc");
    web.exec(&["--workdir", "/"], &["rmdir", "/tmp/x"])?;
    let output = run([name, "pwd"])?;
    assert_eq!((output.code, output.stdout.as_str()), (Some(OWN), ""), "{output:?}");
    assert!(output.stderr.starts_with("cnsenter: ") && output.stderr.contains("/tmp/x"), "{output:?}");
    assert!(web.exec(&[], &["pwd"]).is_err());
    assert_eq!(quiet(["--wdns=/", name, "pwd"])?, "/");
    Ok(())
}

#[test]
fn privileged_is_root_without_the_filter_and_says_so() -> Result<()> {
    let options = ["--network", "none", "--user", "7", "--security-opt", "no-new-privileges", "--cap-drop", "ALL"];
    let web = Container::run(image::busybox()?, &options, &["sleep", "1000"])?;
    let facts = ["sh", "-c", "id -u; grep -E '^(NoNewPrivs|Seccomp|CapEff):' /proc/self/status | tr -d '\\t'"];
    let own = std::fs::read_to_string("/proc/self/status")?;
    let effective = own.lines().find(|line| line.starts_with("CapEff:")).unwrap_or_default().replace('\t', "");
    let output = run([&["--privileged", web.name()], &facts[..]].concat())?;
    assert_eq!(output.stdout, format!("0\n{effective}\nNoNewPrivs:0\nSeccomp:0\n"), "{output:?}");
    assert_eq!(
        output.stderr,
        "cnsenter: note: --privileged: not applied of the container's confinement: its limits on capabilities, its \
         seccomp filter and no_new_privs\n"
    );
    // Without it there is nothing to say.
    assert_eq!(quiet([web.name(), "id", "-u"])?, "7");
    Ok(())
}
