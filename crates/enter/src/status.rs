//! What `/proc/PID/status` says of a process: user, groups, capabilities, proc_pid_status(5). What is taken on of it
//! belongs in `identity.rs`.

use crate::accounts::Ids;
use crate::identity::Capabilities;
use crate::target::Process;
use crate::{Error, Namespace};

/// A status, or a table of numbers, larger than this, in bytes, has been made up: 65536 groups fit.
const LARGEST: u64 = 1 << 20;
/// Who has no number in a user namespace, user_namespaces(7).
const NOBODY: u32 = 65534;

/// The status of a process, as far as it matters here. Nothing is what this kernel does not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// As our user namespace has them.
    pub ids: Option<Ids>,
    /// As its own user namespace has them.
    pub capabilities: Option<Capabilities>,
    /// Since Linux 4.10.
    pub no_new_privileges: Option<bool>,
    /// seccomp(2): 0 is off, 1 strict, 2 a filter. Since Linux 3.8.
    pub seccomp: u32,
    /// Since Linux 4.7.
    pub umask: Option<u32>,
}

impl Status {
    /// Reads that of the target.
    pub(crate) fn of(process: &Process) -> Result<Self, Error> {
        Ok(Self::parse(&process.read("status", LARGEST)?))
    }

    fn parse(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        // The kernel writes no line break of a process's name as such. The first one counts, be that as it may.
        let field =
            |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
        let numbers = |name: &str| -> Option<Vec<u32>> {
            field(name)?.split_ascii_whitespace().map(|word| word.parse().ok()).collect()
        };
        let set = |name: &str| u64::from_str_radix(field(name)?, 16).ok();
        let ids = || {
            // Real, effective, saved, of the file system.
            let (users, groups) = (numbers("Uid")?, numbers("Gid")?);
            Some(Ids { uid: *users.get(1)?, gid: *groups.get(1)?, groups: numbers("Groups")? })
        };
        let capabilities = || {
            Some(Capabilities {
                bounding: set("CapBnd")?,
                effective: set("CapEff")?,
                permitted: set("CapPrm")?,
                inheritable: set("CapInh")?,
                // Since Linux 4.3.
                ambient: set("CapAmb").unwrap_or_default(),
            })
        };
        Self {
            ids: ids(),
            capabilities: capabilities(),
            no_new_privileges: field("NoNewPrivs").map(|word| word != "0"),
            seccomp: field("Seccomp").and_then(|word| word.parse().ok()).unwrap_or_default(),
            umask: field("Umask").and_then(|word| u32::from_str_radix(word, 8).ok()),
        }
    }
}

/// The same user and groups, as the target's user namespace has them.
pub(crate) fn as_inside(ids: &Ids, process: &Process) -> Result<Ids, Error> {
    let theirs = std::fs::metadata(process.path(&format!("ns/{}", Namespace::User.file())));
    let ours = std::fs::metadata("/proc/self/ns/user");
    if let (Ok(theirs), Ok(ours)) = (theirs, ours)
        && crate::target::same(&theirs, &ours)
    {
        // The tables would be about the namespace above.
        return Ok(ids.clone());
    }
    let (users, groups) = (process.read("uid_map", LARGEST)?, process.read("gid_map", LARGEST)?);
    Ok(Ids {
        uid: inside(&users, ids.uid),
        gid: inside(&groups, ids.gid),
        groups: ids.groups.iter().map(|gid| inside(&groups, *gid)).collect(),
    })
}

/// A user of the target's user namespace, as ours has it; nothing where it has none.
pub(crate) fn as_outside(uid: u32, process: &Process) -> Option<u32> {
    outside(&process.read("uid_map", LARGEST).ok()?, uid)
}

fn outside(map: &[u8], inside: u32) -> Option<u32> {
    lines(&String::from_utf8_lossy(map)).find_map(|[first, from, count]| moved(inside, first, from, count))
}

fn inside(map: &[u8], outside: u32) -> u32 {
    let map = String::from_utf8_lossy(map);
    lines(&map).find_map(|[first, from, count]| moved(outside, from, first, count)).unwrap_or(NOBODY)
}

/// First number inside, first number outside, how many.
fn lines(map: &str) -> impl Iterator<Item = [u32; 3]> {
    map.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace().map(|word| word.parse().ok());
        Some([words.next()??, words.next()??, words.next()??])
    })
}

/// The number that is as far from `to` as this one is from `from`, if it is one of as many.
fn moved(number: u32, from: u32, to: u32, count: u32) -> Option<u32> {
    to.checked_add(number.checked_sub(from).filter(|offset| *offset < count)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"Name:\tUid:\\n0\nUmask:\t0027\nState:\tS (sleeping)\nUid:\t5\t1000\t5\t1000\n\
        Gid:\t6\t1001\t6\t1001\nFDSize:\t64\nGroups:\t4 1001 \nCapInh:\t0000000000000001\nCapPrm:\t0000000000000003\n\
        CapEff:\t0000000000000002\nCapBnd:\t000001ffffffffff\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n\
        Seccomp_filters:\t1\nUid:\t0\t0\t0\t0\n";

    #[test]
    fn each_field_is_found() {
        let expected = Status {
            ids: Some(Ids { uid: 1000, gid: 1001, groups: vec![4, 1001] }),
            capabilities: Some(Capabilities {
                bounding: 0x1ff_ffff_ffff,
                effective: 2,
                permitted: 3,
                inheritable: 1,
                ambient: 0,
            }),
            no_new_privileges: Some(true),
            seccomp: 2,
            umask: Some(0o27),
        };
        assert_eq!(Status::parse(TEXT), expected);
    }

    #[test]
    fn what_is_not_told_is_unknown() {
        let none = Status { ids: None, capabilities: None, no_new_privileges: None, seccomp: 0, umask: None };
        for text in [&b""[..], b"\xff\0\n:::\n", b"Uid:\t0\t0\t0\t0\nGroups:\t\nCapEff:\t0\n", b"Uid\nGid\nUmask:\t9\n"]
        {
            assert_eq!(Status::parse(text), none);
        }
        let no_groups = Status::parse(b"Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t \nSeccomp:\t0\n");
        assert_eq!(no_groups.ids, Some(Ids { uid: 0, gid: 0, groups: vec![] }));
        assert_eq!(no_groups.seccomp, 0);
    }

    #[test]
    fn numbers_are_those_of_the_user_namespace() {
        let map = b"         0     100000      65536\n     70000       1000          1\n";
        for (outside, expected) in
            [(100_000, 0), (101_000, 1000), (165_535, 65_535), (165_536, NOBODY), (1000, 70_000), (0, NOBODY)]
        {
            assert_eq!(inside(map, outside), expected, "{outside}");
        }
        for (inside, expected) in [(0, Some(100_000)), (70_000, Some(1000)), (65_536, None), (u32::MAX, None)] {
            assert_eq!(outside(map, inside), expected, "{inside}");
        }
        assert_eq!(inside(b"0 0 4294967295\n", 4_294_967_294), 4_294_967_294);
        assert_eq!(inside(b"4294967295 0 9\n\xff\n1 2\n", 5), NOBODY);
        assert_eq!(inside(b"", 0), NOBODY);
    }
}
