//! `inspect` on real engines, beside what docker, lsns, ip and `/proc` say of the same container. Here: who it runs as, what
//! it may do, what it has mounted, how it is entered; the rest by subject under `inspect/`.

mod hostile;
mod limits;
mod network;
mod runtimes;
mod screen;

use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testbed::{Container, guard, image, output};

use crate::run::{on_default_engine, quiet, run, stdout};

/// What `--json` shows of a container.
fn inspect(name: &str) -> Result<Value> {
    let text = quiet(["inspect", "--json", name])?;
    let mut all: Vec<Value> = serde_json::from_str(&text)?;
    all.pop().with_context(|| format!("nothing of {name}"))
}

/// What docker says of it.
fn docker(container: &Container) -> Result<Value> {
    let text = container.docker(&["inspect", "--type=container"])?;
    let mut all: Vec<Value> = serde_json::from_str(&text)?;
    all.pop().context("docker inspect shows nothing")
}

fn sleeper(args: &[&str]) -> Result<Container> {
    Container::run(image::busybox()?, args, &["sleep", "1000"])
}

/// A set of the kernel's as capsh names them, without `cap_`.
fn capabilities(set: &str) -> Result<Vec<String>> {
    let text = stdout("capsh", &[&format!("--decode={set}")])?;
    let (_, names) = text.split_once('=').context("capsh says nothing")?;
    let names = names.split(',').filter(|name| !name.is_empty());
    Ok(names.map(|name| name.trim_start_matches("cap_").to_ascii_uppercase()).collect())
}

/// A field of `/proc/PID/status`.
fn status(pid: u32, field: &str) -> Result<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    Ok(value.with_context(|| format!("no {field}"))?.trim().to_owned())
}

#[test]
fn rights_and_user_are_the_process_own() -> Result<()> {
    for options in [
        &[][..],
        &["--user", "33:7"],
        &["--user", "1234", "--group-add", "55", "--cap-add", "NET_ADMIN", "--cap-drop", "NET_RAW"],
        &["--cap-drop", "ALL", "--security-opt", "no-new-privileges"],
        &["--security-opt", "seccomp=unconfined"],
    ] {
        let web = sleeper(options)?;
        let (shown, pid) = (inspect(web.name())?, web.pid()?);
        let security = &shown["security"];
        for (name, field) in
            [("bounding", "CapBnd"), ("effective", "CapEff"), ("permitted", "CapPrm"), ("inheritable", "CapInh")]
        {
            let mut wanted = capabilities(&status(pid, field)?)?;
            let mut found: Vec<String> = serde_json::from_value(security["capabilities"][name].clone())?;
            wanted.sort();
            found.sort();
            assert_eq!(found, wanted, "{options:?} {name}");
        }
        let mode = match status(pid, "Seccomp")?.as_str() {
            "0" => "off",
            _ => "filter",
        };
        let no_new_privileges = status(pid, "NoNewPrivs")? == "1";
        assert_eq!((&security["seccomp"], &security["no_new_privs"]), (&json!(mode), &json!(no_new_privileges)));
        let inside = |words: &[&str]| web.exec(&[], words);
        assert_eq!(shown["user"]["uid"].to_string(), inside(&["id", "-u"])?, "{options:?}");
        assert_eq!(shown["user"]["gid"].to_string(), inside(&["id", "-g"])?, "{options:?}");
        let named = inside(&["id", "-un"]).ok();
        assert_eq!(shown["user"]["name"].as_str(), named.as_deref(), "{options:?}");
    }
    Ok(())
}

