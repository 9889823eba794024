//! What may differ between a program that a runtime runs inside and one that cnsenter runs, and why: the whole list.

use testbed::probe::Difference;

/// Whose `exec` is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
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

/// Everywhere.
const ALL: &[Place] = &[Docker, DockerTerminal, DockerPaused, Podman, Runc, Crun, Containerd, Lxc];

/// A fact that may differ, where, and why.
struct Excuse {
    fact: &'static str,
    places: &'static [Place],
    #[expect(dead_code, reason = "for whoever reads the list")]
    why: &'static str,
}

const EXCUSES: &[Excuse] = &[
    Excuse { fact: "death_signal", places: ALL, why: "the program dies with cnsenter: nobody else would end it" },
    Excuse { fact: "audit.login_uid", places: ALL, why: "the kernel's record of who logged in stays the caller's" },
    Excuse { fact: "audit.session", places: ALL, why: "as the login" },
];

/// Whether a difference is excused.
pub(super) fn covers(place: Place, difference: &Difference<'_>) -> bool {
    EXCUSES.iter().any(|excuse| excuse.fact == difference.name && excuse.places.contains(&place))
}
