//! The way back: from a process, a cgroup or a word to the container whose it is, by cgroups and by what the runtimes left
//! on disk. No engine is asked: one that hangs must not keep an answer back that lies there. The way from a name to a
//! container that is to be entered belongs in `search.rs`.

mod folder;

use std::cell::OnceCell;
use std::collections::HashMap;

use crate::list;
use crate::listed::Listed;
use crate::roots::Roots;
use crate::runtime::{self, Runtime, cgroup, nspawn, process};
use crate::wanted::Wanted;
use crate::{Reference, Settings};

pub use folder::Folder;

/// How far up the line of a process is looked.
const GENERATIONS: usize = 64;

/// The kinds of namespaces that tell a container's process from the host's, those first that fewer share.
const KINDS: [&str; 3] = ["pid", "mnt", "net"];

/// What the runtimes of this machine left on its disks.
#[derive(Debug)]
pub struct Records {
    roots: Roots,
    everything: OnceCell<Vec<Listed>>,
}

/// Whose a process or a cgroup is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A container with a record.
    Recorded(Box<Listed>),
    /// One that only a cgroup names: its engine keeps its records nobody knows where.
    Unrecorded {
        /// Whose it seems to be.
        runtime: Runtime,
        /// Its full ID.
        id: String,
    },
}

/// What shows that a process is of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// It is the init process.
    Init,
    /// Its cgroup, which is this one.
    Cgroup(String),
    /// The init process is among its ancestors.
    Ancestor,
    /// It shares the init process's namespace of this kind, by the name of its file.
    Namespace(&'static str),
}

impl Records {
    /// All that apply to these settings.
    pub fn of(settings: &Settings) -> Self {
        Self { roots: Roots::of_settings(settings), everything: OnceCell::new() }
    }

    /// The containers that a process is in, or a thread; none where it is the host's. Several only where it shares their
    /// namespaces and is in nobody's cgroup.
    pub fn of_process(&self, pid: i32) -> Vec<(Owner, Evidence)> {
        self.of_processes(&[pid]).pop().map(|(_, owners)| owners).unwrap_or_default()
    }

    /// The same of many: of those in one container's cgroup one alone, its init process if that is among them.
    pub fn of_processes(&self, pids: &[i32]) -> Vec<(i32, Vec<(Owner, Evidence)>)> {
        let own = process::cgroup(std::process::id().cast_signed());
        let mut all: Vec<(i32, Vec<(Owner, Evidence)>)> = Vec::new();
        // Where each cgroup's first process is in what was found.
        let mut seen: HashMap<String, Option<usize>> = HashMap::new();
        for &pid in pids {
            let before = process::start_time(pid);
            let text = process::cgroup(pid);
            let owners = match seen.get(&text) {
                Some(Some(at)) => {
                    let (of, owners) = &mut all[*at];
                    if let [(Owner::Recorded(found), evidence)] = &mut owners[..]
                        && found.container.pid == Some(pid)
                    {
                        (*of, *evidence) = (pid, Evidence::Init);
                    }
                    continue;
                }
                Some(None) => self.of_line(pid),
                None => {
                    let named = self.by_cgroup(&text, &own);
                    seen.insert(text, named.is_some().then_some(all.len()));
                    match named {
                        Some((owner, path)) => {
                            let is_init = matches!(&owner, Owner::Recorded(of) if of.container.pid == Some(pid));
                            vec![(owner, if is_init { Evidence::Init } else { Evidence::Cgroup(path) })]
                        }
                        None => self.of_line(pid),
                    }
                }
            };
            // What was read in between may be another's, which has got its number.
            all.push((pid, if process::start_time(pid) == before { owners } else { Vec::new() }));
        }
        all
    }

