//! `--print`: the plan in words, and the nsenter line that does the same. Carrying it out belongs in `enter`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use enter::{Command, Directory, Environment, Id, Namespace, Plan, Program, Proof, Source, Streams, WorkingDirectory};
use resolve::Container;

use crate::exit::plain;
use crate::plan::{Planned, Resolved};

/// A shell's comment lines, then the line to run.
///
/// # Errors
/// [`enter::Error`] where the target's namespaces cannot be looked at, to know which differ from ours.
pub(crate) fn print(planned: &Planned, resolved: &Resolved) -> Result<Vec<u8>, enter::Error> {
    let plan = &planned.plan;
    let joins = joins(plan)?;
    let mut out = Vec::new();
    if let Some(container) = resolved.container() {
        comment(&mut out, &format!("container: {}", describe(container)));
    }
    for notice in &planned.notices {
        comment(&mut out, &format!("note: {notice}"));
    }
    let names: Vec<_> =
        joins.iter().map(|(namespace, from)| format!("{} of {}", namespace.name(), origin(from, plan))).collect();
    comment(&mut out, &format!("joins: {}", names.join(", ")));
    let alone = beyond_nsenter(plan);
    if !alone.is_empty() {
        comment(&mut out, &format!("by cnsenter alone: {}", alone.join(", ")));
    }
    out.extend(shell(&line(plan, &planned.command, &joins)));
    out.push(b'\n');
    Ok(out)
}

/// The nsenter line alone.
///
/// # Errors
/// As [`print`].
pub(crate) fn nsenter(planned: &Planned) -> Result<Vec<u8>, enter::Error> {
    Ok(shell(&line(&planned.plan, &planned.command, &joins(&planned.plan)?)))
}

/// Words as a line for a shell.
pub(crate) fn shell(words: &[OsString]) -> Vec<u8> {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(&b' ')
}

fn joins(plan: &Plan) -> Result<Vec<(Namespace, Source)>, enter::Error> {
    let mut joins: Vec<_> = plan.joins.iter().map(|join| (join.namespace, join.from.clone())).collect();
    if let (true, Some(target)) = (plan.all, &plan.target) {
        let added = enter::added_by_all(plan, target.pid)?;
        joins.extend(added.into_iter().map(|(namespace, _)| (namespace, Source::Target)));
        joins.sort_unstable_by_key(|(namespace, _)| *namespace);
    }
    Ok(joins)
}

/// What the line does not do, since nsenter cannot.
fn beyond_nsenter(plan: &Plan) -> Vec<&'static str> {
    let view = plan.view.as_ref();
    let confined = plan.identity.as_ref().is_some_and(|identity| identity.confinement.is_some());
    let parts = [
        (view.is_some_and(|view| view.network), "the container's resolv.conf, hosts and /sys"),
        (view.is_some_and(|view| view.processes), "its /proc"),
        (view.is_some_and(|view| view.host_name), "its /etc/hostname"),
        (confined, "the container's capabilities and seccomp filter"),
        (plan.identity.is_some(), "its groups, limits and cgroups"),
        (plan.streams == Streams::Terminal, "a terminal of its own"),
    ];
    parts.into_iter().filter(|(applies, _)| *applies).map(|(_, part)| part).collect()
}

fn describe(container: &Container) -> String {
    let pid = container.pid.map_or_else(String::new, |pid| format!(", process {pid}"));
    format!("{} ({}{pid})", container.name, container.reference())
}

fn origin(from: &Source, plan: &Plan) -> String {
    let pid = plan.target.as_ref().map_or(0, |target| target.pid);
    match from {
        Source::Target => format!("process {pid}"),
        Source::File(path) | Source::FileOfTarget(path) => path.display().to_string(),
        Source::Id(id) => format!("ID {id}"),
        Source::Socket(fd) => format!("descriptor {fd} of process {pid}"),
    }
}

/// A word for a shell. Control characters, which a container's environment may hold and a terminal would obey, are
/// written as printf(1) takes them; newlines and tabs do no harm between quotes.
fn quoted(word: &OsStr) -> Vec<u8> {
    let bytes = word.as_bytes();
    // The second half of those, which UTF-8 writes as C2 80 to C2 9F, too.
    let obeyed = |byte: &u8| (byte.is_ascii_control() && !matches!(byte, b'\n' | b'\t')) || matches!(byte, 0x80..=0x9f);
    // What a shell substitutes loses the newlines at its end.
    if !bytes.iter().any(obeyed) || bytes.ends_with(b"\n") {
        return shlex::bytes::try_quote(bytes).unwrap_or_default().into_owned();
    }
    let mut out = b"\"$(printf '%b' '".to_vec();
    for byte in bytes {
        match byte {
            b'\'' | b'\\' => out.extend(format!("\\0{byte:03o}").into_bytes()),
            byte if obeyed(byte) => out.extend(format!("\\0{byte:03o}").into_bytes()),
            byte => out.push(*byte),
        }
    }
    out.extend(b"')\"");
    out
}

