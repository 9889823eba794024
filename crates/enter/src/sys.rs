//! The system calls that neither nix nor rustix has in a safe form, each behind a safe function. Policy does not
//! belong here.

use std::ffi::{CStr, CString, c_int, c_uint, c_void};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use nix::errno::Errno;
use nix::libc;

pub(crate) mod own;

/// `ioctl_ns(2)`: the owning user namespace, which of a user namespace is its parent.
const NS_GET_USERNS: libc::c_ulong = 0xb701;
/// `ioctl_ns(2)`: the `CLONE_NEW…` flag of a namespace's kind.
const NS_GET_NSTYPE: libc::c_ulong = 0xb703;
/// `include/uapi/linux/sockios.h`: the network namespace of a socket.
const SIOCGSKNS: libc::c_ulong = 0x894c;
/// `include/uapi/linux/fcntl.h`: a handle that is good for identifying, at least.
const AT_HANDLE_FID: c_int = 0x200;

fn descriptor(result: c_int) -> Result<OwnedFd, Errno> {
    let fd = Errno::result(result)?;
    // SAFETY: the kernel has just returned this descriptor to us, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Closes every descriptor from 3 on except those in `kept`, which is sorted.
pub(crate) fn close_all_but(kept: &[RawFd]) {
    let mut next: c_uint = 3;
    for end in kept.iter().map(|fd| fd.cast_unsigned()).chain([c_uint::MAX]) {
        if next < end {
            let last = if end == c_uint::MAX { end } else { end - 1 };
            // SAFETY: the call takes plain numbers. Those that are closed were inherited, or belong to objects that
            // are never used or dropped again: each caller says why.
            let result = unsafe { libc::syscall(libc::SYS_close_range, next, last, 0 as c_uint) };
            if result != 0 {
                return close_one_by_one(kept);
            }
        }
        next = next.max(end.saturating_add(1));
    }
}

/// Before Linux 5.9.
fn close_one_by_one(kept: &[RawFd]) {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return };
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<RawFd>().ok());
    // Collected first, which closes the descriptor of the folder itself.
    for fd in numbers.collect::<Vec<_>>() {
        if fd > 2 && !kept.contains(&fd) {
            // SAFETY: as above. A number that is closed already fails with EBADF.
            unsafe { libc::close(fd) };
        }
    }
}

/// Sends a signal by its number, which may be a real-time one. A process that is gone is no error.
pub(crate) fn kill(pid: rustix::process::Pid, number: c_int) {
    // SAFETY: kill takes plain numbers.
    unsafe { libc::kill(pid.as_raw_nonzero().get(), number) };
}

/// Sends a signal with a number of ours, sigqueue(3).
pub(crate) fn queue(pid: rustix::process::Pid, number: c_int, value: c_int) {
    let value = libc::sigval { sival_ptr: ptr::without_provenance_mut(value.cast_unsigned() as usize) };
    // SAFETY: sigqueue takes plain numbers: the pointer in the union is never followed, and its lower half is the
    // integer that the receiver reads.
    unsafe { libc::sigqueue(pid.as_raw_nonzero().get(), number, value) };
}

/// Takes the signal's default action on this process. Returns where that is not to die.
pub(crate) fn die_by(number: c_int) {
    // SAFETY: the default action replaces any handler, and none of ours exists; the set is initialised by sigemptyset
    // before it is used, and lives on this stack.
    unsafe {
        libc::signal(number, libc::SIG_DFL);
        let mut set = std::mem::MaybeUninit::uninit();
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), number);
        libc::sigprocmask(libc::SIG_UNBLOCK, set.as_ptr(), ptr::null_mut());
        libc::raise(number);
    }
}

/// The parent of a user namespace, `ioctl_ns(2)`.
pub(crate) fn parent_of_user_namespace(namespace: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    // SAFETY: the request takes no argument and returns a new descriptor.
    descriptor(unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_USERNS) })
}

/// The `CLONE_NEW…` flag of a namespace's kind.
pub(crate) fn kind_of_namespace(namespace: BorrowedFd<'_>) -> Result<u32, Errno> {
    // SAFETY: the request takes no argument and returns a number.
    let flag = Errno::result(unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_NSTYPE) })?;
    Ok(flag.cast_unsigned())
}

/// The network namespace of a socket.
pub(crate) fn network_of_socket(socket: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    // SAFETY: the request takes no argument and returns a new descriptor.
    descriptor(unsafe { libc::ioctl(socket.as_raw_fd(), SIOCGSKNS) })
}

/// A `struct file_handle` with the `struct nsfs_file_handle` of `include/uapi/linux/nsfs.h` inside.
#[repr(C)]
struct NamespaceHandle {
    bytes: c_uint,
    kind: c_int,
    id: u64,
    namespace_type: u32,
    inode: u32,
}

