//! What a look at a runtime's state gave, and the choice among all that fits. Where to look, and in which order,
//! belongs in `search.rs`.

use std::path::{Path, PathBuf};

use crate::container::{Container, Pod, Source, is_made_up};
use crate::error::{Candidate, Error};
use crate::listed::Listed;
use crate::reference::Reference;
use crate::wanted::Wanted;

/// How many names a message offers at most.
const SIMILAR: usize = 3;

/// What a runtime's state on disk gave.
#[derive(Debug, Default)]
pub(crate) struct Report {
    folders: Vec<PathBuf>,
    forbidden: Option<PathBuf>,
    is_partial: bool,
    passed: usize,
    pub(crate) listed: Vec<Listed>,
}

impl Report {
    /// There is something of this runtime's in the folder.
    pub(crate) fn looked_in(&mut self, folder: &Path) {
        if !self.folders.iter().any(|known| known == folder) {
            self.folders.push(folder.to_owned());
        }
    }

    /// There is something that we may not look at.
    pub(crate) fn forbidden(&mut self, folder: &Path) {
        self.forbidden = Some(folder.to_owned());
    }

    /// There are signs of containers whose records are not where they were looked for.
    pub(crate) fn partial(&mut self) {
        self.is_partial = true;
    }

    /// A container was looked at, whether it was wanted or not.
    pub(crate) fn passed(&mut self) {
        self.passed += 1;
    }

    /// One that was found, unless it is known.
    pub(crate) fn add(&mut self, listed: Listed) {
        let Container { id, namespace, .. } = &listed.container;
        let same = |known: &Listed| known.container.id == *id && known.container.namespace == *namespace;
        if !self.listed.iter().any(same) {
            self.listed.push(listed);
        }
    }

    /// What was found, without what only lists show.
    pub(crate) fn containers(&mut self) -> Vec<Container> {
        self.listed.drain(..).map(|listed| listed.container).collect()
    }

    /// Whether something was looked at, and nothing seems to be missing.
    pub(crate) fn tells_all(&self) -> bool {
        self.could_look() && !self.is_forbidden() && !self.is_partial
    }

    /// What may not be looked at.
    pub(crate) fn says_forbidden(&self) -> Option<String> {
        self.forbidden.as_ref().map(|folder| format!("{} may not be read", folder.display()))
    }

    /// `None` where this runtime has nothing on this machine.
    pub(crate) fn if_anything(self) -> Option<Self> {
        (!self.folders.is_empty() || self.forbidden.is_some()).then_some(self)
    }

    /// Whether something may not be looked at.
    pub(crate) fn is_forbidden(&self) -> bool {
        self.forbidden.is_some()
    }

    /// Whether something could be looked at.
    pub(crate) fn could_look(&self) -> bool {
        !self.folders.is_empty()
    }

    /// Why what is wanted is not in it, in a few words.
    pub(crate) fn says_no(&self) -> String {
        if let (Some(forbidden), []) = (&self.forbidden, &self.folders[..]) {
            return format!("{} may not be read", forbidden.display());
        }
        let folders: Vec<_> = self.folders.iter().map(|folder| folder.display().to_string()).collect();
        let of_folders = match self.passed {
            0 => format!("nothing runs, by {}", folders.join(", ")),
            passed => format!("not among {passed} in {}", folders.join(", ")),
        };
        match &self.forbidden {
            Some(forbidden) => format!("{of_folders}; {} may not be read", forbidden.display()),
            None => of_folders,
        }
    }
}

/// The one container that fits best; `None` where none fits.
pub(crate) fn choose(wanted: &Wanted<'_>, word: &str, containers: Vec<Container>) -> Result<Option<Container>, Error> {
    let Some(best) = containers.iter().filter_map(|container| wanted.rank(container)).min() else {
        return Ok(None);
    };
    let mut fitting: Vec<_> = containers.into_iter().filter(|container| wanted.rank(container) == Some(best)).collect();
    // A service goes by those of its containers that run; of a pod, the sandboxes and containers of earlier attempts
    // may remain.
    let by_running = matches!(wanted, Wanted::Service { .. });
    if by_running && fitting.iter().any(Container::runs) {
        fitting.retain(Container::runs);
    }
    fitting.sort_by_key(|container| std::cmp::Reverse((container.runs(), container.start)));
    let mut one_each: Vec<Container> = Vec::new();
    for container in fitting {
        if !one_each.iter().any(|known| are_one(known, &container)) {
            one_each.push(container);
        }
    }
    match one_each.len() {
        0 | 1 => Ok(one_each.pop()),
        _ => Err(Error::Ambiguous { word: word.to_owned(), candidates: candidates(&one_each) }),
    }
}

