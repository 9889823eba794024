//! Containers of every kind that `docker run` makes, entered plainly. Options of entering are in `docker_options`.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testbed::{Container, engine, image, output, wait};

use super::excuses::Place;
use super::{Case, PROBE, all_alike, by_docker, by_us, compare, container, env_file, unexcused};

const PLAIN: &[(&[&str], &[&str])] = &[];

#[test]
fn users_and_groups() -> Result<()> {
    all_alike(&[
        Case { what: "default", run: &[], ways: PLAIN },
        Case { what: "user by name", run: &["--user", "app"], ways: PLAIN },
        Case { what: "user by number, which nobody has", run: &["--user", "1234"], ways: PLAIN },
        Case { what: "user by number, which app has", run: &["--user", "1000"], ways: PLAIN },
        Case { what: "user and group", run: &["--user", "app:www-data"], ways: PLAIN },
        Case { what: "numbers of both", run: &["--user", "1234:5678"], ways: PLAIN },
        Case {
            what: "more groups",
            run: &["--user", "app", "--group-add", "4321", "--group-add", "www-data"],
            ways: PLAIN,
        },
        Case { what: "more groups for root", run: &["--group-add", "4321", "--group-add", "adm"], ways: PLAIN },
    ])
}

#[test]
fn capabilities_and_confinement() -> Result<()> {
    all_alike(&[
        Case { what: "a capability more", run: &["--cap-add", "NET_ADMIN", "--cap-add", "SYS_PTRACE"], ways: PLAIN },
        Case { what: "a capability less", run: &["--cap-drop", "CHOWN", "--cap-drop", "MKNOD"], ways: PLAIN },
        Case { what: "no capability", run: &["--cap-drop", "ALL"], ways: PLAIN },
        Case { what: "none but one", run: &["--cap-drop", "ALL", "--cap-add", "NET_BIND_SERVICE"], ways: PLAIN },
        Case { what: "capabilities of a user", run: &["--cap-add", "NET_ADMIN", "--user", "app"], ways: PLAIN },
        Case { what: "may mount", run: &["--cap-add", "SYS_ADMIN"], ways: PLAIN },
        Case { what: "no new privileges", run: &["--security-opt", "no-new-privileges", "--user", "app"], ways: PLAIN },
        Case { what: "no filter", run: &["--security-opt", "seccomp=unconfined"], ways: PLAIN },
        Case {
            what: "no filter, a user, no new privileges",
            run: &["--security-opt", "seccomp=unconfined", "--security-opt", "no-new-privileges", "--user", "app"],
            ways: PLAIN,
        },
    ])
}

#[test]
fn a_filter_of_ones_own() -> Result<()> {
    let profile = serde_json::json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": [
            { "names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 61 },
            { "names": ["chmod", "no_such_call"], "action": "SCMP_ACT_ERRNO" },
            { "names": ["io_uring_setup"], "action": "SCMP_ACT_KILL_PROCESS" },
            { "names": ["kcmp"], "action": "SCMP_ACT_TRAP" },
            { "names": ["personality"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95,
              "args": [{ "index": 0, "value": 0x0004_0000, "op": "SCMP_CMP_EQ" }] },
            { "names": ["clone"], "action": "SCMP_ACT_ERRNO", "errnoRet": 97,
              "args": [{ "index": 0, "value": 0x0002_0000, "valueTwo": 0x0002_0000, "op": "SCMP_CMP_MASKED_EQ" }] },
        ],
    });
    let (_folder, file) = env_file(&profile.to_string())?;
    let filter = format!("seccomp={}", file.display());
    for more in [&[][..], &["--user", "app"], &["--cap-drop", "ALL"]] {
        let container = container(&[&["--security-opt", &filter], more].concat())?;
        let facts = by_docker(&container, &[])?;
        if cfg!(target_arch = "x86_64") {
            let said = ["mkdir", "chmod", "io_uring_setup", "kcmp", "personality", "personality_asked", "clone"]
                .map(|call| facts.get(&format!("call.{call}")).unwrap_or_default().to_owned());
            assert_eq!(said, ["ENODATA", "EPERM", "killed:31", "killed:31", "EOPNOTSUPP", "ok", "EAFNOSUPPORT"]);
        }
        let failure = compare(&format!("a filter of one's own {more:?}"), &container, &[], &[])?;
        ensure!(failure.is_none(), "{}", failure.unwrap_or_default());
    }
    Ok(())
}

