//! What there is to know of a container, gathered in one go: what its runtime says, and what the kernel says of its first
//! process, which is held meanwhile. How it is shown does not belong here.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStringExt;

use enter::{Ids, Observed};
use resolve::{Asking, Container, Listed, Sandbox, Settings, Source, Specification};
use survey::{Cgroup, Inode, Kind, Listener, Namespaces, Process, Usage};

use super::mounts::{self, Mounts};
use super::network::{self, Dns, Interfaces};
use super::rights::Rights;
use crate::cli::{self, CalledAs};
use crate::plan::{self, Caller, Resolved};
use crate::print;

/// Something that can be known, or why it is not.
pub(super) type Known<T> = Result<T, String>;

/// What `root` alone is shown.
const NOT_OURS: &str = "not ours to see: run as root";

/// All of it.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) listed: Listed,
    pub(super) sandbox: Option<Sandbox>,
    /// What its first process has; why not, where there is none.
    pub(super) live: Known<Live>,
    /// The lines that enter it; nsenter's needs a process.
    pub(super) cnsenter: String,
    pub(super) nsenter: Option<String>,
}

/// What the kernel says of it.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) process: Known<Process>,
    /// As its own user namespace has them, and the user's name in its own passwd.
    pub(super) ids: Known<(Ids, Option<String>)>,
    pub(super) namespaces: Known<Vec<Joined>>,
    pub(super) network: Known<Interfaces>,
    pub(super) dns: Known<Dns>,
    pub(super) listeners: Known<Vec<Listener>>,
    pub(super) cgroup: Known<(Cgroup, Usage)>,
    pub(super) rights: Known<Rights>,
    pub(super) mounts: Known<Mounts>,
}

/// A namespace that it is in.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) kind: Kind,
    pub(super) inode: Inode,
    /// It is the host's own.
    pub(super) of_host: bool,
    /// The other containers in it, where it is not the host's.
    pub(super) shared_with: Vec<String>,
}

impl Live {
    /// Whether its network is the host's own.
    pub(super) fn uses_host_network(&self) -> bool {
        let of_host = |joined: &Joined| joined.kind == Kind::Net && joined.of_host;
        self.namespaces.as_ref().is_ok_and(|all| all.iter().any(of_host))
    }
}

/// Gathers it. `engine` are the words that say which engine was asked.
pub(super) fn gather(container: Container, settings: &Settings, engine: Vec<OsString>) -> Facts {
    let reference = container.reference();
    let sandbox = resolve::sandbox_of(&reference, container.clone(), settings).ok();
    let (live, nsenter) = match observe(&container, settings) {
        Ok((live, nsenter)) => (Ok(live), nsenter),
        Err(why) => (Err(why), None),
    };
    let wait = (!container.runs()).then(|| "--wait".into());
    let words = ["cnsenter".into()].into_iter().chain(engine).chain(wait).chain([reference.to_string().into()]);
    let cnsenter = line(print::shell(&words.collect::<Vec<_>>()));
    Facts { listed: resolve::describe(container, settings), sandbox, live, cnsenter, nsenter }
}

/// What can be seen of its process, and the line that enters it; why nothing, where it has none.
fn observe(container: &Container, settings: &Settings) -> Known<(Live, Option<String>)> {
    if let Source::Engine { elsewhere: Some(elsewhere), .. } = container.source {
        let name = container.name.clone();
        return Err(plan::Refusal::Elsewhere { name, elsewhere }.to_string());
    }
    let target = plan::target_of(container).map_err(|_| "no process".to_owned())?;
    let observed = Observed::hold(&target).map_err(|error| error.to_string())?;
    let (specification, unread) = match resolve::specification(container, settings) {
        Ok(specification) => (specification, None),
        Err(error) => (None, Some(error.to_string())),
    };
    let pid = target.pid;
    let status = observed.status().map_err(|error| error.to_string());
    let ids = status.clone().and_then(|status| {
        let ids = status.ids.ok_or_else(|| NOT_OURS.to_owned())?;
        let ids = observed.inside(&ids).map_err(|error| error.to_string())?;
        let name = observed.name_of(ids.uid);
        Ok((ids, name))
    });
    let namespaces = namespaces(container, pid, settings);
    let of_host = |kind| namespaces.as_ref().is_ok_and(|all| all.iter().any(|one| one.kind == kind && one.of_host));
    let live = Live {
        process: Process::read(pid).map_err(reason),
        ids,
        network: network::interfaces(pid, of_host(Kind::Net)),
        dns: network::dns(&observed),
        listeners: Listener::of_process(pid).map_err(reason),
        cgroup: Cgroup::of_process(pid).map(|cgroup| (cgroup.clone(), cgroup.usage())).map_err(reason),
        rights: status.and_then(|status| Rights::new(status, &observed, specification.as_ref(), unread)),
        mounts: mounts::of_process(pid).map_err(|error| said(error.kind(), error.to_string())),
        namespaces,
    };
    let nsenter = nsenter(container, specification);
    // What was read by path was its own only if it is there still.
    observed.still_there().map_err(|error| error.to_string())?;
    Ok((live, nsenter))
}

/// Its namespaces, and who else is in them.
fn namespaces(container: &Container, pid: i32, settings: &Settings) -> Known<Vec<Joined>> {
    let own = Namespaces::of_process(pid).map_err(reason)?;
    let host = Namespaces::of_host();
    let others: Vec<_> = others(container, settings);
    let joined = |kind| {
        let inode = own.get(kind)?;
        let of_host = host.get(kind) == Some(inode);
        let sharing = others.iter().filter(|(_, theirs)| !of_host && theirs.get(kind) == Some(inode));
        Some(Joined { kind, inode, of_host, shared_with: sharing.map(|(name, _)| name.clone()).collect() })
    };
    Ok(Kind::ALL.into_iter().filter_map(joined).collect())
}

/// All other containers that run, by what is on disk, and their namespaces.
fn others(container: &Container, settings: &Settings) -> Vec<(String, Namespaces)> {
    let all = resolve::list(settings, Asking::State).unwrap_or_default().containers;
    let others = all.into_iter().map(|listed| listed.container).filter(|other| other.id != container.id);
    others.filter_map(|other| Some((other.name, Namespaces::of_process(other.pid?).ok()?))).collect()
}

/// The nsenter line that enters it whole, as its user, with a shell of its own.
fn nsenter(container: &Container, specification: Option<Specification>) -> Option<String> {
    let words = ["--keep-env", &container.reference().to_string(), "sh"].map(OsString::from);
    let args = cli::parse(CalledAs::Cnsenter, words).ok()?;
    let resolved = Resolved::Container(container.clone());
    let planned = plan::plan(&args, &resolved, specification, Caller::default()).ok()?;
    print::nsenter(&planned).ok().map(line)
}

fn line(words: Vec<u8>) -> String {
    OsString::from_vec(words).to_string_lossy().into_owned()
}

/// Why the kernel did not say it.
pub(super) fn reason(error: survey::Error) -> String {
    let (survey::Error::Read { cause, .. } | survey::Error::Network { cause, .. }) = &error else {
        return error.to_string();
    };
    said(cause.kind(), error.to_string())
}

/// The same, or that it takes root.
pub(super) fn said(kind: ErrorKind, text: String) -> String {
    if kind == ErrorKind::PermissionDenied { NOT_OURS.to_owned() } else { text }
}
