//! What a container's first process may do, in words. What takes such rights on belongs in `enter`.

use enter::{Capabilities, Observed, Status};

use super::facts::Known;
use crate::identity::CAPABILITIES;

/// What Docker leaves a container, by their numbers.
const DEFAULT: u64 = 0xa804_25fb;

/// What it may do.
#[derive(Debug)]
pub(super) struct Rights {
    pub(super) capabilities: Capabilities,
    pub(super) no_new_privileges: Option<bool>,
    /// seccomp(2): `off`, `strict`, `filter`.
    pub(super) seccomp: &'static str,
    /// The AppArmor profile or SELinux context.
    pub(super) label: Option<String>,
    /// Why the runtime's record cannot be read.
    pub(super) unread: Option<String>,
}

impl Rights {
    pub(super) fn new(status: &Status, observed: &Observed, unread: Option<String>) -> Known<Self> {
        Ok(Self {
            capabilities: status.capabilities.ok_or_else(|| "the kernel does not say".to_owned())?,
            no_new_privileges: status.no_new_privileges,
            seccomp: match status.seccomp {
                0 => "off",
                1 => "strict",
                _ => "filter",
            },
            label: observed.label(),
            unread,
        })
    }

    /// The bounding set, which is what all programs of the container can have, and what the first one has of it.
    pub(super) fn words(&self) -> String {
        let Capabilities { bounding, effective, .. } = self.capabilities;
        let all = in_words(bounding);
        match effective {
            same if same == bounding => all,
            0 => format!("{all}; the first process has none"),
            other => format!("{all}; the first process has {}", in_words(other)),
        }
    }
}

/// The names of a set, capabilities(7), without `CAP_`.
pub(super) fn names(set: u64) -> Vec<String> {
    let name = |number: u32| {
        let known = CAPABILITIES.get(number as usize);
        known.map_or_else(|| number.to_string(), |name| (*name).to_owned())
    };
    (0..u64::BITS).filter(|number| set & (1 << number) != 0).map(name).collect()
}

/// In the fewest words: how it differs from all, or from Docker's default; or what it is.
fn in_words(set: u64) -> String {
    let all = (1 << CAPABILITIES.len()) - 1;
    if set == 0 {
        return "none".to_owned();
    }
    let list = |set| names(set).join(", ");
    let differing = |base: u64, name: &str| {
        let parts = [("without", base & !set), ("with", set & !base)];
        let parts = parts.into_iter().filter(|(_, part)| *part != 0);
        let words = parts.map(|(word, part)| format!(", {word} {}", list(part))).collect::<String>();
        ((base ^ set).count_ones(), format!("{name}{words}"))
    };
    let (count, default) = differing(DEFAULT, "Docker's default");
    // Nobody knows those by heart.
    let default = (count, format!("{default}: {}", list(set)));
    let ways = [differing(all, "all"), default, (set.count_ones(), list(set))];
    ways.into_iter().min_by_key(|(words, _)| *words).map(|(_, text)| text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> u64 {
        names.iter().map(|name| 1 << CAPABILITIES.iter().position(|known| known == name).unwrap()).sum()
    }

    #[test]
    fn a_set_is_told_by_what_is_special_about_it() {
        let default = "CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE NET_RAW SYS_CHROOT \
            MKNOD AUDIT_WRITE SETFCAP";
        assert_eq!(set(&default.split(' ').collect::<Vec<_>>()), DEFAULT);
        let all = (1 << CAPABILITIES.len()) - 1;
        assert_eq!(in_words(0), "none");
        assert_eq!(in_words(all), "all");
        assert_eq!(in_words(all & !set(&["SYS_RESOURCE"])), "all, without SYS_RESOURCE");
        let names = "CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, NET_RAW, \
            SYS_CHROOT, MKNOD, AUDIT_WRITE, SETFCAP";
        assert_eq!(in_words(DEFAULT), format!("Docker's default: {names}"));
        let changed = DEFAULT & !set(&["NET_RAW"]) | set(&["NET_ADMIN", "SYS_TIME"]);
        let (first, last) = names.split_once("NET_RAW, ").unwrap();
        let names = format!("{first}NET_ADMIN, {last}").replace("SYS_CHROOT, ", "SYS_CHROOT, SYS_TIME, ");
        assert_eq!(in_words(changed), format!("Docker's default, without NET_RAW, with NET_ADMIN, SYS_TIME: {names}"));
        assert_eq!(in_words(set(&["CHOWN", "KILL"])), "CHOWN, KILL");
        assert_eq!(in_words(all | 1 << 50), "all, with 50");
    }
}
