//! What is looked for: which records may be it, and how well a container fits. Where to look belongs in `search.rs`.

use std::fmt;
use std::path::Path;

use crate::Reference;
use crate::container::{Container, Pod, Service, Source, is_made_up};
use crate::file;
use crate::runtime::storage;

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted<'a> {
    /// A name, an ID, or the beginning of an ID.
    Name {
        namespace: Option<&'a str>,
        name: &'a str,
    },
    Pod {
        namespace: &'a str,
        pod: &'a str,
        container: Option<&'a str>,
    },
    Service {
        project: &'a str,
        service: &'a str,
        number: Option<u32>,
    },
    /// The container with exactly this ID, whatever others are called.
    Id(&'a str),
    /// Those whose records hold this text, and maybe more.
    Text(&'a str),
    /// Everything there is.
    All,
}

/// A beginning of an ID that is as long as this was pasted from somewhere: whoever calls his container so means harm.
const PASTED: usize = 12;

/// How well a container fits, best first: Docker's own order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// By its full ID.
    Id,
    /// By its name, or by all words of a longer reference.
    Name,
    /// By the beginning of its ID.
    Prefix,
    /// By what podman's pod calls its host: its name as a rule, and not always.
    HostName,
}

impl<'a> From<&'a Reference> for Wanted<'a> {
    fn from(reference: &'a Reference) -> Self {
        match reference {
            Reference::Name { namespace, name, .. } => Self::Name { namespace: namespace.as_deref(), name },
            Reference::Pod { namespace, pod, container } => {
                Self::Pod { namespace, pod, container: container.as_deref() }
            }
            Reference::Service { project, service, number } => Self::Service { project, service, number: *number },
        }
    }
}

impl Wanted<'_> {
    /// Whether a record with this ID and these bytes may be it. What says no is not parsed.
    pub(crate) fn may_be(&self, id: &str, bytes: &[u8]) -> bool {
        let holds = |name| file::holds_name(bytes, name);
        match self {
            // Of an ID of podman's pods, a record has the beginning in the name of a container.
            Self::Name { name, .. } if name.len() >= PASTED && is_hexadecimal(name) => {
                id.starts_with(name) || file::holds(bytes, name)
            }
            Self::Name { name, .. } => id.starts_with(name) || holds(name),
            Self::Pod { namespace, pod, .. } => holds(pod) && holds(namespace),
            Self::Service { project, service, .. } => holds(service) && holds(project),
            Self::Id(wanted) => id == *wanted,
            Self::Text(text) => file::holds(bytes, text),
            Self::All => true,
        }
    }

    /// The full ID, where it is one. No name goes before it.
    pub(crate) fn full_id(&self) -> Option<&str> {
        match self {
            Self::Name { name, .. } if is_made_up(name) => Some(name),
            Self::Id(id) => Some(id),
            _ => None,
        }
    }

    /// The only one of containerd's namespaces to look in.
    pub(crate) fn namespace(&self) -> Option<&str> {
        match self {
            Self::Name { namespace, .. } => *namespace,
            _ => None,
        }
    }

    /// The containers' folders in this one that may be what is wanted, by their names, which are IDs: where that is known,
    /// one of hundreds is not searched for.
    pub(crate) fn folders(&self, of: &Path) -> Vec<String> {
        match self.full_id().filter(|id| of.join(id).is_dir()) {
            Some(id) => vec![id.to_owned()],
            None if matches!(self, Self::Id(_)) => Vec::new(),
            None => file::names(of),
        }
    }

    /// How well it fits; not at all where nothing is told.
    pub(crate) fn rank(&self, container: &Container) -> Option<Rank> {
        let fits = match self {
            Self::All | Self::Text(_) => true,
            Self::Id(id) => container.id == *id,
            Self::Name { name, .. } => return rank_of_name(name, container),
            Self::Pod { namespace, pod, container: wanted } => {
                let fits = |found: &Pod| {
                    found.namespace.as_deref() == Some(*namespace)
                        && found.name == *pod
                        && found.container.as_deref() == *wanted
                };
                container.pod.as_ref().is_some_and(fits)
            }
            Self::Service { project, service, number } => {
                let fits = |found: &Service| {
                    found.project == *project
                        && found.service == *service
                        && number.is_none_or(|number| found.number == number)
                };
                container.service.as_ref().is_some_and(fits)
            }
        };
        fits.then_some(Rank::Name)
    }
}

fn is_hexadecimal(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn rank_of_name(word: &str, container: &Container) -> Option<Rank> {
    // podman's pods go by a name of their own, and stand for the container whose namespaces they share, which is called
    // after the beginning of the pod's ID. On disk there is no more of their names than the host's.
    let pod = container.pod.as_ref().filter(|pod| pod.namespace.is_none());
    let by_host_name = pod.is_some_and(|pod| pod.name == word) && matches!(container.source, Source::State { .. });
    let id_of_pod = || container.name.strip_suffix(storage::INFRA).is_some_and(|begins| word.starts_with(begins));
    let pod = pod.is_some_and(|pod| (pod.name == word && !by_host_name) || id_of_pod());
    // An ID that a person chose is a name, and names match whole.
    if container.id == word && is_made_up(word) {
        return Some(Rank::Id);
    }
    if container.name == word || container.id == word || pod {
        return Some(Rank::Name);
    }
    let begins = is_made_up(&container.id) && container.id.starts_with(word);
    let prefix = begins.then_some(if word.len() < PASTED { Rank::Prefix } else { Rank::Name });
    prefix.or(by_host_name.then_some(Rank::HostName))
}

impl fmt::Display for Wanted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { name, .. } => f.write_str(name),
            Self::Pod { namespace, pod, .. } => write!(f, "pod {pod} in {namespace}"),
            Self::Service { project, service, .. } => write!(f, "service {service} of {project}"),
            Self::Id(id) | Self::Text(id) => f.write_str(id),
            Self::All => f.write_str("everything"),
        }
    }
}
