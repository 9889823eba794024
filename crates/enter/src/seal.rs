//! Running from a copy of our own binary that nobody can write to, so that a container that can see this process cannot
//! write to the file on the host behind `/proc/PID/exe` (CVE-2019-5736).
//!
//! The copy is the same file, mounted read-only in no mount namespace at all (open_tree(2), mount_setattr(2), Linux 5.12):
//! who opens it through `/proc/PID/exe` is refused to write, and nobody can change a mount that is in no namespace. It is
//! gone with the last process that runs from it. Where such a mount cannot be made, it is a sealed file in memory, which
//! costs 1 ms more.

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use nix::errno::Errno;
use rustix::fs::{MemfdFlags, SealFlags, StatVfsMountFlags};
use rustix::mount::{OpenTreeFlags, open_tree};

use crate::{Error, sys};

/// What the kernel calls the copy in memory.
const MEMORY: &[u8] = b"/memfd:cnsenter";
/// What it calls a file that is a mount by itself, in no namespace.
const ALONE: &[u8] = b"/";
const COPIED: &str = "cannot copy cnsenter into memory";

/// Executes this program again from where nobody can write to it, with the variables whose names `keep` takes; does
/// nothing where that was done already.
///
/// # Errors
/// [`Error::System`] where the kernel gives neither such a mount nor such memory, or lets nothing be executed from there
/// (`vm.memfd_noexec`).
pub fn seal(keep: impl Fn(&OsStr) -> bool) -> Result<(), Error> {
    let own = File::open("/proc/self/exe").map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::NoProc,
        _ => Error::system("cannot open /proc/self/exe")(error),
    })?;
    if is_sealed(&own)? {
        // The kernel has named the process after the copy.
        let _ = rustix::thread::set_name(c"cnsenter");
        return Ok(());
    }
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
    // Who was executed by a descriptor and is not sealed may be what a mount has come to: another one would come to it, too.
    let by_descriptor = rustix::param::linux_execfn().to_bytes().starts_with(b"/dev/fd/");
    if let Some(mount) = mounted(&own).filter(|_| !by_descriptor) {
        // Its descriptor is closed on the way, and with it ends the one way to change the mount. Whatever keeps it from
        // being executed may not keep the other copy.
        sys::execute(mount.as_fd(), &arguments, &environment);
    }
    let errno = sys::execute(copied(&own)?.as_fd(), &arguments, &environment);
    Err(Error::System { what: "cannot run from a sealed copy in memory", errno })
}

/// Whether this program runs from such a copy.
fn is_sealed(own: &File) -> Result<bool, Error> {
    let path = std::fs::read_link("/proc/self/exe").map_err(Error::system("cannot look at /proc/self/exe"))?;
    let path = path.as_os_str().as_bytes();
    if path == ALONE {
        let found = rustix::fs::fstatvfs(own).map_err(Error::system("cannot look at /proc/self/exe"))?;
        return Ok(found.f_flag.contains(StatVfsMountFlags::RDONLY));
    }
    let shape = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW;
    let sealed =
        |found: SealFlags| found.contains(shape) && found.intersects(SealFlags::WRITE | SealFlags::FUTURE_WRITE);
    match rustix::fs::fcntl_get_seals(own).is_ok_and(sealed) {
        true => Ok(true),
        // This is the copy, and the system does not say that it is sealed. Another one would not be, either.
        false if path.starts_with(MEMORY) => {
            Err(Error::System { what: "cannot see the seals of a copy in memory", errno: Errno::EINVAL })
        }
        false => Ok(false),
    }
}

/// The same file as a read-only mount in no namespace. Nothing where that takes a right or a kernel that is not there.
fn mounted(own: &File) -> Option<OwnedFd> {
    let flags = OpenTreeFlags::AT_EMPTY_PATH | OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let mount = open_tree(own, "", flags).ok()?;
    sys::make_read_only(mount.as_fd()).ok()?;
    Some(mount)
}

/// A copy in memory, sealed.
fn copied(own: &File) -> Result<File, Error> {
    let shape = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW;
    let mut own = own;
    let mut copy = File::from(memory()?);
    std::io::copy(&mut own, &mut copy).map_err(Error::system(COPIED))?;
    match rustix::fs::fcntl_add_seals(&copy, shape | SealFlags::WRITE) {
        // The kernel has a hand on a page at the moment. Nobody has it mapped, so that no write to come is none at all.
        Err(rustix::io::Errno::BUSY) => rustix::fs::fcntl_add_seals(&copy, shape | SealFlags::FUTURE_WRITE),
        other => other,
    }
    .map_err(Error::system(COPIED))?;
    Ok(copy)
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
