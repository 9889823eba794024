//! The seccomp filter of a program that runs in a container: the kernel's copy of it and the kernel's copy of what the
//! container's own runtime installed, which have to decide the same of every call. Taking a filter out of the kernel
//! is in `kernel.rs`, running it in `machine.rs`. What becomes of a profile alone is tested in `enter`.

mod kernel;
mod machine;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use testbed::pid::Process;
use testbed::{Container, Scratch, image, podman, wait};

use crate::run::cnsenter;
use machine::Call;

const X86_64: u32 = 0xc000_003e;
const I386: u32 = 0x4000_0003;
const AARCH64: u32 = 0xc000_00b7;
const X32_BIT: u32 = 0x4000_0000;

/// What profiles compare arguments with, and their neighbours.
const VALUES: [u64; 20] = [
    0,
    1,
    2,
    4,
    5,
    6,
    7,
    8,
    9,
    16,
    40,
    0x20000,
    0x20008,
    0x1000_0000,
    0x7e02_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0001,
    u64::MAX - 1,
    u64::MAX,
];

/// Every kind of action and of condition, several on a call and on an argument, on calls that 32-bit programs make
/// through another one, too.
const CONDITIONS: &str = r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
    "flags": ["SECCOMP_FILTER_FLAG_LOG"], "syscalls": [
    {"names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": 97, "args": [{"index": 0, "value": 40, "op": "SCMP_CMP_EQ"}]},
    {"names": ["socket", "semop"], "action": "SCMP_ACT_TRAP", "args": [
        {"index": 0, "value": 16, "op": "SCMP_CMP_EQ"}, {"index": 2, "value": 9, "op": "SCMP_CMP_GT"}]},
    {"names": ["accept", "shmget"], "action": "SCMP_ACT_ERRNO"},
    {"names": ["personality"], "action": "SCMP_ACT_LOG", "args": [{"index": 0, "value": 4294967296, "op": "SCMP_CMP_GE"}]},
    {"names": ["setpriority"], "action": "SCMP_ACT_KILL_PROCESS", "args": [{"index": 2, "value": 5, "op": "SCMP_CMP_LT"}]},
    {"names": ["getpriority"], "action": "SCMP_ACT_TRACE", "errnoRet": 7, "args": [{"index": 1, "value": 5, "op": "SCMP_CMP_LE"}]},
    {"names": ["umask"], "action": "SCMP_ACT_KILL_THREAD", "args": [
        {"index": 0, "value": 5, "op": "SCMP_CMP_NE"}, {"index": 0, "value": 6, "op": "SCMP_CMP_NE"}]},
    {"names": ["clone"], "action": "SCMP_ACT_ERRNO", "args": [
        {"index": 0, "value": 2114060288, "valueTwo": 268435456, "op": "SCMP_CMP_MASKED_EQ"}]},
    {"names": ["swapon", "no_such_call"], "action": "SCMP_ACT_KILL"}]}"#;

/// A list of what is allowed, as the default profile is one, for a part of the machine's architectures, so that there
/// are calls that it is too old for. [`allowed`] puts the calls in.
const ALLOWED: &str = r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 13, "architectures":
    ["SCMP_ARCH_X86_64", "SCMP_ARCH_X32"], "syscalls": [
    {"names": ["personality"], "action": "SCMP_ACT_KILL", "args": [{"index": 0, "value": 7, "op": "SCMP_CMP_EQ"}]},
    {"names": ["mkdir", "acct"], "action": "SCMP_ACT_ERRNO", "errnoRet": 30},
    {"names": ["NAMES"], "action": "SCMP_ACT_ALLOW"}]}"#;

/// For the native architecture alone.
const LOGGED: &str = r#"{"defaultAction": "SCMP_ACT_LOG", "syscalls": [
    {"names": ["execveat", "io_uring_setup"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 3, "value": 8, "op": "SCMP_CMP_NE"}]}]}"#;

/// [`ALLOWED`] with the calls that a program needs to run, and to go on after it was traced, and some more.
fn allowed() -> String {
    let names = "access arch_prctl bind brk capget capset chdir chmod chown clock_gettime clone clone3 close close_range \
                 connect dup dup2 dup3 epoll_create1 epoll_ctl epoll_pwait eventfd2 execve exit exit_group faccessat \
                 faccessat2 fchdir fchmod fchown fcntl fork fstat fstatfs futex getcwd getdents64 getegid geteuid getgid \
                 getgroups getpgid getpgrp getpid getppid getrandom getrlimit getuid ioctl kill lseek lstat mmap \
                 mount mprotect munmap nanosleep clock_nanosleep newfstatat open openat openat2 pidfd_open pipe pipe2 \
                 poll ppoll prctl pread64 prlimit64 pselect6 read readlink readlinkat readv restart_syscall rseq rt_sigaction rt_sigprocmask \
                 rt_sigreturn sched_getaffinity sched_yield select set_robust_list set_tid_address setgid setgroups \
                 setpgid setresgid setresuid setsid setuid sigaltstack signalfd4 socket stat statfs statx sysinfo tgkill \
                 time umask uname unlink unlinkat unshare vfork wait4 waitid write writev";
    ALLOWED.replace("NAMES", &names.split_whitespace().collect::<Vec<_>>().join("\", \""))
}

