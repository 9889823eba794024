//! What may go wrong, in one sentence each. What to do about it is said by whoever shows it.

use std::io;
use std::path::Path;

/// Why the kernel did not say what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of `/proc`, `/sys` or a namespace could not be read.
    #[error("cannot read {what}: {}", words(cause))]
    Read {
        /// The file, or what was looked for.
        what: String,
        /// The system's own words.
        cause: io::Error,
    },
    /// A network could not be looked into.
    #[error("cannot look into the network {what}: {}", words(cause))]
    Network {
        /// How it was to be reached.
        what: String,
        /// The system's own words.
        cause: io::Error,
    },
}

impl Error {
    pub(crate) fn read(path: &Path, cause: impl Into<io::Error>) -> Self {
        Self::Read { what: path.display().to_string(), cause: cause.into() }
    }

    /// The system's own words.
    pub fn cause(&self) -> &io::Error {
        match self {
            Self::Read { cause, .. } | Self::Network { cause, .. } => cause,
        }
    }
}

/// The system's words without their number, as they stand in a sentence.
fn words(cause: &io::Error) -> String {
    let text = cause.to_string();
    let text = text.split(" (os error ").next().unwrap_or_default();
    text.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_a_sentence() {
        let error = Error::read(Path::new("/proc/7"), io::Error::from_raw_os_error(2));
        assert_eq!(error.to_string(), "cannot read /proc/7: no such file or directory");
    }
}
