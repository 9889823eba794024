//! Who is in a namespace. What a process's namespaces are belongs in `namespace.rs`.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::{Inode, Kind, files};

/// The processes in a namespace of this kind, by their numbers; those that may not be looked at are left out.
pub fn members(kind: Kind, inode: Inode) -> Vec<i32> {
    let mut found = files::numbers(Path::new("/proc"));
    found.retain(|pid| is_in(*pid, kind, inode));
    found.sort_unstable();
    found
}

/// Whether a process is in a namespace of this kind; not where it may not be looked at.
pub fn is_in(pid: i32, kind: Kind, inode: Inode) -> bool {
    let link = Path::new("/proc").join(pid.to_string()).join("ns").join(kind.name());
    // What it leads to has the namespace's number, and is found quicker than read.
    std::fs::metadata(link).is_ok_and(|namespace| namespace.ino() == inode.0)
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
