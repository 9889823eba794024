//! The eight namespaces of Linux by their names, files and flags, namespaces(7). Which of them are joined is said by
//! the plan.

use rustix::thread::ThreadNameSpaceType;

/// A kind of namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Namespace {
    /// Users, groups and capabilities, user_namespaces(7).
    User,
    /// The root of the cgroup hierarchy, cgroup_namespaces(7).
    Cgroup,
    /// System V IPC and POSIX message queues, ipc_namespaces(7).
    Ipc,
    /// Host and domain name, uts_namespaces(7).
    Uts,
    /// Devices, addresses, routes, ports, firewall, network_namespaces(7).
    Net,
    /// Process numbers, pid_namespaces(7). Joining it takes effect on children only.
    Pid,
    /// Mounts, mount_namespaces(7).
    Mount,
    /// The monotonic and boot-time clocks, time_namespaces(7).
    Time,
}

impl Namespace {
    /// All, in the order in which nsenter joins them.
    pub const ALL: [Self; 8] =
        [Self::User, Self::Cgroup, Self::Ipc, Self::Uts, Self::Net, Self::Pid, Self::Mount, Self::Time];

    /// The name of the option, and of the namespace in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Cgroup => "cgroup",
            Self::Ipc => "ipc",
            Self::Uts => "uts",
            Self::Net => "net",
            Self::Pid => "pid",
            Self::Mount => "mount",
            Self::Time => "time",
        }
    }

    /// The file under `/proc/PID/ns`.
    pub(crate) fn file(self) -> &'static str {
        match self {
            Self::Mount => "mnt",
            other => other.name(),
        }
    }

    /// The file under `/proc/self/ns` that says where the *next* process of ours will be.
    pub(crate) fn own_file(self) -> &'static str {
        match self {
            Self::Pid => "pid_for_children",
            other => other.file(),
        }
    }

    /// The `CLONE_NEW…` flag, setns(2).
    pub(crate) fn flag(self) -> ThreadNameSpaceType {
        match self {
            Self::User => ThreadNameSpaceType::USER,
            Self::Cgroup => ThreadNameSpaceType::CONTROL_GROUP,
            Self::Ipc => ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION,
            Self::Uts => ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME,
            Self::Net => ThreadNameSpaceType::NETWORK,
            Self::Pid => ThreadNameSpaceType::PROCESS_ID,
            Self::Mount => ThreadNameSpaceType::MOUNT,
            Self::Time => ThreadNameSpaceType::TIME,
        }
    }
}
