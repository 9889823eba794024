//! What there is to know of a container, gathered in one go: what its runtime says, and what the kernel says of its first
//! process, which is held meanwhile. How it is shown does not belong here.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::os::unix::ffi::OsStringExt;

use enter::{Ids, Observed};
use resolve::{Asking, Container, History, Sandbox, Settings, Source, Specification};
use survey::{Cgroup, Kind, Link, Listener, Process, Usage};

use super::super::inventory::{self, Inventory, Item};
use super::mounts::{self, Mounts};
use super::network::{self, Dns, Network};
use super::rights::Rights;
use crate::cli::{self, CalledAs};
use crate::exit::Failure;
use crate::plan::{self, Caller, Refusal, Resolved};
use crate::print;

/// Something that can be known, or why it is not.
pub(super) type Known<T> = Result<T, String>;

/// What only root is shown.
pub(super) const NOT_OURS: &str = "not ours to see: run as root";

/// All of it.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) item: Item,
    /// The others that run, by what is on disk.
    pub(super) others: Inventory,
    pub(super) history: Option<History>,
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
    pub(super) network: Known<Network>,
    pub(super) dns: Known<Dns>,
    pub(super) listeners: Known<Vec<Listener>>,
    pub(super) cgroup: Known<(Cgroup, Usage)>,
    pub(super) rights: Known<Rights>,
    pub(super) mounts: Known<Mounts>,
}

impl Facts {
    /// The container.
    pub(super) fn container(&self) -> &Container {
        &self.item.listed.container
    }

    /// Whether its namespace of that kind is the host's own.
    pub(super) fn is_of_host(&self, kind: Kind) -> bool {
        self.item.shares_with_host(&self.others.host, kind)
    }

    /// The other containers in its namespace of that kind; nobody where it is the host's.
    pub(super) fn sharing(&self, kind: Kind) -> Vec<&str> {
        let own = self.item.namespaces.get(kind).filter(|_| !self.is_of_host(kind));
        let shares = |other: &&Item| own.is_some() && other.namespaces.get(kind) == own;
        self.others.items.iter().filter(shares).map(|other| other.listed.container.name.as_str()).collect()
    }

    /// What its engine calls the network that an interface is attached to, by the record of whoever has the namespace.
    pub(super) fn attached(&self, link: &Link) -> Option<&str> {
        let sharing = self.others.items.iter().filter(|other| other.network() == self.item.network());
        let mut networks = std::iter::once(&self.item).chain(sharing).flat_map(|item| &item.listed.networks);
        let has = |address: &IpAddr| link.addresses.iter().any(|own| own.ip == *address);
        networks.find(|network| network.addresses.iter().any(has)).map(|network| network.network.as_str())
    }
}

/// Gathers it. `engine` are the words that say which engine was asked.
pub(super) fn gather(container: Container, settings: &Settings, engine: Vec<OsString>) -> Result<Facts, Failure> {
    let reference = container.reference();
    let sandbox = resolve::sandbox_of(&reference, container.clone(), settings).ok();
    let history = resolve::history(&container, settings);
    let mut others = inventory::take_namespaces(settings, Asking::State)?;
    let is_it = |other: &Container| other.id == container.id && other.namespace == container.namespace;
    others.items.retain(|other| !is_it(&other.listed.container));
    let item = inventory::item(resolve::describe(container, settings));
    let container = &item.listed.container;
    let of_host = item.shares_with_host(&others.host, Kind::Net);
    let (live, nsenter) = match observe(container, of_host, settings) {
        Ok((live, nsenter)) => (Ok(live), nsenter),
        Err(why) => (Err(why), None),
    };
    let wait = (!container.runs()).then(|| "--wait".into());
    let words = ["cnsenter".into()].into_iter().chain(engine).chain(wait).chain([reference.to_string().into()]);
    let cnsenter = line(print::shell(&words.collect::<Vec<_>>()));
    Ok(Facts { item, others, history, sandbox, live, cnsenter, nsenter })
}

/// What can be seen of its process, and the line that enters it; why nothing, where it has none.
fn observe(container: &Container, of_host: bool, settings: &Settings) -> Known<(Live, Option<String>)> {
    if let Source::Engine { elsewhere: Some(elsewhere), .. } = container.source {
        let name = container.name.clone();
        return Err(Refusal::Elsewhere { name, elsewhere }.to_string());
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
        let ids = status.ids.ok_or_else(|| "the kernel does not say".to_owned())?;
        let ids = observed.inside(&ids).map_err(|error| error.to_string())?;
        let name = observed.name_of(ids.uid);
        Ok((ids, name))
    });
    let cgroup = Cgroup::of_container(pid, &container.id).map_err(reason);
    let listeners = match &cgroup {
        _ if !of_host => Listener::of_process(pid).map_err(reason),
        Ok(cgroup) => network::listeners_of(cgroup, pid, settings),
        Err(why) => Err(why.clone()),
    };
    let live = Live {
        process: Process::read(pid).map_err(reason),
        ids,
        network: network::network(pid, of_host),
        dns: network::dns(&observed),
        listeners,
        cgroup: cgroup.map(|cgroup| {
            let usage = cgroup.usage();
            (cgroup, usage)
        }),
        rights: status.and_then(|status| Rights::new(&status, &observed, unread)),
        mounts: mounts::of_process(pid).map_err(reason),
    };
    let nsenter = nsenter(container, specification);
    // What was read by path was its own only if it is there still.
    observed.still_there().map_err(|error| error.to_string())?;
    Ok((live, nsenter))
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
    said(error.cause().kind(), error.to_string())
}

/// The same, or that it takes root.
pub(super) fn said(kind: ErrorKind, text: String) -> String {
    if kind == ErrorKind::PermissionDenied { NOT_OURS.to_owned() } else { text }
}
