//! The seccomp filters of a process, out of the kernel: ptrace(2), PTRACE_SECCOMP_GET_FILTER. It stops the process for a
//! moment. What they decide is in `machine.rs`.

use std::ptr;

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::libc;

use super::machine::Instruction;

/// `include/uapi/linux/ptrace.h`.
const PTRACE_SECCOMP_GET_FILTER: libc::c_uint = 0x420c;

/// All filters of a process, the newest first.
pub(super) fn filters(pid: u32) -> Result<Vec<Vec<Instruction>>> {
    let pid = pid.cast_signed();
    request(libc::PTRACE_SEIZE, pid, 0, &mut []).with_context(|| format!("cannot trace process {pid}"))?;
    let filters = stopped(pid);
    request(libc::PTRACE_DETACH, pid, 0, &mut []).context("cannot let go of a process")?;
    filters
}

fn stopped(pid: i32) -> Result<Vec<Vec<Instruction>>> {
    request(libc::PTRACE_INTERRUPT, pid, 0, &mut [])?;
    let mut status = 0;
    // SAFETY: the status is a number of ours, and outlives the call.
    Errno::result(unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL) })?;
    let mut filters = Vec::new();
    loop {
        let length = match request(PTRACE_SECCOMP_GET_FILTER, pid, filters.len(), &mut []) {
            Ok(length) => length,
            // No more of them; none at all.
            Err(Errno::ENOENT | Errno::EINVAL) => return Ok(filters),
            Err(errno) => bail!("cannot take a filter out of the kernel: {errno}"),
        };
        let mut filter = vec![Instruction::default(); length];
        request(PTRACE_SECCOMP_GET_FILTER, pid, filters.len(), &mut filter)?;
        filters.push(filter);
    }
}

/// A request whose second number is a place in a list, and that fills in instructions if it fills in anything.
fn request(request: libc::c_uint, pid: i32, index: usize, into: &mut [Instruction]) -> Result<usize, Errno> {
    let into = if into.is_empty() { ptr::null_mut() } else { into.as_mut_ptr() };
    // SAFETY: only PTRACE_SECCOMP_GET_FILTER writes, as many instructions as it said before that there are, for which
    // there is room; and nothing where the pointer is null. An instruction has the layout of `struct sock_filter`.
    let result = unsafe { libc::ptrace(request, pid, ptr::without_provenance_mut::<libc::c_void>(index), into) };
    Errno::result(result).map(|result| result as usize)
}
