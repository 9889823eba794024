//! What a word may mean, by its form alone. Whether it is there is looked up elsewhere.

use std::path::PathBuf;

use resolve::Reference;
use survey::{Inode, Kind};

/// The first of the numbers that the kernel gives to namespaces, `include/uapi/linux/nsfs.h` and
/// `include/linux/proc_ns.h`. No pid comes near it.
const FIRST_INODE: u64 = 0xefff_fff8;

/// The kernel has no greater pids, proc_sys_kernel(5).
const GREATEST_PID: u64 = 1 << 22;

/// One way to read a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// A process or a thread.
    Process(i32),
    /// A namespace; of which kind, where that is said.
    Namespace(Option<Kind>, Inode),
    /// A path: of a namespace file, a folder of a cgroup or of a file system; or a cgroup's own.
    Path(PathBuf),
    /// The ID of a folder of overlay2.
    Layer(String),
    /// A container.
    Name(Reference),
}

/// All ways to read it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Readings {
    /// Each of these is said, if it is there.
    pub(super) likely: Vec<Reading>,
    /// These are tried where nothing else is there.
    pub(super) possible: Vec<Reading>,
}

impl Readings {
    /// Whether a container may be called so.
    pub(super) fn may_be_name(&self) -> bool {
        self.likely.iter().chain(&self.possible).any(|reading| matches!(reading, Reading::Name(_)))
    }
}

/// The ways to read a word.
pub(super) fn readings(word: &str) -> Readings {
    if let Some(reading) = certain(word) {
        return Readings { likely: vec![reading], possible: Vec::new() };
    }
    let name = word.parse().ok().map(Reading::Name);
    let mut readings = Readings::default();
    if let Some(reading) = number(word) {
        readings.likely.push(reading);
        readings.possible.extend(name);
    } else {
        readings.likely.extend(name);
    }
    if layer(word) {
        readings.possible.push(Reading::Layer(word.to_owned()));
    }
    readings
}

/// What can be nothing else.
fn certain(word: &str) -> Option<Reading> {
    if let Some((kind, number)) = word.split_once(":[") {
        let number = number.strip_suffix(']')?.parse().ok()?;
        let kind = Kind::ALL.into_iter().find(|known| known.name() == kind)?;
        return Some(Reading::Namespace(Some(kind), Inode(number)));
    }
    let is_unit = [".scope", ".service", ".slice"].iter().any(|end| word.ends_with(end));
    let is_path = word.contains('/') && !word.contains("://") && !word.starts_with("pod/");
    (is_path || is_unit).then(|| Reading::Path(PathBuf::from(word)))
}

fn number(word: &str) -> Option<Reading> {
    let digits = word.bytes().all(|byte| byte.is_ascii_digit());
    let number = word.parse::<u64>().ok().filter(|_| digits)?;
    match number {
        1..=GREATEST_PID => i32::try_from(number).ok().map(Reading::Process),
        FIRST_INODE.. => Some(Reading::Namespace(None, Inode(number))),
        _ => None,
    }
}

/// The ID of a folder of overlay2: as long as a container's. That below which a container is made ends in `-init`.
fn layer(word: &str) -> bool {
    let id = word.strip_suffix("-init").unwrap_or(word);
    id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Says that it was not found.
pub(super) fn missing(word: &str) -> String {
    match &readings(word).likely[..] {
        [Reading::Process(pid)] => format!("no process and no thread has the number {pid}"),
        [Reading::Namespace(..)] => format!("nothing is in the namespace {word}"),
        [Reading::Path(_)] => format!("{word} is no container's"),
        _ => format!("{word} is no container, and nothing of one"),
    }
}

/// What to do about it.
pub(super) fn hint(word: &str) -> String {
    match &readings(word).likely[..] {
        [Reading::Process(_)] => "it has ended, or is the number of another pid namespace: who takes the host's",
        [Reading::Namespace(..)] => "it has ended, or only a descriptor keeps it: cnsenter netns, lsns",
        [Reading::Path(_)] => "who takes a cgroup, a container's own folder of overlay2 or a namespace file",
        _ => "cnsenter ls -a lists the containers, cnsenter who --help what may be asked for",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn likely(word: &str) -> Vec<Reading> {
        readings(word).likely
    }

    #[test]
    fn a_number_is_a_pid_or_an_inode_and_a_name_if_it_is_neither() {
        let name = |word: &str| Reading::Name(word.parse().unwrap());
        assert_eq!(likely("4711"), [Reading::Process(4711)]);
        assert_eq!(readings("4711").possible, [name("4711")]);
        assert_eq!(likely("4026532633"), [Reading::Namespace(None, Inode(4_026_532_633))]);
        for word in ["0", "4194305", "123456789012345678901"] {
            assert_eq!(likely(word), [], "{word}");
            assert_eq!(readings(word).possible, [], "{word}");
        }
    }

    #[test]
    fn a_namespace_is_read_as_the_kernel_prints_it() {
        assert_eq!(likely("net:[4026532633]"), [Reading::Namespace(Some(Kind::Net), Inode(4_026_532_633))]);
        assert_eq!(likely("mnt:[7]"), [Reading::Namespace(Some(Kind::Mount), Inode(7))]);
        for word in ["net:[x]", "net:[7", "nat:[7]", "net:[-7]"] {
            assert_eq!(readings(word), Readings::default(), "{word}");
        }
    }

    #[test]
    fn a_cgroup_a_folder_and_a_file_are_paths() {
        let id = "a".repeat(64);
        for word in ["/docker/x", "/run/netns/x", "system.slice/x", &format!("docker-{id}.scope"), "ssh.service"] {
            assert_eq!(likely(word), [Reading::Path(word.into())], "{word}");
        }
        assert_eq!(readings(&id).possible, [Reading::Layer(id.clone())]);
        assert_eq!(readings(&format!("{id}-init")).possible.len(), 1);
    }

    #[test]
    fn a_reference_is_a_name() {
        for word in ["web", "docker://web", "pod/shop/web-0/app", "compose://shop/web", "0123456789ab"] {
            assert_eq!(likely(word), [Reading::Name(word.parse().unwrap())], "{word}");
        }
        assert_eq!(readings("a b"), Readings::default());
    }
}
