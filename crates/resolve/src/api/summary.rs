//! The engine's list of containers: one answer for all of them, which says less of each than an answer for it alone
//! would. Finding a container by its name belongs in `api.rs`.

use std::collections::HashMap;

use bollard::errors::Error as Bollard;
use bollard::models::{
    ContainerSummary, ContainerSummaryStateEnum as Word, EndpointSettings, PortSummary, PortSummaryTypeEnum,
};
use bollard::query_parameters::ListContainersOptionsBuilder;
use futures_util::StreamExt;
use futures_util::stream;

use super::{Engine, failure};
use crate::container::{Container, Files, Source, State};
use crate::error::Error;
use crate::listed::{Attached, Listed, Published, host_ip};
use crate::runtime::{docker, oci};

/// How many questions an engine gets at once.
const AT_ONCE: usize = 16;

impl Engine {
    /// Every container, whatever its state; of these IDs alone, where there are any. Who the process is, its list leaves
    /// out.
    pub(crate) async fn listed(&self, ids: &[String]) -> Result<Vec<Listed>, Error> {
        log::info!("asking {} at {} for its list", self.runtime.name(), self.origin);
        let source = Source::Engine { listener: self.listener, elsewhere: self.elsewhere() };
        let summaries = self.summaries("id", ids).await?;
        Ok(summaries.into_iter().filter_map(|summary| self.one(summary, &source)).collect())
    }

    /// The engine's list, of what passes the filter.
    pub(super) async fn summaries(&self, filter: &str, values: &[String]) -> Result<Vec<ContainerSummary>, Error> {
        let mut options = ListContainersOptionsBuilder::new().all(true);
        if !values.is_empty() {
            options = options.filters(&HashMap::from([(filter, values.to_vec())]));
        }
        let summaries = self.ask(self.docker.list_containers(Some(options.build()))).await?;
        summaries.map_err(|error| self.failed(failure(&error)))
    }

    /// All that the engine says of each of these, but for those that are gone by now; and why it did not say it of all.
    pub(crate) async fn inspected(&self, ids: Vec<String>) -> (Vec<Container>, Option<Error>) {
        log::info!("asking {} at {} for the processes of {}", self.runtime.name(), self.origin, ids.len());
        let answers = stream::iter(ids).map(async |id| match self.answer(&id).await? {
            Ok(answer) => self.container(answer).map(Some),
            Err(Bollard::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(error) => Err(self.failed(failure(&error))),
        });
        let answers: Vec<_> = answers.buffer_unordered(AT_ONCE).collect().await;
        let (mut found, mut trouble) = (Vec::new(), None);
        for answer in answers {
            match answer {
                Ok(container) => found.extend(container),
                Err(error) => trouble = Some(error),
            }
        }
        (found, trouble)
    }

    /// `None` where the answer is not of a container.
    fn one(&self, summary: ContainerSummary, source: &Source) -> Option<Listed> {
        let id = summary.id.filter(|id| !id.is_empty())?;
        let name = docker::bare(summary.names.unwrap_or_default().into_iter().next().unwrap_or_default());
        let mode = summary.host_config.and_then(|host| host.network_mode).unwrap_or_default();
        let networks = summary.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        let labels = summary.labels.unwrap_or_default();
        let sentence = summary.status.unwrap_or_default();
        let label = |name: &str| labels.get(name).map(String::as_str);
        let container = Container {
            runtime: self.runtime,
            namespace: None,
            id,
            pid: None,
            start: None,
            state: state(summary.state, &sentence),
            network: docker::network(&mode, None),
            env: Vec::new(),
            added_groups: Vec::new(),
            files: Files::default(),
            pod: docker::pod(&name),
            name,
            service: oci::service(label),
            source: source.clone(),
        };
        Some(Listed {
            container,
            image: summary.image,
            health: health_in(&sentence).map(str::to_owned),
            labels: labels.into_iter().collect(),
            networks: networks.into_iter().map(attached).collect(),
            ports: summary.ports.unwrap_or_default().into_iter().filter_map(published).collect(),
            created: summary.created,
            root: None,
        })
    }
}

fn attached((network, endpoint): (String, EndpointSettings)) -> Attached {
    let EndpointSettings { network_id, ip_address, global_ipv6_address, mac_address, .. } = endpoint;
    Attached::new(network, network_id, [ip_address, global_ipv6_address], mac_address)
}

/// `None` where the port leads nowhere from the host.
fn published(port: PortSummary) -> Option<Published> {
    Some(Published {
        host_ip: host_ip(port.ip.as_deref()),
        host_port: port.public_port.filter(|port| *port > 0)?,
        port: port.private_port,
        protocol: match port.typ {
            None | Some(PortSummaryTypeEnum::EMPTY) => "tcp".to_owned(),
            Some(protocol) => protocol.to_string(),
        },
    })
}

/// The exit code in `Exited (137) 5 minutes ago`.
pub(crate) fn code_in(sentence: &str) -> Option<i64> {
    in_parentheses(sentence)?.parse().ok()
}

/// The word in `Up 5 minutes (unhealthy)` and `Up 5 minutes (health: starting)`.
fn health_in(sentence: &str) -> Option<&str> {
    let word = in_parentheses(sentence)?;
    Some(word.strip_prefix("health: ").unwrap_or(word)).filter(|word| docker::HEALTH.contains(word))
}

fn in_parentheses(sentence: &str) -> Option<&str> {
    let (_, rest) = sentence.split_once('(')?;
    Some(rest.split_once(')')?.0)
}

/// A state, by the list's word for it and its sentence for people, which alone has the code.
fn state(word: Option<Word>, sentence: &str) -> State {
    let code = || code_in(sentence);
    match word {
        Some(Word::CREATED) => State::Created,
        Some(Word::RUNNING | Word::STOPPING) => State::Running,
        Some(Word::PAUSED) => State::Paused,
        Some(Word::RESTARTING) => State::Restarting { code: code().unwrap_or_default() },
        Some(Word::REMOVING) => State::Removing,
        Some(Word::DEAD) => State::Dead,
        Some(Word::EXITED | Word::EMPTY) | None => match code() {
            Some(code) => State::Exited { code, finished: String::new() },
            None => State::Stopped,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_for_people_has_the_code_and_the_health() {
        let exited = |code| State::Exited { code, finished: String::new() };
        assert_eq!(state(Some(Word::EXITED), "Exited (137) 5 minutes ago"), exited(137));
        assert_eq!(state(Some(Word::EXITED), "Exited (0) Less than a second ago"), exited(0));
        assert_eq!(state(Some(Word::RESTARTING), "Restarting (3) 1 second ago"), State::Restarting { code: 3 });
        for sentence in ["", "Exited", "Exited (x) ago", "(", ")("] {
            assert_eq!(state(Some(Word::EXITED), sentence), State::Stopped, "{sentence}");
        }
        assert_eq!(state(Some(Word::PAUSED), "Up 5 minutes (Paused)"), State::Paused);
        for (sentence, health) in [
            ("Up 5 minutes (unhealthy)", Some("unhealthy")),
            ("Up 1 second (health: starting)", Some("starting")),
            ("Up 5 minutes (Paused)", None),
            ("Exited (1) 5 minutes ago", None),
            ("Up 5 minutes", None),
        ] {
            assert_eq!(health_in(sentence), health, "{sentence}");
        }
    }
}
