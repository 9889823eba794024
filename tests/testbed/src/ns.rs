//! Namespaces as the kernel names them: the inode numbers of `/proc/PID/ns/*`. Joining them is what is tested,
//! so it isn't done here.

use std::os::unix::fs::MetadataExt;

use anyhow::{Context, Result};

/// Every kind of namespace, by the name of its file.
pub const KINDS: [&str; 8] = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];

/// The inode number of one of a process's namespaces (`net`, `mnt`, …).
pub fn inode(pid: u32, kind: &str) -> Result<u64> {
    let path = format!("/proc/{pid}/ns/{kind}");
    let file = std::fs::metadata(&path).with_context(|| format!("cannot read {path}"))?;
    Ok(file.ino())
}

/// The inode number of one of this process's own namespaces.
pub fn own(kind: &str) -> Result<u64> {
    inode(std::process::id(), kind)
}

/// The inode number of the namespace that a file stands for, such as one of `/run/docker/netns`.
pub fn inode_of_file(path: &str) -> Result<u64> {
    let file = std::fs::metadata(path).with_context(|| format!("cannot read {path}"))?;
    Ok(file.ino())
}

/// What `readlink /proc/self/ns/KIND` prints for a process in the namespace with this inode number.
pub fn link(kind: &str, inode: u64) -> String {
    format!("{kind}:[{inode}]")
}
