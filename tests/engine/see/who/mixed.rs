//! Each container of a mixed set, by each thing that it has.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use testbed::{ns, output};

use super::set::{Member, Set};
use super::{network, rows, who};

/// A word, and whose it is in truth.
pub(super) type Truth = (String, BTreeSet<String>);

pub(super) fn one(word: impl Into<String>, member: &Member) -> Truth {
    (word.into(), BTreeSet::from([member.owner.clone()]))
}

/// Asks for all of them at once. Of other containers on this machine, which may have the same addresses in networks of
/// their own, nothing is demanded.
#[track_caller]
fn assert_found(truths: &[Truth], members: &[Member]) -> Result<()> {
    assert!(!truths.is_empty());
    let words: Vec<_> = truths.iter().map(|(word, _)| word).collect();
    let output = who(&words)?;
    let rows = rows(&output)?;
    let is_ours = |owner: &String| members.iter().any(|member| member.owner == *owner);
    for (word, truth) in truths {
        let owners = rows.iter().filter(|(what, ..)| what == word).map(|(_, owner, _)| owner.clone());
        let found: BTreeSet<_> = owners.filter(is_ours).collect();
        assert_eq!(found, *truth, "{word}: {output:?}");
    }
    assert!(output.success() && output.stderr.is_empty(), "{output:?}");
    Ok(())
}

#[test]
fn each_container_is_found_by_all_that_it_has() -> Result<()> {
    let set = Set::start()?;
    let members = set.members()?;
    let each = |truths: fn(&Member) -> Result<Vec<Truth>>| -> Result<()> {
        let all = members.iter().map(truths).collect::<Result<Vec<_>>>()?.concat();
        assert_found(&all, &members)
    };
    each(names)?;
    each(processes)?;
    each(cgroups)?;
    each(folders)?;
    assert_found(&namespaces(&members)?, &members)?;
    assert_found(&network::interfaces(&members)?, &members)?;
    assert_found(&network::addresses(&members)?, &members)?;
    assert_found(&network::published(&set.docker[0], &members[0])?, &members)?;
    assert_found(&network::listeners(&members)?, &members)?;
    Ok(())
}

fn names(member: &Member) -> Result<Vec<Truth>> {
    let is_made_up = member.id.len() == 64;
    let short = is_made_up.then(|| member.id[..12].to_owned());
    Ok([member.id.clone(), member.name.clone()].into_iter().chain(short).map(|word| one(word, member)).collect())
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
            let sharing = sharing(kind, inode, members)?;
            let file = format!("/proc/{}/ns/{kind}", member.pid);
            truths.extend([ns::link(kind, inode), inode.to_string(), file].map(|word| (word, sharing.clone())));
        }
    }
    Ok(truths)
}

/// Who is in a namespace.
pub(super) fn sharing(kind: &str, inode: u64, members: &[Member]) -> Result<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for member in members {
        if ns::inode(member.pid, kind)? == inode {
            all.insert(member.owner.clone());
        }
    }
    Ok(all)
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
