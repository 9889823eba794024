//! What may go wrong, in one sentence each. What to do about it is said by whoever shows it.

use std::io;

/// Why the kernel did not say what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of `/proc`, `/sys` or a namespace could not be read.
    #[error("cannot read {what}: {cause}")]
    Read {
        /// The file, or what was looked for.
        what: String,
        /// The system's own words.
        cause: io::Error,
    },
    /// A network could not be looked into.
    #[error("cannot look into the network {what}: {cause}")]
    Network {
        /// How it was to be reached.
        what: String,
        /// The system's own words.
        cause: io::Error,
    },
}
