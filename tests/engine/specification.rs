//! What `resolve` reads of a container's own programs in its runtime's record, against what the runtime itself says and
//! what its own `exec` makes of it; and records that are none. What cnsenter makes of it belongs in `fidelity`.

mod hostile;
mod wishes;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use resolve::{OciRuntime, Settings, Specification};
use testbed::{Container, Scratch, containerd, cri, engine, guard, image, lxc, nspawn, oci, podman};

/// Nothing of the environment of the tests has a say.
fn settings() -> Settings {
    Settings { timeout: Duration::from_secs(30), ..Settings::default() }
}

/// No engine, but what it left on disk.
fn by_state() -> Settings {
    let roots = ["/var/lib/docker", "/run/docker"].map(PathBuf::from).to_vec();
    Settings { host: Some("unix:///nonexistent/docker.sock".to_owned()), state_roots: roots, ..settings() }
}

fn container(reference: &str, settings: &Settings) -> Result<resolve::Container> {
    Ok(resolve::resolve(&reference.parse()?, settings)?)
}

fn specification(reference: &str, settings: &Settings) -> Result<Specification> {
    resolve::specification(&container(reference, settings)?, settings)?.context("nothing is recorded")
}

/// `/proc/self/status` and its like, as a program prints it that the runtime starts.
const FACTS: [&str; 3] = [
    "sh",
    "-c",
    "grep -E '^(Uid|Gid|Groups|CapBnd|NoNewPrivs|Seccomp|Umask):' /proc/self/status; echo \"OOM: $(cat /proc/self/oom_score_adj)\"; \
     echo \"Files: $(ulimit -Sn) $(ulimit -Hn)\"; echo \"Folder: $(pwd)\"; echo \"A: $A\"",
];

/// The same facts, by the record.
fn facts(recorded: &Specification) -> BTreeMap<&'static str, String> {
    let user = &recorded.user;
    let four = |id: u32| [id; 4].map(|id| id.to_string()).join(" ");
    let mut groups = user.additional_gids.clone();
    groups.sort_unstable();
    let groups: Vec<_> = groups.iter().map(u32::to_string).collect();
    let files = recorded.limits.iter().find(|limit| limit.name == "RLIMIT_NOFILE");
    let a = recorded.env.iter().find_map(|entry| entry.strip_prefix("A="));
    BTreeMap::from([
        ("Uid", four(user.uid)),
        ("Gid", four(user.gid)),
        ("Groups", groups.join(" ")),
        ("NoNewPrivs", u8::from(recorded.no_new_privileges).to_string()),
        ("Seccomp", if recorded.seccomp.is_some() { "2" } else { "0" }.to_owned()),
        ("Umask", format!("{:04o}", user.umask.unwrap_or(0o022))),
        ("OOM", recorded.oom_score_adj.unwrap_or_default().to_string()),
        ("Files", files.map_or_else(String::new, |limit| format!("{} {}", limit.soft, limit.hard))),
        ("Folder", recorded.cwd.display().to_string()),
        ("A", a.unwrap_or_default().to_owned()),
    ])
}

/// Demands that what the runtime's `exec` printed is what is recorded, where something is, and as many capabilities.
#[track_caller]
fn assert_as_executed(recorded: &Specification, printed: &str) {
    assert_but(&[], recorded, printed);
}

/// The same but for these facts.
#[track_caller]
fn assert_but(others: &[&str], recorded: &Specification, printed: &str) {
    let mut facts = facts(recorded);
    facts.retain(|fact, _| !others.contains(fact));
    if recorded.limits.iter().all(|limit| limit.name != "RLIMIT_NOFILE") {
        facts.remove("Files");
    }
    // What is not recorded is as it was with whoever started it.
    if recorded.oom_score_adj.is_none() {
        facts.remove("OOM");
    }
    let said_by = recorded.file.display();
    let printed: BTreeMap<_, _> = printed.lines().filter_map(|line| line.split_once(':')).collect();
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for (fact, expected) in facts {
        let found = printed.get(fact).map(|text| words(text));
        assert_eq!(found.as_deref(), Some(expected.as_str()), "{fact}: {said_by}");
    }
    let bounding = printed.get("CapBnd").map(|text| u64::from_str_radix(text.trim(), 16).map(u64::count_ones));
    let recorded_bits = u32::try_from(recorded.capabilities.bounding.len()).unwrap_or_default();
    assert_eq!(bounding, Some(Ok(recorded_bits)), "{said_by}");
}

