//! Cgroups, beside docker stats and the files themselves.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use survey::{Cgroup, Usage};
use testbed::{Container, engine, image, wait};

use super::{LIMIT, pid_of, sleeper};

fn usage(container: &Container) -> Result<Usage> {
    Ok(Cgroup::of_process(pid_of(container)?)?.usage())
}

/// The folder of a controller, v1's or v2's, by hand.
fn folder(container: &Container, controller: &str) -> PathBuf {
    let top = Path::new("/sys/fs/cgroup");
    let v1 = top.join(controller).join("docker").join(container.id());
    if v1.exists() { v1 } else { top.join("docker").join(container.id()) }
}

fn line(file: &Path, key: &str) -> Result<u64> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')).context("no such line")?;
    Ok(value.parse()?)
}

/// `12.5MiB` in bytes.
fn size(text: &str) -> Result<f64> {
    let at = text.find(|c: char| c.is_ascii_alphabetic()).context("no unit")?;
    let unit = match &text[at..] {
        "B" => 1.0,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        other => anyhow::bail!("unit {other}"),
    };
    Ok(text[..at].parse::<f64>()? * unit)
}

#[test]
fn limits_and_use_are_those_of_docker() -> Result<()> {
    let limits = ["--memory", "64m", "--pids-limit", "50", "--cpus", "1.5"];
    let web = Container::run(image::busybox()?, &limits, &["sh", "-c", "sleep 1000 & exec sleep 1000"])?;
    // Page cache that is not in use: what is used, and what is needed, are two things.
    web.exec(&[], &["dd", "if=/dev/zero", "of=/file", "bs=1M", "count=20"])?;
    let found = usage(&web)?;
    assert_eq!((found.memory_limit, found.pids_limit, found.cpu_limit), (Some(64 << 20), Some(50), Some(1.5)));
    assert_eq!(found.pids, Some(2));
    let (all, needed) = (found.memory.context("no memory")?, found.working_set.context("no working set")?);
    assert!(all - needed > 15 << 20, "{found:?}");
    let stats = engine::docker(&["stats", "--no-stream", "--format", "{{.MemUsage}} / {{.PIDs}}", web.id()])?;
    let words: Vec<_> = stats.split(" / ").collect();
    let difference = (size(words[0])? - needed as f64).abs();
    assert!(difference < 1e6, "{stats}, and {needed}");
    assert_eq!((size(words[1])?, words[2]), (f64::from(64 << 20), "2"));
    let path = Cgroup::of_process(pid_of(&web)?)?.path;
    assert!(path.ends_with(web.id()), "{}", path.display());
    Ok(())
}

#[test]
fn what_is_not_limited_is_none() -> Result<()> {
    let found = usage(&sleeper(&[])?)?;
    assert_eq!((found.memory_limit, found.pids_limit, found.cpu_limit), (None, None, None));
    assert_eq!((found.oom_kills, found.pids), (Some(0), Some(1)));
    assert!(found.memory.is_some() && found.working_set <= found.memory && found.cpu_used.is_some());
    Ok(())
}

#[test]
fn limits_above_count() -> Result<()> {
    let parent = Parent::new()?;
    let web = sleeper(&["--cgroup-parent", &parent.name, "--memory", "64m"])?;
    assert_eq!(usage(&web)?.memory_limit, Some(64 << 20));
    std::fs::write(parent.limit(), "33554432")?;
    assert_eq!(usage(&web)?.memory_limit, Some(32 << 20));
    Ok(())
}

/// A cgroup with a container's in it, removed when dropped.
struct Parent {
    name: String,
}

impl Parent {
    fn new() -> Result<Self> {
        let parent = Self { name: format!("/{}", testbed::guard::unique_name()) };
        for top in parent.folders() {
            std::fs::create_dir_all(top)?;
        }
        Ok(parent)
    }

    /// In every hierarchy.
    fn folders(&self) -> Vec<PathBuf> {
        let top = Path::new("/sys/fs/cgroup");
        let below = std::fs::read_dir(top).into_iter().flatten().flatten().map(|entry| entry.path());
        let v1 = below.filter(|path| path.join("cgroup.procs").exists() && !path.is_symlink());
        let all = if top.join("cgroup.procs").exists() { vec![top.to_owned()] } else { v1.collect() };
        all.into_iter().map(|folder| folder.join(&self.name[1..])).collect()
    }

    fn limit(&self) -> PathBuf {
        let v1 = Path::new("/sys/fs/cgroup/memory").join(&self.name[1..]).join("memory.limit_in_bytes");
        if v1.exists() { v1 } else { Path::new("/sys/fs/cgroup").join(&self.name[1..]).join("memory.max") }
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        // The engine removes its own cgroup a moment after the container.
        let _ = wait::until(Duration::from_secs(5), "empty cgroups", || {
            self.folders().iter().all(|folder| !folder.exists() || std::fs::remove_dir(folder).is_ok()).then_some(())
        });
    }
}

#[test]
fn who_is_throttled_and_killed_is_counted() -> Result<()> {
    let limits = ["--cpus", "0.1", "--memory", "16m", "--memory-swap", "16m"];
    let web = Container::run(image::busybox()?, &limits, &["sh", "-c", "while :; do :; done"])?;
    let stat = folder(&web, "cpu").join("cpu.stat");
    wait::until(LIMIT, "throttling", || line(&stat, "nr_throttled").ok().filter(|count| *count > 2))?;
    let before = (line(&stat, "nr_throttled")?, line(&stat, "nr_periods")?);
    let found = usage(&web)?;
    let after = (line(&stat, "nr_throttled")?, line(&stat, "nr_periods")?);
    let (throttled, periods) = found.throttled.context("not told")?;
    assert!(before.0 <= throttled && throttled <= after.0, "{before:?} {found:?} {after:?}");
    assert!(before.1 <= periods && periods <= after.1, "{before:?} {found:?} {after:?}");
    // A tenth of a processor for the time of those periods, and a little for its start.
    let used = found.cpu_used.context("not told")?;
    assert!(used > periods * 5_000 && used < periods * 20_000 + 200_000, "{found:?}");

    assert_eq!(found.oom_kills, Some(0));
    assert!(web.exec(&[], &["tail", "/dev/zero"]).is_err());
    let found = usage(&web)?;
    let memory = folder(&web, "memory");
    let kills = line(&memory.join("memory.oom_control"), "oom_kill");
    let kills = kills.or_else(|_| line(&memory.join("memory.events"), "oom_kill"))?;
    assert!(kills > 0 && found.oom_kills == Some(kills), "{kills} {found:?}");
    Ok(())
}