/// A file of a profile.
fn profile(text: &str) -> Result<(Scratch, PathBuf)> {
    let folder = Scratch::new()?;
    let file = folder.path().join("profile.json");
    std::fs::write(&file, text)?;
    Ok((folder, file))
}

/// Runs a program in the container, and demands of its filter what the one of the container's first process decides.
fn assert_same(container: &str, first: u32) -> Result<()> {
    let (program, pid) = program_in(container)?;
    let (theirs, ours) = (kernel::filters(first)?, kernel::filters(pid)?);
    drop(program);
    ensure!(theirs.len() == 1, "{container} has {} filters", theirs.len());
    assert_eq!(ours.len(), 1, "{container}: filters");
    let numbers = || (0..=560).chain([600, 1000, X32_BIT - 1, X32_BIT]);
    let high = [2 * X32_BIT - 1, 2 * X32_BIT, 3 * X32_BIT - 1, 3 * X32_BIT, u32::MAX - 1, u32::MAX];
    let numbers = numbers().chain(numbers().map(|number| number | X32_BIT)).chain(high);
    let mut verdicts = std::collections::BTreeSet::new();
    for number in numbers {
        for architecture in [X86_64, I386, AARCH64] {
            // All arguments alike, and all different.
            for (index, value) in VALUES.into_iter().enumerate() {
                let mixed = std::array::from_fn(|argument| VALUES[(index + 7 * argument) % VALUES.len()]);
                for arguments in [[value; 6], mixed] {
                    let call = Call { number, architecture, arguments };
                    let (wanted, found) = (machine::run(&theirs[0], &call)?, machine::run(&ours[0], &call)?);
                    assert_eq!(format!("{found:#x}"), format!("{wanted:#x}"), "{container}: {call:x?}");
                    verdicts.insert(wanted);
                }
            }
        }
    }
    // A filter that the test has not got to the bottom of proves little.
    ensure!(verdicts.len() > 2, "{container} decides only {verdicts:x?}");
    Ok(())
}

/// A program that cnsenter runs, and its pid.
fn program_in(container: &str) -> Result<(Process, u32)> {
    // Nobody else waits for as long.
    let seconds = (1_000_000 + std::process::id()).to_string();
    let wanted = ["sleep", &seconds].map(|word| format!("{word}\0")).concat();
    let program = Process::spawn(&mut cnsenter([container, "sleep", &seconds]))?;
    let pid = wait::until(Duration::from_secs(30), &format!("the program in {container}"), || {
        std::fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            (std::fs::read_to_string(entry.path().join("cmdline")).ok()? == wanted).then_some(pid)
        })
    })?;
    Ok((program, pid))
}

fn docker(options: &[&str]) -> Result<Container> {
    Container::run(image::busybox()?, &[&["--network", "none"], options].concat(), &["sleep", "1000"])
}

#[test]
fn the_default_profile_of_docker() -> Result<()> {
    for options in [&[][..], &["--cap-add", "SYS_ADMIN", "--cap-drop", "SYS_CHROOT"]] {
        let container = docker(options)?;
        assert_same(container.name(), container.pid()?)?;
    }
    Ok(())
}

#[test]
fn profiles_of_ones_own_under_docker() -> Result<()> {
    for text in [CONDITIONS, &allowed(), LOGGED] {
        let (_folder, file) = profile(text)?;
        let container = docker(&["--security-opt", &format!("seccomp={}", file.display())])?;
        assert_same(container.name(), container.pid()?)?;
    }
    Ok(())
}

#[test]
fn no_profile_is_no_filter() -> Result<()> {
    let container = docker(&["--security-opt", "seccomp=unconfined"])?;
    let (_program, pid) = program_in(container.name())?;
    assert_eq!((kernel::filters(container.pid()?)?.len(), kernel::filters(pid)?.len()), (0, 0));
    Ok(())
}

#[test]
fn profiles_under_podman_and_crun() -> Result<()> {
    let container = podman::Container::run(&[], &["sleep", "1000"])?;
    assert_same(container.name(), container.pid()?)?;
    for text in [CONDITIONS, &allowed(), LOGGED] {
        let (_folder, file) = profile(text)?;
        let option = format!("seccomp={}", file.display());
        let container = podman::Container::run(&["--security-opt", &option], &["sleep", "1000"])?;
        assert_same(container.name(), container.pid()?)?;
    }
    Ok(())
}