/// Opens the namespace with this ID. `any` is any namespace file: it stands for nsfs, whose handle type the kernel
/// tells by it.
pub(crate) fn open_namespace_by_id(any: BorrowedFd<'_>, id: u64) -> Result<OwnedFd, Errno> {
    let mut handle = NamespaceHandle { bytes: 16, kind: 0, id: 0, namespace_type: 0, inode: 0 };
    let mut mount: c_int = 0;
    // SAFETY: the path is empty and NUL-terminated; `handle` has room for the 16 bytes that it promises, and both
    // pointers outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_name_to_handle_at,
            any.as_raw_fd(),
            c"".as_ptr(),
            ptr::from_mut(&mut handle).cast::<c_void>(),
            ptr::from_mut(&mut mount),
            libc::AT_EMPTY_PATH | AT_HANDLE_FID,
        )
    };
    Errno::result(result)?;
    handle.id = id;
    handle.namespace_type = 0;
    handle.inode = 0;
    // SAFETY: `handle` is a file handle of the size that it says, and outlives the call.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_open_by_handle_at,
            any.as_raw_fd(),
            ptr::from_mut(&mut handle).cast::<c_void>(),
            libc::O_RDONLY | libc::O_CLOEXEC,
        )
    };
    descriptor(fd as c_int)
}

/// `struct mount_attr` of `include/uapi/linux/mount.h`.
#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// Makes the mount behind a descriptor read-only, mount_setattr(2).
pub(crate) fn make_read_only(mount: BorrowedFd<'_>) -> Result<(), Errno> {
    /// `MOUNT_ATTR_RDONLY`
    const READ_ONLY: u64 = 1;
    let attributes = MountAttributes { set: READ_ONLY, clear: 0, propagation: 0, user_namespace: 0 };
    // SAFETY: the path is empty and NUL-terminated; `attributes` has the size that is said, and both outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            ptr::from_ref(&attributes),
            size_of::<MountAttributes>(),
        )
    };
    Errno::result(result).map(drop)
}

/// execve(2), with our own environment where there is none. Returns only on failure.
pub(crate) fn execve(path: &CStr, arguments: &[CString], environment: Option<&[CString]>) -> Errno {
    let result = match environment {
        Some(environment) => nix::unistd::execve(path, arguments, environment),
        None => nix::unistd::execv(path, arguments),
    };
    match result {
        Ok(never) => match never {},
        Err(errno) => errno,
    }
}

/// execveat(2), on the open file itself. Returns only on failure.
pub(crate) fn execute(file: BorrowedFd<'_>, arguments: &[CString], environment: &[CString]) -> Errno {
    let pointers =
        |strings: &[CString]| strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect::<Vec<_>>();
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // SAFETY: both arrays end with a null pointer and hold pointers to NUL-terminated strings that outlive the call.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            file.as_raw_fd(),
            c"".as_ptr(),
            arguments.as_ptr(),
            environment.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    Errno::last()
}

/// Installs a seccomp filter, seccomp(2), on this thread and all that comes of it.
pub(crate) fn install_seccomp_filter(flags: libc::c_ulong, program: &[seccompiler::sock_filter]) -> Result<(), Errno> {
    let length = u16::try_from(program.len()).map_err(|_| Errno::EINVAL)?;
    let program = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut().cast::<libc::sock_filter>() };
    // SAFETY: seccompiler's sock_filter has the kernel's layout, as libc's has; the kernel reads `len` of them and writes
    // none; the slice outlives the call.
    let result =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, ptr::from_ref(&program)) };
    Errno::result(result).map(drop)
}

/// fork(2) whose child is not ours but our parent's, clone(2). `None` in the child.
pub(crate) fn fork_for_parent() -> Result<Option<rustix::process::Pid>, Errno> {
    let flags = (libc::CLONE_PARENT | libc::SIGCHLD) as libc::c_ulong;
    let none: usize = 0;
    // SAFETY: this process has one thread, so the child may do whatever the parent may. It shares no memory with it, and
    // goes on with a copy of the same stack; the pointers, all null, are for flags that are not given.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, none, none, none, none) };
    Ok(rustix::process::Pid::from_raw(Errno::result(pid)? as c_int))
}

/// fork(2) whose child is born in a cgroup of v2, clone3(2). `None` in the child.
pub(crate) fn fork_into(cgroup: BorrowedFd<'_>) -> Result<Option<rustix::process::Pid>, Errno> {
    /// `include/uapi/linux/sched.h`.
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    // SAFETY: the structure is made of numbers, all of which may be zero.
    let mut wanted: libc::clone_args = unsafe { std::mem::zeroed() };
    wanted.flags = CLONE_INTO_CGROUP;
    wanted.exit_signal = libc::SIGCHLD as u64;
    wanted.cgroup = cgroup.as_raw_fd() as u64;
    // SAFETY: as above; the structure has the size that is given, and outlives the call.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, ptr::from_mut(&mut wanted), size_of::<libc::clone_args>()) };
    Ok(rustix::process::Pid::from_raw(Errno::result(pid)? as c_int))
}

/// fork(2). `None` in the child.
pub(crate) fn fork() -> Result<Option<rustix::process::Pid>, Errno> {
    // SAFETY: this process has one thread (`join` asserts it), so the child may do whatever the parent may.
    match unsafe { nix::unistd::fork() }? {
        nix::unistd::ForkResult::Parent { child } => Ok(rustix::process::Pid::from_raw(child.as_raw())),
        nix::unistd::ForkResult::Child => Ok(None),
    }
}

/// _exit(2): ends a child without what its parent has still to do.
pub(crate) fn exit(code: c_int) -> ! {
    // SAFETY: it does not return, and runs nothing of ours.
    unsafe { libc::_exit(code) }
}