/// Whether two records are of the same container, or of two attempts at one in a Kubernetes pod.
fn are_one(a: &Container, b: &Container) -> bool {
    match (&a.pod, &b.pod) {
        (Some(of_a @ Pod { namespace: Some(_), .. }), Some(of_b)) => a.runtime == b.runtime && of_a == of_b,
        // Never by what is shown of an ID, which two may have in common.
        _ => (a.runtime, &a.namespace, &a.id) == (b.runtime, &b.namespace, &b.id),
    }
}

/// Each container as it can be named without a doubt.
fn candidates(containers: &[Container]) -> Vec<Candidate> {
    let mut sorted: Vec<_> = containers.iter().collect();
    sorted.sort_unstable_by(|a, b| (a.runtime, &a.name).cmp(&(b.runtime, &b.name)));
    // Long enough to tell them apart, and at least as long as Docker prints them.
    let common = |a: &str, b: &str| a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let pairs =
        sorted.iter().enumerate().flat_map(|(at, a)| sorted[at + 1..].iter().map(move |b| common(&a.id, &b.id)));
    let length = pairs.max().map_or(12, |common| (common + 1).max(12));
    let candidate = |container: &&Container| {
        let short = container.short_id();
        let long = container.id.get(..length).filter(|_| is_made_up(&container.id)).unwrap_or(short);
        // Two runtimes may have a pod of one name, as two Kubernetes on one machine do.
        let twin = |other: &&Container| other.id != container.id && other.reference() == container.reference();
        let reference = if sorted.iter().any(twin) { by_id(container) } else { container.reference() };
        Candidate::Container {
            reference: reference.to_string().replace(short, long),
            name: container.name.clone(),
            runtime: container.runtime,
        }
    };
    sorted.iter().map(candidate).collect()
}

fn by_id(container: &Container) -> Reference {
    let name = container.short_id().to_owned();
    Reference::Name { runtime: Some(container.runtime), namespace: container.namespace.clone(), name }
}

/// Notes why an engine's state was read in place of asking it.
pub(crate) fn instead_of(container: &mut Container, reason: &Error) {
    if let Source::State { instead_of, .. } = &mut container.source {
        instead_of.get_or_insert_with(|| reason.to_string());
    }
}

