//! Names that a shell would take for something else: none of them is ever evaluated.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use testbed::{Scratch, oci};

use super::shell::{Kind, Shell};

const KINDS: [Kind; 4] = [Kind::Bash, Kind::BareBash, Kind::Zsh, Kind::Fish];

/// What is in a home folder that a name, evaluated, would add to.
fn names(home: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(home)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names = entries.collect::<Result<Vec<_>>>()?;
    // A shell's own.
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    Ok(names)
}

/// What has a shell show all that there is; fish would take the second TAB for a choice.
fn listed(kind: Kind) -> &'static str {
    if kind == Kind::Fish { "\t" } else { "\t\t" }
}

/// An interface has any name of up to 15 bytes but for blanks, slashes and colons: the shell's word is that name.
#[test]
fn an_interface_is_a_word_whatever_it_is_called() -> Result<()> {
    const HOSTILE: [&str; 8] = ["a$(>p)", "b`>p`", "c;>p", "d'\"\\>p", "e$HOME", "f*?[a]", "g~&|<p", "h\u{e9}!1"];
    const ENTER: &str = "mount -t sysfs none /sys && for name in \"$@\"; do \
                         case $name in --) break;; esac; ip link add \"$name\" type veth peer || exit; done && \
                         until [ \"$1\" = -- ]; do shift; done && shift && exec \"$@\"";
    let within = [&["unshare", "-nm", "sh", "-c", ENTER, "sh"], &HOSTILE[..], &["--"]].concat();
    for kind in KINDS {
        let mut shell = Shell::start_in(kind, &within, &[])?;
        let before = names(&shell.home())?;
        for name in HOSTILE {
            for line in ["cnsenter who", "cnsenter who lo"] {
                let words = shell.words(&format!("{line} {}\t", &name[..1]))?;
                assert_eq!(words.last().map(String::as_str), Some(name), "{kind:?}: {words:?}");
            }
        }
        shell.words(&format!("cnsenter who {}", listed(kind)))?;
        assert_eq!(names(&shell.home())?, before, "{kind:?}");
    }
    Ok(())
}

/// A record of that name, of a process that runs, in a folder of state: cnsenter would not take the name.
#[test]
fn a_name_that_cannot_be_entered_is_not_offered() -> Result<()> {
    let state = Scratch::new()?;
    let web = oci::Container::run(oci::Runtime::Runc, Some(state.path()), &[], &["sleep", "1000"])?;
    let record = fs::read_to_string(state.path().join(web.id()).join("state.json"))?;
    ensure!(record.contains(web.id()), "{record}");
    let hostile = ["evil$(touch p)", "evil`touch p`", "evil'\"; touch p #", "evil\n\x1b]0;p\x07", "evil\t-v", "-evil"];
    for name in hostile {
        let folder = state.path().join(name);
        fs::create_dir(&folder)?;
        let mut changed: serde_json::Value = serde_json::from_str(&record)?;
        changed["id"] = name.into();
        fs::write(folder.join("state.json"), changed.to_string())?;
    }
    let root = state.path().display();
    for kind in KINDS {
        let mut shell = Shell::start(kind)?;
        let before = names(&shell.home())?;
        let good = &web.id()[..web.id().len() - 1];
        for (option, beginning) in [("--net", "evil"), ("--net", "-ev"), ("-n -t", "evil"), ("--net", "oci://ev")] {
            let words = shell.words(&format!("cnsenter --state-root {root} {option} {beginning}\t"))?;
            assert_eq!(words.last().map(String::as_str), Some(beginning), "{kind:?}");
        }
        // The others of that folder are.
        let words = shell.words(&format!("cnsenter --state-root {root} --net {good}\t"))?;
        assert_eq!(words.last().map(String::as_str), Some(web.id()), "{kind:?}");
        shell.words(&format!("cnsenter --state-root {root} --net {}", listed(kind)))?;
        assert_eq!(names(&shell.home())?, before, "{kind:?}");
    }
    for name in hostile {
        fs::remove_dir_all(state.path().join(name))?;
    }
    Ok(())
}
