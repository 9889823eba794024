//! Who is asked for a name, in which order and for how long: Docker first, the other runtimes when it does not know the
//! name, what they left on disk when they do not answer. What each of them says is read elsewhere.

use std::cell::LazyCell;
use std::pin::pin;
use std::time::{Duration, Instant, SystemTime};

use crate::api::Engine;
use crate::container::Container;
use crate::endpoint::{Endpoint, Settings};
use crate::error::{Asked, Error, Failure, Unknown};
use crate::reference::Reference;
use crate::report;
use crate::roots::Roots;
use crate::runtime::{self, Runtime, nspawn, process, storage};
use crate::wanted::Wanted;

/// How long Docker may think before the other engines are asked meanwhile: far longer than it takes when it is well.
const HEAD_START: Duration = Duration::from_millis(150);

/// How long to leave an engine alone that did not tell of a start.
const AGAIN: Duration = Duration::from_millis(50);

/// What an engine said.
type Answer = Result<Vec<Container>, Error>;

/// One search, and what was heard so far.
struct Search<'a> {
    reference: &'a Reference,
    wanted: Wanted<'a>,
    /// The reference as it was written.
    word: String,
    settings: &'a Settings,
    deadline: Instant,
    /// Of one thread: joining a mount or user namespace needs a process that has no other, setns(2). Dropped with the
    /// search, before anything is joined.
    executor: tokio::runtime::Runtime,
    asked: Vec<Asked>,
    /// Docker's engine, which answered.
    docker: Option<Engine>,
    /// Why Docker did not answer.
    unasked: Option<String>,
    /// The runtimes whose state on disk could be looked at.
    looked: Vec<Runtime>,
}

/// Finds the container that `reference` names.
pub(crate) fn find(reference: &Reference, settings: &Settings) -> Result<Container, Error> {
    let now = Instant::now();
    let search = Search {
        reference,
        wanted: Wanted::from(reference),
        word: reference.to_string(),
        settings,
        deadline: now.checked_add(settings.timeout).unwrap_or(now),
        executor: executor()?,
        asked: Vec::new(),
        looked: Vec::new(),
        docker: None,
        unasked: None,
    };
    search.run()
}

