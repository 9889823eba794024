//! How a person writes a container down: `[RUNTIME://]NAME`, `pod/NAMESPACE/POD[/CONTAINER]`,
//! `compose://PROJECT/SERVICE[/N]`, parsed and displayed. What the words stand for is asked elsewhere.

use std::fmt;
use std::str::FromStr;

use crate::Runtime;

/// A container as it was named on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// By its own name.
    Name {
        /// The only runtime to ask; `None` asks all.
        runtime: Option<Runtime>,
        /// containerd's namespace: `containerd://NAMESPACE/ID`.
        namespace: Option<String>,
        /// A name, an ID or the beginning of an ID.
        name: String,
    },
    /// By its Kubernetes pod.
    Pod {
        /// The pod's namespace.
        namespace: String,
        /// The pod's name.
        pod: String,
        /// One of its containers; `None` for the pod's sandbox.
        container: Option<String>,
    },
    /// By Compose's labels.
    Service {
        /// The project.
        project: String,
        /// The service.
        service: String,
        /// Which of its containers, from 1.
        number: Option<u32>,
    },
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
    /// Too few or too many parts between slashes, or a number that is none.
    #[error("{word:?} is not of the form {form}")]
    Form {
        /// The whole word.
        word: String,
        /// What it should look like.
        form: &'static str,
    },
}

/// What a pod is written like.
const POD: &str = "pod/NAMESPACE/POD[/CONTAINER]";
/// What a service of Compose is written like.
const COMPOSE: &str = "compose://PROJECT/SERVICE[/N]";

impl Reference {
    /// A name that only one runtime knows.
    pub fn of(runtime: Runtime, name: impl Into<String>) -> Self {
        Self::Name { runtime: Some(runtime), namespace: None, name: name.into() }
    }

    /// The word alone, where it could be anything: a container of any runtime, or a file.
    pub fn plain(&self) -> Option<&str> {
        match self {
            Self::Name { runtime: None, name, .. } => Some(name),
            _ => None,
        }
    }

    /// Whether a container of this runtime may be meant: pods are run by those that know images.
    pub(crate) fn may_be_of(&self, runtime: Runtime) -> bool {
        match (self.runtime(), self) {
            (Some(only), _) => only == runtime,
            (None, Self::Pod { .. }) => !matches!(runtime, Runtime::Lxc | Runtime::Nspawn),
            _ => true,
        }
    }

