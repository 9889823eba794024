//! Each container of a mixed set, by each thing that it has.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use testbed::{ns, output};

use super::set::{Member, Set};
use super::{rows, who};

/// A word, and whose it is in truth.
type Truth = (String, BTreeSet<String>);

fn one(word: impl Into<String>, member: &Member) -> Truth {
    (word.into(), BTreeSet::from([member.owner.clone()]))
}

/// Asks for all of them at once.
#[track_caller]
fn assert_found(truths: &[Truth]) -> Result<()> {
    let words: Vec<_> = truths.iter().map(|(word, _)| word).collect();
    let output = who(&words)?;
    let rows = rows(&output)?;
    for (word, truth) in truths {
        let found: BTreeSet<_> =
            rows.iter().filter(|(what, ..)| what == word).map(|(_, owner, _)| owner.clone()).collect();
        assert_eq!(found, *truth, "{word}: {output:?}");
    }
    assert!(output.success() && output.stderr.is_empty(), "{output:?}");
    Ok(())
}

#[test]
fn each_container_is_found_by_its_names_processes_namespaces_cgroups_and_folders() -> Result<()> {
    let set = Set::start()?;
    let members = set.members()?;
    assert_found(&members.iter().flat_map(names).collect::<Vec<_>>())?;
    assert_found(&members.iter().map(processes).collect::<Result<Vec<_>>>()?.concat())?;
    assert_found(&namespaces(&members)?)?;
    assert_found(&members.iter().map(cgroups).collect::<Result<Vec<_>>>()?.concat())?;
    assert_found(&members.iter().map(folders).collect::<Result<Vec<_>>>()?.concat())?;
    Ok(())
}

fn names(member: &Member) -> Vec<Truth> {
    let is_made_up = member.id.len() == 64;
    let short = is_made_up.then(|| member.id[..12].to_owned());
    [member.id.clone(), member.name.clone()].into_iter().chain(short).map(|word| one(word, member)).collect()
}

/// Its first process, one that another program put into it, and a thread of it.
fn processes(member: &Member) -> Result<Vec<Truth>> {
    let children = output::stdout(std::process::Command::new("pgrep").args(["-P", &member.pid.to_string()]));
    let children = children.unwrap_or_default();
    let pids = children.split_whitespace().map(str::to_owned).chain([member.pid.to_string()]);
    Ok(pids.map(|pid| one(pid, member)).collect())
}

/// Every namespace that is not the host's, as the kernel prints it and by its bare number, and by its file.
fn namespaces(members: &[Member]) -> Result<Vec<Truth>> {
    let mut truths = Vec::new();
    for kind in ns::KINDS {
        for member in members {
            let inode = ns::inode(member.pid, kind)?;
            if inode == ns::own(kind)? {
                continue;
            }
            let mut sharing = BTreeSet::new();
            for other in members {
                if ns::inode(other.pid, kind)? == inode {
                    sharing.insert(other.owner.clone());
                }
            }
            let file = format!("/proc/{}/ns/{kind}", member.pid);
            truths.extend([ns::link(kind, inode), inode.to_string(), file].map(|word| (word, sharing.clone())));
        }
    }
    Ok(truths)
}

/// Its cgroup's path, and the folders of it in each hierarchy.
fn cgroups(member: &Member) -> Result<Vec<Truth>> {
    let paths = |pid: &str| -> Result<BTreeSet<String>> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
        Ok(text.lines().filter_map(|line| line.splitn(3, ':').nth(2)).map(str::to_owned).collect())
    };
    let own = paths("self")?;
    let mut truths = Vec::new();
    for path in paths(&member.pid.to_string())?.difference(&own).filter(|path| path.as_str() != "/") {
        truths.push(one(path, member));
        let root = Path::new("/sys/fs/cgroup");
        let hierarchies = std::fs::read_dir(root)?.flatten().map(|entry| entry.path()).chain([root.to_owned()]);
        let folders = hierarchies.map(|hierarchy| hierarchy.join(path.trim_start_matches('/')));
        truths.extend(folders.filter(|folder| folder.is_dir()).map(|folder| one(folder.to_string_lossy(), member)));
    }
    let nspawn = member.owner.starts_with("nspawn://");
    assert!(nspawn || !truths.is_empty(), "{member:?} has no cgroup");
    Ok(truths)
}

/// The folders of its own layer, as the kernel shows them in its mount namespace.
fn folders(member: &Member) -> Result<Vec<Truth>> {
    let mounts = std::fs::read_to_string(format!("/proc/{}/mountinfo", member.pid))?;
    let root = mounts.lines().find(|line| line.split(' ').nth(4) == Some("/")).context("no root")?;
    let upper = root.split(['=', ',', ' ']).skip_while(|word| *word != "upperdir").nth(1).map(PathBuf::from);
    // What has a folder of the host's as its root has no layer.
    let Some(diff) = upper.filter(|path| path.is_dir()) else { return Ok(Vec::new()) };
    let folder = diff.parent().context("no folder")?;
    let id = folder.file_name().context("no name")?.to_string_lossy();
    let paths = [folder.to_owned(), folder.join("merged"), diff.clone(), diff.join("etc/hosts")];
    let words = paths.iter().map(|path| path.display().to_string());
    Ok(words.chain((id.len() == 64).then(|| id.into_owned())).map(|word| one(word, member)).collect())
}
