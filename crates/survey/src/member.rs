//! Who is in a namespace. What a process's namespaces are belongs in `namespace.rs`.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::{Inode, Kind};

/// The processes in a namespace of this kind, by their numbers; those that may not be looked at are left out.
pub fn members(kind: Kind, inode: Inode) -> Vec<i32> {
    let proc = Path::new("/proc");
    let entries = std::fs::read_dir(proc).into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_in = |pid: &i32| {
        let link = proc.join(pid.to_string()).join("ns").join(kind.name());
        // What it leads to has the namespace's number, and is found quicker than read.
        std::fs::metadata(link).is_ok_and(|namespace| namespace.ino() == inode.0)
    };
    let mut found: Vec<_> = pids.filter(is_in).collect();
    found.sort_unstable();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_are_in_ours_and_in_no_other() {
        let own = Inode(std::fs::metadata("/proc/self/ns/net").unwrap().ino());
        let us = std::process::id().cast_signed();
        assert!(members(Kind::Net, own).contains(&us));
        assert!(!members(Kind::Mount, own).contains(&us) && members(Kind::Net, Inode(0)).is_empty());
    }
}