    /// The container whose cgroup is among a process's, and the path that says so. `own` are ours.
    fn by_cgroup(&self, text: &str, own: &str) -> Option<(Owner, String)> {
        // Of an engine within our own container, the container below ours is meant.
        let below = |path| process::cgroup_paths(own).filter(|own| own.len() > 1).find_map(|own| strip(path, own));
        let paths = || process::cgroup_paths(text).filter(|path| path.len() > 1);
        let named = paths().find_map(|path| Some((self.of_id_in(below(path)?)?, path.to_owned())));
        named.or_else(|| paths().find_map(|path| Some((self.of_cgroup(path)?, path.to_owned()))))
    }

    /// The container that a cgroup is of: the first on the way down, since a container can make cgroups below its own and
    /// name them as it likes.
    pub fn of_cgroup(&self, path: &str) -> Option<Owner> {
        self.of_id_in(path).or_else(|| self.of_unit_in(path))
    }

    /// The init process of each container as its runtime noted it, where that is quick to read: it may be another by now,
    /// and some may be missing.
    pub fn init_processes(&self) -> Vec<i32> {
        runtime::noted(&self.roots)
    }

    /// The containers with exactly this ID. More than one where people chose it.
    pub fn of_id(&self, id: &str) -> Vec<Listed> {
        self.all(&Wanted::Id(id)).collect()
    }

    /// The containers that a reference names: of full ID, name and beginning of an ID the best that fits, running or not.
    pub fn named(&self, reference: &Reference) -> Vec<Listed> {
        let wanted = Wanted::from(reference);
        let runtimes = Runtime::ALL.into_iter().filter(|runtime| reference.may_be_of(*runtime));
        let mut found: Vec<_> = runtimes.flat_map(|runtime| self.of_runtime(runtime, &wanted)).collect();
        let best = found.iter().filter_map(|found| wanted.rank(&found.container)).min();
        found.retain(|found| best.is_some() && wanted.rank(&found.container) == best);
        found
    }

    /// The containers that run and whose ports this one of the host's may lead to, by their engines' records.
    pub fn publishing(&self, port: u16) -> Vec<Listed> {
        let number = port.to_string();
        let is_told = |found: &Listed| found.ports.iter().any(|published| published.host_port == port);
        let of_docker = format!("\"HostPort\":\"{port}\"");
        let wanted = |runtime| match runtime {
            Runtime::Docker => Wanted::Text(&of_docker),
            // Its lists of names are no records.
            Runtime::Podman => Wanted::All,
            _ => Wanted::Text(&number),
        };
        let all = Runtime::ALL.into_iter().flat_map(|runtime| self.of_runtime(runtime, &wanted(runtime)));
        all.filter(is_told).collect()
    }

    /// Every container, running or not. Read once.
    pub fn everything(&self) -> &[Listed] {
        self.everything.get_or_init(|| {
            let mut all: Vec<_> = self.all(&Wanted::All).collect();
            let is_machine = |found: &Listed| found.container.runtime == Runtime::Nspawn;
            let machines = all.iter().position(is_machine).unwrap_or(all.len());
            list::add_unregistered(&mut all, machines);
            all
        })
    }

    fn all(&self, wanted: &Wanted<'_>) -> impl Iterator<Item = Listed> {
        Runtime::ALL.into_iter().flat_map(move |runtime| self.of_runtime(runtime, wanted))
    }

    fn of_runtime(&self, runtime: Runtime, wanted: &Wanted<'_>) -> Vec<Listed> {
        let listed = runtime::state(runtime, &self.roots, wanted).map(|report| report.listed).unwrap_or_default();
        // A runtime may tell of more than is wanted, where only a look into the record decides.
        let fitting = listed.into_iter().filter(|found| wanted.rank(&found.container).is_some());
        fitting.map(Listed::of_now).collect()
    }

    /// By an ID that an engine made up.
    fn of_id_in(&self, path: &str) -> Option<Owner> {
        let (runtime, id) = process::owner(path, "").filter(|(_, id)| cgroup::is_made_by_us(path, id))?;
        // What the cgroup is called says whose it is by habit alone.
        let others = Runtime::ALL.into_iter().filter(|other| *other != runtime);
        let recorded = || {
            let mut all = std::iter::once(runtime).chain(others);
            all.find_map(|runtime| self.of_runtime(runtime, &Wanted::Id(&id)).pop())
        };
        Some(recorded().map_or_else(|| Owner::Unrecorded { runtime, id: id.clone() }, Owner::from))
    }

