//! Waiting until a container runs: for the engine's own event where there is an engine, by looking at the runtime's state
//! again and again where there is none. What is found is found by `search`.

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime};

use crate::container::{Container, Source, State};
use crate::endpoint::Settings;
use crate::error::Error;
use crate::listed::Listed;
use crate::reference::Reference;
use crate::roots::Roots;
use crate::runtime::{self, Runtime, nspawn};
use crate::search;
use crate::wanted::Wanted;

/// How often state on disk is looked at. Far shorter than the life of a container that crashes at once.
const INTERVAL: Duration = Duration::from_millis(10);

/// How often everybody is asked for a container that nobody knows, and that may be there soon.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// How long a container that was removed may be missing until another has its name, and how often to look.
const REPLACED: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_millis(50);

/// How long there is to wait, whatever runs were missed meanwhile.
#[derive(Clone, Debug)]
pub struct Waiting {
    begin: Instant,
    end: Instant,
    /// Once: a crash loop goes on for hours.
    complained: Cell<bool>,
}

impl Waiting {
    /// From now on, for so long.
    pub fn begin(longest: Duration) -> Self {
        let begin = Instant::now();
        Self { begin, end: begin.checked_add(longest).unwrap_or(begin), complained: Cell::new(false) }
    }

    /// Whether the time is over.
    pub fn is_over(&self) -> bool {
        Instant::now() >= self.end
    }
}

/// Waits for the container to run.
pub(crate) fn wait(reference: &Reference, settings: &Settings, waiting: &Waiting) -> Result<Container, Error> {
    let end = waiting.end;
    let mut known = None;
    let mut told = false;
    loop {
        // Before the question, so that no event falls between it and the wait.
        let since = SystemTime::now();
        let left = end.saturating_duration_since(Instant::now()).max(INTERVAL);
        let settings = &Settings { timeout: settings.timeout.min(left), ..settings.clone() };
        let last = match search::find(reference, settings) {
            Ok(found) if found.runs() => return Ok(found),
            Ok(found) if matches!(found.state, State::Dead | State::Removing) => {
                return Err(Error::NotRunning(Box::new(found)));
            }
            Ok(found) => {
                if told && !waiting.complained.replace(true) {
                    log::warn!("{} ran, and ended before it could be entered; waiting for its next run", found.name);
                }
                log::info!("waiting for {} to run", found.name);
                match found.source {
                    Source::Engine { .. } => told = search::started(&found, reference, settings, since, end),
                    Source::State { .. } => {
                        if let Some(found) = by_state(reference, &found, settings, end)? {
                            return Ok(found);
                        }
                    }
                }
                known = Some(Instant::now());
                Some(Box::new(found))
            }
            // Removed. Compose makes another one of that name at once.
            Err(Error::NoSuchContainer(_)) if known.is_some_and(|at: Instant| at.elapsed() < REPLACED) => {
                std::thread::sleep(AGAIN);
                None
            }
            Err(Error::NoSuchContainer(_) | Error::Absent(_)) if may_appear(reference) => {
                until_it_appears(reference, settings, end);
                None
            }
            Err(error) => return Err(error),
        };
        if waiting.is_over() {
            let reference = reference.clone();
            return Err(Error::WaitedInVain { reference, waited: waiting.begin.elapsed(), last });
        }
    }
}

/// Whether a container that nobody knows may still be started: some runtimes keep nothing of those that do not run.
fn may_appear(reference: &Reference) -> bool {
    match reference {
        Reference::Pod { .. } => true,
        Reference::Service { .. } => false,
        Reference::Name { runtime, .. } => {
            runtime.is_some_and(|runtime| !matches!(runtime, Runtime::Docker | Runtime::Podman))
        }
    }
}

/// Looks at the runtimes' state until there is something of that name, or it is time to ask everybody again: engines
/// are not there to be asked a hundred times a second.
fn until_it_appears(reference: &Reference, settings: &Settings, end: Instant) {
    let again = Instant::now().checked_add(ASK_AGAIN).map_or(end, |again| again.min(end));
    let roots = Roots::of_settings(settings);
    let wanted = Wanted::from(reference);
    let may_know = |runtime: &Runtime| reference.may_be_of(*runtime);
    let appeared = || {
        let mut reports =
            Runtime::ALL.into_iter().filter(may_know).filter_map(|it| runtime::state(it, &roots, &wanted));
        let fits = |found: &Listed| wanted.rank(&found.container).is_some();
        reports.any(|report| report.listed.iter().any(fits))
            || (reference.runtime() == Some(Runtime::Nspawn) && nspawn::search(&wanted).iter().any(fits))
    };
    loop {
        std::thread::sleep(INTERVAL);
        if Instant::now() >= again || appeared() {
            return;
        }
    }
}

/// Looks at the state of the one runtime that knows the container, until it runs or the time is over.
fn by_state(
    reference: &Reference,
    found: &Container,
    settings: &Settings,
    end: Instant,
) -> Result<Option<Container>, Error> {
    let roots = Roots::of_settings(settings);
    while Instant::now() < end {
        if let Some(now) = search::by_state(reference, found, &roots)?.filter(Container::runs) {
            return Ok(Some(now));
        }
        std::thread::sleep(INTERVAL);
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_that_went_on_after_a_run_was_over_says_how_long_it_was_in_all() {
        let reference = "pod/nowhere/nobody".parse().unwrap();
        let begin = Instant::now().checked_sub(Duration::from_secs(5)).unwrap();
        let waiting = Waiting { begin, ..Waiting::begin(Duration::ZERO) };
        match wait(&reference, &Settings::default(), &waiting) {
            Err(Error::WaitedInVain { waited, .. }) => assert!(waited >= Duration::from_secs(5), "{waited:?}"),
            other => panic!("{other:?}"),
        }
    }
}