#[test]
fn mounts_are_dockers_and_the_root_is_the_merged_folder() -> Result<()> {
    let folder = testbed::Scratch::new()?;
    let path = folder.path().join("with blank");
    std::fs::create_dir(&path)?;
    let bound = format!("{}:/bound:ro", path.display());
    let web = sleeper(&["-v", &bound, "-v", "/volume", "--tmpfs", "/scratch", "--read-only"])?;
    let shown = inspect(web.name())?;
    let told = docker(&web)?;
    let find = |target: &str| {
        let all = shown["mounts"].as_array().unwrap();
        all.iter().find(|mount| mount["target"] == target).with_context(|| format!("no mount at {target}"))
    };
    for mount in told["Mounts"].as_array().context("no mounts")? {
        let found = find(mount["Destination"].as_str().unwrap())?;
        assert_eq!(found["source"], mount["Source"]);
        assert_eq!(found["read_only"], json!(!mount["RW"].as_bool().unwrap()));
    }
    assert_eq!((&find("/scratch")?["type"], &find("/scratch")?["source"]), (&json!("tmpfs"), &Value::Null));
    assert_eq!(shown["mounts"].as_array().unwrap().len(), 3, "{shown:#}");
    let root = &shown["root"];
    assert_eq!(root["path"], told["GraphDriver"]["Data"]["MergedDir"]);
    assert_eq!(root["upper"], told["GraphDriver"]["Data"]["UpperDir"]);
    assert_eq!((&root["type"], &root["read_only"]), (&json!("overlay"), &json!(true)));
    Ok(())
}

#[test]
fn the_lines_that_it_shows_enter_the_container() -> Result<()> {
    let all = "for kind in cgroup ipc mnt net pid user uts; do readlink /proc/self/ns/$kind; done; id -u";
    for options in [&[][..], &["--user", "33"], &["--network", "host", "--pid", "host"]] {
        let web = sleeper(options)?;
        let there = web.exec(&[], &["sh", "-c", all])?;
        assert_eq!(entered(&inspect(web.name())?, all)?, [there.clone(), there]);
    }
    Ok(())
}

/// What a script prints where the two lines lead to.
fn entered(shown: &Value, script: &str) -> Result<[String; 2]> {
    let folder = std::path::Path::new(crate::cnsenter().get_program()).parent().unwrap().to_owned();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH")?);
    let run = |line: String| {
        let mut command = on_default_engine(Command::new("sh"));
        output::stdout(command.args(["-c", &format!("{line} -c '{script}'")]).env("PATH", &path))
    };
    let line = |name: &str| shown["enter"][name].as_str().with_context(|| format!("no line of {name}"));
    Ok([run(format!("{} sh", line("cnsenter")?))?, run(line("nsenter")?.to_owned())?])
}

#[test]
fn all_are_tried_and_failures_make_the_status() -> Result<()> {
    let web = sleeper(&[])?;
    let output = run(["inspect", "--json", "cnsenter-test-none", web.name(), "cnsenter-test-nobody"])?;
    assert_eq!(output.code, Some(125), "{output:?}");
    let shown: Vec<Value> = serde_json::from_str(&output.stdout)?;
    assert_eq!(shown.iter().map(|one| one["name"].as_str().unwrap()).collect::<Vec<_>>(), [web.name()]);
    for missing in ["none", "nobody"] {
        assert!(output.stderr.contains(&format!("no such container: cnsenter-test-{missing}")), "{output:?}");
    }
    Ok(())
}

#[test]
fn every_name_that_leads_to_it_is_in_the_first_line() -> Result<()> {
    let project = guard::unique_name();
    let labels = [("project", project.as_str()), ("service", "web"), ("container-number", "1")];
    let labels = labels.map(|(name, value)| format!("--label=com.docker.compose.{name}={value}"));
    let web = sleeper(&labels.each_ref().map(String::as_str))?;
    let first = format!("container  {}  docker://{}  compose://{project}/web/1", web.name(), web.short_id());
    for target in [web.name(), web.id(), &format!("docker://{}", web.short_id()), &format!("compose://{project}/web")] {
        assert_eq!(quiet(["inspect", target])?.lines().next(), Some(first.as_str()), "{target}");
    }
    Ok(())
}