#[test]
fn dockers_record_is_what_docker_exec_goes_by_asked_and_read() -> Result<()> {
    let folder = Scratch::new()?;
    let profile = folder.path().join("profile.json");
    std::fs::write(
        &profile,
        r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["chmod"],"action":"SCMP_ACT_ERRNO","errnoRet":7,
            "args":[{"index":1,"value":5,"valueTwo":4,"op":"SCMP_CMP_MASKED_EQ"}]}]}"#,
    )?;
    let profile = format!("seccomp={}", profile.display());
    // A soft limit below the hard one, of open files, is now and then lost by runc.
    let limits = ["--ulimit", "nofile=200:200", "--ulimit", "core=5:6"];
    for options in [
        &[][..],
        &["--user", "100:200", "--group-add", "55", "--cap-add", "NET_ADMIN"],
        &limits,
        &["--oom-score-adj", "77", "--workdir", "/tmp", "--env", "A=b c", "--group-add", "56"],
        &["--cap-drop", "ALL", "--cap-add", "KILL", "--security-opt", "no-new-privileges"],
        &["--security-opt", "seccomp=unconfined", "--tty", "--read-only"],
        &["--security-opt", &profile],
    ] {
        let options = [&["--network", "none"], options].concat();
        let web = Container::run(image::busybox()?, &options, &["sh", "-c", "umask 77; sleep 1000"])?;
        let asked = specification(web.name(), &settings())?;
        assert_as_executed(&asked, &web.exec(&[], &FACTS)?);
        let read = specification(web.name(), &by_state())?;
        assert_eq!(asked, read, "{options:?}");
        assert!(asked.file.ends_with(format!("moby/{}/config.json", web.id())), "{}", asked.file.display());
        let (terminal, made_by) = (options.contains(&"--tty"), OciRuntime::Runc);
        assert_eq!((asked.terminal, asked.made_by), (terminal, made_by), "{options:?}");
        if options.contains(&"--ulimit") {
            let limit = |name: &str, soft, hard| resolve::Limit { name: name.to_owned(), soft, hard };
            let mut found = asked.limits.clone();
            found.sort_by(|one, other| one.name.cmp(&other.name));
            assert_eq!(found, [limit("RLIMIT_CORE", 5, 6), limit("RLIMIT_NOFILE", 200, 200)]);
        }
        if options.contains(&"KILL") {
            let sets = &asked.capabilities;
            assert_eq!([&sets.bounding, &sets.permitted, &sets.effective], [&["CAP_KILL"]; 3]);
        }
        if options.contains(&profile.as_str()) {
            let seccomp = asked.seccomp.context("no profile")?;
            let rule = seccomp.rules.first().context("no rule")?;
            let argument = rule.arguments.first().context("no argument")?;
            assert_eq!((seccomp.default_action.as_str(), rule.errno_ret), ("SCMP_ACT_ALLOW", Some(7)));
            assert_eq!((argument.index, argument.value, argument.value_two), (1, 5, 4));
        }
    }
    Ok(())
}

#[test]
fn dockers_files_and_groups_are_named_asked_and_read() -> Result<()> {
    let folder = Scratch::new()?;
    let own = folder.path().join("own");
    std::fs::write(&own, "127.0.0.1 own\n")?;
    let own = format!("{}:/etc/hosts", own.display());
    let options = ["--dns", "10.1.2.3", "--hostname", "bee", "--group-add", "55", "--group-add", "root"];
    let web = Container::run(image::busybox()?, &options, &["sleep", "1000"])?;
    let covered = Container::run(image::busybox()?, &["--volume", &own], &["sleep", "1000"])?;
    for settings in [settings(), by_state()] {
        let found = container(web.name(), &settings)?;
        assert_eq!(found.added_groups, ["55", "root"]);
        let files = [&found.files.resolv_conf, &found.files.hosts, &found.files.hostname];
        for (file, path) in files.into_iter().zip(["/etc/resolv.conf", "/etc/hosts", "/etc/hostname"]) {
            let text = std::fs::read_to_string(file.as_ref().context(path)?)?;
            assert_eq!(text.trim_end(), web.exec(&[], &["cat", path])?, "{path}");
        }
        // What somebody mounted there is the host's own file, and not Docker's.
        let files = container(covered.name(), &settings)?.files;
        assert!(files.hosts.is_none() && files.hostname.is_some(), "{files:?}");
    }
    Ok(())
}

#[test]
fn a_bundle_in_no_usual_place_is_where_its_shim_is() -> Result<()> {
    let web = Container::run(image::busybox()?, &["--network", "none", "--user", "7"], &["sleep", "1000"])?;
    let expected = specification(web.name(), &settings())?;
    // Of an engine with another socket nobody knows the folders.
    let folder = Scratch::new()?;
    let socket = folder.path().join("docker.sock");
    std::os::unix::fs::symlink("/var/run/docker.sock", &socket)?;
    let elsewhere = Settings { host: Some(format!("unix://{}", socket.display())), ..settings() };
    assert_eq!(specification(web.name(), &elsewhere)?, expected);

    // This one has a root folder of its own as well.
    let newest = engine::Newest::start()?;
    let image = image::busybox_at(&newest.socket())?;
    let web = Container::run_at(&newest.socket(), image, &["--network", "none", "--user", "7"], &["sleep", "1000"])?;
    let elsewhere = Settings { host: Some(format!("unix://{}", newest.socket())), ..settings() };
    let recorded = specification(web.name(), &elsewhere)?;
    assert_as_executed(&recorded, &web.exec(&[], &FACTS)?);
    Ok(())
}

