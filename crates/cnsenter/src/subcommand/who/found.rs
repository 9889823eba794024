//! What was found: an owner, and how. How it is looked for belongs to its siblings.

use std::fmt;
use std::path::PathBuf;

use resolve::{Container, Listed, Reference, Runtime};
use serde_json::{Value, json};
use survey::{Inode, Process};

use super::host::Host;

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) owner: Owner,
    /// How it was found, in a clause.
    pub(super) how: String,
    /// As what the word was read.
    pub(super) kind: &'static str,
}

/// Whose it is.
#[derive(Clone, Debug)]
pub(super) enum Owner {
    /// A container's.
    Container(Box<Listed>),
    /// That of a container of which its full ID is all that is known.
    Unrecorded(Runtime, String),
    /// That of a process of the host.
    Process(Process),
    /// A network's, in which no process is.
    Network { inode: Inode, file: PathBuf },
    /// The host's own.
    Host,
}

impl From<Listed> for Owner {
    fn from(found: Listed) -> Self {
        Self::Container(Box::new(found))
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container(found) => write!(f, "{}", reference(&found.container)),
            Self::Unrecorded(runtime, id) => write!(f, "{}", Reference::of(*runtime, id.as_str())),
            Self::Process(process) => write!(f, "host process {} (pid {})", process.name, process.pid),
            Self::Network { file, .. } => write!(f, "--net={}", file.display()),
            Self::Host => f.write_str("host"),
        }
    }
}

impl Found {
    pub(super) fn json(&self, host: &Host<'_>) -> Value {
        let mut answer = json!({
            "kind": self.kind, "how": self.how, "container": null, "process": null, "network": null, "host": false,
        });
        let (field, value) = match &self.owner {
            Owner::Container(found) => ("container", host.json(found)),
            Owner::Unrecorded(runtime, id) => ("container", json!({ "runtime": runtime.scheme(), "id": id })),
            Owner::Process(process) => {
                let cgroup = super::process::cgroup(process.pid);
                let Process { pid, name, command, .. } = process;
                ("process", json!({ "pid": pid, "name": name, "command": command, "cgroup": cgroup }))
            }
            Owner::Network { inode, file } => ("network", json!({ "inode": inode.0, "file": file })),
            Owner::Host => ("host", json!(true)),
        };
        answer[field] = value;
        answer
    }
}

/// The word that names a container, and reads well: by its name, where that is a word for it.
pub(super) fn reference(container: &Container) -> Reference {
    let sure = container.reference();
    let Reference::Name { runtime, namespace, .. } = &sure else { return sure };
    let named = Reference::Name { runtime: *runtime, namespace: namespace.clone(), name: container.name.clone() };
    if named.to_string().parse().as_ref() == Ok(&named) { named } else { sure }
}
