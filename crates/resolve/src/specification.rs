//! What the runtime's record says that a container's own programs are and may do: the `process` of its bundle's
//! `config.json` (runtime-spec), as plain data, null and missing being the default. Where bundles lie belongs to their
//! runtimes; what becomes of all this, to `enter`.
//!
//! `docker exec` starts from the same record, as moby's `ContainerExecStart` and runc's `exec` have it, and differs in
//! what was measured (20.10, runc 1.1):
//! - user: its name is looked up anew; `--user` keeps the groups of `--group-add` ([`Container::added_groups`]), and none
//!   of the recorded user's own;
//! - capabilities: as recorded whoever the user is; what root or another user has of them in the end is up to execve(2);
//! - environment: as recorded, but `TERM` is only that of a terminal of its own; `HOME`, where nothing sets it or sets it
//!   to nothing, comes from the user's line in the container's passwd, else it is `/`;
//! - folder: as recorded; one that is missing is an error, since only the first program's is made;
//! - umask: 0022 unless recorded, whatever the container's first process has set.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};

use crate::container::Container;
use crate::error::Error;
use crate::roots::Roots;
use crate::runtime::record;
use crate::{Settings, file, runtime};

/// What a container's own programs are and may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Specification {
    /// User and groups.
    #[serde(deserialize_with = "nullable")]
    pub user: User,
    /// The five sets.
    #[serde(deserialize_with = "nullable")]
    pub capabilities: Capabilities,
    /// PR_SET_NO_NEW_PRIVS(2const).
    #[serde(deserialize_with = "nullable")]
    pub no_new_privileges: bool,
    /// Resource limits: those that are set.
    #[serde(rename = "rlimits", deserialize_with = "nullable")]
    pub limits: Vec<Limit>,
    /// `/proc/PID/oom_score_adj`; none where the runtime was to leave it alone.
    pub oom_score_adj: Option<i32>,
    /// The AppArmor profile.
    #[serde(deserialize_with = "nullable")]
    pub apparmor_profile: String,
    /// The SELinux context.
    #[serde(deserialize_with = "nullable")]
    pub selinux_label: String,
    /// The working directory.
    #[serde(deserialize_with = "nullable")]
    pub cwd: PathBuf,
    /// The environment, `NAME=VALUE` each, nothing added. With `HOME` only where image or command line set it.
    #[serde(deserialize_with = "nullable")]
    pub env: Vec<String>,
    /// Whether the first program has a terminal.
    #[serde(deserialize_with = "nullable")]
    pub terminal: bool,
    /// ioprio_set(2).
    pub io_priority: Option<IoPriority>,
    /// sched_setattr(2).
    pub scheduler: Option<Scheduler>,
    /// seccomp(2).
    #[serde(skip)]
    pub seccomp: Option<Seccomp>,
    /// The cgroup, in the words of the runtime's cgroup driver.
    #[serde(skip)]
    pub cgroups_path: Option<String>,
    /// The file that says all this.
    #[serde(skip)]
    pub file: PathBuf,
    /// Who made the container of it.
    #[serde(skip)]
    pub made_by: OciRuntime,
}

/// The OCI runtimes that read the specification differently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OciRuntime {
    /// runc, and whoever does as it does.
    #[default]
    Runc,
    /// crun.
    Crun,
}

/// User and groups: runtime-spec, config, POSIX-platform User.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct User {
    /// User ID.
    #[serde(deserialize_with = "nullable")]
    pub uid: u32,
    /// Group ID.
    #[serde(deserialize_with = "nullable")]
    pub gid: u32,
    /// Supplementary groups.
    #[serde(deserialize_with = "nullable")]
    pub additional_gids: Vec<u32>,
    /// umask(2); runtimes take 0022 where there is none.
    pub umask: Option<u32>,
}

/// The five sets of capabilities(7), by names: `CAP_CHOWN`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Capabilities {
    #[serde(deserialize_with = "nullable")]
    pub bounding: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub effective: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub permitted: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub inheritable: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub ambient: Vec<String>,
}

/// A resource limit, setrlimit(2).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Limit {
    /// `RLIMIT_NOFILE` and its like.
    #[serde(rename = "type")]
    pub name: String,
    /// The soft limit; `u64::MAX` is none.
    pub soft: u64,
    /// The hard limit; `u64::MAX` is none.
    pub hard: u64,
}

/// ioprio_set(2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct IoPriority {
    /// `IOPRIO_CLASS_BE` and its like.
    #[serde(deserialize_with = "nullable")]
    pub class: String,
    /// Within the class, 0 being the highest.
    #[serde(deserialize_with = "nullable")]
    pub priority: i32,
}

