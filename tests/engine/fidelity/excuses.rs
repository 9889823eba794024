//! What may differ between a program that a runtime runs inside and one that cnsenter runs, and why: the whole list. The
//! tests go by it, and `cargo xtask fidelity` prints it.

/// Whose way in is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Docker,
    /// Docker, as another user than the container's.
    DockerUser,
    /// Docker, where the container has the host's processes.
    DockerHostProcesses,
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

use Place::{
    Containerd, Crun, Docker, DockerHostProcesses, DockerPaused, DockerTerminal, DockerUser, Lxc, Podman, Runc,
};

const EVERYWHERE: &[Place] =
    &[Docker, DockerUser, DockerHostProcesses, DockerTerminal, DockerPaused, Podman, Runc, Crun, Containerd, Lxc];
const BY_RUNC: &[Place] = &[Docker, DockerUser, DockerHostProcesses, DockerTerminal, DockerPaused, Runc, Containerd];

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
        facts: &["keyring.session", "keyring.serial"],
        places: &[Podman, Crun, Lxc],
        why: "crun and LXC leave the program the caller's keyring",
    },
    Excuse {
        facts: &["limit.nofile"],
        places: BY_RUNC,
        why: "runc 1.1 raises its own soft limit to the hard one, as Go programs do, and hands that on, mostly; cnsenter \
              gives what was asked for",
    },
    Excuse {
        facts: &["dumpable"],
        places: &[DockerUser],
        why: "root in a container of another user gets its capabilities by execve from docker exec, and its process belongs \
              to nobody for that; cnsenter gives them before",
    },
    Excuse {
        facts: &["parent", "leads_its_group", "leads_its_session", "session_is_inside", "group_is_inside"],
        places: &[DockerHostProcesses],
        why: "no pid namespace is entered, and so nothing is forked: the program is the process that the caller started, in \
              the caller's session, which may have begun outside of what can be seen",
    },
    Excuse {
        facts: &["terminal.size"],
        places: &[DockerTerminal],
        why: "docker sets it some time after the program was started, cnsenter before",
    },
    Excuse {
        facts: &["cgroup.v1", "cgroup.v2"],
        places: &[DockerPaused],
        why: "the cgroup that is frozen is not joined, since it would freeze the program too",
    },
    Excuse {
        facts: &["stdin.kind", "stdin.owner"],
        places: &[Runc, Containerd],
        why: "they put a pipe before what the caller gives",
    },
    Excuse {
        facts: &["leads_its_session", "leads_its_group", "session_is_inside", "group_is_inside"],
        places: &[Podman, Crun, Lxc],
        why: "cnsenter begins a session, as runc does, so that the caller's terminal is out of reach",
    },
    Excuse {
        facts: &["umask"],
        places: &[Runc],
        why: "runc exec leaves out the mask that the container's own programs get",
    },
    Excuse {
        facts: &["environment", "environment.order"],
        places: &[Podman, Lxc],
        why: "cnsenter gives what the container's first process was given: podman exec leaves out HOSTNAME, and HOME where it \
              does not see the container's files; lxc-attach leaves out HOME",
    },
    Excuse {
        facts: &["groups", "stdout.owner", "stderr.owner"],
        places: &[Podman],
        why: "of a user's groups podman exec leaves out the first, which the container's first process has among the others, and \
              gives pipes to it",
    },
    Excuse {
        facts: &["descriptors", "stdout.owner", "stderr.owner"],
        places: &[Lxc],
        why: "lxc-attach hands on what the caller has open, and makes its pipes executable",
    },
    Excuse {
        facts: &["cgroup.v2"],
        places: &[Lxc],
        why: "lxc-attach goes into a cgroup below the container's, of its own",
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
        // Where it may differ from the plain way in, it may from all of Docker's.
        let of_docker = |place: &Place| place.name().starts_with("docker exec");
        let plain = self.places.contains(&Docker);
        let places = self.places.iter().filter(|place| !plain || **place == Docker || !of_docker(place));
        places.map(|place| place.name()).collect::<Vec<_>>().join("; ")
    }
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Docker => "docker exec",
            DockerUser => "docker exec --user",
            DockerHostProcesses => "docker exec, with --pid host",
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
