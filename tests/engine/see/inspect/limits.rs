//! What a container uses, what it may use, and how its runs went: beside docker's record, docker stats and the kernel.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testbed::{Container, Scratch, engine, image, wait};

use super::{docker, inspect, sleeper};
use crate::run::quiet;

/// Far longer than any of this takes.
const LIMIT: Duration = Duration::from_secs(60);
/// Takes memory until it is killed.
const EATER: [&str; 2] = ["tail", "/dev/zero"];
const SMALL: [&str; 4] = ["--memory", "16m", "--memory-swap", "16m"];

/// A size as docker stats prints it, in bytes.
fn bytes(text: &str) -> Result<f64> {
    let at = text.find(|c: char| c.is_ascii_alphabetic()).context("no unit")?;
    let unit = match &text[at..] {
        "B" => 0,
        "KiB" => 1,
        "MiB" => 2,
        _ => 3,
    };
    Ok(text[..at].parse::<f64>()? * 1024_f64.powi(unit))
}

#[test]
fn limits_and_use_are_dockers() -> Result<()> {
    for options in [&[][..], &["--memory", "64m", "--pids-limit", "50", "--cpus", "0.5"]] {
        let web = Container::run(image::busybox()?, options, &["sh", "-c", "sleep 1000 & sleep 1000"])?;
        wait::until(LIMIT, "both", || {
            (web.exec(&[], &["pidof", "sleep"]).ok()?.split(' ').count() == 2).then_some(())
        })?;
        let (cgroup, told) = (&inspect(web.name())?["cgroup"], docker(&web)?);
        let host = &told["HostConfig"];
        let limit = |of: &Value| if of.as_i64().unwrap_or_default() > 0 { of.clone() } else { Value::Null };
        assert_eq!(cgroup["memory_limit"], limit(&host["Memory"]));
        assert_eq!(cgroup["pids_limit"], limit(&host["PidsLimit"]));
        let cpus = host["NanoCpus"].as_f64().filter(|cpus| *cpus > 0.0).map(|cpus| cpus / 1e9);
        assert_eq!(cgroup["cpu_limit"], json!(cpus));
        assert_eq!(cgroup["oom_kills"], 0);
        let format = "{{.MemUsage}} {{.PIDs}}";
        let stats = engine::docker(&["stats", "--no-stream", "--format", format, web.id()])?;
        let used = bytes(stats.split(' ').next().unwrap_or_default())?;
        let found = cgroup["working_set"].as_f64().context("no working set")?;
        assert!((used - found).abs() < 1_000_000.0, "{stats}: {found}");
        assert_eq!(cgroup["pids"].to_string(), stats.rsplit(' ').next().unwrap_or_default());
        let path = cgroup["path"].as_str().context("no path")?;
        assert!(path.ends_with(web.id()) || path.ends_with(&format!("docker-{}.scope", web.id())), "{path}");
    }
    Ok(())
}

#[test]
fn what_the_kernel_killed_inside_is_counted() -> Result<()> {
    let script = format!("{}; sleep 1000", EATER.join(" "));
    let web = Container::run(image::busybox()?, &SMALL, &["sh", "-c", &script])?;
    let kills = || inspect(web.name()).ok()?["cgroup"]["oom_kills"].as_u64().filter(|kills| *kills > 0);
    assert_eq!(wait::until(LIMIT, "the kernel to kill", kills)?, 1);
    let text = quiet(["inspect", web.name()])?;
    assert!(text.contains(" - 1 killed for want of memory\n"), "{text}");
    Ok(())
}

#[test]
fn why_it_ended_is_said() -> Result<()> {
    let web = Container::run(image::busybox()?, &SMALL, &EATER)?;
    web.docker(&["wait"])?;
    let shown = inspect(web.name())?;
    assert_eq!((&shown["state"], &shown["exit_code"]), (&json!("exited"), &json!(137)));
    assert_eq!(shown["history"]["oom_killed"], docker(&web)?["State"]["OOMKilled"]);
    assert_eq!(shown["history"]["oom_killed"], true);
    for group in ["process", "user", "interfaces", "dns", "cgroup", "security", "root", "mounts", "sandbox"] {
        assert_eq!(shown[group], Value::Null, "{group}");
    }
    assert_eq!(shown["enter"]["nsenter"], Value::Null);
    let text = quiet(["inspect", web.name()])?;
    let state = "\nstate      not running: it exited with status 137, ";
    assert!(text.contains(state) && text.contains(" (SIGKILL)\n"), "{text}");
    assert!(text.contains("the kernel killed it for want of memory\n"), "{text}");
    assert!(text.ends_with(&format!("\nenter      cnsenter --wait docker://{}", web.short_id())), "{text}");
    Ok(())
}

#[test]
fn with_what_it_would_run_is_said_of_one_that_does_not() -> Result<()> {
    for (options, cpus, shown) in [
        (&[][..], Value::Null, ""),
        (
            &["--memory", "64m", "--pids-limit", "50", "--cpus", "0.5"],
            json!(0.5),
            "memory     limit 64.0 MiB\npids       limit 50\ncpu        limit 0.5\n",
        ),
        (&["--pids-limit", "-1", "--cpu-quota", "150000"], json!(1.5), "cpu        limit 1.5\n"),
        (&["--cpu-quota", "1000", "--cpu-period", "4000"], json!(0.25), "cpu        limit 0.25\n"),
    ] {
        let web = Container::create(image::busybox()?, options, &["sleep", "4711"])?;
        let (history, told) = (&inspect(web.name())?["history"], docker(&web)?);
        let limit = |of: &Value| if of.as_i64().unwrap_or_default() > 0 { of.clone() } else { Value::Null };
        assert_eq!(history["memory_limit"], limit(&told["HostConfig"]["Memory"]));
        assert_eq!(history["pids_limit"], limit(&told["HostConfig"]["PidsLimit"]));
        assert_eq!((&history["cpu_limit"], &history["command"]), (&cpus, &json!(["sleep", "4711"])));
        let text = quiet(["inspect", web.name()])?;
        assert!(text.contains(&format!("\ncommand    sleep 4711\n{shown}enter ")), "{text}");
    }
    Ok(())
}