/// sched_setattr(2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Scheduler {
    /// `SCHED_OTHER` and its like.
    #[serde(deserialize_with = "nullable")]
    pub policy: String,
    /// For `SCHED_OTHER` and `SCHED_BATCH`.
    #[serde(deserialize_with = "nullable")]
    pub nice: i32,
    /// For `SCHED_FIFO` and `SCHED_RR`.
    #[serde(deserialize_with = "nullable")]
    pub priority: i32,
    /// `SCHED_FLAG_RESET_ON_FORK` and its like.
    #[serde(deserialize_with = "nullable")]
    pub flags: Vec<String>,
    /// For `SCHED_DEADLINE`, in nanoseconds, as the other two.
    #[serde(deserialize_with = "nullable")]
    pub runtime: u64,
    #[allow(missing_docs)]
    #[serde(deserialize_with = "nullable")]
    pub deadline: u64,
    #[allow(missing_docs)]
    #[serde(deserialize_with = "nullable")]
    pub period: u64,
}

/// A filter of system calls: runtime-spec, config-linux, Seccomp.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Seccomp {
    /// What becomes of a call that no rule names: `SCMP_ACT_ERRNO` and its like.
    #[serde(deserialize_with = "nullable")]
    pub default_action: String,
    /// The error number of a default action that gives one.
    pub default_errno_ret: Option<u32>,
    /// `SCMP_ARCH_X86_64` and its like.
    #[serde(deserialize_with = "nullable")]
    pub architectures: Vec<String>,
    /// `SECCOMP_FILTER_FLAG_LOG` and its like.
    #[serde(deserialize_with = "nullable")]
    pub flags: Vec<String>,
    /// The rules.
    #[serde(rename = "syscalls", deserialize_with = "nullable")]
    pub rules: Vec<SeccompRule>,
    /// The socket of whoever decides on calls with `SCMP_ACT_NOTIFY`.
    pub listener_path: Option<PathBuf>,
}

/// What becomes of some calls.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeccompRule {
    /// The calls.
    pub names: Vec<String>,
    /// `SCMP_ACT_ALLOW` and its like.
    pub action: String,
    /// The error number of an action that gives one.
    pub errno_ret: Option<u32>,
    /// All of them have to hold.
    #[serde(default, rename = "args", deserialize_with = "nullable")]
    pub arguments: Vec<SeccompArgument>,
}

/// A condition on an argument of a call.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeccompArgument {
    /// Which, from 0.
    pub index: u32,
    /// What it is compared with.
    pub value: u64,
    /// The mask's counterpart for `SCMP_CMP_MASKED_EQ`.
    #[serde(default, deserialize_with = "nullable")]
    pub value_two: u64,
    /// `SCMP_CMP_EQ` and its like.
    #[serde(rename = "op")]
    pub operator: String,
}

