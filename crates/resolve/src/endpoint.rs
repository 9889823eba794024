//! Where engines are. Docker's: `-H`, `--context`, `DOCKER_HOST`, `DOCKER_CONTEXT` and the Docker client's own files, in
//! the order in which `docker` takes them. podman's: `CONTAINER_HOST`, or the usual sockets. Talking to them belongs in
//! `api.rs`.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::Error;

/// The socket where `docker` looks when nothing says otherwise.
pub(crate) const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// The sockets of podman's service, where nothing else is said.
const PODMAN_SOCKET: &str = "/run/podman/podman.sock";

/// A file of the Docker client larger than this is not one, in bytes.
const LARGEST_CONFIGURATION: u64 = 1 << 20;

/// How to reach the engines. Plain data: the caller reads flags and environment.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `-H` or `--host`.
    pub host: Option<String>,
    /// `DOCKER_HOST`.
    pub docker_host: Option<String>,
    /// The context that was named, and by whom.
    pub context: Option<Context>,
    /// The Docker client's folder: `DOCKER_CONFIG`, or `.docker` in the home folder.
    pub config_folder: Option<PathBuf>,
    /// `CONTAINER_HOST`: where podman is asked.
    pub container_host: Option<String>,
    /// Where runtimes of an ordinary user keep what runs: `XDG_RUNTIME_DIR`.
    pub runtime_folder: Option<PathBuf>,
    /// Where they keep the rest: `XDG_DATA_HOME`, or `.local/share` in the home folder.
    pub data_folder: Option<PathBuf>,
    /// Folders of state that are in no usual place: `--state-root`.
    pub state_roots: Vec<PathBuf>,
    /// For everything that is asked, together.
    pub timeout: Duration,
}

/// A Docker context by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The context's name.
    pub name: String,
    /// `--context` or `DOCKER_CONTEXT`.
    pub said_by: &'static str,
}

/// An engine's address, and who gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// A path for a unix socket, a URL for everything else.
    pub address: String,
    /// `-H`, `DOCKER_HOST`, the context; `None` for the default socket.
    pub said_by: Option<String>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)?;
        match &self.said_by {
            Some(said_by) => write!(f, " ({said_by})"),
            None => Ok(()),
        }
    }
}

/// The engine's socket on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) socket: String,
    pub(crate) origin: Origin,
}

impl Settings {
    /// Finds the engine's socket. The order is that of the Docker client: `-H`, `--context`, `DOCKER_HOST`,
    /// `DOCKER_CONTEXT`, `currentContext` in `config.json`, the default socket.
    pub(crate) fn endpoint(&self) -> Result<Endpoint, Error> {
        if let Some(host) = &self.host {
            return endpoint_at(host, Some("-H".to_owned()));
        }
        // The context named default is the one that has no host of its own.
        let flag = self.context.as_ref().filter(|context| context.said_by == "--context" && context.name != "default");
        if let Some(host) = self.docker_host.as_ref().filter(|host| flag.is_none() && !host.is_empty()) {
            return endpoint_at(host, Some("DOCKER_HOST".to_owned()));
        }
        let context = match &self.context {
            Some(context) => Some(context.clone()),
            None => self.current_context()?,
        };
        match context {
            Some(context) if context.name != "default" => self.context_endpoint(&context),
            _ => endpoint_at("", None),
        }
    }

    /// Whether the command line names an engine of Docker's, and so no other runtime.
    pub(crate) fn names_docker(&self) -> bool {
        self.host.is_some() || self.context.as_ref().is_some_and(|context| context.said_by == "--context")
    }

    /// The sockets of podman's services that are there.
    pub(crate) fn podman(&self) -> Result<Vec<Endpoint>, Error> {
        let at = |socket: String| Endpoint { origin: Origin { address: socket.clone(), said_by: None }, socket };
        let said = [(&self.host, "-H"), (&self.container_host, "CONTAINER_HOST")];
        let said = said.into_iter().find_map(|(host, by)| Some((host.as_ref()?, by)));
        if let Some((host, by)) = said {
            return Ok(vec![endpoint_at(host, Some(by.to_owned()))?]);
        }
        let rootless = self.runtime_folder.as_ref().map(|run| run.join("podman/podman.sock").display().to_string());
        let sockets = std::iter::once(PODMAN_SOCKET.to_owned()).chain(rootless);
        Ok(sockets.filter(|socket| Path::new(socket).exists()).map(at).collect())
    }

    /// `currentContext` of the client's `config.json`.
    fn current_context(&self) -> Result<Option<Context>, Error> {
        let Some(folder) = &self.config_folder else { return Ok(None) };
        let file = folder.join("config.json");
        let Some(config) = read_json(&file)? else { return Ok(None) };
        let name = config["currentContext"].as_str().filter(|name| !name.is_empty());
        Ok(name.map(|name| Context { name: name.to_owned(), said_by: "currentContext of the Docker client" }))
    }

    /// The engine of a context.
    fn context_endpoint(&self, context: &Context) -> Result<Endpoint, Error> {
        let missing = || Error::NoSuchContext { name: context.name.clone(), said_by: context.said_by };
        let meta = self.metas().find(|meta| meta["Name"].as_str() == Some(&context.name)).ok_or_else(missing)?;
        let host = meta["Endpoints"]["docker"]["Host"].as_str().unwrap_or_default();
        endpoint_at(host, Some(format!("context {}, {}", context.name, context.said_by)))
    }