#[test]
fn limits_and_cgroups() -> Result<()> {
    all_alike(&[
        Case {
            what: "limits",
            run: &[
                "--ulimit",
                "nofile=1000:2000",
                "--ulimit",
                "nproc=500:600",
                "--ulimit",
                "core=0:0",
                "--ulimit",
                "stack=4194304:4194304",
                "--oom-score-adj",
                "321",
                "--memory",
                "64m",
                "--pids-limit",
                "50",
            ],
            ways: PLAIN,
        },
        Case { what: "one processor", run: &["--cpuset-cpus", "0", "--cpu-shares", "100"], ways: PLAIN },
        Case { what: "the last processor", run: &["--cpuset-cpus", "1", "--user", "app"], ways: PLAIN },
        Case { what: "a cgroup elsewhere", run: &["--cgroup-parent", "/cnsenter-test-parent/below"], ways: PLAIN },
        Case { what: "a cgroup namespace", run: &["--cgroupns", "private"], ways: PLAIN },
        Case { what: "the host's cgroup namespace", run: &["--cgroupns", "host", "--memory", "64m"], ways: PLAIN },
    ])
}

#[test]
fn namespaces_and_files() -> Result<()> {
    let (_folder, file) = env_file("FROM_A_FILE=with spaces\nPATH=/usr/bin:/bin\nEMPTY=\n")?;
    let variables = file.display().to_string();
    let container = container(&["--env-file", &variables, "--env", "MORE=1", "--env", "HOME=/elsewhere"])?;
    let failure = compare("variables of a file", &container, &[], &[])?;
    ensure!(failure.is_none(), "{}", failure.unwrap_or_default());
    all_alike(&[
        Case { what: "read-only", run: &["--read-only"], ways: PLAIN },
        Case { what: "a working directory that is made", run: &["--workdir", "/made/for/it"], ways: PLAIN },
        Case { what: "a name and a domain", run: &["--hostname", "web", "--domainname", "example.test"], ways: PLAIN },
        Case { what: "the host's processes", run: &["--pid", "host"], ways: PLAIN },
        Case { what: "the host's network", run: &["--network", "host"], ways: PLAIN },
        Case { what: "the host's ipc and uts", run: &["--ipc", "host", "--uts", "host"], ways: PLAIN },
        Case { what: "the host's users", run: &["--userns", "host", "--network", "none"], ways: PLAIN },
        Case {
            what: "sysctls",
            run: &["--sysctl", "net.ipv4.ip_forward=0", "--sysctl", "kernel.shmmax=12345678"],
            ways: PLAIN,
        },
        Case { what: "a first process of the engine's", run: &["--init", "--tmpfs", "/run"], ways: PLAIN },
        Case { what: "a terminal of its own", run: &["--tty", "--interactive"], ways: PLAIN },
    ])
}