impl Search<'_> {
    fn run(mut self) -> Result<Container, Error> {
        let endpoint = self.asks(Runtime::Docker).then(|| self.settings.endpoint()).transpose();
        let endpoint = match (endpoint, self.reference) {
            // Pods are on this node, wherever Docker's client is told to go.
            (Err(_), Reference::Pod { .. }) if !self.docker_alone() => None,
            (endpoint, _) => endpoint?,
        };
        // Connecting says at once whether anybody listens.
        let docker = endpoint.clone().map(|endpoint| self.open(Runtime::Docker, endpoint));
        // Not read before somebody has to go by them, and once.
        let settings = self.settings;
        let roots = LazyCell::new(|| Roots::of(settings, endpoint.as_ref()));
        let (of_docker, of_podman) = self.ask(docker.as_ref().and_then(|docker| docker.as_ref().ok()));

        let mut trouble = match (docker, of_docker) {
            (Some(Ok(docker)), Some(Ok(found))) => {
                if let Some(container) = self.of_docker(found)? {
                    return Ok(container);
                }
                self.said(Runtime::Docker, format!("{} knows no such container", docker.origin()));
                self.docker = Some(docker);
                None
            }
            (Some(Err(error)), _) | (Some(_), Some(Err(error))) => {
                self.unasked = Some(error.to_string());
                let found = self.state(Runtime::Docker, &roots, Some(&error));
                match self.choose(found)? {
                    Some(container) => return Ok(container),
                    // Looked through by its state, it has said all that it could.
                    None => (!self.looked.contains(&Runtime::Docker)).then_some(error),
                }
            }
            _ => None,
        };
        if let Some(error) = trouble.take_if(|_| self.docker_alone()) {
            return Err(error);
        }
        let found = self.others(of_podman, &roots)?;
        let elsewhere = match self.choose(found)? {
            Some(container) => Some(container),
            None => self.last_resort()?,
        };
        if let Some(mut container) = elsewhere {
            // Docker might have known another of that name. Of one that is not the caller's to ask, that is no news.
            let foreign = |error: &&Error| matches!(error, Error::Engine { failure: Failure::Forbidden, .. });
            if let Some(error) = trouble.as_ref().filter(|error| !is_absence(error) && !foreign(error)) {
                report::instead_of(&mut container, error);
            }
            return Ok(container);
        }
        self.not_found(trouble, &roots)
    }

    /// Whether this runtime may know what is wanted.
    fn asks(&self, runtime: Runtime) -> bool {
        let anybody = self.reference.runtime().is_some() || !self.settings.names_docker();
        self.reference.may_be_of(runtime) && (anybody || runtime == Runtime::Docker)
    }

    fn open(&self, runtime: Runtime, endpoint: Endpoint) -> Result<Engine, Error> {
        Engine::open(runtime, endpoint, self.settings.timeout, self.deadline)
    }

    /// Asks the engines. podman is asked when Docker does not know the name, or takes its time to say so.
    fn ask(&self, docker: Option<&Engine>) -> (Option<Answer>, Option<Answer>) {
        let wanted = &self.wanted;
        self.executor.block_on(async {
            let mut of_docker = pin!(async {
                match docker {
                    Some(docker) => Some(docker.find(wanted).await),
                    None => None,
                }
            });
            let of_podman = self.ask_podman();
            match tokio::time::timeout(HEAD_START.min(self.settings.timeout), &mut of_docker).await {
                Ok(Some(Ok(found))) if !found.is_empty() => (Some(Ok(found)), None),
                Ok(said) => (said, of_podman.await),
                Err(_) => {
                    let mut of_podman = pin!(of_podman);
                    tokio::select! {
                        biased;
                        // Its word is final, and then nobody else's is waited for.
                        said = &mut of_docker => match said {
                            Some(Ok(found)) if !found.is_empty() => (Some(Ok(found)), None),
                            said => (said, of_podman.await),
                        },
                        said = &mut of_podman => (of_docker.await, said),
                    }
                }
            }
        })
    }

    /// What podman's services say; the first that knows it has the word. `None` where none runs.
    async fn ask_podman(&self) -> Option<Answer> {
        if !self.asks(Runtime::Podman) {
            return None;
        }
        let mut last = None;
        let endpoints = match self.settings.podman() {
            Ok(endpoints) => endpoints,
            Err(error) => return Some(Err(error)),
        };
        for endpoint in endpoints {
            let answer = match self.open(Runtime::Podman, endpoint) {
                Ok(podman) => podman.find(&self.wanted).await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(found) if !found.is_empty() => return Some(Ok(found)),
                // A socket that nobody listens on is podman's usual case.
                Err(Error::Engine { failure: Failure::NoSocket | Failure::Refused, .. }) => {}
                answer => last = Some(answer),
            }
        }
        last
    }

    /// What the runtime left on disk that fits; with the reason where it could not be asked.
    fn state(&mut self, runtime: Runtime, roots: &Roots, reason: Option<&Error>) -> Vec<Container> {
        let Some(mut report) = runtime::state(runtime, roots, &self.wanted) else { return Vec::new() };
        if report.could_look() {
            self.looked.push(runtime);
        }
        let mut found = report.containers();
        found.retain(|container| self.wanted.rank(container).is_some());
        if found.is_empty() {
            let said = report.says_no();
            let said = reason.map_or_else(|| said.clone(), |reason| format!("{}; {said}", brief(reason)));
            self.heard(Asked { runtime, said, forbidden: report.is_forbidden() });
        }
        if let Some(reason) = reason {
            found.iter_mut().for_each(|container| report::instead_of(container, reason));
        }
        found
    }

    /// Docker's own rules for names may be wider than ours: what it says is the one, is.
    fn of_docker(&self, mut found: Vec<Container>) -> Result<Option<Container>, Error> {
        match (self.wanted, found.len()) {
            (Wanted::Name { .. }, 1) => Ok(found.pop()),
            _ => self.choose(found),
        }
    }

    /// Whether nobody but Docker is asked.
    fn docker_alone(&self) -> bool {
        !self.asks(Runtime::Podman) && self.asks(Runtime::Docker)
    }

    /// What all other runtimes have that fits.
    fn others(&mut self, of_podman: Option<Answer>, roots: &Roots) -> Result<Vec<Container>, Error> {
        let mut found = Vec::new();
        let rest = Runtime::ALL.into_iter().filter(|runtime| *runtime != Runtime::Docker && self.asks(*runtime));
        for runtime in rest.collect::<Vec<_>>() {
            found.extend(match (runtime, &of_podman) {
                (Runtime::Podman, Some(Ok(answer))) if !answer.is_empty() => {
                    let start = |it: &Container| storage::start_of(&it.id, it.pid?, roots);
                    answer.iter().map(|it| Container { start: start(it), ..it.clone() }).collect()
                }
                (Runtime::Podman, Some(Err(error @ Error::Engine { .. }))) => self.state(runtime, roots, Some(error)),
                // On another machine, or nowhere: the one on this machine is not the one that is meant.
                (Runtime::Podman, Some(Err(_))) if self.reference.runtime().is_some() => {
                    return of_podman.unwrap_or(Ok(found));
                }
                (Runtime::Podman, Some(Err(error))) => {
                    self.said(runtime, error.to_string());
                    Vec::new()
                }
                _ => self.state(runtime, roots, None),
            });
        }
        Ok(found)
    }

    /// Nobody knows the name. A machine may be registered nowhere, and an ID that no file tells of may still be in a
    /// process's cgroup.
    fn last_resort(&self) -> Result<Option<Container>, Error> {
        if self.asks(Runtime::Nspawn)
            && let Some(machine) =
                self.choose(nspawn::search(&self.wanted).into_iter().map(|it| it.container).collect())?
        {
            return Ok(Some(machine));
        }
        match self.reference {
            Reference::Name { runtime, namespace: None, name } if !self.settings.names_docker() => {
                let mut found = process::search(name);
                found.retain(|container| runtime.is_none_or(|only| only == container.runtime));
                // An engine that answered knows its own.
                found.retain(|container| container.runtime != Runtime::Docker || self.docker.is_none());
                self.choose(found)
            }
            _ => Ok(None),
        }
    }

    fn choose(&self, found: Vec<Container>) -> Result<Option<Container>, Error> {
        report::choose(&self.wanted, &self.word, found)
    }

    fn said(&mut self, runtime: Runtime, said: String) {
        self.heard(Asked { runtime, said, forbidden: false });
    }

    fn heard(&mut self, asked: Asked) {
        log::info!("{}: {}", asked.runtime.name(), asked.said);
        self.asked.push(asked);
    }

    /// The error that says who was asked, and what comes near.
    fn not_found(self, trouble: Option<Error>, roots: &Roots) -> Result<Container, Error> {
        if let Some(error) = trouble
            && (self.asked.is_empty() || !is_absence(&error))
        {
            return Err(error);
        }
        if self.asked.is_empty() {
            return Err(Error::Absent(self.reference.runtime().unwrap_or(Runtime::Docker)));
        }
        // Only now: a list takes longer than an answer, and may hang where that does not.
        let docker = self.docker.as_ref().map(|docker| self.executor.block_on(docker.names()));
        let by_docker = docker.and_then(Result::ok);
        let answered = by_docker.is_some();
        let by_state = |runtime: &Runtime| self.asks(*runtime) && !(answered && *runtime == Runtime::Docker);
        let of_state = Runtime::ALL.into_iter().filter(by_state);
        let reports = of_state.filter_map(|runtime| runtime::state(runtime, roots, &Wanted::All)).collect::<Vec<_>>();
        let by_state = reports.into_iter().flat_map(|mut report| report.containers()).map(|container| container.name);
        let word = match self.reference {
            Reference::Name { name, .. } => name,
            Reference::Pod { pod, container, .. } => container.as_ref().unwrap_or(pod),
            Reference::Service { service, .. } => service,
        };
        let similar = report::nearest(word, by_docker.into_iter().flatten().chain(by_state));
        let Self { reference, asked, unasked, .. } = self;
        let unknown = Unknown { reference: reference.clone(), similar, folder: None, asked, unasked };
        Err(Error::NoSuchContainer(Box::new(unknown)))
    }
}