    /// The names of all contexts that the Docker client knows.
    pub fn contexts(&self) -> Vec<String> {
        let names = self.metas().filter_map(|meta| meta["Name"].as_str().map(str::to_owned));
        std::iter::once("default".to_owned()).chain(names).collect()
    }

    /// What is noted of contexts. They lie in folders named by a hash; the name is inside.
    fn metas(&self) -> impl Iterator<Item = serde_json::Value> {
        let folder = self.config_folder.as_ref().map(|folder| folder.join("contexts/meta"));
        let entries = folder.and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten().flatten();
        // One broken context is not a reason to find none of the others.
        entries.filter_map(|entry| read_json(&entry.path().join("meta.json")).ok().flatten())
    }
}

/// The engine at an address as `docker -H` takes it.
fn endpoint_at(host: &str, said_by: Option<String>) -> Result<Endpoint, Error> {
    let host = host.trim();
    let socket = match host.strip_prefix("unix://") {
        Some("") => DEFAULT_SOCKET,
        None if host.is_empty() => DEFAULT_SOCKET,
        Some(path) => path,
        None if host.starts_with('/') => host,
        None => "",
    };
    let address = if socket.starts_with('/') { socket } else { host };
    let origin = Origin { address: address.to_owned(), said_by };
    if socket.starts_with('/') {
        return Ok(Endpoint { socket: socket.to_owned(), origin });
    }
    // What Docker takes without a scheme is HOST:PORT.
    let remote = ["tcp://", "ssh://", "http://", "https://"].iter().any(|scheme| host.starts_with(scheme))
        || (!host.contains('/') && host.contains(':'));
    Err(if remote { Error::Remote { origin } } else { Error::Address { origin } })
}

/// A JSON file of the Docker client; `None` where there is none.
fn read_json(file: &Path) -> Result<Option<serde_json::Value>, Error> {
    let unreadable = |reason: String| Error::Configuration { file: file.to_owned(), reason };
    let bytes = match crate::file::read(file, LARGEST_CONFIGURATION) {
        Ok(bytes) => bytes,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(unreadable(error.to_string())),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| unreadable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings { timeout: Duration::from_secs(2), ..Settings::default() }
    }

    fn client_folder(name: &str, config: &str, contexts: &[(&str, &str)]) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("cnsenter-endpoint-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        for (number, (context, host)) in contexts.iter().enumerate() {
            let meta = folder.join(format!("contexts/meta/{number}"));
            std::fs::create_dir_all(&meta).unwrap();
            let text = format!(r#"{{"Name":"{context}","Endpoints":{{"docker":{{"Host":"{host}"}}}}}}"#);
            std::fs::write(meta.join("meta.json"), text).unwrap();
        }
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("config.json"), config).unwrap();
        folder
    }

    #[test]
    fn the_order_is_that_of_the_docker_client() {
        let folder = client_folder(
            "order",
            r#"{"currentContext":"mine"}"#,
            &[("mine", "unix:///run/mine.sock"), ("other", "unix:///run/other.sock")],
        );
        let mut all = Settings { config_folder: Some(folder.clone()), ..settings() };
        assert_eq!(all.endpoint().unwrap().socket, "/run/mine.sock");
        all.context = Some(Context { name: "other".to_owned(), said_by: "DOCKER_CONTEXT" });
        assert_eq!(all.endpoint().unwrap().socket, "/run/other.sock");
        all.docker_host = Some("unix:///run/env.sock".to_owned());
        assert_eq!(all.endpoint().unwrap().socket, "/run/env.sock");
        all.context = Some(Context { name: "mine".to_owned(), said_by: "--context" });
        assert_eq!(all.endpoint().unwrap().socket, "/run/mine.sock");
        all.context = Some(Context { name: "default".to_owned(), said_by: "--context" });
        assert_eq!(all.endpoint().unwrap().socket, "/run/env.sock");
        all.docker_host = None;
        assert_eq!(all.endpoint().unwrap().socket, DEFAULT_SOCKET);
        all.host = Some("unix:///run/flag.sock".to_owned());
        assert_eq!(all.endpoint().unwrap().socket, "/run/flag.sock");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn nothing_said_is_the_default_socket() {
        let endpoint = settings().endpoint().unwrap();
        assert_eq!(endpoint.socket, DEFAULT_SOCKET);
        assert_eq!(endpoint.origin.to_string(), DEFAULT_SOCKET);
    }

    #[test]
    fn another_machine_is_refused_with_who_said_so() {
        for host in ["tcp://10.0.0.5:2375", "ssh://admin@db1", "10.0.0.5:2375", "http://localhost:2375"] {
            let error = Settings { docker_host: Some(host.to_owned()), ..settings() }.endpoint().unwrap_err();
            assert!(matches!(error, Error::Remote { .. }), "{host}");
            assert!(error.to_string().contains("(DOCKER_HOST)"), "{error}");
        }
        for host in ["fd://", "npipe:////./pipe/docker", "unix://relative", "nonsense"] {
            let error = Settings { host: Some(host.to_owned()), ..settings() }.endpoint().unwrap_err();
            assert!(matches!(error, Error::Address { .. }), "{host}");
        }
    }

    #[test]
    fn a_context_that_is_not_there_or_not_json_is_said() {
        let folder = client_folder("broken", "{", &[]);
        let broken = Settings { config_folder: Some(folder.clone()), ..settings() };
        assert!(matches!(broken.endpoint(), Err(Error::Configuration { .. })));
        let context = Some(Context { name: "gone".to_owned(), said_by: "--context" });
        let gone = Settings { context, ..broken };
        assert!(matches!(gone.endpoint(), Err(Error::NoSuchContext { .. })));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
