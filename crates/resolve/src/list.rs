//! Every container of every runtime, for lists and for the way back from a process to its container. Finding one by its
//! name belongs in `search.rs`; what a runtime reads, in its own file.

use std::cell::LazyCell;
use std::collections::{HashMap, HashSet};
use std::time::Instant;

use futures_util::future::join_all;

use crate::Settings;
use crate::api::Engine;
use crate::container::{Container, Source, State};
use crate::error::{Error, Failure};
use crate::listed::Listed;
use crate::report::{self, Report};
use crate::roots::Roots;
use crate::runtime::cgroup::Freezers;
use crate::runtime::{self, Runtime, nspawn, process, storage};
use crate::search::{brief, executor, is_absence};
use crate::wanted::Wanted;

/// How often the executor is let on until a question has been sent for certain: the connection has to be shaken hands
/// over, and to be found ready for writing.
const UNTIL_SENT: usize = 8;

/// What is on this host, as far as it could be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// By runtime, and then the newest first, as docker lists them.
    pub containers: Vec<Listed>,
    /// Who could not be asked, or only by its state on disk.
    pub unasked: Vec<Unasked>,
}

/// A runtime that was not heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unasked {
    /// Which.
    pub runtime: Runtime,
    /// Why, in a clause that can follow "Docker was not asked: ".
    pub reason: String,
    /// Whether its state on disk was read in its place.
    pub by_state: bool,
}

/// Whom to believe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
    /// The engines, and where they do not answer, what is on disk.
    Engines,
    /// What is on disk alone, which takes no daemon's time; the engines only where root does not say what they keep.
    State,
}

/// What the runtimes left on disk.
type Reports = HashMap<Runtime, Report>;

/// An engine that answered, and what it said.
type Told = (Engine, Vec<Listed>);

/// All containers, running or not.
pub(crate) fn list(settings: &Settings, asking: Asking) -> Result<Listing, Error> {
    let docker_alone = settings.names_docker();
    let endpoint = match settings.endpoint() {
        // Who is not asked may be anywhere.
        Err(_) if asking == Asking::State && !docker_alone => None,
        endpoint => Some(endpoint?),
    };
    let roots = Roots::of(settings, endpoint.as_ref());
    let runtimes = &Runtime::ALL[..if docker_alone { 1 } else { Runtime::ALL.len() }];
    let read = || {
        let report = |runtime: &Runtime| Some((*runtime, runtime::state(*runtime, &roots, &Wanted::All)?));
        runtimes.iter().filter_map(report).collect::<Reports>()
    };
    let now = Instant::now();
    let deadline = now.checked_add(settings.timeout).unwrap_or(now);
    let open = |runtime, endpoint| (runtime, Engine::open(runtime, endpoint, settings.timeout, deadline));

    let reports = (asking == Asking::State).then(read);
    let asks = |runtime| reports.as_ref().is_none_or(|all| !all.get(&runtime).is_some_and(Report::tells_all));
    let mut engines = Vec::new();
    if asks(Runtime::Docker) {
        engines.extend(endpoint.map(|endpoint| open(Runtime::Docker, endpoint)));
    }
    if !docker_alone && asks(Runtime::Podman) {
        match settings.podman() {
            Ok(endpoints) => engines.extend(endpoints.into_iter().map(|endpoint| open(Runtime::Podman, endpoint))),
            Err(error) => engines.push((Runtime::Podman, Err(error))),
        }
    }
    let executor = executor()?;
    // The state is read while the engines think, which takes them longer.
    let (answers, mut reports) = executor.block_on(async {
        let answers =
            join_all(engines.into_iter().map(|(runtime, engine)| async move { (runtime, ask(engine).await) }));
        let reports = async {
            let Some(reports) = reports else {
                for _ in 0..UNTIL_SENT {
                    tokio::task::yield_now().await;
                }
                return read();
            };
            reports
        };
        tokio::join!(answers, reports)
    });

    let mut listing = Listing::default();
    let mut answers: Vec<(Runtime, Result<Told, Error>)> = answers;
    for &runtime in runtimes {
        let of_runtime = answers.extract_if(.., |(of, _)| *of == runtime).map(|(_, answer)| answer).collect();
        let report = reports.remove(&runtime).unwrap_or_default();
        let said = heard(runtime, of_runtime, report, &roots, &executor, &mut listing.unasked);
        let from = listing.containers.len();
        listing.containers.extend(said);
        if runtime == Runtime::Nspawn {
            add_unregistered(&mut listing.containers, from);
        }
        // What was made in the same second stays as its engine has it.
        let name = |listed: &Listed| listed.container.folder().map(|_| listed.container.name.clone());
        listing.containers[from..].sort_by(|a, b| (b.created, name(a)).cmp(&(a.created, name(b))));
    }
    Ok(Listing { containers: as_now(listing.containers), ..listing })
}