#[test]
fn podmans_record_is_what_podman_exec_goes_by() -> Result<()> {
    let service = podman::Service::start()?;
    let asked = Settings { container_host: Some(format!("unix://{}", service.socket().display())), ..settings() };
    // What podman takes by default is more than may be had on every machine.
    let limits = ["--ulimit", "nofile=200:200", "--ulimit", "nproc=1000:2000"];
    for options in [
        &["--group-add", "55"][..],
        &["--user", "100:200", "--cap-add", "NET_ADMIN", "--umask", "0027"],
        &["--workdir", "/tmp", "--env", "A=b c", "--security-opt", "no-new-privileges"],
        &["--security-opt", "seccomp=unconfined", "--cap-drop", "ALL"],
    ] {
        let web = podman::Container::run(&[&limits, options].concat(), &["sleep", "1000"])?;
        let reference = format!("podman://{}", web.name());
        let read = specification(&reference, &settings())?;
        // podman's exec forgets groups and umask of a user that was named when the container was made.
        let others: &[_] = if options.contains(&"--user") { &["Groups", "Umask"] } else { &[] };
        assert_but(others, &read, &web.exec(&FACTS)?);
        assert_eq!(read.made_by, OciRuntime::Crun);
        assert_eq!(specification(&reference, &asked)?, read, "{options:?}");
        for settings in [&settings(), &asked] {
            let files = container(&reference, settings)?.files;
            let hosts = std::fs::read_to_string(files.hosts.context("no hosts")?)?;
            assert_eq!(hosts.trim_end(), web.exec(&["cat", "/etc/hosts"])?);
        }
    }
    Ok(())
}

#[test]
fn containerds_record_is_what_its_exec_goes_by() -> Result<()> {
    let options = ["--env", "A=b c", "--cwd", "/tmp", "--seccomp"];
    let by_ctr = containerd::Container::run(containerd::NAMESPACE, &options, &["sleep", "1000"])?;
    let recorded = specification(&format!("containerd://{}/{}", containerd::NAMESPACE, by_ctr.id()), &settings())?;
    assert_as_executed(&recorded, &by_ctr.exec(&FACTS)?);
    assert_eq!((recorded.made_by, recorded.cwd), (OciRuntime::Runc, "/tmp".into()));

    let pod = cri::Pod::run_on_host_network(&guard::unique_name(), "specification")?;
    let app = pod.container("app", &["sleep", "1000"])?;
    let reference = format!("pod/specification/{}/app", pod.name());
    let recorded = specification(&reference, &settings())?;
    assert_as_executed(&recorded, &app.exec(&FACTS)?);
    let files = container(&reference, &settings())?.files;
    let resolv_conf = std::fs::read_to_string(files.resolv_conf.context("no resolv.conf")?)?;
    assert_eq!(resolv_conf.trim_end(), app.exec(&["cat", "/etc/resolv.conf"])?);
    Ok(())
}

#[test]
fn by_hand_the_bundle_is_what_the_runtimes_own_exec_goes_by() -> Result<()> {
    for (runtime, made_by) in [(oci::Runtime::Runc, OciRuntime::Runc), (oci::Runtime::Crun, OciRuntime::Crun)] {
        let folder = Scratch::new()?;
        for root in [None, Some(folder.path())] {
            let web = oci::Container::run(runtime, root, &[], &["sleep", "1000"])?;
            let roots = root.map(std::path::Path::to_owned).into_iter().collect();
            let settings = Settings { state_roots: roots, ..settings() };
            let recorded = specification(&format!("oci://{}", web.id()), &settings)?;
            assert_as_executed(&recorded, &web.exec(&FACTS)?);
            assert_eq!((recorded.made_by, &recorded.capabilities.bounding), (made_by, &Vec::new()), "{root:?}");
            ensure!(recorded.env.contains(&"OF=the bundle".to_owned()), "{recorded:?}");
        }
    }
    Ok(())
}

#[test]
fn who_keeps_no_such_record_has_none() -> Result<()> {
    let by_lxc = lxc::Container::start()?;
    let machine = nspawn::Machine::start()?;
    for reference in [format!("lxc://{}", by_lxc.name()), format!("nspawn://{}", machine.name())] {
        let found = container(&reference, &settings())?;
        assert_eq!(resolve::specification(&found, &settings())?, None, "{reference}");
    }
    Ok(())
}
