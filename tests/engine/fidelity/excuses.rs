//! What may differ between a program that a runtime runs inside and one that cnsenter runs, and why: the whole list. The
//! tests go by it, and `cargo xtask fidelity` prints it.

/// Whose way in is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Docker,
    /// Docker, with a terminal.
    DockerTerminal,
    /// Docker, where the container was paused in the meantime.
    DockerPaused,
    Podman,
    Runc,
    Crun,
    Containerd,
    Lxc,
}

use Place::{Containerd, Crun, Docker, DockerPaused, DockerTerminal, Lxc, Podman, Runc};

const EVERYWHERE: &[Place] = &[Docker, DockerTerminal, DockerPaused, Podman, Runc, Crun, Containerd, Lxc];

/// Facts that may differ, where, and why.
pub(crate) struct Excuse {
    facts: &'static [&'static str],
    places: &'static [Place],
    pub(crate) why: &'static str,
}

pub(crate) const EXCUSES: &[Excuse] = &[
    Excuse {
        facts: &["death_signal"],
        places: EVERYWHERE,
        why: "the program dies with cnsenter: nobody else would end it",
    },
    Excuse {
        facts: &["audit.login_uid", "audit.session"],
        places: EVERYWHERE,
        why: "the kernel's record of who logged in stays the caller's",
    },
    Excuse {
        facts: &["signals.ignored"],
        places: EVERYWHERE,
        why: "runtimes written in Go leave signal 32 ignored; cnsenter leaves signals as the caller has them",
    },
    Excuse {
        facts: &["terminal.size"],
        places: &[DockerTerminal],
        why: "docker sets it some time after the program was started, cnsenter before",
    },
];

impl Excuse {
    /// The facts, for a table.
    pub(crate) fn facts(&self) -> String {
        self.facts.iter().map(|fact| format!("`{fact}`")).collect::<Vec<_>>().join(", ")
    }

    /// The places, for a table.
    pub(crate) fn from(&self) -> String {
        if self.places == EVERYWHERE {
            return "all".to_owned();
        }
        self.places.iter().map(|place| place.name()).collect::<Vec<_>>().join(", ")
    }
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Docker => "docker exec",
            DockerTerminal => "docker exec -t",
            DockerPaused => "docker exec, before it was paused",
            Podman => "podman exec",
            Runc => "runc exec",
            Crun => "crun exec",
            Containerd => "ctr tasks exec",
            Lxc => "lxc-attach",
        }
    }

    /// Whether a fact may differ here.
    pub(crate) fn excuses(self, fact: &str) -> bool {
        EXCUSES.iter().any(|excuse| excuse.facts.contains(&fact) && excuse.places.contains(&self))
    }
}