/// `config.json`, as much of it as there is to know.
#[derive(Deserialize)]
struct Configuration {
    process: Option<Specification>,
    linux: Option<Linux>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Linux {
    seccomp: Option<Seccomp>,
    cgroups_path: Option<String>,
}

/// A null is as good as nothing: Go writes it for what it has none of.
fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads the record of a container that runs. `None` where its runtime keeps none, or keeps it where it cannot be found.
pub(crate) fn read(container: &Container, settings: &Settings) -> Result<Option<Specification>, Error> {
    let roots = Roots::of_settings(settings);
    let Some(bundle) = runtime::bundle(container, &roots) else {
        log::info!("no record of what the programs of {} may do", container.name);
        return Ok(None);
    };
    let path = bundle.join("config.json");
    log::info!("reading {}", path.display());
    let failed = |reason: String| Error::Specification { file: path.clone(), reason };
    let bytes = match file::read(&path, file::LARGEST) {
        // It has just ended; or we are nobody who could join it.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => return Ok(None),
        other => other.map_err(|error| failed(file::reason(&error)))?,
    };
    let specification = parse(&bytes).map_err(|error| failed(error.to_string()))?;
    let specification = specification.ok_or_else(|| failed("it says nothing of a process".to_owned()))?;
    let is_crun = runtime::records(container, &roots).iter().any(|folder| record::is_of_crun(folder));
    let made_by = if is_crun { OciRuntime::Crun } else { OciRuntime::Runc };
    Ok(Some(Specification { file: path, made_by, ..specification }))
}

/// `config.json`; `None` where it has no process.
pub(crate) fn parse(bytes: &[u8]) -> serde_json::Result<Option<Specification>> {
    let Configuration { process, linux } = serde_json::from_slice(bytes)?;
    let Linux { seccomp, cgroups_path } = linux.unwrap_or_default();
    Ok(process.map(|process| Specification { seccomp, cgroups_path, ..process }))
}

/// Whether there is a bundle in this folder.
pub(crate) fn is_bundle(folder: &Path) -> bool {
    folder.join("config.json").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_null_or_missing_is_the_default() {
        let full = r#"{"process":{"user":null,"capabilities":null,"noNewPrivileges":null,"rlimits":null,"oomScoreAdj":null,
            "apparmorProfile":null,"selinuxLabel":null,"cwd":null,"env":null,"terminal":null,"ioPriority":null,
            "scheduler":null},"linux":{"seccomp":null,"cgroupsPath":null}}"#;
        for text in [r#"{"process":{}}"#, r#"{"process":{},"linux":null}"#, full] {
            assert_eq!(parse(text.as_bytes()).unwrap(), Some(Specification::default()), "{text}");
        }
        let inner = r#"{"process":{"user":{"uid":null,"gid":null,"additionalGids":null,"umask":null},
            "capabilities":{"bounding":null,"effective":null}}}"#;
        assert_eq!(parse(inner.as_bytes()).unwrap(), Some(Specification::default()));
        for text in ["{}", r#"{"process":null}"#] {
            assert_eq!(parse(text.as_bytes()).unwrap(), None, "{text}");
        }
    }

    #[test]
    fn every_word_of_the_specification_is_understood() {
        let text = r#"{"process":{"user":{"uid":1,"gid":2,"additionalGids":[3],"umask":63},
            "capabilities":{"bounding":["CAP_CHOWN"],"ambient":["CAP_KILL"]},"noNewPrivileges":true,
            "rlimits":[{"type":"RLIMIT_CORE","soft":0,"hard":18446744073709551615}],"oomScoreAdj":-5,
            "apparmorProfile":"a","selinuxLabel":"s","cwd":"/w","env":["A=b"],"terminal":true,
            "ioPriority":{"class":"IOPRIO_CLASS_BE","priority":4},"scheduler":{"policy":"SCHED_BATCH","nice":3}},
            "linux":{"cgroupsPath":"/c","seccomp":{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,
            "architectures":["SCMP_ARCH_X86_64"],"flags":["SECCOMP_FILTER_FLAG_LOG"],"syscalls":[
            {"names":["personality"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":8,"op":"SCMP_CMP_EQ"}]},
            {"names":["read"],"action":"SCMP_ACT_ERRNO","errnoRet":1,"args":null}]}}}"#;
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let argument = SeccompArgument { index: 0, value: 8, value_two: 0, operator: "SCMP_CMP_EQ".to_owned() };
        let rule = |name: &str, action: &str, errno_ret, arguments| {
            let action = action.to_owned();
            SeccompRule { names: words(&[name]), action, errno_ret, arguments }
        };
        let seccomp = Seccomp {
            default_action: "SCMP_ACT_ERRNO".to_owned(),
            default_errno_ret: Some(38),
            architectures: words(&["SCMP_ARCH_X86_64"]),
            flags: words(&["SECCOMP_FILTER_FLAG_LOG"]),
            rules: vec![
                rule("personality", "SCMP_ACT_ALLOW", None, vec![argument]),
                rule("read", "SCMP_ACT_ERRNO", Some(1), Vec::new()),
            ],
            listener_path: None,
        };
        let expected = Specification {
            user: User { uid: 1, gid: 2, additional_gids: vec![3], umask: Some(0o77) },
            capabilities: Capabilities {
                bounding: words(&["CAP_CHOWN"]),
                ambient: words(&["CAP_KILL"]),
                ..Capabilities::default()
            },
            no_new_privileges: true,
            limits: vec![Limit { name: "RLIMIT_CORE".to_owned(), soft: 0, hard: u64::MAX }],
            oom_score_adj: Some(-5),
            apparmor_profile: "a".to_owned(),
            selinux_label: "s".to_owned(),
            cwd: "/w".into(),
            env: words(&["A=b"]),
            terminal: true,
            io_priority: Some(IoPriority { class: "IOPRIO_CLASS_BE".to_owned(), priority: 4 }),
            scheduler: Some(Scheduler { policy: "SCHED_BATCH".to_owned(), nice: 3, ..Scheduler::default() }),
            seccomp: Some(seccomp),
            cgroups_path: Some("/c".to_owned()),
            file: PathBuf::new(),
            made_by: OciRuntime::Runc,
        };
        assert_eq!(parse(text.as_bytes()).unwrap(), Some(expected));
    }

    #[test]
    fn what_cannot_be_understood_is_never_half_believed() {
        for text in [
            "",
            "[]",
            "null",
            r#"{"process":{}"#,
            r#"{"process":{"user":{"uid":-1}}}"#,
            r#"{"process":{"user":{"uid":4294967296}}}"#,
            r#"{"process":{"noNewPrivileges":"no"}}"#,
            r#"{"process":{"capabilities":{"bounding":"CAP_CHOWN"}}}"#,
            r#"{"process":{"rlimits":[{"type":"RLIMIT_CORE"}]}}"#,
            r#"{"process":{},"linux":{"seccomp":{"syscalls":[{"names":["read"]}]}}}"#,
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
