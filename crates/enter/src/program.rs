//! Finding the program in the root that was entered, and becoming it: execvp(3) with an environment of its own, and a
//! login shell where none was named. By now nothing of the host is open.

use std::convert::Infallible;
use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use nix::errno::Errno;
use rustix::fs::{Mode, OFlags};

use crate::accounts::Accounts;
use crate::command::{Command, Environment, Program};
use crate::{Error, sys};

/// Where to search without a PATH: confstr(3), `_CS_PATH`.
const DEFAULT_PATH: &[u8] = b"/bin:/usr/bin";
/// Runs what has no header of its own, as execvp(3) does, and is the last shell to try.
const SHELL: &str = "/bin/sh";

/// Becomes the program. `of_target` is the target's environment, NUL after each entry; `home` is `HOME` where nothing sets
/// it, as the engines add it.
pub(crate) fn exec(command: &Command, of_target: Option<&[u8]>, home: Option<&OsStr>) -> Result<Infallible, Error> {
    let environment = environment(command, of_target, home);
    match &command.program {
        Program::Words(words) => exec_words(words, environment.as_deref()),
        Program::Shell => exec_shell(environment.as_deref()),
    }
}

/// `None` is our own, which need not be copied.
fn environment(command: &Command, of_target: Option<&[u8]>, home: Option<&OsStr>) -> Option<Vec<CString>> {
    let entry = |bytes: &[u8]| CString::new(bytes).ok().filter(|_| bytes.contains(&b'='));
    let own = || std::env::vars_os().map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat());
    let mut entries: Vec<_> = match &command.environment {
        Environment::Inherited if command.variables.is_empty() => return None,
        Environment::Inherited => own().filter_map(|bytes| entry(&bytes)).collect(),
        Environment::Target => of_target.unwrap_or_default().split(|byte| *byte == 0).filter_map(entry).collect(),
        Environment::Exactly(entries) => entries.iter().filter_map(|text| entry(text.as_bytes())).collect(),
    };
    for variable in &command.variables {
        set(&mut entries, variable.as_bytes());
    }
    // An empty one counts as none, as it does with runc.
    if let Some(home) = home
        && variable(Some(&entries), "HOME").is_none_or(|home| home.is_empty())
    {
        entries.retain(|entry| !named(entry, b"HOME"));
        entries.extend(entry(&[b"HOME=", home.as_bytes()].concat()));
    }
    Some(entries)
}

/// `NAME=VALUE` takes the place of what is there; `NAME` alone takes it away.
fn set(entries: &mut Vec<CString>, variable: &[u8]) {
    let name = variable.split(|byte| *byte == b'=').next().unwrap_or_default();
    let place = entries.iter().position(|entry| named(entry, name));
    match (variable.len() > name.len(), place) {
        (true, Some(place)) => entries[place] = CString::new(variable).unwrap_or_default(),
        (true, None) => entries.extend(CString::new(variable)),
        (false, Some(place)) => drop(entries.remove(place)),
        (false, None) => {}
    }
}

fn named(entry: &CString, name: &[u8]) -> bool {
    entry.as_bytes().strip_prefix(name).is_some_and(|rest| rest.starts_with(b"="))
}

fn variable(environment: Option<&[CString]>, name: &str) -> Option<Vec<u8>> {
    let Some(entries) = environment else { return std::env::var_os(name).map(OsString::into_vec) };
    let value = |entry: &CString| {
        let value = entry.as_bytes().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(value.to_vec())
    };
    entries.iter().find_map(value)
}

fn exec_words(words: &[OsString], environment: Option<&[CString]>) -> Result<Infallible, Error> {
    let Some(program) = words.first() else { return exec_shell(environment) };
    log::info!("executing {}", program.display());
    let arguments: Vec<_> = words.iter().filter_map(|word| CString::new(word.as_bytes()).ok()).collect();
    if program.is_empty() {
        return Err(Error::NoProgram { program: program.clone(), searched: None });
    }
    if program.as_bytes().contains(&b'/') {
        return Err(match try_exec(program, &arguments, environment) {
            Errno::ENOENT => missing(program),
            errno => Error::CannotExecute { program: program.clone(), errno },
        });
    }
    let path = variable(environment, "PATH").unwrap_or_else(|| DEFAULT_PATH.to_vec());
    let (mut denied, mut broken) = (None, None);
    for folder in path.split(|byte| *byte == b':') {
        // As it is written, for a script that reads its own name.
        let slash: &[u8] = if folder.is_empty() { b"" } else { b"/" };
        let candidate = OsString::from_vec([folder, slash, program.as_bytes()].concat());
        match try_exec(&candidate, &arguments, environment) {
            Errno::EACCES => denied = denied.or(Some(candidate)),
            // As execvp(3): what is not there, cannot be reached or lacks its interpreter ends no search.
            Errno::ENOENT if exists(&candidate) => broken = broken.or(Some(candidate)),
            Errno::ENOENT | Errno::ENOTDIR | Errno::ESTALE | Errno::ENODEV | Errno::ETIMEDOUT => {}
            errno => return Err(Error::CannotExecute { program: candidate, errno }),
        }
    }
    Err(match (denied, broken) {
        (Some(program), _) => Error::CannotExecute { program, errno: Errno::EACCES },
        (None, Some(program)) => Error::NoInterpreter { program },
        (None, None) => Error::NoProgram { program: program.clone(), searched: Some(OsString::from_vec(path)) },
    })
}

