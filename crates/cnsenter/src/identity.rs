//! From what a runtime recorded of a container to the identity that a program takes on: names become numbers, the
//! runtime-spec's words `enter`'s. Pure: reading the record belongs in `resolve`, looking up users and applying it all in
//! `enter`.

use std::ffi::{OsStr, OsString};

use enter::{Confinement, Identity, SeccompDialect, User};
use resolve::{Container, OciRuntime, Specification};

/// The umask of what runtimes start where nothing is recorded.
const UMASK: u32 = 0o022;

/// The capabilities of capabilities(7), by their numbers.
pub(crate) const CAPABILITIES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// What decides on it besides the container.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wishes<'a> {
    /// `--as`.
    pub user: Option<&'a OsStr>,
    /// `--privileged`.
    pub privileged: bool,
}

/// The identity of a program of the container, by the runtime's record where there is one; what the person should know
/// of it is added to the notices.
pub(crate) fn identity(
    wishes: Wishes<'_>,
    container: &Container,
    recorded: Option<Specification>,
    notices: &mut Vec<String>,
) -> Identity {
    let known = recorded.as_ref();
    let user = user(wishes, container, known);
    let limits = known.map(|recorded| recorded.limits.iter().map(limit).collect());
    let oom_score_adj = known.and_then(|recorded| recorded.oom_score_adj);
    let umask = known.map(|recorded| recorded.user.umask.unwrap_or(UMASK));
    // runc gives all programs of a container the same one; crun leaves exec's programs the caller's.
    let of_runc = known.is_some_and(|recorded| recorded.made_by == OciRuntime::Runc);
    let keyring = of_runc.then(|| format!("_ses.{}", container.id));
    let confinement = match (wishes.privileged, recorded) {
        (true, recorded) => {
            notices.push(unapplied(recorded.as_ref()));
            None
        }
        (false, Some(recorded)) => Some(confinement(recorded, notices)),
        (false, None) => Some(Confinement::OfTarget),
    };
    Identity { user, confinement, limits, oom_score_adj, umask, keyring }
}

fn user(wishes: Wishes<'_>, container: &Container, recorded: Option<&Specification>) -> User {
    // Nobody but root has the capabilities that --privileged leaves, once the program is executed.
    match (wishes.user.or(wishes.privileged.then_some(OsStr::new("0"))), recorded) {
        (Some(text), _) => {
            User::Named { text: text.to_owned(), added: container.added_groups.iter().map(OsString::from).collect() }
        }
        (None, Some(Specification { user, .. })) => {
            // One that the user is in and that was added as well is recorded twice.
            let mut groups = user.additional_gids.clone();
            groups.sort_unstable();
            groups.dedup();
            User::Recorded { uid: user.uid, gid: user.gid, groups }
        }
        (None, None) => User::OfTarget,
    }
}

fn confinement(recorded: Specification, notices: &mut Vec<String>) -> Confinement {
    let sets = &recorded.capabilities;
    let mut unknown = Vec::new();
    let mut set = |names: &[String]| names.iter().fold(0, |set, name| set | bit(name, &mut unknown));
    let capabilities = enter::Capabilities {
        bounding: set(&sets.bounding),
        effective: set(&sets.effective),
        permitted: set(&sets.permitted),
        inheritable: set(&sets.inheritable),
        ambient: set(&sets.ambient),
    };
    notices.extend(unknown.into_iter().map(|name| format!("capability {name} is not known here, and left out")));
    Confinement::Recorded {
        capabilities,
        no_new_privileges: recorded.no_new_privileges,
        label: label(&recorded).map(|(_, label)| label.to_owned()),
        seccomp: recorded.seccomp.map(|profile| seccomp(profile, recorded.made_by)),
    }
}

fn bit(name: &str, unknown: &mut Vec<String>) -> u64 {
    let bare = name.strip_prefix("CAP_").unwrap_or(name);
    match CAPABILITIES.iter().position(|known| *known == bare) {
        Some(number) => 1 << number,
        None => {
            // Once, though each set names it.
            if !unknown.iter().any(|known| known == name) {
                unknown.push(name.to_owned());
            }
            0
        }
    }
}

