//! What the probe may use, and how soon it gets it.

use crate::kernel::{self, getpriority, getrlimit64, prctl, sched_getparam, sched_getscheduler, syscall};
use crate::{Facts, read, status};

/// By their numbers.
const LIMITS: [&str; 16] = [
    "cpu",
    "fsize",
    "data",
    "stack",
    "core",
    "rss",
    "nproc",
    "nofile",
    "memlock",
    "as",
    "locks",
    "sigpending",
    "msgqueue",
    "nice",
    "rtprio",
    "rttime",
];

pub(crate) fn all(facts: &mut Facts) {
    for (resource, name) in (0..).zip(LIMITS) {
        let mut limit = [0; 2];
        // SAFETY: the C library writes two numbers.
        let result = unsafe { getrlimit64(resource, &mut limit) };
        let text = if result < 0 { kernel::name(kernel::errno()) } else { limit.map(shown).join(" ") };
        facts.add(&format!("limit.{name}"), text);
    }
    facts.add("oom_score_adj", read("/proc/self/oom_score_adj"));
    facts.add("cpus", status("Cpus_allowed_list"));
    facts.add("memory_nodes", status("Mems_allowed_list"));
    let mut priority = 0;
    // SAFETY: 0 is this process; the second call writes one number.
    let (policy, parameter) = unsafe { (sched_getscheduler(0), sched_getparam(0, &mut priority)) };
    facts.add("scheduler.policy", kernel::number(policy));
    facts.add("scheduler.priority", if parameter < 0 { kernel::name(kernel::errno()) } else { priority.to_string() });
    // SAFETY: 0 is this process.
    facts.add("scheduler.nice", unsafe { getpriority(0, 0) });
    // SAFETY: 1 is a process, and 0 this one.
    let io = unsafe { syscall(kernel::IOPRIO_GET, 1_i64, 0_i64) };
    facts.add("scheduler.io", if io < 0 { kernel::name(kernel::errno()) } else { format!("{io:#x}") });
    const PR_GET_TIMERSLACK: i32 = 30;
    // SAFETY: the option takes no pointer.
    facts.add("scheduler.timer_slack", kernel::number(unsafe { prctl(PR_GET_TIMERSLACK) }));
}

fn shown(limit: u64) -> String {
    if limit == u64::MAX { "unlimited".to_owned() } else { limit.to_string() }
}