fn missing(program: &OsStr) -> Error {
    match exists(program) {
        true => Error::NoInterpreter { program: program.to_owned() },
        false => Error::NoProgram { program: program.to_owned(), searched: None },
    }
}

fn exists(program: &OsStr) -> bool {
    rustix::fs::stat(program.as_bytes()).is_ok()
}

fn try_exec(file: &OsStr, arguments: &[CString], environment: Option<&[CString]>) -> Errno {
    let Ok(path) = CString::new(file.as_bytes()) else { return Errno::ENOENT };
    match sys::execve(&path, arguments, environment) {
        Errno::ENOEXEC => {
            let shell = CString::new(SHELL).unwrap_or_default();
            let rest = arguments.iter().skip(1).cloned();
            let script: Vec<_> = [shell.clone(), path].into_iter().chain(rest).collect();
            sys::execve(&shell, &script, environment)
        }
        errno => errno,
    }
}

/// A login shell: its first argument is `-` and its base name.
fn exec_shell(environment: Option<&[CString]>) -> Result<Infallible, Error> {
    let named = variable(environment, "SHELL").filter(|shell| !shell.is_empty());
    let user = rustix::process::getuid().as_raw();
    let of_user = std::iter::once_with(|| shell_of(user)).flatten();
    let candidates = named.into_iter().chain(of_user).chain([SHELL.into()]);
    let mut error = None;
    for shell in candidates.map(OsString::from_vec) {
        let base = Path::new(&shell).file_name().unwrap_or(&shell);
        let login = CString::new([b"-", base.as_bytes()].concat()).unwrap_or_default();
        log::info!("executing {}", shell.display());
        error = Some(match try_exec(&shell, &[login], environment) {
            Errno::ENOENT | Errno::ENOTDIR => missing(&shell),
            errno => return Err(Error::CannotExecute { program: shell, errno }),
        });
    }
    Err(error.unwrap_or_else(|| missing(OsStr::new(SHELL))))
}

/// The shell of a user in the root that was entered, which may be a container's.
fn shell_of(user: u32) -> Option<Vec<u8>> {
    Accounts::read(entered_root()?.as_fd()).shell_of(user)
}

/// The home of whoever we are by now, in the root that was entered.
pub(crate) fn home_of_own() -> Option<OsString> {
    Some(Accounts::read(entered_root()?.as_fd()).home_of(rustix::process::getuid().as_raw()))
}

fn entered_root() -> Option<OwnedFd> {
    rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_without_a_name_is_left_out() {
        let command = |variables: &[&str]| Command {
            program: Program::Shell,
            environment: Environment::Target,
            variables: variables.iter().map(OsString::from).collect(),
            home_of_user: true,
        };
        let of_target = Some(&b"A=1\0junk\0B=\0\0"[..]);
        let entries = environment(&command(&["A=2", "B", "C=3"]), of_target, Some(OsStr::new("/h"))).unwrap();
        assert_eq!(entries, [c"A=2".to_owned(), c"C=3".to_owned(), c"HOME=/h".to_owned()]);
        let entries = environment(&command(&["HOME="]), of_target, Some(OsStr::new("/h"))).unwrap();
        assert_eq!(variable(Some(&entries), "HOME").unwrap(), b"/h");
        let entries = environment(&command(&[]), of_target, None).unwrap();
        assert_eq!(entries, [c"A=1".to_owned(), c"B=".to_owned()]);
        assert_eq!(variable(Some(&entries), "A").unwrap(), b"1");
        assert_eq!(variable(Some(&entries), "B").unwrap(), b"");
        assert_eq!(variable(Some(&entries), ""), None);
    }
}