    /// By an ID that a person chose: a cgroup of that name in which the container's init process is as well.
    fn of_unit_in(&self, path: &str) -> Option<Owner> {
        let ends = path.match_indices('/').map(|(at, _)| at).skip(1).chain([path.len()]);
        ends.filter(|end| *end > 1).find_map(|end| {
            let above = &path[..end];
            let holds = |found: &Listed| found.container.pid.is_some_and(|pid| is_within(pid, above));
            let unit = above.rsplit('/').next().unwrap_or_default();
            let bare = unit.strip_suffix(".scope").unwrap_or(unit);
            let id = bare.rsplit_once(':').map_or(bare, |(_, last)| last);
            let chosen = [Runtime::Containerd, Runtime::Oci].map(|runtime| (runtime, Wanted::Id(id)));
            let name = bare.strip_prefix("lxc.payload.").unwrap_or(bare);
            let machines = (unit.ends_with(".scope")).then_some((Runtime::Nspawn, Wanted::All));
            let all = chosen.into_iter().chain([(Runtime::Lxc, Wanted::Id(name))]).chain(machines);
            let mut found = all.flat_map(|(runtime, wanted)| self.of_runtime(runtime, &wanted));
            found.find(holds).map(Owner::from)
        })
    }

    /// A container that has no cgroup of its own: by who started the process, and by the namespaces that it shares.
    fn of_line(&self, pid: i32) -> Vec<(Owner, Evidence)> {
        let foreign: Vec<_> = KINDS.into_iter().filter(|kind| is_foreign(pid, kind)).collect();
        if foreign.is_empty() {
            return Vec::new();
        }
        let line: Vec<_> = std::iter::successors(Some(pid), |pid| process::parent(*pid)).take(GENERATIONS).collect();
        let machine = line.windows(2).find_map(|pair| {
            let machine = nspawn::run_by(pair[1])?;
            (machine.container.pid == Some(pair[0])).then_some(machine)
        });
        let is_above = |found: &&Listed| found.container.pid.is_some_and(|pid| line.contains(&pid));
        let shown = |found: Listed| {
            let is_init = found.container.pid == Some(pid);
            (Owner::from(found), if is_init { Evidence::Init } else { Evidence::Ancestor })
        };
        if let Some(machine) = machine {
            return vec![shown(machine)];
        }
        let everything = self.everything();
        if let Some(found) = everything.iter().find(is_above) {
            return vec![shown(found.clone())];
        }
        let sharing = |kind: &'static str| {
            let its = process::namespace(&pid.to_string(), kind);
            let of = |of: i32| process::namespace(&of.to_string(), kind);
            let shares = move |found: &&Listed| found.container.pid.is_some_and(|pid| of(pid) == its);
            let all = everything.iter().filter(shares);
            all.map(|found| (Owner::from(found.clone()), Evidence::Namespace(kind))).collect::<Vec<_>>()
        };
        foreign.into_iter().map(sharing).find(|found| !found.is_empty()).unwrap_or_default()
    }
}

impl From<Listed> for Owner {
    fn from(found: Listed) -> Self {
        Self::Recorded(Box::new(found))
    }
}

/// What is left of a path below another one.
fn strip<'a>(path: &'a str, above: &str) -> Option<&'a str> {
    path.strip_prefix(above).filter(|rest| rest.starts_with('/'))
}

/// Whether a process is in this cgroup, or one below it.
fn is_within(pid: i32, above: &str) -> bool {
    process::cgroup_paths(&process::cgroup(pid)).any(|path| path == above || strip(path, above).is_some())
}

/// Whether the process is in another namespace of this kind than we are; not where it may not be looked at.
fn is_foreign(pid: i32, kind: &str) -> bool {
    let [own, its] = ["self", &pid.to_string()].map(|pid| process::namespace(pid, kind));
    its.is_some() && own != its
}
