//! The variables of the program: where they come from, in which order. What a container's own are belongs in `resolve`,
//! setting them in `enter`.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use enter::Environment;
use resolve::{Container, Specification};

use crate::cli::{Args, Variables};
use crate::identity;

/// A file of variables larger than this, in bytes, would not pass execve(2) anyway.
const LARGEST: u64 = 8 << 20;

/// A file of variables that cannot be taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// It cannot be read.
    #[error("cannot read {}: {}", .path.display(), plain(.error))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A line sets nothing.
    #[error("line {line} of {} sets no variable: {text:?}", .path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Its number, from 1.
        line: usize,
        /// What it says.
        text: String,
    },
}

/// The kernel's words, without Rust's number after them.
fn plain(error: &std::io::Error) -> String {
    let number = error.raw_os_error().map(nix::errno::Errno::from_raw);
    number.map_or_else(|| error.to_string(), |errno| errno.desc().to_owned())
}

/// What `-E` and `--env-file` say: `NAME=VALUE` to set, `NAME` to take out. Of `NAME` alone the caller's value is taken;
/// where the caller has none, `-E` takes it out, and a file says nothing of it, as docker has it.
///
/// # Errors
/// [`Error`], for files.
pub(crate) fn variables(args: &Args) -> Result<Vec<OsString>, Error> {
    let mut all = Vec::new();
    for variables in &args.variables {
        match variables {
            Variables::One(word) if word.as_bytes().contains(&b'=') => all.push(word.clone()),
            Variables::One(name) => all.push(of_caller(name).unwrap_or_else(|| name.clone())),
            Variables::File(path) => all.extend(of_file(path)?),
        }
    }
    Ok(all)
}

/// The caller's variables that `-E` and `--env-file` hand on by name. A file that can be read only once is not looked
/// into: what it names is not handed on where the caller's environment stays behind.
pub(crate) fn handed_on(args: &Args) -> Vec<OsString> {
    let mut names = Vec::new();
    for variables in &args.variables {
        match variables {
            Variables::One(word) => names.push(word.clone()),
            Variables::File(path) if path.is_file() => {
                let lines = read(path).unwrap_or_default();
                names
                    .extend(lines.split(|byte| *byte == b'\n').map(|line| bare(line).to_vec()).map(OsString::from_vec));
            }
            Variables::File(_) => {}
        }
    }
    names
}

fn of_caller(name: &OsStr) -> Option<OsString> {
    let value = std::env::var_os(name)?;
    Some(OsString::from_vec([name.as_bytes(), b"=", value.as_bytes()].concat()))
}

/// Lines as docker reads them: blanks before are left out, `#` begins a comment, the rest is taken as it is.
fn of_file(path: &Path) -> Result<Vec<OsString>, Error> {
    let bytes = read(path).map_err(|error| Error::Unreadable { path: path.to_owned(), error })?;
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let mut all = Vec::new();
    for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = bare(line);
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let name = line.split(|byte| *byte == b'=').next().unwrap_or_default();
        if name.is_empty() || name.iter().any(u8::is_ascii_whitespace) || line.contains(&0) {
            let text = String::from_utf8_lossy(line).into_owned();
            return Err(Error::Line { path: path.to_owned(), line: number + 1, text });
        }
        match line.len() > name.len() {
            true => all.push(OsString::from_vec(line.to_vec())),
            false => all.extend(of_caller(OsStr::from_bytes(name))),
        }
    }
    Ok(all)
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn bare(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line).trim_ascii_start()
}

/// Among a container's files its programs find its environment, not the host's; `terminal` is the caller's TERM.
pub(crate) fn environment(
    args: &Args,
    container: Option<&Container>,
    recorded: Option<&Specification>,
    terminal: Option<OsString>,
) -> Environment {
    if args.env_of_target {
        return Environment::Target;
    }
    match container {
        Some(container) if args.leaves_environment() => {
            let own = identity::environment(container, recorded);
            let set = own.iter().any(|entry| entry.starts_with("TERM="));
            let terminal = terminal.filter(|_| !set).map(|term| {
                let mut entry = OsString::from("TERM=");
                entry.push(term);
                entry
            });
            Environment::Exactly(own.into_iter().map(OsString::from).chain(terminal).collect())
        }
        _ => Environment::Inherited,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<OsString>, Error> {
        let path = std::env::temp_dir().join(format!("cnsenter-env-{}-{:x}", std::process::id(), text.len()));
        std::fs::write(&path, text).unwrap();
        let parsed = of_file(&path);
        std::fs::remove_file(&path).unwrap();
        parsed
    }

    #[test]
    fn a_file_is_read_as_docker_reads_it() {
        let text = "\u{feff}# comment\n\n  A=1\nB=two words \r\nC=\nD=#x=y\nCNSENTER_NOT_SET\n";
        assert_eq!(parsed(text).unwrap(), ["A=1", "B=two words ", "C=", "D=#x=y"]);
    }

    #[test]
    fn a_line_that_sets_nothing_is_named_with_its_number() {
        let error = parsed("A=1\nB C=2\n").unwrap_err().to_string();
        assert!(error.starts_with("line 2 of ") && error.ends_with("sets no variable: \"B C=2\""), "{error}");
        assert!(parsed("=x\n").is_err());
    }
}