/// Whether there is no engine where it would be, and nobody said that there is.
pub(crate) fn is_absence(error: &Error) -> bool {
    matches!(error, Error::Engine { failure: Failure::NoSocket, origin, .. } if origin.said_by.is_none())
}

/// The failure without the words that say whom it befell.
pub(crate) fn brief(error: &Error) -> String {
    match error {
        Error::Engine { failure, .. } => failure.to_string(),
        other => other.to_string(),
    }
}

/// Waits for the engine's word that the container was started; until `end`, or as long as the engine speaks to us. Whether
/// it came.
pub(crate) fn started(
    container: &Container,
    reference: &Reference,
    settings: &Settings,
    since: SystemTime,
    end: Instant,
) -> bool {
    let Ok(executor) = executor() else { return false };
    let mut engines = Engine::of(container.runtime, settings).into_iter();
    if engines.any(|engine| executor.block_on(engine.started(&container.id, &container.name, since, end))) {
        return true;
    }
    log::info!("nobody tells of {reference}; asking again");
    std::thread::sleep(AGAIN);
    false
}

/// What the state of the container's own runtime says now, where its engine did not answer before.
pub(crate) fn by_state(
    reference: &Reference,
    container: &Container,
    roots: &Roots,
) -> Result<Option<Container>, Error> {
    let wanted = Wanted::from(reference);
    let report = runtime::state(container.runtime, roots, &wanted);
    let mut found = report.map(|mut report| report.containers()).unwrap_or_default();
    found.iter_mut().for_each(|found| found.source = container.source.clone());
    report::choose(&wanted, &reference.to_string(), found)
}

pub(crate) fn executor() -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().map_err(Error::Executor)
}
