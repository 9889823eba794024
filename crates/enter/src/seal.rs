//! Running from a sealed copy of our own binary, so that a container that can see this process cannot write to the
//! file on the host behind `/proc/PID/exe` (CVE-2019-5736).

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use nix::errno::Errno;
use rustix::fs::{MemfdFlags, SealFlags};

use crate::{Error, sys};

/// What the kernel calls the copy.
const MEMORY: &[u8] = b"/memfd:cnsenter";
const COPIED: &str = "cannot copy cnsenter into memory";

/// Executes this program again from memory that nobody can write to, with the variables whose names `keep` takes; does
/// nothing where that was done already.
///
/// # Errors
/// [`Error::System`] where the kernel gives no such memory, or lets nothing be executed from it
/// (`vm.memfd_noexec`).
pub fn seal(keep: impl Fn(&OsStr) -> bool) -> Result<(), Error> {
    let shape = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW;
    let own = File::open("/proc/self/exe").map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::NoProc,
        _ => Error::system("cannot open /proc/self/exe")(error),
    })?;
    let sealed =
        |found: SealFlags| found.contains(shape) && found.intersects(SealFlags::WRITE | SealFlags::FUTURE_WRITE);
    if rustix::fs::fcntl_get_seals(&own).is_ok_and(sealed) {
        // The kernel has named the process after the memory.
        let _ = rustix::thread::set_name(c"cnsenter");
        return Ok(());
    }
    if std::fs::read_link("/proc/self/exe").is_ok_and(|link| link.as_os_str().as_bytes().starts_with(MEMORY)) {
        // This is the copy, and the system does not say that it is sealed. Another one would not be, either.
        return Err(Error::System { what: "cannot see the seals of a copy in memory", errno: Errno::EINVAL });
    }
    let mut copy = File::from(memory()?);
    std::io::copy(&mut &own, &mut copy).map_err(Error::system(COPIED))?;
    match rustix::fs::fcntl_add_seals(&copy, shape | SealFlags::WRITE) {
        // The kernel has a hand on a page at the moment. Nobody has it mapped, so that no write to come is none at all.
        Err(rustix::io::Errno::BUSY) => rustix::fs::fcntl_add_seals(&copy, shape | SealFlags::FUTURE_WRITE),
        other => other,
    }
    .map_err(Error::system(COPIED))?;
    let words = |all: &mut dyn Iterator<Item = OsString>| {
        all.filter_map(|word| CString::new(word.into_vec()).ok()).collect::<Vec<_>>()
    };
    let arguments = words(&mut std::env::args_os());
    let kept = std::env::vars_os().filter(|(name, _)| keep(name));
    let environment = words(&mut kept.map(|(mut name, value)| {
        name.push("=");
        name.push(value);
        name
    }));
    let errno = sys::execute(copy.as_fd(), &arguments, &environment);
    Err(Error::System { what: "cannot run from a sealed copy in memory", errno })
}

fn memory() -> Result<OwnedFd, Error> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match rustix::fs::memfd_create(c"cnsenter", flags | MemfdFlags::EXEC) {
        // A kernel before 6.3: everything there can be executed.
        Err(rustix::io::Errno::INVAL) => rustix::fs::memfd_create(c"cnsenter", flags),
        other => other,
    }
    .map_err(|errno| match errno {
        rustix::io::Errno::ACCESS => {
            Error::System { what: "cannot run from a sealed copy in memory", errno: Errno::EACCES }
        }
        errno => Error::system(COPIED)(errno),
    })
}
