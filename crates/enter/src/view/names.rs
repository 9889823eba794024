//! The files that say how names are resolved: read from the target, or rewritten so that no daemon of the host answers in
//! its place. Nothing is mounted here.

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;

use crate::inside;

/// A larger file, in bytes, is not one of these.
const LARGEST: u64 = 1 << 20;

/// The folder of nscd's socket, which glibc asks before it looks at nsswitch.conf.
pub(super) const CACHE: &str = "/var/run/nscd";

/// A file that is shown in place of the host's.
#[derive(Debug)]
pub(super) struct Shown {
    /// Where, on the host.
    pub(super) path: String,
    /// What.
    pub(super) content: Vec<u8>,
    /// What is there on the host.
    pub(super) host: Host,
}

/// What the host has in a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// A file.
    File,
    /// A symbolic link, which may lead nowhere.
    Link,
    /// Nothing.
    Missing,
}

impl Shown {
    /// The target's `/etc/NAME`; an empty file where it has none, since that is what it goes by. `None` where neither it
    /// nor a record of it is within reach.
    pub(super) fn of_target(
        name: &str,
        root: Option<BorrowedFd<'_>>,
        recorded: Option<&Path>,
        notices: &mut Vec<String>,
    ) -> Option<Self> {
        let path = format!("/etc/{name}");
        // Its own view first: what was mounted over the runtime's copy is what it goes by.
        let of_root = match root {
            Some(root) => inside::read(root, Path::new(&path[1..]), LARGEST).map_err(Some),
            None => Err(None),
        };
        let content = of_root.or_else(|error| recorded.and_then(|recorded| read(recorded).ok()).ok_or(error));
        let content = content.or_else(|error| {
            let error = error.ok_or(())?;
            match Errno::from_io_error(&error) {
                // It does without, and so do we.
                Some(Errno::NOENT | Errno::NOTDIR) => {}
                Some(Errno::FBIG) => notices.push(format!("the container's {path} is too large to be shown")),
                Some(Errno::INVAL) => notices.push(format!("the container's {path} is no file, and is not shown")),
                _ => notices.push(format!("the container's {path} cannot be shown: {error}")),
            }
            Ok::<_, ()>(Vec::new())
        });
        let content = content.ok()?;
        Some(Self { host: Host::of(&path), path, content })
    }

    /// The name by which it is kept.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Whether the host has no such file.
    pub(super) fn is_missing(&self) -> bool {
        self.host == Host::Missing
    }

    /// The host name that we have by now, where the file doesn't say any.
    pub(super) fn or_name(mut self) -> Self {
        if self.content.is_empty() {
            self.content = [rustix::system::uname().nodename().to_bytes(), b"\n"].concat();
        }
        self
    }
}

impl Host {
    fn of(path: &str) -> Self {
        match rustix::fs::lstat(path).map(|found| FileType::from_raw_mode(found.st_mode)) {
            Ok(FileType::Symlink) => Self::Link,
            Ok(_) => Self::File,
            Err(_) => Self::Missing,
        }
    }
}

/// The host's nsswitch.conf, if it would have anything but files and DNS asked for the names of hosts.
pub(super) fn without_daemons() -> Option<Shown> {
    let path = "/etc/nsswitch.conf";
    let content = reduced(&read(Path::new(path)).ok()?)?;
    Some(Shown { path: path.to_owned(), content, host: Host::of(path) })
}

/// `None` where there is nothing to change, nsswitch.conf(5).
fn reduced(text: &[u8]) -> Option<Vec<u8>> {
    let mut changed = false;
    let lines = text.split_inclusive(|byte| *byte == b'\n').flat_map(|line| {
        let rest = line.trim_ascii_start().strip_prefix(b"hosts").map(<[u8]>::trim_ascii_start);
        let services = rest.and_then(|rest| rest.strip_prefix(b":"));
        let asks_more = services.is_some_and(|services| {
            let services = services.split(|byte| *byte == b'#').next().unwrap_or_default();
            let mut words = services.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            !words.by_ref().eq([&b"files"[..], b"dns"])
        });
        changed |= asks_more;
        if asks_more { b"hosts: files dns\n" } else { line }.iter().copied()
    });
    let text = lines.collect();
    changed.then_some(text)
}

/// Whether the folder of nscd's socket is there.
pub(super) fn has_cache() -> bool {
    rustix::fs::access(CACHE, rustix::fs::Access::EXISTS).is_ok()
}

/// A file of the host's. What it says may be the container's own.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::options().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
    inside::contents(file, 4095, LARGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reduce(text: &str) -> Option<String> {
        reduced(text.as_bytes()).map(|text| String::from_utf8(text).unwrap())
    }

    #[test]
    fn only_files_and_dns_answer_for_hosts() {
        for line in [
            "hosts: files resolve [!UNAVAIL=return] dns",
            "hosts:files mdns4_minimal [NOTFOUND=return] dns",
            "hosts\t: mymachines resolve files myhostname",
            "  hosts: nis",
            "hosts:",
            "hosts: files",
            "hosts: dns files",
            "hosts: files dns myhostname # files dns",
        ] {
            let text = format!("passwd: files systemd\n{line}\nnetworks: files\n");
            let wanted = "passwd: files systemd\nhosts: files dns\nnetworks: files\n";
            assert_eq!(reduce(&text).as_deref(), Some(wanted), "{line}");
        }
        assert_eq!(reduce("hosts: resolve").as_deref(), Some("hosts: files dns\n"));
    }

    #[test]
    fn what_asks_no_daemon_is_left_alone() {
        for text in ["", "hosts: files dns", "hosts:\tfiles  dns # hm\n", "# hosts: resolve\n", "hostsx: resolve\n"] {
            assert_eq!(reduce(text), None, "{text}");
        }
    }
}
