//! The program that prints what it can find out about itself (`probes/facts`), built for any root, and what it printed, as
//! plain data. Which facts have to be equal, and where, belongs in the tests.

use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rustix::fs::FlockOperation;

use crate::output;

const FOLDER: &str = "/var/cache/cnsenter-testbed/probe";

/// Its name in the folder that [`folder`] gives.
pub const NAME: &str = "facts";

/// The text of which it is built.
const SOURCES: [(&str, &str); 8] = [
    ("main.rs", include_str!("../probes/facts/main.rs")),
    ("calls.rs", include_str!("../probes/facts/calls.rs")),
    ("files.rs", include_str!("../probes/facts/files.rs")),
    ("identity.rs", include_str!("../probes/facts/identity.rs")),
    ("kernel.rs", include_str!("../probes/facts/kernel.rs")),
    ("limits.rs", include_str!("../probes/facts/limits.rs")),
    ("process.rs", include_str!("../probes/facts/process.rs")),
    ("terminal.rs", include_str!("../probes/facts/terminal.rs")),
];

/// A folder that holds nothing but the probe, as [`NAME`]: built once, static, for every user to run. To be mounted into a
/// container.
pub fn folder() -> Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    SOURCES.hash(&mut hasher);
    let folder = Path::new(FOLDER).join(format!("{:016x}", hasher.finish()));
    if folder.join(NAME).exists() {
        return Ok(folder);
    }
    std::fs::create_dir_all(FOLDER)?;
    // Tests run as processes of their own: the first one builds, the others wait for it.
    let lock = std::fs::File::open(FOLDER)?;
    rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
    if !folder.join(NAME).exists() {
        build(&folder)?;
    }
    Ok(folder)
}

fn build(folder: &Path) -> Result<()> {
    let sources = folder.with_extension("sources");
    std::fs::create_dir_all(&sources)?;
    for (name, text) in SOURCES {
        std::fs::write(sources.join(name), text)?;
    }
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    // Away from where a folder's own toolchain file would have a say.
    rustc.current_dir(&sources).args(["--edition", "2024", "--crate-name", NAME, "-O", "main.rs", "-o", NAME]);
    rustc.args(["-C", "target-feature=+crt-static", "-C", "panic=abort", "-C", "strip=symbols"]);
    output::stdout(&mut rustc).context("cannot build the probe")?;
    std::fs::create_dir_all(folder)?;
    // In one step: the program is there, or it isn't.
    std::fs::rename(sources.join(NAME), folder.join(NAME))?;
    std::fs::remove_dir_all(sources)?;
    Ok(())
}

/// Removes what was built.
pub fn remove() -> Result<()> {
    match std::fs::remove_dir_all(FOLDER) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// What a run of the probe printed, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts(Vec<(String, String)>);

impl Facts {
    /// Reads what the probe printed, on a terminal or not. It has to be all of it.
    pub fn read(text: &str) -> Result<Facts> {
        let lines = text.lines().map(|line| line.trim_end_matches('\r'));
        let facts: Vec<_> = lines
            .map(|line| line.split_once('=').with_context(|| format!("{line:?} is no fact, in:\n{text}")))
            .map(|fact| fact.map(|(name, value)| (name.to_owned(), value.to_owned())))
            .collect::<Result<_>>()?;
        ensure!(facts.last().is_some_and(|(name, _)| name == LAST), "the probe did not get to its end:\n{text}");
        Ok(Facts(facts))
    }

    /// Runs a command whose output are facts.
    pub fn of(command: &mut Command) -> Result<Facts> {
        Self::read(&output::stdout(command)?)
    }

    /// The names of the facts.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// The value of a fact.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_str())
    }

    /// The facts whose values are not those of another run.
    pub fn differences<'a>(&'a self, other: &'a Facts) -> Vec<Difference<'a>> {
        let own = self.0.iter().map(|(name, value)| (name.as_str(), value.as_str(), other.get(name).unwrap_or("none")));
        let missing = other.0.iter().filter(|(name, _)| self.get(name).is_none());
        let missing = missing.map(|(name, value)| (name.as_str(), "none", value.as_str()));
        let all = own.chain(missing).filter(|(_, one, other)| one != other);
        all.map(|(name, one, other)| Difference { name, one, other }).collect()
    }
}

/// The last fact that the probe prints.
const LAST: &str = "terminal.owner";

/// A fact that is not the same in two runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value in the one run.
    pub one: &'a str,
    /// Its value in the other.
    pub other: &'a str,
}

impl Difference<'_> {
    /// The words of a value that the other value has not, where both are long.
    pub fn shown(&self) -> String {
        let short = |value: &str| value.len() <= 60;
        if short(self.one) && short(self.other) {
            return format!("{}: {:?}, not {:?}", self.name, self.one, self.other);
        }
        let words = |value: &str| -> Vec<String> { value.split(['\u{20}', ';']).map(str::to_owned).collect() };
        let (one, other) = (words(self.one), words(self.other));
        let only = |these: &[String], those: &[String]| {
            let rest: Vec<&str> = these.iter().filter(|word| !those.contains(word)).map(String::as_str).collect();
            rest.join(" ")
        };
        let mut text = String::new();
        let _ = write!(text, "{}: has {:?}, lacks {:?}", self.name, only(&one, &other), only(&other, &one));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named_and_what_does_not_is_not() -> Result<()> {
        let one = Facts::read("a=1\nb=2 x\r\nonly=3\nterminal.owner=none\n")?;
        let other = Facts::read("a=1\nb=2 y\nthere=4\nterminal.owner=none\n")?;
        let shown: Vec<_> = one.differences(&other).iter().map(Difference::shown).collect();
        assert_eq!(shown, [r#"b: "2 x", not "2 y""#, r#"only: "3", not "none""#, r#"there: "none", not "4""#]);
        assert_eq!(one.differences(&one), []);
        Ok(())
    }

    #[test]
    fn of_long_values_the_words_that_differ_are_shown() {
        let long = ["same"; 20].join(" ");
        let (one, other) = (format!("{long} 1:EPERM"), format!("{long} 1:ok"));
        let shown = Difference { name: "call.every", one: &one, other: &other }.shown();
        assert_eq!(shown, r#"call.every: has "1:EPERM", lacks "1:ok""#);
    }

    #[test]
    fn half_of_what_the_probe_prints_is_an_error() {
        assert!(Facts::read("a=1\n").is_err());
        assert!(Facts::read("").is_err());
        assert!(Facts::read("cnsenter: no such container\nterminal.owner=none\n").is_err());
    }
}