/// As they are at this moment. That a container is frozen, most runtimes do not note.
fn as_now(all: Vec<Listed>) -> Vec<Listed> {
    let freezers = LazyCell::new(Freezers::here);
    let mut all: Vec<_> = all.into_iter().map(Listed::of_now).collect();
    for Listed { container, .. } in &mut all {
        let is_noted = container.runtime == Runtime::Docker || matches!(container.source, Source::Engine { .. });
        if let (false, State::Running, Some(pid)) = (is_noted, &container.state, container.pid)
            && freezers.holds(&process::cgroup(pid))
        {
            container.state = State::Paused;
        }
    }
    all
}

async fn ask(engine: Result<Engine, Error>) -> Result<Told, Error> {
    let engine = engine?;
    let listed = engine.listed(&[]).await?;
    Ok((engine, listed))
}

/// What there is to know of a runtime's containers: by its engines' word, where one has it, by its state otherwise.
fn heard(
    runtime: Runtime,
    answers: Vec<Result<Told, Error>>,
    mut report: Report,
    roots: &Roots,
    executor: &tokio::runtime::Runtime,
    unasked: &mut Vec<Unasked>,
) -> Vec<Listed> {
    let mut by_state = report.could_look();
    let mut reasons = Vec::new();
    let mut told = Vec::new();
    for answer in answers {
        match answer {
            Ok(answer) => told.push(answer),
            // A daemon that is dead leaves something behind; podman has none to speak of.
            Err(error) if is_no_news(runtime, &error) && !(by_state && runtime == Runtime::Docker) => {}
            Err(error) => {
                reasons.push(said(&error));
                report.listed.iter_mut().for_each(|listed| report::instead_of(&mut listed.container, &error));
            }
        }
    }
    let all = if told.is_empty() {
        reasons.extend(report.says_forbidden());
        report.listed
    } else {
        // Their word is final.
        by_state = false;
        let known = report.listed.into_iter();
        let mut known: HashMap<_, _> = known.map(|listed| (listed.container.id.clone(), listed)).collect();
        let mut all: Vec<Listed> = Vec::new();
        for (engine, told) in told {
            let told = told.into_iter().map(|told| match known.remove(&told.container.id) {
                Some(known) => merged(told, known),
                None => told,
            });
            let (told, error) = executor.block_on(with_processes(&engine, told.collect(), roots));
            reasons.extend(error.as_ref().map(said));
            all.extend(told);
        }
        all
    };
    if !reasons.is_empty() {
        unasked.push(Unasked { runtime, reason: reasons.join("; "), by_state });
    }
    all
}

/// Whether nobody would have expected an answer.
fn is_no_news(runtime: Runtime, error: &Error) -> bool {
    let refused = |error: &Error| matches!(error, Error::Engine { failure: Failure::NoSocket | Failure::Refused, origin, .. } if origin.said_by.is_none());
    // A socket that nobody listens on is podman's usual case.
    is_absence(error) || (runtime == Runtime::Podman && refused(error))
}

/// An error as it can follow the name of who was to be asked.
fn said(error: &Error) -> String {
    match error {
        Error::Engine { origin, .. } => format!("{origin}: {}", brief(error)),
        other => other.to_string(),
    }
}

