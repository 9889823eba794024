//! How a person writes a container down: `[RUNTIME://]NAME`, parsed and displayed. What the name stands for is asked
//! elsewhere.

use std::fmt;
use std::str::FromStr;

use crate::Runtime;

/// A container as it was named on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The only runtime to ask; `None` asks all.
    pub runtime: Option<Runtime>,
    /// A name, an ID or the beginning of an ID.
    pub name: String,
}

/// Why a word is not a reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// No name at all.
    #[error("the container's name is empty")]
    Empty,
    /// A character that no engine takes in a name. It is refused here since the name becomes part of a URL and of
    /// a path.
    #[error("{word:?} is not a container's name: {character:?} cannot {} one", if *.first { "begin" } else { "be part of" })]
    Character {
        /// The whole word.
        word: String,
        /// Its first character that cannot be.
        character: char,
        /// Whether it is the first of the name, where less is taken.
        first: bool,
    },
    /// A runtime that this version does not ask.
    #[error("{scheme}:// names a runtime that this version cannot ask")]
    Runtime {
        /// What stands before `://`.
        scheme: String,
    },
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(word: &str) -> Result<Self, ReferenceError> {
        let (runtime, name) = match word.split_once("://") {
            Some((scheme, name)) => {
                let runtime = Runtime::from_scheme(scheme)
                    .ok_or_else(|| ReferenceError::Runtime { scheme: scheme.to_owned() })?;
                (Some(runtime), name)
            }
            None => (None, word),
        };
        // `docker inspect` prints names with the slash that they have in the engine's record.
        let name = name.strip_prefix('/').unwrap_or(name);
        let Some(first) = name.chars().next() else {
            return Err(ReferenceError::Empty);
        };
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let illegal = if first.is_ascii_alphanumeric() { name.chars().find(|c| !legal(*c)) } else { Some(first) };
        match illegal {
            Some(character) => {
                let first = legal(character);
                Err(ReferenceError::Character { word: word.to_owned(), character, first })
            }
            None => Ok(Self { runtime, name: name.to_owned() }),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(runtime) = self.runtime {
            write!(f, "{}://", runtime.scheme())?;
        }
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_displayed_as_it_is_parsed() {
        for word in ["nginx", "docker://nginx", "bc5db459d077", "ingress_sbox", "1-q7zk0", "lb_abc", "a.b-c_d"] {
            assert_eq!(word.parse::<Reference>().unwrap().to_string(), word);
        }
        assert_eq!("/nginx".parse::<Reference>().unwrap().name, "nginx");
    }

    #[test]
    fn what_could_leave_the_url_or_the_folder_is_refused() {
        for word in ["../x", "a/b", "a?b", "a#b", "a b", "a%2f", "-x", ".", "docker://../x", "nginx\n", "é", "a//"] {
            assert!(matches!(word.parse::<Reference>(), Err(ReferenceError::Character { .. })), "{word:?}");
        }
        for word in ["", "/", "docker://"] {
            assert_eq!(word.parse::<Reference>(), Err(ReferenceError::Empty), "{word:?}");
        }
    }

    #[test]
    fn an_unknown_runtime_is_named() {
        let error = "foo://x".parse::<Reference>().unwrap_err();
        assert_eq!(error, ReferenceError::Runtime { scheme: "foo".to_owned() });
    }
}
