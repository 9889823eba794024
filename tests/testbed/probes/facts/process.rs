//! What the probe is as a process: arguments, environment, signals, family, attributes.

use std::os::unix::ffi::OsStrExt;

use crate::kernel::{self, getauxval, getpgid, getpid, getppid, getsid, personality, prctl, umask};
use crate::{Facts, link, read, status};

/// What it was called with.
pub(crate) fn arguments(facts: &mut Facts, arguments: &[String]) {
    facts.add("arguments", arguments.join(" "));
    facts.add("executable", link("/proc/self/exe"));
    facts.add("executable.name", read("/proc/self/comm"));
    let variables: Vec<String> =
        std::env::vars_os().map(|(name, value)| [name.as_bytes(), value.as_bytes()].join(&b'=')).map(text).collect();
    let mut sorted = variables.clone();
    sorted.sort();
    facts.add("environment", sorted.join("\n"));
    let names = variables.iter().filter_map(|variable| variable.split('=').next());
    facts.add("environment.order", names.collect::<Vec<_>>().join(" "));
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(crate) fn all(facts: &mut Facts) {
    const AT_SECURE: u64 = 23;
    // SAFETY: the calls take and give numbers. The mask is put back at once.
    let (secure, mask, persona) = unsafe {
        let mask = umask(0o77);
        umask(mask);
        (getauxval(AT_SECURE), mask, personality(0xffff_ffff))
    };
    facts.add("secure_execution", secure);
    facts.add("umask", format!("{mask:04o}"));
    facts.add("personality", if persona < 0 { kernel::name(kernel::errno()) } else { format!("{persona:#x}") });
    for (name, line) in [
        ("signals.blocked", "SigBlk"),
        ("signals.caught", "SigCgt"),
        ("signals.pending", "SigPnd"),
        ("threads", "Threads"),
        ("tracer", "TracerPid"),
    ] {
        facts.add(name, status(line));
    }
    // 32 and 33 are the C library's own, which leaves them ignored in what posix_spawn(3) starts.
    const INTERNAL: u64 = 0x1_8000_0000;
    let ignored = u64::from_str_radix(&status("SigIgn"), 16).unwrap_or(u64::MAX);
    facts.add("signals.ignored", format!("{:016x}", ignored & !INTERNAL));
    // SAFETY: 0 is this process.
    let (own, parent, group, session) = unsafe { (getpid(), getppid(), getpgid(0), getsid(0)) };
    facts.add("parent", parent);
    facts.add("leads_its_group", own == group);
    facts.add("leads_its_session", own == session);
    // Those of processes outside of its pid namespace are 0.
    facts.add("group_is_inside", group != 0);
    facts.add("session_is_inside", session != 0);
    facts.add("pid_namespaces", status("NSpid").split(' ').count());
    let mut signal = 0;
    const PR_GET_PDEATHSIG: i32 = 2;
    const PR_GET_CHILD_SUBREAPER: i32 = 37;
    // SAFETY: both write one number.
    unsafe { prctl(PR_GET_PDEATHSIG, &mut signal) };
    facts.add("death_signal", signal);
    // SAFETY: as above.
    unsafe { prctl(PR_GET_CHILD_SUBREAPER, &mut signal) };
    facts.add("subreaper", signal);
    for (name, option) in [("dumpable", 3), ("thp_disabled", 42), ("memory_deny_write_execute", 66), ("mce_kill", 34)] {
        // SAFETY: these options take no pointers.
        facts.add(name, kernel::number(unsafe { prctl(option, 0_u64, 0_u64, 0_u64, 0_u64) }));
    }
    facts.add("coredump_filter", read("/proc/self/coredump_filter"));
}
