//! The candidates themselves: containers, files of networks, contexts, interfaces. Asked at each TAB, so nothing here
//! waits, and what is not there is no error.

use std::time::Duration;

use resolve::{Asking, Container, HEALTH, Listed, Reference, Runtime, Settings, State};

use super::{Candidate, What};
use crate::cli::options::Id;
use crate::subcommand::ls::filter;
use crate::subcommand::{NETNS_FOLDERS, SANDBOXES};
use crate::without_sigpipe;

/// How long engines are waited for, where they must be asked at all.
const PATIENCE: Duration = Duration::from_millis(30);

/// Which containers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// Those that can be entered.
    Running,
    /// All of them.
    All,
}

/// The value of an option of the entry line, or of one that subcommands have from it.
pub(super) fn of_option(id: Id, settings: &dyn Fn() -> Settings, typed: &str) -> What {
    What::Words(match id {
        Id::Net => {
            let files = netns_files();
            if !files.iter().any(|file| file.word.starts_with(typed)) {
                return What::File;
            }
            files
        }
        Id::Mount | Id::Uts | Id::Ipc | Id::Pid | Id::Cgroup | Id::User | Id::Time | Id::EnvFile | Id::Host => {
            return What::File;
        }
        Id::Root | Id::Wd | Id::StateRoot => return What::Folder,
        Id::Setuid | Id::Setgid => described(vec!["follow".to_owned()], "The target's"),
        Id::SetEnv => described(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect(), ""),
        Id::Context => described(settings().contexts(), ""),
        _ => Vec::new(),
    })
}

fn described(words: Vec<String>, what: &str) -> Vec<Candidate> {
    words.into_iter().map(|word| Candidate { word, what: what.to_owned() }).collect()
}

/// Containers by name; by what else they can be called once that much is typed. Only what the command line takes.
pub(super) fn containers(settings: Settings, typed: &str, which: Which) -> Vec<Candidate> {
    // Root reads what engines keep on disk, and waits for nobody. Whoever may not is told by an engine that answers at once.
    let asking = if rustix::process::geteuid().is_root() { Asking::State } else { Asking::Engines };
    let settings = Settings { timeout: PATIENCE, ..settings };
    let Ok(listing) = without_sigpipe(|| resolve::list(&settings, asking)) else { return Vec::new() };
    let mut listed = listing.containers;
    listed.retain(|listed| which == Which::All || listed.container.runs());
    let mut words = Vec::new();
    let mut offer = |word: String, of: &Listed| {
        let fits = word.starts_with(typed) && word.parse::<Reference>().is_ok();
        if fits {
            words.push(Candidate { word, what: what(of) });
        }
        fits
    };
    let mut found = false;
    let mut schemes = Vec::new();
    for one in &listed {
        let container = &one.container;
        let shared = listed.iter().filter(|other| other.container.name == container.name).count() > 1;
        found |= offer(if shared { container.reference().to_string() } else { container.name.clone() }, one);
        for (scheme, rest) in forms(container) {
            // Once the scheme is there, what follows it; until then, the scheme alone.
            if typed.starts_with(&scheme) {
                found |= offer(format!("{scheme}{rest}"), one);
            } else if !typed.is_empty() && !schemes.contains(&scheme) {
                schemes.push(scheme);
            }
        }
    }
    if !found {
        for one in &listed {
            offer(one.container.short_id().to_owned(), one);
        }
    }
    words.extend(described(schemes, ""));
    words
}

/// What else a container is called, each in two parts.
fn forms(container: &Container) -> Vec<(String, String)> {
    let inside = container.namespace.as_ref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
    let mut forms = vec![(format!("{}://", container.runtime.scheme()), format!("{inside}{}", container.name))];
    if container.pod.is_some() {
        let reference = container.reference().to_string();
        forms.extend(reference.strip_prefix("pod/").map(|rest| ("pod/".to_owned(), rest.to_owned())));
    }
    if let Some(service) = &container.service {
        let rest = format!("{}/{}/{}", service.project, service.service, service.number);
        forms.push(("compose://".to_owned(), rest));
    }
    forms
}

fn what(listed: &Listed) -> String {
    let Listed { container, image, .. } = listed;
    let state = match container.state {
        State::Running => "",
        State::Paused => ", paused",
        _ => ", not running",
    };
    let image = image.as_ref().map(|image| format!(", {image}")).unwrap_or_default();
    format!("{}{state}{image}", container.runtime.name())
}

/// What `--sandbox` takes but containers.
pub(super) fn sandboxes() -> Vec<Candidate> {
    let mut names = names(SANDBOXES);
    names.retain(|name| name.parse::<Reference>().is_ok());
    described(names, "Network sandbox")
}

/// Files that keep a network.
fn netns_files() -> Vec<Candidate> {
    let mut files = Vec::new();
    for folder in NETNS_FOLDERS {
        files.extend(names(folder).iter().map(|name| format!("{folder}/{name}")));
    }
    described(files, "Network namespace")
}

/// `KEY=` of `ls --filter`, until that is typed, and the values of those that have few.
pub(super) fn filters(typed: &str) -> Vec<Candidate> {
    let mut words: Vec<_> = filter::KEYS.split(", ").map(|key| format!("{key}=")).collect();
    words.retain(|key| key != typed);
    words.extend(filter::STATES.map(|state| format!("status={state}")));
    words.extend(HEALTH.map(|health| format!("health={health}")));
    words.extend(Runtime::ALL.map(|runtime| format!("runtime={}", runtime.scheme())));
    described(words, "")
}

/// The host's interfaces.
pub(super) fn interfaces() -> Vec<Candidate> {
    // A container with NET_ADMIN can make one here under any name, and a shell would take `-rf` for an option.
    let plain = names("/sys/class/net").into_iter().filter(|name| !name.starts_with('-'));
    described(plain.collect(), "Interface")
}

fn names(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}
