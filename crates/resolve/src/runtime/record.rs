//! The one reader of what OCI runtimes note of a container that they made: runc's `state.json`, crun's `status`, youki's
//! `state.json`. What they were to run is in the bundle, which is read in `oci.rs`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::process;
use crate::container::State;
use crate::file;
use crate::listed::seconds;

/// How much of runc's record says who the process is, in bytes.
const HEAD: usize = 512;

/// A runtime's record of a container: runc's, crun's and youki's words for the same things.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Record {
    #[serde(alias = "init_process_pid")]
    pid: Option<i32>,
    #[serde(alias = "init_process_start", alias = "process-start-time")]
    start: Option<u64>,
    bundle: Option<PathBuf>,
    /// youki's alone.
    status: Option<String>,
    created: Option<String>,
    config: Option<RuncConfig>,
    /// The record's folder.
    #[serde(skip)]
    folder: PathBuf,
}

#[derive(Debug, Deserialize)]
struct RuncConfig {
    rootfs: Option<PathBuf>,
    labels: Option<Vec<String>>,
}

/// What is known of a container's init process.
#[derive(Debug)]
pub(crate) struct Init {
    pub(crate) state: State,
    pub(crate) pid: Option<i32>,
    pub(crate) start: Option<u64>,
}

impl Init {
    /// There is no process to enter.
    pub(crate) fn none(state: State) -> Self {
        Self { state, pid: None, start: None }
    }
}

impl Record {
    /// The record of a container in `folder`; `None` where there is none.
    pub(crate) fn read(folder: &Path) -> Option<Self> {
        ["state.json", "status"].into_iter().find_map(|name| {
            let record: Self = file::json(&folder.join(name), file::LARGEST)?;
            Some(Self { folder: folder.to_owned(), ..record })
        })
    }

    /// As [`Record::read`], and of runc's record no more than its beginning, which says who the process is, when the
    /// container was made, and where its root is. All of it is thirty thousand bytes.
    pub(crate) fn head(folder: &Path) -> Option<Self> {
        let head = file::beginning(&folder.join("state.json"), HEAD).ok();
        match head.and_then(|head| Self::in_head(&String::from_utf8_lossy(&head))) {
            Some(record) => Some(Self { folder: folder.to_owned(), ..record }),
            None => Self::read(folder),
        }
    }

    /// Go writes the fields of a structure in their order, and without blanks. Whatever is written otherwise is for the
    /// parser.
    pub(crate) fn in_head(text: &str) -> Option<Self> {
        let text = text.strip_prefix(r#"{"id":""#)?;
        let after = |key: &str| text.split_once(key).map(|(_, after)| after);
        let number = |key: &str| after(key)?.split_once(',')?.0.parse::<u64>().ok();
        // What had to be escaped is for the parser as well.
        let word = |key: &str| Some(after(key)?.split_once('"')?.0).filter(|word| !word.contains('\\'));
        let pid = i32::try_from(number(r#","init_process_pid":"#)?).ok()?;
        let start = Some(number(r#","init_process_start":"#)?);
        let created = word(r#","created":""#).map(str::to_owned);
        let rootfs = word(r#","rootfs":""#)?.into();
        let config = RuncConfig { rootfs: Some(rootfs), labels: None };
        Some(Self { pid: Some(pid), start, created, config: Some(config), ..Self::default() })
    }

    /// The init process, whether or not it is still there.
    pub(crate) fn pid(&self) -> Option<i32> {
        self.pid.filter(|pid| *pid > 0)
    }

    /// The container's root file system, which runc alone notes.
    pub(crate) fn root(&self) -> Option<PathBuf> {
        self.config.as_ref()?.rootfs.clone().filter(|root| root.is_absolute())
    }

    /// When the container was made, in seconds since 1970.
    pub(crate) fn created(&self) -> Option<i64> {
        self.created.as_deref().and_then(seconds)
    }

    /// The bundle's folder.
    pub(crate) fn bundle(&self) -> Option<PathBuf> {
        let labels = self.config.iter().flat_map(|config| config.labels.iter().flatten());
        let label = labels.filter_map(|label| label.strip_prefix("bundle=")).map(PathBuf::from).next();
        self.bundle.clone().or(label)
    }

    /// The init process, checked against `/proc`: what is recorded may have ended since.
    pub(crate) fn init(&self, id: &str) -> Init {
        let pid = self.pid();
        // Made and not started: the runtime itself waits in there for the word to go on.
        let waits = self.folder.join("exec.fifo").exists() || self.status.as_deref() == Some("created");
        let Some(pid) = pid else {
            return Init::none(if waits { State::Created } else { State::Stopped });
        };
        let start = self.start.filter(|start| *start > 0);
        let alive = match start {
            Some(start) => process::start_time(pid).filter(|found| *found == start),
            // youki notes none: the cgroup stands in for it.
            None => process::start_in_cgroup(pid, id),
        };
        match alive {
            Some(_) if waits => Init::none(State::Created),
            Some(start) => Init { state: State::Running, pid: Some(pid), start: Some(start) },
            None => Init { state: State::Gone { pid }, pid: None, start },
        }
    }
}

/// Whether the record in this folder, if there is one, is crun's: it alone has a file of that name.
pub(crate) fn is_of_crun(folder: &Path) -> bool {
    folder.join("status").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_runtimes_say_the_same_in_their_own_words() {
        let runc = r#"{"id":"w","init_process_pid":7,"init_process_start":9,"config":{"labels":["a=b","bundle=/b"]}}"#;
        let crun = r#"{"pid":7,"process-start-time":9,"bundle":"/b","cgroup-path":"/w","external":[]}"#;
        let youki = r#"{"ociVersion":"1","id":"w","status":"running","pid":7,"bundle":"/b"}"#;
        for (text, start) in [(runc, Some(9)), (crun, Some(9)), (youki, None)] {
            let record: Record = serde_json::from_str(text).unwrap();
            assert_eq!((record.pid, record.start, record.bundle()), (Some(7), start, Some("/b".into())), "{text}");
        }
    }

    #[test]
    fn the_beginning_of_a_record_says_as_much_as_all_of_it() {
        let text = r#"{"id":"w","init_process_pid":7,"init_process_start":9,"created":"2026-01-02T03:04:05.6Z","config":{
            "no_pivot_root":false,"parent_death_signal":0,"rootfs":"/b/rootfs","umask":null,"labels":[]}}"#;
        let text = text.replace("\n            ", "");
        let whole: Record = serde_json::from_str(&text).unwrap();
        let head = Record::in_head(&text[..text.find("umask").unwrap()]).unwrap();
        assert_eq!(
            (head.pid, head.start, head.root(), head.created()),
            (Some(7), Some(9), whole.root(), whole.created())
        );
        assert_eq!((whole.root(), whole.created()), (Some("/b/rootfs".into()), Some(1_767_323_045)));
        // Whatever is not as runc writes it is parsed.
        for (from, to) in
            [("\"id\":", "\"ID\":"), (":7,", ": 7,"), (":9,", ":9"), ("/b/", "/\\u0062/"), ("\"rootfs\"", "x")]
        {
            assert!(Record::in_head(&text.replacen(from, to, 1)).is_none(), "{to}");
        }
    }
}
