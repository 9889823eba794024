//! The busybox image as a folder, for runtimes that take one: runc and crun by hand, podman's import, LXC, nspawn. What is
//! in it is `image`'s.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Result;
use rustix::fs::FlockOperation;

use crate::image;

const FOLDER: &str = "/var/cache/cnsenter-testbed/rootfs";

/// The last to be made; it says of what the rest was.
const COMPLETE: &str = "etc/os-release";

/// The folder, made once. Nobody may write into it: whoever needs to, copies it.
pub fn busybox() -> Result<PathBuf> {
    let root = Path::new(FOLDER);
    std::fs::create_dir_all(root)?;
    // Tests run as processes of their own: the first one makes it, the others wait.
    let lock = std::fs::File::open(root)?;
    rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
    let text = format!("ID=cnsenter-test\nVERSION_ID={}\n", image::busybox_stamp()?);
    if std::fs::read_to_string(root.join(COMPLETE)).ok().as_deref() != Some(&text) {
        for entry in std::fs::read_dir(root)?.flatten() {
            let path = entry.path();
            if path.is_dir() { std::fs::remove_dir_all(path)? } else { std::fs::remove_file(path)? }
        }
        image::busybox_files(root)?;
        std::fs::write(root.join(COMPLETE), text)?;
    }
    Ok(root.to_owned())
}

/// Removes it. Nothing may be running in it any more.
pub fn remove() -> Result<()> {
    match std::fs::remove_dir_all(FOLDER) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
