//! Resource limits, setrlimit(2): their names, the target's, and taking them on.

use nix::errno::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Error;
use crate::error::Failure;
use crate::identity::Limit;

/// Each with its name in a runtime's record, and in `/proc/PID/limits`, proc_pid_limits(5).
const ALL: [(Resource, &str, &str); 16] = [
    (Resource::Cpu, "RLIMIT_CPU", "Max cpu time"),
    (Resource::Fsize, "RLIMIT_FSIZE", "Max file size"),
    (Resource::Data, "RLIMIT_DATA", "Max data size"),
    (Resource::Stack, "RLIMIT_STACK", "Max stack size"),
    (Resource::Core, "RLIMIT_CORE", "Max core file size"),
    (Resource::Rss, "RLIMIT_RSS", "Max resident set"),
    (Resource::Nproc, "RLIMIT_NPROC", "Max processes"),
    (Resource::Nofile, "RLIMIT_NOFILE", "Max open files"),
    (Resource::Memlock, "RLIMIT_MEMLOCK", "Max locked memory"),
    (Resource::As, "RLIMIT_AS", "Max address space"),
    (Resource::Locks, "RLIMIT_LOCKS", "Max file locks"),
    (Resource::Sigpending, "RLIMIT_SIGPENDING", "Max pending signals"),
    (Resource::Msgqueue, "RLIMIT_MSGQUEUE", "Max msgqueue size"),
    (Resource::Nice, "RLIMIT_NICE", "Max nice priority"),
    (Resource::Rtprio, "RLIMIT_RTPRIO", "Max realtime priority"),
    (Resource::Rttime, "RLIMIT_RTTIME", "Max realtime timeout"),
];

/// The limits of a program.
#[derive(Debug, Default)]
pub(crate) struct Limits(Vec<Wanted>);

#[derive(Debug, PartialEq)]
struct Wanted {
    resource: Resource,
    name: &'static str,
    limit: Rlimit,
    recorded: bool,
}

impl Limits {
    /// Those that are recorded, and the target's for the others: it was started with what the runtime gives.
    /// `of_target` is its `/proc/PID/limits`.
    pub(crate) fn new(recorded: &[Limit], of_target: &[u8]) -> Result<Self, Error> {
        if let Some(unknown) = recorded.iter().find(|limit| !ALL.iter().any(|(_, name, _)| *name == limit.name)) {
            return Err(Error::CannotGive { what: unknown.name.clone(), errno: Errno::EINVAL });
        }
        let of_target = String::from_utf8_lossy(of_target);
        let wanted = ALL.iter().filter_map(|(resource, name, words)| {
            let said = recorded.iter().rfind(|limit| limit.name == *name).map(|limit| {
                let (soft, hard) = (finite(limit.soft), finite(limit.hard));
                Rlimit { current: soft, maximum: hard }
            });
            let limit = said.or_else(|| line(&of_target, words))?;
            Some(Wanted { resource: *resource, name, limit, recorded: said.is_some() })
        });
        Ok(Self(wanted.collect()))
    }

    /// Raises this process's own as far as that takes a privilege of the host, which a user namespace takes away.
    pub(crate) fn raise(&self) -> Result<(), Error> {
        for wanted in &self.0 {
            let own = getrlimit(wanted.resource);
            if above(wanted.limit.maximum, own.maximum) {
                wanted.set(Rlimit { maximum: wanted.limit.maximum, ..own })?;
            }
        }
        Ok(())
    }

    /// Takes them on.
    pub(crate) fn apply(&self) -> Result<(), Error> {
        for wanted in &self.0 {
            let own = getrlimit(wanted.resource);
            let mut limit = wanted.limit;
            if !wanted.recorded && above(limit.maximum, own.maximum) {
                // It could not be raised.
                limit.maximum = own.maximum;
                limit.current = if above(limit.current, own.maximum) { own.maximum } else { limit.current };
            }
            if own != limit {
                wanted.set(limit)?;
            }
        }
        Ok(())
    }
}

impl Wanted {
    /// What the runtime was asked for has to be given; what it happens to have itself is given where it can be.
    fn set(&self, limit: Rlimit) -> Result<(), Error> {
        match setrlimit(self.resource, limit) {
            Err(errno) if self.recorded => {
                Err(Error::CannotGive { what: self.name.to_owned(), errno: Failure::from(errno).0 })
            }
            Err(errno) => {
                log::info!("the caller's {} is kept: {errno}", self.name);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }
}

/// This process leaves no core.
pub(crate) fn forbid_cores() -> rustix::io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })
}

/// `None` is no limit.
fn above(one: Option<u64>, other: Option<u64>) -> bool {
    other.is_some_and(|other| one.is_none_or(|one| one > other))
}

fn finite(limit: u64) -> Option<u64> {
    (limit != u64::MAX).then_some(limit)
}

fn line(limits: &str, words: &str) -> Option<Rlimit> {
    let mut fields = limits.lines().find_map(|line| line.strip_prefix(words))?.split_ascii_whitespace();
    let mut next = || match fields.next()? {
        "unlimited" => Some(None),
        number => number.parse().ok().map(Some),
    };
    Some(Rlimit { current: next()?, maximum: next()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"Limit                     Soft Limit           Hard Limit           Units     \n\
        Max cpu time              unlimited            unlimited            seconds   \n\
        Max core file size        0                    unlimited            bytes     \n\
        Max open files            1024                 20000                files     \n\
        Max nice priority         0                    0                    \n\
        Max processes             many                 more                 processes \n";

    #[test]
    fn what_is_recorded_goes_before_the_targets() {
        let recorded = [Limit { name: "RLIMIT_NOFILE".into(), soft: 100, hard: u64::MAX }];
        let limits = Limits::new(&recorded, TEXT).unwrap();
        let found: Vec<_> = limits.0.iter().map(|one| (one.name, one.limit.current, one.limit.maximum)).collect();
        assert_eq!(
            found,
            [
                ("RLIMIT_CPU", None, None),
                ("RLIMIT_CORE", Some(0), None),
                ("RLIMIT_NOFILE", Some(100), None),
                ("RLIMIT_NICE", Some(0), Some(0)),
            ]
        );
        assert!(limits.0.iter().all(|one| one.recorded == (one.name == "RLIMIT_NOFILE")));
        let unknown = [Limit { name: "RLIMIT_NONE".into(), soft: 0, hard: 0 }];
        assert!(Limits::new(&unknown, TEXT).is_err());
        assert!(Limits::new(&[], b"\xff\0").unwrap().0.is_empty());
    }

    #[test]
    fn the_kernel_names_all_of_them() {
        let own = std::fs::read("/proc/self/limits").unwrap();
        let limits = Limits::new(&[], &own).unwrap();
        assert_eq!(limits.0.len(), ALL.len());
        assert!(limits.0.iter().all(|one| one.limit == getrlimit(one.resource)), "{limits:?}");
    }

    #[test]
    fn no_limit_is_above_any() {
        assert!(above(None, Some(5)) && above(Some(6), Some(5)));
        assert!(!above(None, None) && !above(Some(5), Some(5)) && !above(Some(5), None));
    }
}
