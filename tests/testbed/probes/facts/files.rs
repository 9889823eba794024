//! What the probe sees of files: descriptors, namespaces, cgroups, root, mounts.

use std::ffi::CString;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use crate::kernel::{self, close, fcntl, open};
use crate::{Facts, link, read};

/// More descriptors than anything leaves open.
const MANY: i32 = 1024;

/// Which descriptors are open, and what each is.
pub(crate) fn descriptors(facts: &mut Facts) {
    const F_GETFD: i32 = 1;
    // SAFETY: the command takes no pointer, and any number for a descriptor.
    let open: Vec<i32> = (0..MANY).filter(|fd| unsafe { fcntl(*fd, F_GETFD) } >= 0).collect();
    facts.add("descriptors", open.iter().map(i32::to_string).collect::<Vec<_>>().join(" "));
    for (fd, name) in (0..).zip(["stdin", "stdout", "stderr"]) {
        facts.add(&format!("{name}.kind"), kind(fd));
        // A device that all the machine shares says nothing of this program.
        let path = format!("/proc/self/fd/{fd}");
        let shared = link(&path).starts_with("/dev/null");
        facts.add(&format!("{name}.owner"), if shared { "shared".to_owned() } else { owner(&path) });
        facts.add(&format!("{name}.opens_again"), opens_again(fd));
    }
}

fn kind(fd: i32) -> String {
    const F_GETFL: i32 = 3;
    const O_LARGEFILE: i32 = 0o100_000;
    // Not of the open file, which execve keeps, but of the number that it once had; newer kernels show it.
    const O_CLOEXEC: i32 = 0o2_000_000;
    let Ok(file) = std::fs::metadata(format!("/proc/self/fd/{fd}")) else { return "closed".to_owned() };
    let of = file.file_type();
    let device = file.rdev();
    let kind = match () {
        () if of.is_fifo() => "pipe".to_owned(),
        () if of.is_char_device() => format!("device {}:{}", device >> 8 & 0xfff, device & 0xff),
        () if of.is_file() => "file".to_owned(),
        () if of.is_dir() => "folder".to_owned(),
        () if of.is_socket() => "socket".to_owned(),
        () => "something else".to_owned(),
    };
    // SAFETY: the command takes no pointer.
    let flags = unsafe { fcntl(fd, F_GETFL) } & !(O_LARGEFILE | O_CLOEXEC);
    format!("{kind}, flags {flags:#o}")
}

/// What a server does that logs to `/dev/stdout`.
fn opens_again(fd: i32) -> String {
    const O_NONBLOCK_NOCTTY: i32 = 0o4000 | 0o400;
    let path = CString::new(format!("/proc/self/fd/{fd}")).unwrap_or_default();
    let access = i32::from(fd != 0);
    // SAFETY: the path is a string that ends in a zero byte.
    let again = unsafe { open(path.as_ptr(), access | O_NONBLOCK_NOCTTY) };
    let outcome = kernel::outcome(again);
    // SAFETY: the descriptor has just been opened here; without one, it fails.
    unsafe { close(again) };
    outcome
}

/// Who owns a file, and who may do what with it.
pub(crate) fn owner(path: &str) -> String {
    match std::fs::metadata(path) {
        Ok(file) => format!("{}:{} {:o}", file.uid(), file.gid(), file.mode() & 0o7777),
        Err(error) => kernel::name(error.raw_os_error().unwrap_or_default()),
    }
}

pub(crate) fn namespaces(facts: &mut Facts) {
    for kind in ["mnt", "uts", "ipc", "net", "pid", "pid_for_children", "user", "cgroup", "time", "time_for_children"] {
        facts.add(&format!("namespace.{kind}"), link(&format!("/proc/self/ns/{kind}")));
    }
    for (name, file) in [
        ("user.uid_map", "/proc/self/uid_map"),
        ("user.gid_map", "/proc/self/gid_map"),
        ("user.setgroups", "/proc/self/setgroups"),
        ("time.offsets", "/proc/self/timens_offsets"),
        ("host_name", "/proc/sys/kernel/hostname"),
        ("domain_name", "/proc/sys/kernel/domainname"),
    ] {
        let value = read(file);
        facts.add(name, value.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    let cgroups = read("/proc/self/cgroup");
    let (of_two, mut of_one): (Vec<&str>, Vec<&str>) = cgroups.lines().partition(|line| line.starts_with("0::"));
    of_one.sort_unstable();
    facts.add("cgroup.v1", of_one.join("\n"));
    facts.add("cgroup.v2", of_two.join("\n"));
}

pub(crate) fn all(facts: &mut Facts) {
    facts.add("root", place("/"));
    facts.add("root.link", link("/proc/self/root"));
    facts.add("working_directory", working_directory());
    facts.add("working_directory.file", place("."));
    let mounts = read("/proc/self/mountinfo");
    facts.add("mounts", format!("{} {:016x}", mounts.lines().count(), hash(&mounts)));
    // Mount points that the rest of the facts is read from, and where a runtime hides things.
    for (name, at) in [("mounts.proc", "/proc"), ("mounts.sys", "/sys"), ("mounts.root", "/")] {
        let mount = mounts.lines().rfind(|line| line.split(' ').nth(4) == Some(at));
        facts.add(name, mount.unwrap_or("none"));
    }
    for (name, path) in [("dev.null", "/dev/null"), ("dev.ptmx", "/dev/pts/ptmx"), ("dev.shm", "/dev/shm")] {
        facts.add(name, owner(path));
    }
    for (name, file) in [
        ("kernel.shmmax", "/proc/sys/kernel/shmmax"),
        ("net.ip_forward", "/proc/sys/net/ipv4/ip_forward"),
        ("net.unprivileged_ports", "/proc/sys/net/ipv4/ip_unprivileged_port_start"),
        ("net.routes", "/proc/self/net/route"),
    ] {
        facts.add(name, read(file).split_whitespace().collect::<Vec<_>>().join(" "));
    }
}

fn working_directory() -> String {
    match std::env::current_dir() {
        Ok(path) => path.display().to_string(),
        Err(error) => kernel::name(error.raw_os_error().unwrap_or_default()),
    }
}

fn place(path: &str) -> String {
    match std::fs::metadata(path) {
        Ok(file) => format!("{}:{}", file.dev(), file.ino()),
        Err(error) => kernel::name(error.raw_os_error().unwrap_or_default()),
    }
}

/// FNV-1a: the same text in each run, in any build.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
