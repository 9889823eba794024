//! The system calls that change what this process is: its keyring, signals, scheduling. Policy does not belong here.

use std::ffi::{CStr, c_int, c_long, c_uint};
use std::ptr;

use nix::errno::Errno;
use nix::libc;

/// `include/uapi/linux/keyctl.h`.
const KEYCTL_JOIN_SESSION_KEYRING: c_long = 1;
/// `include/uapi/linux/ioprio.h`: one process, and nothing said.
const IOPRIO_WHO_PROCESS: c_int = 1;
const IOPRIO_NONE: c_int = 0;
/// personality(2): asks, and changes nothing.
const ASK_PERSONALITY: libc::c_ulong = 0xffff_ffff;

/// keyctl_join_session_keyring(3): the keyring of that name, or a fresh one.
pub(crate) fn join_session_keyring(name: Option<&CStr>) -> Result<(), Errno> {
    let name = name.map_or(ptr::null(), CStr::as_ptr);
    // SAFETY: the name is null or NUL-terminated, and outlives the call.
    let serial = unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name) };
    Errno::result(serial).map(drop)
}

/// Gives every signal that is ignored its default action, but for those that belong to the C library.
pub(crate) fn ignore_no_signals() {
    for number in 1..=libc::SIGRTMAX() {
        let mut found = std::mem::MaybeUninit::<libc::sigaction>::uninit();
        // SAFETY: nothing is set, and what is found is written to memory of that type, which is read after a success
        // only. The default action needs no handler of ours, and takes none away: there is none.
        unsafe {
            if libc::sigaction(number, ptr::null(), found.as_mut_ptr()) == 0
                && found.assume_init_ref().sa_sigaction == libc::SIG_IGN
            {
                libc::signal(number, libc::SIG_DFL);
            }
        }
    }
}

/// The process's I/O priority becomes that of its nice value, ioprio_set(2).
pub(crate) fn reset_io_priority() -> Result<(), Errno> {
    // SAFETY: both calls take plain numbers.
    let found = unsafe { libc::syscall(libc::SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0 as c_int) };
    if found == IOPRIO_NONE.into() {
        return Ok(());
    }
    // SAFETY: as above.
    let result = unsafe { libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0 as c_int, IOPRIO_NONE) };
    Errno::result(result).map(drop)
}

/// The default scheduler, sched_setscheduler(2); nice values are kept.
pub(crate) fn reset_scheduler() -> Result<(), Errno> {
    // SAFETY: the call takes a plain number.
    if unsafe { libc::sched_getscheduler(0) } == libc::SCHED_OTHER {
        return Ok(());
    }
    // SAFETY: all zeros is the priority that this scheduler asks for.
    let zero: libc::sched_param = unsafe { std::mem::zeroed() };
    // SAFETY: the parameter outlives the call. The raw call, since musl's function says ENOSYS.
    let result = unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0 as c_int, libc::SCHED_OTHER, &raw const zero) };
    Errno::result(result).map(drop)
}

/// Every processor that the cgroup leaves, sched_setaffinity(2).
pub(crate) fn run_anywhere() -> Result<(), Errno> {
    // More than any kernel can be built for; it takes what it knows.
    let all = [!0_u64; 128];
    // SAFETY: the mask is as long as it is said to be, and outlives the call.
    let result =
        unsafe { libc::syscall(libc::SYS_sched_setaffinity, 0 as c_int, size_of_val(&all) as c_uint, all.as_ptr()) };
    Errno::result(result).map(drop)
}

/// personality(2): what this process shall look like a system of.
pub(crate) fn set_personality(wanted: u32) -> Result<(), Errno> {
    // SAFETY: the call takes a plain number.
    if unsafe { libc::personality(ASK_PERSONALITY) } == wanted.cast_signed() {
        return Ok(());
    }
    // SAFETY: as above.
    Errno::result(unsafe { libc::personality(wanted.into()) }).map(drop)
}
