//! The names of an engine's networks: of all that bollard's type for one has to be decoded, nothing else is wanted.

use serde::Deserialize;

use super::{failure, system, transport};
use crate::endpoint::{Endpoint, Settings};
use crate::error::{Error, Failure};
use crate::runtime::Runtime;
use crate::search::executor;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Network {
    id: String,
    name: String,
}

/// ID and name of every network of Docker's.
pub(crate) fn networks(settings: &Settings) -> Result<Vec<(String, String)>, Error> {
    let Endpoint { socket, origin } = settings.endpoint()?;
    log::info!("asking Docker at {origin} for its networks");
    let failed = |failure| Error::Engine { runtime: Runtime::Docker, failure, origin };
    let answer = match transport::connect_to(&socket) {
        Ok(connection) => {
            let answer =
                async { tokio::time::timeout(settings.timeout, transport::get(connection, "/networks")).await };
            match executor()?.block_on(answer) {
                Ok(answer) => answer.map_err(|error| failure(&error)),
                Err(_) => Err(Failure::Silent(settings.timeout)),
            }
        }
        Err(error) => Err(system(&error)),
    };
    let networks = answer.and_then(|answer| {
        serde_json::from_slice::<Vec<Network>>(&answer).map_err(|error| Failure::Garbage(error.to_string()))
    });
    Ok(networks.map_err(failed)?.into_iter().map(|network| (network.id, network.name)).collect())
}