/// The path of our nsenter.
fn nsenter_of_host() -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("nsenter")).find(|file| file.is_file());
    found.map_or_else(|| "/usr/bin/nsenter".into(), Into::into)
}

/// A line of comment. What others have a say in must not begin a line of its own.
fn comment(out: &mut Vec<u8>, text: &str) {
    out.extend(format!("# {}\n", plain(text)).into_bytes());
}

/// The words of the nsenter line. Long spellings, for whoever reads the runbook.
fn line(plan: &Plan, command: &Command, joins: &[(Namespace, Source)]) -> Vec<OsString> {
    let mut words: Vec<OsString> = Vec::new();
    if let Environment::Exactly(entries) = &command.environment {
        words.extend(["env", "-i"].map(OsString::from));
        words.extend(entries.iter().cloned());
        let sets = |entry: &OsString| entry.as_bytes().strip_prefix(b"HOME=").is_some_and(|home| !home.is_empty());
        if let Some(home) = enter::home(plan).filter(|_| command.home_of_user && !entries.iter().any(sets)) {
            words.push(["HOME=".into(), home].into_iter().collect());
        }
    }
    words.push(match command.environment {
        // env would look for it in the container's PATH.
        Environment::Exactly(_) => nsenter_of_host(),
        _ => "nsenter".into(),
    });
    let taken = plan.takes_of_target() || command.environment == Environment::Target;
    if let Some(target) = plan.target.as_ref().filter(|_| taken) {
        let pid = match target.proof {
            Proof::PidfdInode(inode) => format!("{}:{inode}", target.pid),
            Proof::Nothing | Proof::Cgroup(_) | Proof::Start(_) => target.pid.to_string(),
        };
        words.extend(["--target".into(), pid.into()]);
    }
    for (namespace, from) in joins {
        let option = format!("--{}", namespace.name());
        words.push(match from {
            Source::Target => option.into(),
            Source::File(path) | Source::FileOfTarget(path) => attached(&option, path.as_os_str()),
            Source::Id(id) => format!("{option}=:{id}").into(),
            Source::Socket(fd) => format!("--net-socket={fd}").into(),
        });
    }
    words.extend(folders(plan));
    let id = |option: &str, id: Option<Id>| {
        id.map(|id| match id {
            Id::Number(number) => format!("{option}={number}").into(),
            Id::Follow => format!("{option}=follow").into(),
        })
    };
    // Of a container that runs as root, nothing needs to be said.
    let (own_user, own_group) = enter::user(plan).filter(|ids| *ids != (0, 0)).unzip();
    words.extend(id("--setuid", plan.credentials.user.or(own_user.map(Id::Number))));
    words.extend(id("--setgid", plan.credentials.group.or(own_group.map(Id::Number))));
    let flags = [
        (plan.user_parent, "--user-parent"),
        (plan.credentials.preserve, "--preserve-credentials"),
        (plan.credentials.keep_capabilities, "--keep-caps"),
        (command.environment == Environment::Target, "--env"),
        (plan.join_cgroup, "--join-cgroup"),
        (plan.follow_context, "--follow-context"),
        (plan.no_fork, "--no-fork"),
    ];
    words.extend(flags.into_iter().filter(|(set, _)| *set).map(|(_, flag)| flag.into()));
    if let Program::Words(program) = &command.program {
        words.push("--".into());
        words.extend(program.iter().cloned());
    }
    words
}

fn folders(plan: &Plan) -> Vec<OsString> {
    let root = plan.root.as_ref().map(|root| match root {
        Directory::Target => "--root".into(),
        Directory::Path(path) => attached("--root", path.as_os_str()),
    });
    let inside = OsStr::new("/");
    let folder = plan.working_directory.as_ref().map(|folder| match folder {
        WorkingDirectory::Target => "--wd".into(),
        WorkingDirectory::Path(path) => attached("--wd", path.as_os_str()),
        WorkingDirectory::Inside(path) => attached("--wdns", path.as_os_str()),
    });
    // nsenter would go back to a working directory outside of the new root.
    let folder = folder.or_else(|| root.is_some().then(|| attached("--wdns", inside)));
    root.into_iter().chain(folder).collect()
}

fn attached(option: &str, value: &OsStr) -> OsString {
    OsString::from_vec([option.as_bytes(), b"=", value.as_bytes()].concat())
}