/// The names that are nearest to `word`, best first: those that contain it, and those a slip of the keyboard away.
pub(crate) fn nearest(word: &str, names: impl Iterator<Item = String>) -> Vec<String> {
    let lower = word.to_ascii_lowercase();
    let mut ranked: Vec<(usize, String)> = names
        .filter_map(|name| {
            let candidate = name.to_ascii_lowercase();
            let distance = strsim::osa_distance(&lower, &candidate);
            let close = distance <= (lower.len() / 3).max(1) || (lower.len() > 2 && candidate.contains(&lower));
            close.then_some((distance, name))
        })
        .collect();
    ranked.sort_unstable();
    ranked.dedup();
    ranked.into_iter().take(SIMILAR).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Runtime;
    use crate::container::{Files, Network, Service, State};

    fn container(runtime: Runtime, id: &str, name: &str) -> Container {
        Container {
            runtime,
            namespace: None,
            id: id.to_owned(),
            name: name.to_owned(),
            pid: Some(1),
            start: Some(1),
            state: State::Running,
            network: Network::None,
            env: Vec::new(),
            added_groups: Vec::new(),
            files: Files::default(),
            pod: None,
            service: None,
            source: Source::State { folder: PathBuf::new(), instead_of: None },
        }
    }

    fn named(name: &str) -> Wanted<'_> {
        Wanted::Name { namespace: None, name }
    }

    #[test]
    fn a_name_goes_before_an_id_and_an_id_before_its_beginning() {
        let id = "ab".repeat(32);
        let all = || {
            vec![
                container(Runtime::Podman, &id, "x"),
                container(Runtime::Oci, "abab", "abab"),
                container(Runtime::Lxc, "web", "web"),
            ]
        };
        let chosen = |word: &str| choose(&named(word), word, all()).unwrap().map(|found| found.runtime);
        assert_eq!(chosen("abab"), Some(Runtime::Oci));
        assert_eq!(chosen("aba"), Some(Runtime::Podman));
        assert_eq!(chosen(&id), Some(Runtime::Podman));
        assert_eq!(chosen("we"), None, "names match whole");
    }

    #[test]
    fn a_name_that_two_runtimes_know_names_neither() {
        let both = vec![container(Runtime::Podman, &"a".repeat(64), "web"), container(Runtime::Lxc, "web", "web")];
        let Err(Error::Ambiguous { candidates, .. }) = choose(&named("web"), "web", both) else { panic!("not told") };
        let references: Vec<_> = candidates
            .iter()
            .map(|candidate| match candidate {
                Candidate::Container { reference, .. } => reference.clone(),
                Candidate::File(file) => file.display().to_string(),
            })
            .collect();
        assert_eq!(references, ["podman://aaaaaaaaaaaa", "lxc://web"]);
    }

    #[test]
    fn of_a_pods_attempts_the_newest_that_runs_is_taken() {
        let attempt = |id: &str, start, state| Container {
            pod: Some(Pod { namespace: Some("n".to_owned()), name: "p".to_owned(), container: None }),
            start: Some(start),
            state,
            ..container(Runtime::Containerd, id, "p")
        };
        let all = vec![
            attempt("a", 1, State::Running),
            attempt("b", 2, State::Running),
            attempt("c", 3, State::Gone { pid: 7 }),
        ];
        let wanted = Wanted::Pod { namespace: "n", pod: "p", container: None };
        assert_eq!(choose(&wanted, "pod/n/p", all.clone()).unwrap().unwrap().id, "b");
        assert_eq!(choose(&named("p"), "p", all).unwrap().unwrap().id, "b");
    }

    #[test]
    fn a_service_is_one_container_or_a_choice() {
        let replica = |id: &str, number, state| Container {
            service: Some(Service { project: "p".to_owned(), service: "s".to_owned(), number }),
            state,
            ..container(Runtime::Docker, id, id)
        };
        let all = vec![replica("a", 1, State::Running), replica("b", 2, State::Stopped)];
        let wanted = |number| Wanted::Service { project: "p", service: "s", number };
        let chosen = |number, all| choose(&wanted(number), "w", all).map(|found| found.map(|found| found.id));
        assert_eq!(chosen(None, all.clone()).unwrap().as_deref(), Some("a"));
        assert_eq!(chosen(Some(2), all).unwrap().as_deref(), Some("b"));
        let two = vec![replica("a", 1, State::Running), replica("b", 2, State::Running)];
        assert!(matches!(chosen(None, two), Err(Error::Ambiguous { .. })));
    }

    #[test]
    fn ids_that_begin_alike_are_not_one_container() {
        let (a, b) = ("a".repeat(64), format!("{}b", "a".repeat(63)));
        let both = vec![container(Runtime::Containerd, &a, "web"), container(Runtime::Containerd, &b, "web")];
        let Err(Error::Ambiguous { candidates, .. }) = choose(&named("web"), "web", both) else { panic!("one of two") };
        let words = candidates.iter().map(|candidate| match candidate {
            Candidate::Container { reference, .. } => reference.clone(),
            Candidate::File(file) => panic!("{}", file.display()),
        });
        assert_eq!(words.collect::<Vec<_>>(), [&a, &b].map(|id| format!("containerd://{id}")));
    }

    #[test]
    fn a_pod_that_two_runtimes_have_is_offered_by_its_ids() {
        let pod = |runtime, id: &str| {
            let pod = Some(Pod { namespace: Some("n".to_owned()), name: "p".to_owned(), container: None });
            Container { pod, ..container(runtime, id, "p") }
        };
        let wanted = Wanted::Pod { namespace: "n", pod: "p", container: None };
        let attempts = vec![pod(Runtime::Containerd, &"a".repeat(64)), pod(Runtime::Containerd, &"b".repeat(64))];
        assert!(choose(&wanted, "w", attempts.clone()).unwrap().is_some());
        let both = [&attempts[1..], &[pod(Runtime::Crio, &"c".repeat(64))]].concat();
        let Err(Error::Ambiguous { candidates, .. }) = choose(&wanted, "w", both) else { panic!("one of two") };
        let found = |word: &str| {
            candidates.iter().any(|it| matches!(it, Candidate::Container { reference, .. } if reference == word))
        };
        assert!(found("containerd://bbbbbbbbbbbb") && found("cri-o://cccccccccccc"), "{candidates:?}");
    }

    #[test]
    fn near_names_come_best_first() {
        let names = || ["nginx", "nginx-proxy", "ngonx", "redis", "postgres"].into_iter().map(String::from);
        assert_eq!(nearest("ngnix", names()), ["nginx"]);
        assert_eq!(nearest("nginx", names()), ["nginx", "ngonx", "nginx-proxy"]);
        assert_eq!(nearest("proxy", names()), ["nginx-proxy"]);
        assert!(nearest("zookeeper", names()).is_empty());
        assert!(nearest("x", names()).is_empty());
    }
}
