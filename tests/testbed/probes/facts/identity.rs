//! Who the probe is and what it may do: ids, capabilities, confinement, keys.

use crate::kernel::{self, getgroups, getresgid, getresuid, prctl, syscall};
use crate::{Facts, read, status};

pub(crate) fn all(facts: &mut Facts) {
    ids(facts);
    for (name, line) in [
        ("capabilities.bounding", "CapBnd"),
        ("capabilities.effective", "CapEff"),
        ("capabilities.permitted", "CapPrm"),
        ("capabilities.inheritable", "CapInh"),
        ("capabilities.ambient", "CapAmb"),
        ("no_new_privileges", "NoNewPrivs"),
        ("seccomp.mode", "Seccomp"),
        ("seccomp.filters", "Seccomp_filters"),
        ("speculation.store_bypass", "Speculation_Store_Bypass"),
        ("speculation.indirect_branch", "SpeculationIndirectBranch"),
    ] {
        facts.add(name, status(line));
    }
    // SAFETY: both options take no pointer.
    let (securebits, keep) = unsafe { (prctl(27), prctl(7)) };
    facts.add("securebits", kernel::number(securebits));
    facts.add("keep_capabilities", kernel::number(keep));
    for (name, file) in [
        ("lsm.current", "/proc/self/attr/current"),
        ("lsm.exec", "/proc/self/attr/exec"),
        ("lsm.apparmor", "/proc/self/attr/apparmor/current"),
        ("audit.login_uid", "/proc/self/loginuid"),
        ("audit.session", "/proc/self/sessionid"),
    ] {
        facts.add(name, read(file));
    }
    keyring(facts);
}

fn ids(facts: &mut Facts) {
    let mut ids = [[u32::MAX; 3]; 2];
    let [users, groups] = &mut ids;
    // SAFETY: each pointer is to a number of its own.
    unsafe {
        getresuid(&mut users[0], &mut users[1], &mut users[2]);
        getresgid(&mut groups[0], &mut groups[1], &mut groups[2]);
    }
    for (kind, numbers, line) in [("uid", ids[0], "Uid"), ("gid", ids[1], "Gid")] {
        for (name, number) in ["real", "effective", "saved"].iter().zip(numbers) {
            facts.add(&format!("{kind}.{name}"), number);
        }
        facts.add(&format!("{kind}.filesystem"), status(line).split(' ').nth(3).unwrap_or_default());
    }
    let mut list = vec![0; 65536];
    // SAFETY: the kernel writes at most as many numbers as it is told that there is room for.
    let count = unsafe { getgroups(65536, list.as_mut_ptr()) };
    list.truncate(usize::try_from(count).unwrap_or_default());
    facts.add("groups", list.iter().map(u32::to_string).collect::<Vec<_>>().join(" "));
}

/// The session keyring: a runtime gives each container one of its own.
fn keyring(facts: &mut Facts) {
    const KEYCTL_GET_KEYRING_ID: i64 = 0;
    const KEYCTL_DESCRIBE: i64 = 6;
    const SESSION: i64 = -3;
    let mut text = [0_u8; 256];
    // SAFETY: the calls take numbers, and a buffer with its size.
    let (serial, described) = unsafe {
        let serial = syscall(kernel::KEYCTL, KEYCTL_GET_KEYRING_ID, SESSION, 0_i64);
        let serial = if serial < 0 { kernel::name(kernel::errno()) } else { serial.to_string() };
        (serial, syscall(kernel::KEYCTL, KEYCTL_DESCRIBE, SESSION, text.as_mut_ptr(), text.len()))
    };
    let description = match usize::try_from(described) {
        Ok(length) => String::from_utf8_lossy(&text[..length.clamp(1, text.len()) - 1]).into_owned(),
        Err(_) => kernel::name(kernel::errno()),
    };
    facts.add("keyring.session", description);
    facts.add("keyring.serial", serial);
}