    /// The only runtime to ask.
    pub fn runtime(&self) -> Option<Runtime> {
        match self {
            Self::Name { runtime, .. } => *runtime,
            Self::Pod { .. } | Self::Service { .. } => None,
        }
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(word: &str) -> Result<Self, ReferenceError> {
        let part = |part: &str| checked(word, part);
        if let Some(rest) = word.strip_prefix("pod/") {
            let parts: Vec<_> = rest.split('/').collect();
            let (namespace, pod, container) = match parts[..] {
                [namespace, pod] => (namespace, pod, None),
                [namespace, pod, container] => (namespace, pod, Some(container)),
                _ => return Err(ReferenceError::Form { word: word.to_owned(), form: POD }),
            };
            let container = container.map(part).transpose()?;
            return Ok(Self::Pod { namespace: part(namespace)?, pod: part(pod)?, container });
        }
        let Some((scheme, rest)) = word.split_once("://") else {
            return Ok(Self::Name { runtime: None, namespace: None, name: part(bare(word))? });
        };
        if scheme == "compose" {
            return service(word, rest);
        }
        let runtime =
            Runtime::from_scheme(scheme).ok_or_else(|| ReferenceError::Runtime { scheme: scheme.to_owned() })?;
        let (namespace, name) = match rest.split_once('/') {
            Some((namespace, name)) if runtime == Runtime::Containerd => (Some(part(namespace)?), name),
            _ => (None, bare(rest)),
        };
        Ok(Self::Name { runtime: Some(runtime), namespace, name: part(name)? })
    }
}

/// `docker inspect` prints names with the slash that they have in the engine's record.
fn bare(name: &str) -> &str {
    name.strip_prefix('/').unwrap_or(name)
}

fn service(word: &str, rest: &str) -> Result<Reference, ReferenceError> {
    let form = || ReferenceError::Form { word: word.to_owned(), form: COMPOSE };
    let parts: Vec<_> = rest.split('/').collect();
    let (project, service, number) = match parts[..] {
        [project, service] => (project, service, None),
        [project, service, number] => {
            let digits = number.bytes().all(|byte| byte.is_ascii_digit());
            (project, service, Some(number.parse().ok().filter(|number| digits && *number > 0).ok_or_else(form)?))
        }
        _ => return Err(form()),
    };
    Ok(Reference::Service { project: checked(word, project)?, service: checked(word, service)?, number })
}

/// A name, or a part of a word, if no engine's rules are broken by it. It never leaves the folder or the URL that it
/// becomes a part of.
fn checked(word: &str, name: &str) -> Result<String, ReferenceError> {
    let Some(first) = name.chars().next() else {
        return Err(ReferenceError::Empty);
    };
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '+');
    let begins = first.is_ascii_alphanumeric() || first == '_';
    match if begins { name.chars().find(|c| !legal(*c)) } else { Some(first) } {
        Some(character) => Err(ReferenceError::Character { word: word.to_owned(), character, first: legal(character) }),
        None => Ok(name.to_owned()),
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { runtime, namespace, name } => {
                if let Some(runtime) = runtime {
                    write!(f, "{}://", runtime.scheme())?;
                }
                if let Some(namespace) = namespace {
                    write!(f, "{namespace}/")?;
                }
                f.write_str(name)
            }
            Self::Pod { namespace, pod, container } => {
                write!(f, "pod/{namespace}/{pod}")?;
                container.iter().try_for_each(|container| write!(f, "/{container}"))
            }
            Self::Service { project, service, number } => {
                write!(f, "compose://{project}/{service}")?;
                number.iter().try_for_each(|number| write!(f, "/{number}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_displayed_as_it_is_parsed() {
        for word in [
            "nginx",
            "docker://nginx",
            "podman://web",
            "cri-o://bc5db459d077",
            "containerd://k8s.io/bc5db459d077",
            "containerd://bc5db459d077",
            "oci://a+b",
            "lxc://c1",
            "nspawn://m1",
            "pod/default/web-7d9f",
            "pod/kube-system/dns/coredns",
            "compose://shop/web",
            "compose://shop/web/2",
            "bc5db459d077",
            "ingress_sbox",
            "1-q7zk0",
            "lb_abc",
            "a.b-c_d",
        ] {
            assert_eq!(word.parse::<Reference>().unwrap().to_string(), word);
        }
        assert_eq!("/nginx".parse::<Reference>().unwrap().plain(), Some("nginx"));
        assert_eq!("docker:///nginx".parse(), Ok(Reference::of(Runtime::Docker, "nginx")));
    }

    #[test]
    fn what_could_leave_the_url_or_the_folder_is_refused() {
        for word in [
            "../x",
            "a/b",
            "a?b",
            "a#b",
            "a b",
            "a%2f",
            "-x",
            ".",
            "docker://../x",
            "nginx\n",
            "é",
            "a//",
            "docker://a/b",
            "containerd://../x",
            "containerd://a/../b",
            "pod/../x",
            "pod/a/..",
            "compose://../x",
        ] {
            assert!(matches!(word.parse::<Reference>(), Err(ReferenceError::Character { .. })), "{word:?}");
        }
        for word in ["", "/", "docker://", "containerd://a/", "pod//x", "compose:///x"] {
            assert_eq!(word.parse::<Reference>(), Err(ReferenceError::Empty), "{word:?}");
        }
    }

    #[test]
    fn what_has_too_few_parts_or_too_many_is_told_its_form() {
        for word in ["pod/a", "pod/a/b/c/d", "compose://a", "compose://a/b/0", "compose://a/b/+1", "compose://a/b/1/2"]
        {
            assert!(matches!(word.parse::<Reference>(), Err(ReferenceError::Form { .. })), "{word:?}");
        }
    }

    #[test]
    fn an_unknown_runtime_is_named() {
        let error = "foo://x".parse::<Reference>().unwrap_err();
        assert_eq!(error, ReferenceError::Runtime { scheme: "foo".to_owned() });
    }
}