#[test]
fn namespaces_of_another_container() -> Result<()> {
    let other = container(&["--ipc", "shareable"])?;
    let of_other = format!("container:{}", other.name());
    let mut failures = Vec::new();
    for options in [&["--network"][..], &["--pid"], &["--ipc"], &["--network", "--pid", "--ipc"]] {
        let options: Vec<&str> = options.iter().flat_map(|option| [*option, &of_other]).collect();
        let container = container(&options)?;
        failures.extend(compare(&format!("{options:?}"), &container, &[], &[])?);
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}

/// runc raises it, and so it is excused; it is to be what was asked for.
#[test]
fn a_limit_of_open_files_is_what_was_asked_for() -> Result<()> {
    let container = container(&["--ulimit", "nofile=1000:2000"])?;
    assert_eq!(by_us(container.name(), &[], PROBE)?.get("limit.nofile"), Some("1000 2000"));
    Ok(())
}

/// An image's own user, folder and variables, in place of options.
#[test]
fn what_an_image_says() -> Result<()> {
    let container = Container::run(image_that_says()?, &["--volume", &super::volume()?], &["100000"])?;
    let facts = by_docker(&container, &[])?;
    assert_eq!((facts.get("uid.real"), facts.get("gid.real")), (Some("1000"), Some("4")));
    assert_eq!(facts.get("working_directory"), Some("/var"));
    let failure = compare("an image with a user, a folder, variables", &container, &[], &[])?;
    ensure!(failure.is_none(), "{}", failure.unwrap_or_default());
    Ok(())
}

/// busybox with all that an image can say. It stays, as the testbed's images do, and goes with them, by their label.
fn image_that_says() -> Result<&'static str> {
    const NAME: &str = "cnsenter-test/that-says";
    let made_of = |image: &str| {
        let format = "{{index .Config.Labels \"cnsenter.test.made-of\"}}";
        engine::docker(&["image", "inspect", "--format", format, image]).ok()
    };
    let base = image::busybox()?;
    if made_of(NAME) != made_of(base) {
        let source = Container::create(base, &[], &["true"])?;
        let changes = [
            "USER app:adm",
            "WORKDIR /var",
            "ENV FROM_THE_IMAGE=\"a value\" LANG=C.UTF-8",
            r#"ENTRYPOINT ["/bin/busybox", "env", "sleep"]"#,
        ];
        let changes: Vec<&str> = changes.iter().flat_map(|change| ["--change", change]).collect();
        engine::docker(&[&["commit"], &changes[..], &[source.id(), NAME]].concat())?;
    }
    Ok(NAME)
}

/// `--privileged` starts only where the machine itself has all capabilities.
#[test]
fn a_privileged_one() -> Result<()> {
    let Ok(container) = container(&["--privileged"]) else {
        let capable = output::stdout(std::process::Command::new("grep").args(["CapBnd", "/proc/self/status"]))?;
        ensure!(!capable.ends_with("1ffffffffff"), "a privileged container does not start here");
        return Ok(());
    };
    let failure = compare("privileged", &container, &[], &[])?;
    ensure!(failure.is_none(), "{}", failure.unwrap_or_default());
    Ok(())
}

/// Where no process more may be made, a program can still be run: what is moved into a cgroup was made elsewhere.
#[test]
fn at_the_limit_of_processes() -> Result<()> {
    let fill = "for i in $(seq 3); do sleep 100000 & done; exec sleep 100000";
    let options = ["--volume", &super::volume()?, "--pids-limit", "4"];
    let container = Container::run(image::busybox()?, &options, &["sh", "-c", fill])?;
    wait::until(Duration::from_secs(30), "all processes to be there", || {
        let table = container.docker(&["top"]).ok()?;
        (table.matches("sleep 100000").count() == 4 && !table.contains("seq")).then_some(())
    })?;
    // runc has threads of its own to start there, and often fails.
    let mut tries = (0..20).map(|_| compare("at the limit of processes", &container, &[], &[]));
    let failure = tries.find(|tried| tried.is_ok()).context("docker exec never managed it")??;
    ensure!(failure.is_none(), "{}", failure.unwrap_or_default());
    let facts = by_us(container.name(), &[], PROBE)?;
    assert_eq!(facts.get("call.unshare"), Some("fork:EAGAIN"), "the limit has no force");
    Ok(())
}

/// A paused container is entered, and what is run there runs; docker exec refuses. Its cgroup would stop the program, and
/// so it is not joined.
#[test]
fn a_paused_one() -> Result<()> {
    let container = container(&["--user", "app", "--ulimit", "nofile=1000:1000", "--memory", "64m"])?;
    let before = by_docker(&container, &[])?;
    container.docker(&["pause"])?;
    let ours = by_us(container.name(), &[], PROBE);
    container.docker(&["unpause"])?;
    let ours = ours.context("paused")?;
    let elsewhere = |line: &str| line.contains("memory:") && line.contains(container.id());
    let cgroups = format!("{:?} {:?}", ours.get("cgroup.v1"), ours.get("cgroup.v2"));
    // Of the first version, only what freezes is another's.
    assert!(!cgroups.contains("memory:") || elsewhere(&cgroups), "{cgroups}");
    let differences = unexcused(Place::DockerPaused, &before, &ours);
    ensure!(differences.is_empty(), "paused:\n{}", differences.join("\n"));
    Ok(())
}
