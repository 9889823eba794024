//! The label that a Linux security module gives the program at exec: AppArmor's profile, SELinux's context. What the
//! profile of a container is called is not known here.

use std::os::fd::BorrowedFd;
use std::path::Path;

use rustix::fs::OFlags;

use crate::confine::open_own;
use crate::error::Failure;
use crate::target::Process;
use crate::{Error, opened};

/// Longer labels, in bytes, there are none.
const LARGEST: u64 = 4096;

/// A label, and the module that knows it.
#[derive(Debug)]
pub(crate) struct Label {
    module: Module,
    text: String,
}

/// The modules that give programs a label, of which a system has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Module {
    AppArmor,
    Selinux,
}

impl Module {
    /// The one of this system.
    fn active() -> Option<Self> {
        if opened::selinux_is_on() {
            return Some(Self::Selinux);
        }
        let on = std::fs::read("/sys/module/apparmor/parameters/enabled").is_ok_and(|text| text.starts_with(b"Y"));
        on.then_some(Self::AppArmor)
    }

    /// Its file under `/proc/PID/attr`, the new place before the one that all modules share.
    fn files(self, name: &str) -> [String; 2] {
        let shared = format!("attr/{name}");
        match self {
            Self::AppArmor => [format!("attr/apparmor/{name}"), shared],
            Self::Selinux => [shared.clone(), shared],
        }
    }
}

impl Label {
    /// Nothing where no module is active: the container has no label then, either.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let module = Module::active().filter(|_| !text.is_empty());
        if module.is_none() && !text.is_empty() {
            log::info!("no AppArmor and no SELinux here for the label {text}");
        }
        Some(Self { module: module?, text: text.to_owned() })
    }

    /// That of the target.
    pub(crate) fn of_target(process: &Process) -> Option<Self> {
        let module = Module::active()?;
        let text = module.files("current").iter().find_map(|file| process.read(file, LARGEST).ok())?;
        let text = shown(&String::from_utf8_lossy(&text))?.to_owned();
        Some(Self { module, text })
    }

    /// As people write it.
    pub(crate) fn text(self) -> String {
        let module = match self.module {
            Module::AppArmor => "AppArmor",
            Module::Selinux => "SELinux",
        };
        format!("{module} {}", self.text)
    }

    /// The next exec gives it, and fails where it cannot. `proc` is the host's.
    pub(crate) fn take(&self, proc: BorrowedFd<'_>) -> Result<(), Error> {
        let words = match self.module {
            Module::AppArmor => format!("exec {}", self.text),
            Module::Selinux => self.text.clone(),
        };
        let [new, shared] = self.module.files("exec");
        let open = |file: &str| open_own(proc, Path::new(file), OFlags::WRONLY);
        let written = open(&new).or_else(|_| open(&shared)).and_then(|file| rustix::io::write(&file, words.as_bytes()));
        written
            .map(drop)
            .map_err(|errno| Error::CannotGive { what: format!("label {}", self.text), errno: Failure::from(errno).0 })
    }
}

/// A label as `attr/current` shows it: with a mode behind it, a line break or a NUL.
fn shown(text: &str) -> Option<&str> {
    let text = text.trim_end_matches(['\0', '\n']);
    let text = text.rsplit_once(" (").map_or(text, |(label, _)| label);
    (!text.is_empty() && text != "unconfined").then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_shown_with_more_than_itself() {
        for (text, label) in [
            ("docker-default (enforce)\n", Some("docker-default")),
            ("a//b (complain)", Some("a//b")),
            ("system_u:system_r:container_t:s0:c1,c2\0", Some("system_u:system_r:container_t:s0:c1,c2")),
            ("unconfined\n", None),
            ("\0", None),
            ("", None),
        ] {
            assert_eq!(shown(text), label, "{text:?}");
        }
    }
}
