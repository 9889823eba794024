//! Files that somebody else wrote: opened so that nothing hangs, read with a bound. What their bytes mean belongs to
//! whoever asked for them.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};
use serde::de::DeserializeOwned;

/// The largest record of a container that is read, in bytes. Real ones have up to some ten thousand.
pub(crate) const LARGEST: u64 = 4 << 20;

/// How much of a file that does not say its size is read at once, in bytes.
const USUAL: u64 = 4096;

/// How they are opened: a FIFO without a writer would be waited for.
const FLAGS: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// How many entries of a folder are looked at.
const MOST_ENTRIES: usize = 100_000;

/// The whole file. A FIFO, a device, a folder and what is larger than `largest` bytes are errors.
pub(crate) fn read(path: &Path, largest: u64) -> io::Result<Vec<u8>> {
    let (mut file, size) = open(path)?;
    // A file of /proc says that it has none.
    let expected = usize::try_from(if size == 0 { USUAL } else { size.min(largest) + 1 }).unwrap_or_default();
    let mut bytes = vec![0; expected];
    let read = file.read(&mut bytes)?;
    bytes.truncate(read);
    if size == 0 || read as u64 != size {
        file.take((largest + 1).saturating_sub(read as u64)).read_to_end(&mut bytes)?;
    }
    match bytes.len() as u64 > largest {
        true => Err(io::Error::new(ErrorKind::FileTooLarge, "too large for what it should be")),
        false => Ok(bytes),
    }
}

/// The first bytes of a file; all of a shorter one.
pub(crate) fn beginning(path: &Path, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let read = open(path)?.0.read(&mut bytes)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// A regular file, and its size.
fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = File::from(rustix::fs::open(path, FLAGS, Mode::empty())?);
    let found = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return Err(io::Error::new(ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok((file, u64::try_from(found.st_size).unwrap_or_default()))
}

/// A JSON file; `None` where it cannot be read, or is something else.
pub(crate) fn json<T: DeserializeOwned>(path: &Path, largest: u64) -> Option<T> {
    let bytes = read(path, largest).inspect_err(|error| skipped(path, error)).ok()?;
    serde_json::from_slice(&bytes).inspect_err(|error| skipped(path, error)).ok()
}

/// Why a file could not be read, in the system's words without their number.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => nix::errno::Errno::from_raw(number).desc().to_lowercase(),
        None => error.to_string(),
    }
}

/// Says with `-v` why a file was passed over. That it is not there is no news.
pub(crate) fn skipped(path: &Path, error: &(dyn std::error::Error + 'static)) {
    let missing = error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::NotFound);
    if !missing {
        log::info!("passing over {}: {error}", path.display());
    }
}

/// The names in a folder, sorted; none where it cannot be read.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().take(MOST_ENTRIES);
    let mut names: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_unstable();
    names
}

/// The small file of this name in each folder in `above`, its first 64 bytes, in no order: hundreds are read at once, and
/// most of the time to open one goes into the way to it.
pub(crate) fn of_each(above: &Path, name: &str) -> Vec<Vec<u8>> {
    let Ok(folder) = rustix::fs::open(above, FLAGS | OFlags::DIRECTORY, Mode::empty()) else { return Vec::new() };
    let first = |entry: std::fs::DirEntry| {
        let file = rustix::fs::openat(&folder, Path::new(&entry.file_name()).join(name), FLAGS, Mode::empty()).ok()?;
        let mut bytes = vec![0; 64];
        let read = rustix::io::read(file, &mut bytes[..]).ok()?;
        bytes.truncate(read);
        Some(bytes)
    };
    std::fs::read_dir(above).into_iter().flatten().flatten().take(MOST_ENTRIES).filter_map(first).collect()
}

/// Whether there is a folder that we may not look into.
pub(crate) fn is_forbidden(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
}

/// The folders in `folder` whose names end in this.
pub(crate) fn ending(folder: &Path, end: &str) -> Vec<PathBuf> {
    names(folder).into_iter().filter(|name| name.ends_with(end)).map(|name| folder.join(name)).collect()
}

/// Whether these bytes hold this name, and not only a longer one that begins with it: `web-1` is not in `web-10`. An
/// underscore ends a name, since Kubernetes' names of containers are made of several.
pub(crate) fn holds_name(bytes: &[u8], name: &str) -> bool {
    let goes_on = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let mut found = memchr::memmem::find_iter(bytes, name.as_bytes());
    found.any(|at| !bytes.get(at + name.len()).is_some_and(goes_on))
}

/// Whether these bytes hold this word: what makes the parsing of most files unnecessary.
pub(crate) fn holds(bytes: &[u8], word: &str) -> bool {
    memchr::memmem::find(bytes, word.as_bytes()).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_not_the_beginning_of_another() {
        for text in [r#""/web-1""#, "k8s_web-1_pod", "web-10 web-1", "web-1"] {
            assert!(holds_name(text.as_bytes(), "web-1"), "{text}");
        }
        for text in ["web-10", "web-1.x", "web-1-db", "web-", ""] {
            assert!(!holds_name(text.as_bytes(), "web-1"), "{text}");
        }
    }

    #[test]
    fn nothing_hangs_and_nothing_is_taken_whole_that_is_too_large() {
        let folder = std::env::temp_dir().join(format!("cnsenter-file-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let at = |name: &str| folder.join(name);
        nix::unistd::mkfifo(&at("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        std::os::unix::fs::symlink(at("loop"), at("loop")).unwrap();
        std::fs::write(at("ten"), "0123456789").unwrap();
        File::create(at("hole")).unwrap().set_len(1 << 30).unwrap();
        for name in ["fifo", "loop", "hole", ".", "missing"] {
            assert!(read(&at(name), LARGEST).is_err(), "{name}");
        }
        assert!(read(Path::new("/dev/zero"), LARGEST).is_err());
        std::fs::create_dir(at("one")).unwrap();
        std::fs::write(at("one/pid"), "7").unwrap();
        assert_eq!(of_each(&folder, "pid"), [b"7".to_vec()]);
        assert!(read(&at("ten"), 9).is_err());
        assert_eq!(read(&at("ten"), 10).unwrap(), b"0123456789");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