#[test]
fn what_it_would_publish_and_mount_is_said_of_one_that_does_not_run() -> Result<()> {
    let scratch = Scratch::new()?;
    let bound = format!("{}:/bound:ro", scratch.path().display());
    let options = ["-v", &bound, "-v", "/volume", "-p", "127.0.0.1:47110:80", "-p", "53/udp"];
    let web = Container::create(image::busybox()?, &options, &["true"])?;
    let (shown, told) = (inspect(web.name())?, docker(&web)?);
    let history = &shown["history"];
    assert_eq!(history["publish"], json!(["127.0.0.1:47110:80/tcp", "53/udp"]));
    let of_docker = |mount: &Value| -> Option<String> {
        let read_only = if mount["RW"] == json!(false) { ":ro" } else { "" };
        Some(format!("{}:{}{read_only}", mount["Source"].as_str()?, mount["Destination"].as_str()?))
    };
    let mounts = told["Mounts"].as_array().context("no mounts")?.iter().filter_map(of_docker);
    let mounts: BTreeSet<_> = mounts.collect();
    assert_eq!((mounts.len(), &history["mounts"]), (2, &json!(mounts)));
    let text = quiet(["inspect", web.name()])?;
    let first = format!("\nmounts     {bound}\n");
    assert!(text.contains("\npublishes  127.0.0.1:47110:80/tcp 53/udp\n") && text.contains(&first), "{text}");
    // Docker notes what it discards there.
    for (options, wanted) in [(&["--network", "host", "-p", "80"][..], json!([])), (&["-P"], json!(["--publish-all"]))]
    {
        let web = Container::create(image::busybox()?, options, &["true"])?;
        assert_eq!(inspect(web.name())?["history"]["publish"], wanted, "{options:?}");
    }
    Ok(())
}

#[test]
fn restarts_and_their_policy_are_dockers() -> Result<()> {
    let web = Container::run(image::busybox()?, &["--restart", "on-failure:3"], &["sh", "-c", "exit 7"])?;
    let ended = || {
        let told = docker(&web).ok()?;
        (told["RestartCount"] == 3 && told["State"]["Status"] == "exited").then_some(())
    };
    wait::until(LIMIT, "three restarts", ended)?;
    let history = &inspect(web.name())?["history"];
    assert_eq!((&history["restarts"], &history["restart_policy"]), (&json!(3), &json!("on-failure:3")));
    let text = quiet(["inspect", web.name()])?;
    assert!(text.contains("\nrestarts   3 (policy on-failure:3)\n"), "{text}");
    let other = sleeper(&["--restart", "unless-stopped"])?;
    assert_eq!(inspect(other.name())?["history"]["restart_policy"], "unless-stopped");
    Ok(())
}

#[test]
fn what_could_not_be_started_says_why() -> Result<()> {
    let web = Container::create(image::busybox()?, &[], &["/no/such/program"])?;
    assert!(web.docker(&["start"]).is_err());
    let (shown, told) = (inspect(web.name())?, docker(&web)?);
    assert!(shown["history"]["error"].as_str().is_some_and(|error| error.contains("/no/such/program")), "{shown:#}");
    assert_eq!(shown["history"]["error"], told["State"]["Error"]);
    Ok(())
}

#[test]
fn a_check_that_fails_is_shown_with_what_it_said() -> Result<()> {
    let check = ["--health-cmd", "echo it is on fire; exit 1", "--health-interval", "100ms", "--health-retries", "1"];
    let web = sleeper(&check)?;
    let unhealthy = || {
        let shown = inspect(web.name()).ok()?;
        (shown["history"]["health"]["status"] == "unhealthy").then_some(shown)
    };
    let shown = wait::until(LIMIT, "a failed check", unhealthy)?;
    assert_eq!(shown["history"]["health"]["said"], "it is on fire");
    assert!(quiet(["inspect", web.name()])?.contains("\nhealth     unhealthy, "));
    let id = format!("id={}", web.id());
    assert!(quiet(["ls", "--filter", "health=unhealthy", "--filter", &id])?.contains("  running (unhealthy)  "));
    assert_eq!(quiet(["ls", "-q", "--filter", "health=healthy", "--filter", &id])?, "");
    Ok(())
}

#[test]
fn the_seccomp_profile_is_told_apart() -> Result<()> {
    let folder = testbed::Scratch::new()?;
    let profile = folder.path().join("profile.json");
    std::fs::write(
        &profile,
        r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["acct"],"action":"SCMP_ACT_ERRNO"}]}"#,
    )?;
    let own = format!("seccomp={}", profile.display());
    for (option, said) in [
        ("label=disable", "the engine's default"),
        ("seccomp=unconfined", "off"),
        (own.as_str(), "a profile of its own"),
    ] {
        let web = sleeper(&["--security-opt", option])?;
        let text = quiet(["inspect", web.name()])?;
        assert!(text.contains(&format!(" seccomp: {said}; no_new_privs: off")), "{option}: {text}");
    }
    Ok(())
}
