//! Options of `docker exec`, and those of cnsenter that mean the same.

use anyhow::{Result, ensure};

use super::{Case, PROBE, Place, all_alike, by_docker, by_us, compare, container, env_file, unexcused};

#[test]
fn another_user() -> Result<()> {
    const WAYS: &[(&[&str], &[&str])] = &[
        (&["--user", "app"], &["--as", "app"]),
        (&["--user", "1000"], &["--as", "1000"]),
        (&["--user", "4711"], &["--as", "4711"]),
        (&["--user", "1234:5678"], &["--as", "1234:5678"]),
        (&["--user", "app:adm"], &["--as", "app:adm"]),
        (&["--user", "www-data:7"], &["--as", "www-data:7"]),
        (&["--user", "root"], &["--as", "root"]),
        (&["--user", "0:0"], &["--as", "0:0"]),
    ];
    all_alike(&[
        Case { what: "another user", run: &[], ways: WAYS },
        Case {
            what: "another user, where there are a user, groups and capabilities",
            run: &["--user", "www-data", "--group-add", "4321", "--cap-add", "NET_ADMIN", "--env", "HOME=/set"],
            ways: WAYS,
        },
    ])
}

#[test]
fn another_folder_and_other_variables() -> Result<()> {
    all_alike(&[Case {
        what: "options of entering",
        run: &["--env", "GIVEN=1", "--user", "app"],
        ways: &[
            (&["--workdir", "/usr/bin"], &["--workdir", "/usr/bin"]),
            (&["--workdir", "/tmp", "--user", "0"], &["--workdir", "/tmp", "--as", "0"]),
            (&["--env", "A=1", "--env", "B=two words"], &["--set-env", "A=1", "-E", "B=two words"]),
            (&["--env", "GIVEN=2", "--env", "PATH=/bin"], &["-E", "GIVEN=2", "-E", "PATH=/bin"]),
            (&["--env", "HOME=/x", "--env", "TERM=dumb"], &["-E", "HOME=/x", "-E", "TERM=dumb"]),
        ],
    }])?;
    let (_folder, file) = env_file("# a comment\nFROM_A_FILE=with spaces\n\nEMPTY=\nGIVEN=3\n")?;
    let words = ["--env-file", &file.display().to_string()];
    let container = container(&["--env", "GIVEN=1"])?;
    let failure = compare("variables of a file", &container, &words, &words)?;
    ensure!(failure.is_none(), "{}", failure.unwrap_or_default());
    Ok(())
}

/// With all capabilities: where the machine itself has them. It drops the confinement as well, which `docker exec
/// --privileged` keeps: in all that is left they are alike.
#[test]
fn privileged() -> Result<()> {
    let container = container(&["--user", "app", "--cap-drop", "ALL"])?;
    let Ok(theirs) = by_docker(&container, &["--privileged", "--user", "0"]) else {
        let capable = std::fs::read_to_string("/proc/self/status")?.contains("CapBnd:\t000001ffffffffff");
        ensure!(!capable, "docker exec --privileged does not work here");
        return Ok(());
    };
    let ours = by_us(container.name(), &["--privileged"], PROBE)?;
    // This engine knows fewer capabilities than the kernel does.
    let confinement = ["seccomp.", "call.", "keyring.", "capabilities.", "no_new_privs"];
    let differences = unexcused(Place::Docker, &theirs, &ours);
    let others = differences.iter().filter(|text| !confinement.iter().any(|of| text.trim_start().starts_with(of)));
    assert_eq!(others.collect::<Vec<_>>(), [""; 0]);
    Ok(())
}
