//! What the probe asks of the C library, and the names of errors. What is asked belongs in the other files.

use std::ffi::{c_char, c_int, c_long, c_ulong, c_void};

// SAFETY: declared as the manual has them.
unsafe extern "C" {
    pub(crate) fn syscall(number: c_long, ...) -> c_long;
    pub(crate) fn fork() -> c_int;
    pub(crate) fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    pub(crate) fn _exit(status: c_int) -> !;
    pub(crate) fn mmap(
        at: *mut c_void,
        length: usize,
        protection: c_int,
        flags: c_int,
        file: c_int,
        offset: i64,
    ) -> *mut c_void;
    pub(crate) fn prctl(option: c_int, ...) -> c_int;
    pub(crate) fn ioctl(file: c_int, request: c_ulong, ...) -> c_int;
    pub(crate) fn fcntl(file: c_int, command: c_int, ...) -> c_int;
    pub(crate) fn open(path: *const c_char, flags: c_int, ...) -> c_int;
    pub(crate) fn close(file: c_int) -> c_int;
    pub(crate) fn getresuid(real: *mut u32, effective: *mut u32, saved: *mut u32) -> c_int;
    pub(crate) fn getresgid(real: *mut u32, effective: *mut u32, saved: *mut u32) -> c_int;
    pub(crate) fn getgroups(count: c_int, list: *mut u32) -> c_int;
    pub(crate) fn getrlimit64(resource: c_int, limit: *mut [u64; 2]) -> c_int;
    pub(crate) fn getpriority(which: c_int, who: u32) -> c_int;
    pub(crate) fn sched_getscheduler(pid: c_int) -> c_int;
    pub(crate) fn sched_getparam(pid: c_int, priority: *mut c_int) -> c_int;
    pub(crate) fn personality(persona: c_ulong) -> c_int;
    pub(crate) fn umask(mask: u32) -> u32;
    pub(crate) fn getpid() -> c_int;
    pub(crate) fn getppid() -> c_int;
    pub(crate) fn getpgid(pid: c_int) -> c_int;
    pub(crate) fn getsid(pid: c_int) -> c_int;
    pub(crate) fn tcgetpgrp(file: c_int) -> c_int;
    pub(crate) fn getauxval(kind: c_ulong) -> c_ulong;
    pub(crate) fn __errno_location() -> *mut c_int;
}

/// The number of the last error.
pub(crate) fn errno() -> c_int {
    // SAFETY: the C library has a place for it in each thread.
    unsafe { *__errno_location() }
}

/// What a call that returns a number or -1 came to.
pub(crate) fn number(result: c_int) -> String {
    if result < 0 { name(errno()) } else { result.to_string() }
}

/// What a call came to, where its number says nothing.
pub(crate) fn outcome(result: c_int) -> String {
    if result < 0 { name(errno()) } else { "ok".to_owned() }
}

/// An error's name, and its number where it has none here.
pub(crate) fn name(errno: c_int) -> String {
    NAMES
        .iter()
        .find(|(number, _)| *number == errno)
        .map_or_else(|| format!("E{errno}"), |(_, name)| (*name).to_owned())
}

const NAMES: [(c_int, &str); 36] = [
    (0, "ok"),
    (1, "EPERM"),
    (2, "ENOENT"),
    (3, "ESRCH"),
    (4, "EINTR"),
    (5, "EIO"),
    (6, "ENXIO"),
    (7, "E2BIG"),
    (8, "ENOEXEC"),
    (9, "EBADF"),
    (10, "ECHILD"),
    (11, "EAGAIN"),
    (12, "ENOMEM"),
    (13, "EACCES"),
    (14, "EFAULT"),
    (16, "EBUSY"),
    (17, "EEXIST"),
    (19, "ENODEV"),
    (20, "ENOTDIR"),
    (21, "EISDIR"),
    (22, "EINVAL"),
    (24, "EMFILE"),
    (25, "ENOTTY"),
    (27, "EFBIG"),
    (28, "ENOSPC"),
    (29, "ESPIPE"),
    (30, "EROFS"),
    (32, "EPIPE"),
    (36, "ENAMETOOLONG"),
    (38, "ENOSYS"),
    (40, "ELOOP"),
    (61, "ENODATA"),
    (95, "EOPNOTSUPP"),
    (97, "EAFNOSUPPORT"),
    (126, "ENOKEY"),
    (128, "EKEYREVOKED"),
];

/// Numbers of system calls that the C library has no function for.
#[cfg(target_arch = "x86_64")]
mod numbers {
    pub(crate) const KEYCTL: i64 = 250;
    pub(crate) const IOPRIO_GET: i64 = 252;
}
#[cfg(not(target_arch = "x86_64"))]
mod numbers {
    pub(crate) const KEYCTL: i64 = 219;
    pub(crate) const IOPRIO_GET: i64 = 31;
}
pub(crate) use numbers::{IOPRIO_GET, KEYCTL};
