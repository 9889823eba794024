//! The process's first and last steps. Everything between is `cnsenter::run`.
//!
//! There is no `fn main` of Rust's: its runtime would set SIGPIPE to be ignored, which the program would inherit, and
//! takes 4 % of the time from argv to exec for guards that a process of one thread does not need.

#![no_main]

use std::ffi::{c_char, c_int};

use rustix::fs::{MemfdFlags, Mode, OFlags};

#[cfg(not(target_env = "gnu"))]
compile_error!("without a Rust main, only the GNU C library hands the arguments to std::env");

/// Called by the C library. It hands the arguments to `std::env` as well, which is where they are read.
///
/// # Safety
/// Only the C library's start code calls it.
// SAFETY: no other symbol of this name is defined in the program.
#[unsafe(no_mangle)]
pub extern "C" fn main(_count: c_int, _values: *const *const c_char) -> c_int {
    fill_standard_descriptors();
    c_int::from(cnsenter::run(std::env::args_os()))
}

/// A descriptor that we open must not become the program's stdin, stdout or stderr because that one was closed.
/// O_CLOEXEC: for the program it is closed again.
fn fill_standard_descriptors() {
    // Without a /dev, memory does as well.
    let open = || {
        rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
            .or_else(|_| rustix::fs::memfd_create(c"null", MemfdFlags::CLOEXEC))
    };
    // SAFETY: the borrowed numbers are only asked for their flags, and the kernel says EBADF for those that are closed.
    let closed = |fd| rustix::io::fcntl_getfd(unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) }).is_err();
    while (0..3).any(closed) {
        match open() {
            Ok(null) => std::mem::forget(null),
            Err(_) => break,
        }
    }
}
