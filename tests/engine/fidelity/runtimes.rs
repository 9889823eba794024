//! The other runtimes' own ways in: `podman exec`, `runc exec`, `crun exec`, `ctr tasks exec`, `lxc-attach`.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testbed::oci::Runtime;
use testbed::probe::{self, Facts};
use testbed::{containerd, lxc, oci, podman, wait};

use super::excuses::Place;
use super::{PROBE, by_us, unexcused, volume};

/// Where there is no `/probe` in the root, and nobody may make one.
const IN_TMP: &str = "/tmp/facts";

/// Demands that what was noted of each case is nothing.
fn none(failures: &[String]) -> Result<()> {
    ensure!(failures.is_empty(), "what the runtime makes of a program, cnsenter does not:\n{}", failures.join("\n"));
    Ok(())
}

/// What is not alike, in a text.
fn compare(place: Place, what: &str, theirs: &str, ours: Result<Facts>) -> Result<Option<String>> {
    let theirs = Facts::read(theirs)?;
    let differences = match ours {
        Ok(ours) => unexcused(place, &theirs, &ours),
        Err(error) => vec![format!("  {error:#}")],
    };
    Ok((!differences.is_empty()).then(|| format!("{place:?}, {what}:\n{}", differences.join("\n"))))
}

#[test]
fn podman_exec() -> Result<()> {
    let mut failures = Vec::new();
    for options in [
        &[][..],
        &["--user", "1000:4", "--group-add", "4321", "--workdir", "/var", "--env", "A=1", "--hostname", "web"],
        &["--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only"],
        &[
            "--cap-add",
            "NET_ADMIN",
            "--security-opt",
            "seccomp=unconfined",
            "--ulimit",
            "nofile=500:600",
            "--ulimit",
            "nproc=700:800",
        ],
    ] {
        let container = podman::Container::run(&[&["--volume", &volume()?], options].concat(), &["sleep", "100000"])?;
        let theirs = container.exec(&[PROBE])?;
        let ours = by_us(container.name(), &[], PROBE)?;
        let first = std::fs::read_to_string(format!("/proc/{}/environ", container.pid()?))?;
        let mut first: Vec<&str> = first.split_terminator('\0').collect();
        first.sort_unstable();
        assert_eq!(ours.get("environment"), Some(first.join("; ").as_str()), "{options:?}");
        failures.extend(compare(Place::Podman, &format!("{options:?}"), &theirs, Ok(ours))?);
    }
    none(&failures)
}

#[test]
fn runc_exec_and_crun_exec() -> Result<()> {
    let mut failures = Vec::new();
    for (runtime, place) in [(Runtime::Runc, Place::Runc), (Runtime::Crun, Place::Crun)] {
        // What crun exec runs is root without limits, whatever the bundle says.
        for (what, change) in BUNDLES.into_iter().filter(|(what, _)| runtime == Runtime::Runc || *what != OF_A_USER) {
            let container = oci::Container::run_with(runtime, |config| {
                let probe = probe::folder()?;
                let mounts = config["mounts"].as_array_mut().context("no mounts")?;
                mounts.push(json!({
                    "destination": "/tmp", "type": "bind", "source": probe, "options": ["bind", "ro"],
                }));
                change(config);
                Ok(())
            })?;
            let theirs = container.exec(&[IN_TMP])?;
            failures.extend(compare(place, what, &theirs, by_us(container.id(), &[], IN_TMP))?);
        }
    }
    none(&failures)
}

/// How a bundle comes from the usual one.
type Change = fn(&mut Value);

const OF_A_USER: &str = "a user, groups, limits";

const BUNDLES: [(&str, Change); 3] = [
    ("the least", |_| {}),
    (OF_A_USER, |config| {
        config["process"]["user"] = json!({ "uid": 1000, "gid": 4, "umask": 0o27, "additionalGids": [33, 4321] });
        config["process"]["cwd"] = json!("/var");
        config["process"]["rlimits"] = json!([
            { "type": "RLIMIT_NOFILE", "soft": 500, "hard": 600 },
            { "type": "RLIMIT_NPROC", "soft": 700, "hard": 800 },
        ]);
        config["process"]["oomScoreAdj"] = json!(123);
        config["process"]["noNewPrivileges"] = json!(true);
    }),
    ("capabilities and a filter", |config| {
        let some = json!(["CAP_CHOWN", "CAP_NET_ADMIN", "CAP_KILL"]);
        config["process"]["capabilities"] = json!({
            "bounding": some, "effective": some, "permitted": some, "inheritable": ["CAP_CHOWN"], "ambient": ["CAP_CHOWN"],
        });
        config["linux"]["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
            "syscalls": [{ "names": ["mkdir", "unshare"], "action": "SCMP_ACT_ERRNO", "errnoRet": 61 }],
        });
    }),
];

#[test]
fn ctr_tasks_exec() -> Result<()> {
    let mut failures = Vec::new();
    let mount = format!("type=bind,src={},dst=/probe,options=bind:ro", probe::folder()?.display());
    for options in
        [&[][..], &["--cap-add", "CAP_NET_ADMIN", "--cwd", "/var", "--env", "A=1"], &["--seccomp", "--net-host"]]
    {
        let options = [&["--mount", &mount], options].concat();
        let container = containerd::Container::run(containerd::NAMESPACE, &options, &["sleep", "100000"])?;
        // ctr may end before it has passed on all that the program wrote.
        let theirs = wait::until(Duration::from_secs(30), "all that the probe prints", || {
            container.exec(&[PROBE]).ok().filter(|text| Facts::read(text).is_ok())
        })?;
        failures.extend(compare(
            Place::Containerd,
            &format!("{options:?}"),
            &theirs,
            by_us(container.id(), &[], PROBE),
        )?);
    }
    none(&failures)
}

#[test]
fn lxc_attach() -> Result<()> {
    let mut failures = Vec::new();
    let mount = format!("lxc.mount.entry = {} tmp none bind,ro 0 0", probe::folder()?.display());
    for more in [&[][..], &["lxc.cap.drop = sys_admin sys_module mknod", "lxc.prlimit.nofile = 500:600"]] {
        let lines = [&[mount.as_str()], more].concat();
        let container = lxc::Container::start_as(lxc::PATH.as_ref(), &testbed::guard::unique_name(), &lines)?;
        let theirs = container.exec(&[IN_TMP])?;
        failures.extend(compare(Place::Lxc, &format!("{more:?}"), &theirs, by_us(container.name(), &[], IN_TMP))?);
    }
    none(&failures)
}