/// A kernel has one or the other.
fn label(recorded: &Specification) -> Option<(&'static str, &str)> {
    let labels = [("AppArmor profile", &recorded.apparmor_profile), ("SELinux context", &recorded.selinux_label)];
    labels.into_iter().map(|(kind, label)| (kind, label.as_str())).find(|(_, label)| !label.is_empty())
}

fn limit(limit: &resolve::Limit) -> enter::Limit {
    enter::Limit { name: limit.name.clone(), soft: limit.soft, hard: limit.hard }
}

fn seccomp(profile: resolve::Seccomp, made_by: OciRuntime) -> enter::Seccomp {
    enter::Seccomp {
        default_action: profile.default_action,
        default_errno: profile.default_errno_ret,
        architectures: profile.architectures,
        flags: profile.flags,
        rules: profile.rules.into_iter().map(rule).collect(),
        dialect: match made_by {
            OciRuntime::Runc => SeccompDialect::Runc,
            OciRuntime::Crun => SeccompDialect::Crun,
        },
    }
}

fn rule(rule: resolve::SeccompRule) -> enter::SeccompRule {
    let argument = |argument: resolve::SeccompArgument| enter::SeccompArgument {
        index: argument.index,
        value: argument.value,
        value_two: argument.value_two,
        operator: argument.operator,
    };
    enter::SeccompRule {
        names: rule.names,
        action: rule.action,
        errno: rule.errno_ret,
        arguments: rule.arguments.into_iter().map(argument).collect(),
    }
}

/// What `--privileged` leaves out.
fn unapplied(recorded: Option<&Specification>) -> String {
    let Some(recorded) = recorded else {
        return "--privileged: as root with all capabilities, and none of the container's confinement".to_owned();
    };
    let mut left_out = vec!["its limits on capabilities".to_owned()];
    left_out.extend(recorded.seccomp.is_some().then(|| "its seccomp filter".to_owned()));
    left_out.extend(recorded.no_new_privileges.then(|| "no_new_privs".to_owned()));
    left_out.extend(label(recorded).map(|(kind, label)| format!("its {kind} {label}")));
    let last = left_out.pop().unwrap_or_default();
    let all = match left_out.is_empty() {
        true => last,
        false => format!("{} and {last}", left_out.join(", ")),
    };
    format!("--privileged: not applied of the container's confinement: {all}")
}

