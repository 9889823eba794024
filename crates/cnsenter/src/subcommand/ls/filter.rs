//! `--filter`: which containers are wanted, in docker's words.

use std::mem;

use resolve::{HEALTH, Runtime, State};

use super::columns;
use super::pattern::Pattern;
use crate::cli::UsageError;
use crate::subcommand::inventory::{self, Item};

/// The keys, as help and messages list them.
pub(in crate::subcommand) const KEYS: &str =
    "name, id, label, status, health, network, runtime, image, ancestor, pod, exited";

/// The words of `status`.
pub(in crate::subcommand) const STATES: [&str; 9] =
    ["created", "running", "paused", "restarting", "removing", "exited", "dead", "stopped", "gone"];

/// A filter.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Filter {
    Name(Pattern),
    Id(String),
    Label { key: String, value: Option<String> },
    Status(&'static str),
    Health(&'static str),
    Network(String),
    Runtime(Runtime),
    Image(String),
    Pod(String),
    Exited(i64),
}

impl Filter {
    /// `KEY=VALUE`.
    pub(super) fn parse(text: &str) -> Result<Self, UsageError> {
        let error = |message: String, hint: String| UsageError { message, hint: Some(hint), as_nsenter: false };
        let keys = || format!("a filter is KEY=VALUE, with the keys {KEYS}");
        let Some((key, value)) = text.split_once('=').map(|(key, value)| (key.trim(), value)) else {
            return Err(error(format!("filter {text:?} has no value"), keys()));
        };
        let no = |hint: String| error(format!("filter {key}: {value:?} is none"), hint);
        Ok(match key {
            "name" => Self::Name(Pattern::parse(value)?),
            "id" => Self::Id(value.to_owned()),
            "label" => {
                let (key, value) = value.split_once('=').map_or((value, None), |(key, value)| (key, Some(value)));
                Self::Label { key: key.to_owned(), value: value.map(str::to_owned) }
            }
            "status" => {
                let found = STATES.into_iter().find(|state| *state == value);
                Self::Status(found.ok_or_else(|| no(format!("it is one of {}", STATES.join(", "))))?)
            }
            "health" => {
                // Docker's `none` would be of those that do not run as well, of which its list does not say it.
                let found = HEALTH.into_iter().find(|health| *health == value);
                Self::Health(found.ok_or_else(|| no(format!("it is one of {}", HEALTH.join(", "))))?)
            }
            "network" => Self::Network(value.to_owned()),
            "runtime" => {
                let all = || Runtime::ALL.map(Runtime::scheme).join(", ");
                Self::Runtime(Runtime::from_scheme(value).ok_or_else(|| no(format!("it is one of {}", all())))?)
            }
            "image" | "ancestor" => Self::Image(value.to_owned()),
            "pod" => Self::Pod(value.to_owned()),
            "exited" => Self::Exited(value.parse().map_err(|_| no("it is an exit status, such as 137".to_owned()))?),
            _ => return Err(error(format!("no such filter: {key}"), keys())),
        })
    }

    /// Whether it asks for containers that may not run, as docker ps takes it.
    pub(super) fn is_of_states(&self) -> bool {
        matches!(self, Self::Status(_))
    }

    fn fits(&self, item: &Item) -> bool {
        let listed = &item.listed;
        let container = &listed.container;
        match self {
            // Docker's own names begin with a slash, and scripts write `^/web$`. A pod's are shown with the pod's.
            Self::Name(pattern) => {
                let names = [&container.name, &format!("/{}", container.name), &columns::name(item)];
                names.into_iter().any(|name| pattern.finds(name))
            }
            Self::Id(beginning) => container.id.starts_with(beginning),
            Self::Label { key, value } => {
                let found = listed.labels.get(key);
                found.is_some_and(|found| value.as_ref().is_none_or(|value| value == found))
            }
            Self::Status(state) => inventory::state(&container.state) == *state,
            Self::Health(wanted) => listed.health.as_deref() == Some(*wanted),
            Self::Network(wanted) => {
                let mut networks = listed.networks.iter();
                networks.any(|it| it.network == *wanted || (!wanted.is_empty() && it.id.starts_with(wanted)))
            }
            Self::Runtime(runtime) => container.runtime == *runtime,
            Self::Image(wanted) => {
                listed.image.as_ref().is_some_and(|image| image.strip_prefix(&wanted[..]).is_some_and(ends_a_name))
            }
            Self::Pod(wanted) => container.pod.as_ref().is_some_and(|pod| {
                let namespace = pod.namespace.as_deref().unwrap_or_default();
                pod.name == *wanted || format!("{namespace}/{}", pod.name) == *wanted
            }),
            Self::Exited(wanted) => matches!(&container.state, State::Exited { code, .. } if code == wanted),
        }
    }
}

/// What may follow an image's name that was given without its tag.
fn ends_a_name(rest: &str) -> bool {
    matches!(rest, "" | ":latest")
}

/// Whether an item is wanted: one of the filters of each key fits, but of labels all.
pub(super) fn fits(filters: &[Filter], item: &Item) -> bool {
    let same_key = |a: &Filter, b: &Filter| mem::discriminant(a) == mem::discriminant(b);
    filters.iter().all(|filter| match filter {
        Filter::Label { .. } => filter.fits(item),
        _ => filters.iter().any(|other| same_key(filter, other) && other.fits(item)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_key_and_a_value_that_make_sense() {
        let label = |value: Option<&str>| Filter::Label { key: "k".to_owned(), value: value.map(String::from) };
        assert_eq!(Filter::parse("label=k"), Ok(label(None)));
        assert_eq!(Filter::parse("label=k="), Ok(label(Some(""))));
        assert_eq!(Filter::parse("label=k=v=w"), Ok(label(Some("v=w"))));
        assert_eq!(Filter::parse("runtime=cri-o"), Ok(Filter::Runtime(Runtime::Crio)));
        assert_eq!(Filter::parse("exited=137"), Ok(Filter::Exited(137)));
        for (text, message, hint) in [
            ("web", "filter \"web\" has no value", "KEY=VALUE"),
            ("nme=web", "no such filter: nme", "name, id, label"),
            ("status=up", "filter status: \"up\" is none", "created, running"),
            ("health=ill", "filter health: \"ill\" is none", "unhealthy"),
            ("runtime=rkt", "filter runtime: \"rkt\" is none", "docker, podman"),
            ("exited=x", "filter exited: \"x\" is none", "137"),
        ] {
            let error = Filter::parse(text).unwrap_err();
            assert_eq!(error.message, message);
            assert!(error.hint.as_deref().unwrap_or_default().contains(hint), "{error:?}");
        }
    }

    #[test]
    fn every_state_has_its_word() {
        for state in [
            State::Created,
            State::Running,
            State::Paused,
            State::Restarting { code: 1 },
            State::Removing,
            State::Exited { code: 1, finished: String::new() },
            State::Dead,
            State::Stopped,
            State::Gone { pid: 1 },
        ] {
            assert!(STATES.contains(&inventory::state(&state)), "{state:?}");
        }
    }
}