/// What an engine says of a container, with what its list leaves out and its state tells.
fn merged(told: Listed, known: Listed) -> Listed {
    let Container { name, state, source, service, .. } = told.container;
    let is_up = is_up(&state);
    let state = match (state, &known.container.state) {
        (State::Exited { code, .. }, State::Exited { code: noted, finished }) if code == *noted => {
            State::Exited { code, finished: finished.clone() }
        }
        (state, _) => state,
    };
    Listed {
        container: Container {
            name,
            source,
            state,
            pid: known.container.pid.filter(|_| is_up),
            start: known.container.start.filter(|_| is_up),
            service: service.or(known.container.service),
            ..known.container
        },
        image: known.image.or(told.image),
        created: known.created.or(told.created),
        root: known.root,
        ..told
    }
}

fn is_up(state: &State) -> bool {
    matches!(state, State::Running | State::Paused)
}

/// Those whose state may not be read, or was not there yet: their engine is asked who their process is. With the error
/// where it did not say it of all.
async fn with_processes(engine: &Engine, listed: Vec<Listed>, roots: &Roots) -> (Vec<Listed>, Option<Error>) {
    let unknown = |listed: &Listed| is_up(&listed.container.state) && listed.container.pid.is_none();
    let ids: Vec<_> = listed.iter().filter(|it| unknown(it)).map(|it| it.container.id.clone()).collect();
    if ids.is_empty() {
        return (listed, None);
    }
    let asked: HashSet<_> = ids.iter().cloned().collect();
    let (found, error) = engine.inspected(ids).await;
    let mut found: HashMap<_, _> = found.into_iter().map(|container| (container.id.clone(), container)).collect();
    let complete = |listed: Listed| {
        let Some(container) = found.remove(&listed.container.id) else {
            // Removed since it was listed, if it was asked for.
            return (error.is_some() || !asked.contains(&listed.container.id)).then_some(listed);
        };
        let start = match container.runtime {
            Runtime::Podman => container.pid.and_then(|pid| storage::start_of(&container.id, pid, roots)),
            _ => None,
        };
        Some(Listed { container: Container { start, ..container }, ..listed })
    };
    (listed.into_iter().filter_map(complete).collect(), error)
}

/// Machines that are registered nowhere.
pub(crate) fn add_unregistered(all: &mut Vec<Listed>, from: usize) {
    if !nspawn::may_run() {
        return;
    }
    for machine in nspawn::search(&Wanted::All) {
        let found = &machine.container;
        let is_it = |known: &Listed| known.container.runs() && known.container.pid == found.pid;
        if !all[from..].iter().any(is_it) {
            // What is noted of another of that name is older than its end.
            all.retain(|known| known.container.runtime != Runtime::Nspawn || known.container.name != found.name);
            all.push(machine);
        }
    }
}

/// All that lists show, of one container that was found: by its state, else by its engine.
pub(crate) fn describe(container: Container, settings: &Settings) -> Listed {
    let roots = Roots::of_settings(settings);
    let Container { runtime, ref namespace, ref id, .. } = container;
    let wanted = Wanted::Name { namespace: namespace.as_deref(), name: id };
    let is_it = |listed: &Listed| listed.container.id == *id && listed.container.namespace == *namespace;
    let mut found = runtime::state(runtime, &roots, &wanted).map(|report| report.listed).unwrap_or_default();
    if runtime == Runtime::Nspawn && !found.iter().any(is_it) {
        found = nspawn::search(&wanted);
    }
    let found = found.into_iter().find(is_it).or_else(|| by_engine(&container, settings));
    let listed = match found {
        Some(found) => Listed { container, ..found },
        None => Listed::from(container),
    };
    as_now(vec![listed]).remove(0)
}

/// What the container's engine lists of it.
fn by_engine(container: &Container, settings: &Settings) -> Option<Listed> {
    let executor = executor().ok()?;
    let engines = Engine::of(container.runtime, settings);
    engines.iter().find_map(|engine| executor.block_on(engine.listed(std::slice::from_ref(&container.id))).ok()?.pop())
}