/// The environment of the container's programs: as recorded, since that has what links of Docker's add, without the TERM
/// of a first program that has a terminal of its own, and without an empty HOME, which the user's takes the place of.
pub(crate) fn environment(container: &Container, recorded: Option<&Specification>) -> Vec<String> {
    let Some(recorded) = recorded else { return container.env.clone() };
    let own_term = container.env.iter().any(|entry| entry.starts_with("TERM="));
    let stays = |entry: &&String| !(recorded.terminal && entry.starts_with("TERM=") && !own_term) && *entry != "HOME=";
    recorded.env.iter().filter(stays).cloned().collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use resolve::{Capabilities, Files, Network, Runtime, Source, State};

    use super::*;

    fn container(env: &[&str], added_groups: &[&str]) -> Container {
        Container {
            runtime: Runtime::Docker,
            namespace: None,
            id: "web".to_owned(),
            name: "web".to_owned(),
            pid: Some(1),
            start: None,
            state: State::Running,
            network: Network::None,
            env: strings(env),
            added_groups: strings(added_groups),
            files: Files::default(),
            pod: None,
            service: None,
            source: Source::State { folder: PathBuf::new(), instead_of: None },
        }
    }

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn added() -> Vec<OsString> {
        ["55", "audio"].map(OsString::from).to_vec()
    }

    fn made(user: Option<&str>, privileged: bool, recorded: Option<Specification>) -> (Identity, Vec<String>) {
        let mut notices = Vec::new();
        let wishes = Wishes { user: user.map(OsStr::new), privileged };
        let identity = identity(wishes, &container(&[], &["55", "audio"]), recorded, &mut notices);
        (identity, notices)
    }

    fn recorded() -> Specification {
        Specification {
            user: resolve::User { uid: 7, gid: 8, additional_gids: vec![55, 8, 55], umask: None },
            capabilities: Capabilities {
                bounding: strings(&["CAP_CHOWN", "CAP_KILL", "CAP_CHECKPOINT_RESTORE", "CAP_NEWER"]),
                ambient: strings(&["CAP_KILL", "CAP_NEWER"]),
                ..Capabilities::default()
            },
            no_new_privileges: true,
            limits: vec![resolve::Limit { name: "RLIMIT_CORE".to_owned(), soft: 0, hard: u64::MAX }],
            oom_score_adj: Some(-3),
            seccomp: Some(resolve::Seccomp::default()),
            apparmor_profile: "docker-default".to_owned(),
            ..Specification::default()
        }
    }

    #[test]
    fn the_record_is_taken_as_it_is() {
        let (identity, notices) = made(None, false, Some(recorded()));
        assert_eq!(identity.user, User::Recorded { uid: 7, gid: 8, groups: vec![8, 55] });
        let limits = vec![enter::Limit { name: "RLIMIT_CORE".to_owned(), soft: 0, hard: u64::MAX }];
        assert_eq!((identity.limits, identity.oom_score_adj, identity.umask), (Some(limits), Some(-3), Some(0o022)));
        let capabilities =
            enter::Capabilities { bounding: 1 | 1 << 5 | 1 << 40, ambient: 1 << 5, ..enter::Capabilities::default() };
        let expected = Confinement::Recorded {
            capabilities,
            no_new_privileges: true,
            seccomp: Some(enter::Seccomp::default()),
            label: Some("docker-default".to_owned()),
        };
        assert_eq!(identity.confinement, Some(expected));
        assert_eq!(notices, ["capability CAP_NEWER is not known here, and left out"]);
    }

    #[test]
    fn another_user_keeps_the_confinement_and_the_groups_that_all_have() {
        let (identity, _) = made(Some("app:adm"), false, Some(recorded()));
        assert_eq!(identity.user, User::Named { text: "app:adm".into(), added: added() });
        assert!(matches!(identity.confinement, Some(Confinement::Recorded { .. })));
    }

    #[test]
    fn privileged_is_root_and_says_what_is_not_applied() {
        let (identity, notices) = made(None, true, Some(recorded()));
        assert_eq!((identity.user, identity.confinement), (User::Named { text: "0".into(), added: added() }, None));
        // Its limits are no confinement of this kind.
        assert!(identity.limits.is_some());
        assert_eq!(
            notices[0],
            "--privileged: not applied of the container's confinement: its limits on capabilities, its seccomp filter, \
             no_new_privs and its AppArmor profile docker-default"
        );
        let (identity, notices) = made(Some("app"), true, Some(Specification::default()));
        assert!(matches!(identity.user, User::Named { text, .. } if text == "app"));
        assert_eq!(notices[0], "--privileged: not applied of the container's confinement: its limits on capabilities");
    }

    #[test]
    fn without_a_record_the_process_is_the_example() {
        let (identity, notices) = made(None, false, None);
        let expected = Identity {
            user: User::OfTarget,
            confinement: Some(Confinement::OfTarget),
            limits: None,
            oom_score_adj: None,
            umask: None,
            keyring: None,
        };
        assert_eq!((identity, notices), (expected, Vec::new()));
    }

    #[test]
    fn the_terminal_of_the_first_program_and_an_empty_home_are_not_handed_on() {
        let recorded = |terminal| Specification {
            env: strings(&["TERM=xterm", "HOME=", "A=b"]),
            terminal,
            ..Specification::default()
        };
        let environment = |env: &[&str], terminal| environment(&container(env, &[]), Some(&recorded(terminal)));
        assert_eq!(environment(&[], true), ["A=b"]);
        assert_eq!(environment(&["TERM=xterm"], true), ["TERM=xterm", "A=b"]);
        assert_eq!(environment(&[], false), ["TERM=xterm", "A=b"]);
        assert_eq!(super::environment(&container(&["C=d"], &[]), None), ["C=d"]);
    }
}
