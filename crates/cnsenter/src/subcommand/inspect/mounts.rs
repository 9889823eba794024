//! What is mounted in a container: its root file system, its volumes and bound folders. What every container has of the
//! kernel's file systems is left out. The lists themselves are read in `survey`.

use std::path::PathBuf;

/// Where every container has mounts that say nothing of it; the last is podman's mark.
const USUAL: [&str; 7] =
    ["/proc", "/sys", "/dev", "/etc/resolv.conf", "/etc/hosts", "/etc/hostname", "/run/.containerenv"];

/// What is mounted.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    pub(super) root: Option<Mount>,
    /// Volumes and bound folders, in the order in which they were mounted.
    pub(super) others: Vec<Mount>,
}

/// A mount.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// Where, in the container.
    pub(super) target: PathBuf,
    /// What, as the host has it; nothing where the host has it nowhere.
    pub(super) source: Option<PathBuf>,
    /// `ext4`, `overlay`.
    pub(super) kind: String,
    pub(super) read_only: bool,
    /// The layer of an overlay that is written to.
    pub(super) upper: Option<PathBuf>,
}

/// Those of a process.
pub(super) fn of_process(pid: i32) -> Result<Mounts, survey::Error> {
    Ok(told(survey::mounts_of(pid)?, &survey::mounts_of(std::process::id().cast_signed()).unwrap_or_default()))
}

fn told(theirs: Vec<survey::Mount>, host: &[survey::Mount]) -> Mounts {
    let mut mounts = Mounts::default();
    for mount in theirs {
        let is_usual = USUAL.iter().any(|usual| mount.point.starts_with(usual));
        match mount.point.parent() {
            // The last one on top of it counts.
            None => mounts.root = Some(Mount::new(mount, host)),
            Some(_) if !is_usual => mounts.others.push(Mount::new(mount, host)),
            Some(_) => {}
        }
    }
    mounts
}

impl Mount {
    fn new(mount: survey::Mount, host: &[survey::Mount]) -> Self {
        let upper = mount.options.split(',').find_map(|option| option.strip_prefix("upperdir="));
        Self {
            source: seen_by_host(&mount, host),
            upper: upper.map(PathBuf::from),
            target: mount.point,
            kind: mount.kind,
            read_only: mount.read_only,
        }
    }
}

/// Where the host has that folder of that file system, by the mount of it that is nearest.
fn seen_by_host(mount: &survey::Mount, host: &[survey::Mount]) -> Option<PathBuf> {
    let same = host.iter().filter(|other| other.device == mount.device && mount.root.starts_with(&other.root));
    let nearest = same.max_by_key(|other| other.root.as_os_str().len())?;
    let below = mount.root.strip_prefix(&nearest.root).ok()?;
    Some(if below.as_os_str().is_empty() { nearest.point.clone() } else { nearest.point.join(below) })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn mount(device: &str, root: &str, point: &str, kind: &str) -> survey::Mount {
        let (device, kind) = (device.to_owned(), kind.to_owned());
        survey::Mount { device, root: root.into(), point: point.into(), kind, ..survey::Mount::default() }
    }

    #[test]
    fn what_is_mounted_is_told_as_the_host_has_it() {
        let host = [
            mount("254:1", "/", "/", "ext4"),
            mount("254:2", "/vol", "/srv", "ext4"),
            mount("254:1", "/var/lib", "/other", "ext4"),
        ];
        let options = "rw,lowerdir=/l,upperdir=/var/lib/u,workdir=/w".to_owned();
        let theirs = vec![
            survey::Mount { read_only: true, options, ..mount("0:60", "/", "/", "overlay") },
            mount("0:61", "/", "/proc", "proc"),
            mount("0:62", "/", "/dev/shm", "tmpfs"),
            mount("254:1", "/home/a b", "/data", "ext4"),
            mount("254:2", "/vol/x", "/x", "ext4"),
            mount("0:63", "/", "/tmp", "tmpfs"),
            mount("254:1", "/run/userdata/.containerenv", "/run/.containerenv", "ext4"),
            mount("254:1", "/var/lib/d/resolv.conf", "/etc/resolv.conf", "ext4"),
            mount("254:1", "/var/lib/volumes/v", "/v", "ext4"),
            mount("254:2", "/hidden", "/devices", "ext4"),
        ];
        let mounts = told(theirs, &host);
        let root = mounts.root.unwrap();
        assert_eq!((root.kind.as_str(), root.read_only, root.upper), ("overlay", true, Some("/var/lib/u".into())));
        let seen: Vec<_> = mounts.others.iter().map(|it| (it.target.to_str(), it.source.as_deref())).collect();
        let expected = [
            ("/data", Some("/home/a b")),
            ("/x", Some("/srv/x")),
            ("/tmp", None),
            ("/v", Some("/other/volumes/v")),
            ("/devices", None),
        ];
        assert_eq!(seen, expected.map(|(target, source)| (Some(target), source.map(Path::new))));
    }
}
