//! What compiled profiles decide, call by call. That runtimes decide the same is tested on real ones.

use super::*;

const X86_64: u32 = 0xc000_003e;
const I386: u32 = 0x4000_0003;
const X32_BIT: u32 = 0x4000_0000;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const KILL: u32 = libc::SECCOMP_RET_KILL_THREAD;
const EPERM: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
const ENOSYS: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

/// The kernel's filter machine, as far as a compiled profile uses it.
fn verdict(compiled: &Compiled, architecture: u32, number: u32, arguments: [u64; 6]) -> u32 {
    let mut data = vec![number, architecture, 0, 0];
    data.extend(arguments.into_iter().flat_map(|argument| [argument as u32, (argument >> 32) as u32]));
    let (mut at, mut accumulator) = (0, 0);
    loop {
        let it = &compiled.program[at];
        at += 1;
        let holds = match it.code {
            0x20 => {
                accumulator = data[it.k as usize / 4];
                continue;
            }
            0x54 => {
                accumulator &= it.k;
                continue;
            }
            0x05 => {
                at += it.k as usize;
                continue;
            }
            0x06 => return it.k,
            0x15 => accumulator == it.k,
            0x25 => accumulator > it.k,
            0x35 => accumulator >= it.k,
            code => panic!("an instruction that no profile comes to: {code:#x}"),
        };
        at += usize::from(if holds { it.jt } else { it.jf });
    }
}

fn rule(names: &[&str], action: &str, arguments: &[(u32, &str, u64, u64)]) -> SeccompRule {
    let argument = |&(index, operator, value, value_two): &(u32, &str, u64, u64)| SeccompArgument {
        index,
        value,
        value_two,
        operator: operator.to_owned(),
    };
    SeccompRule {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        action: action.to_owned(),
        errno: None,
        arguments: arguments.iter().map(argument).collect(),
    }
}

fn profile(default: &str, architectures: &[&str], rules: Vec<SeccompRule>) -> Seccomp {
    Seccomp {
        default_action: default.to_owned(),
        architectures: architectures.iter().map(|word| (*word).to_owned()).collect(),
        rules,
        ..Seccomp::default()
    }
}

fn refused(profile: &Seccomp) -> String {
    compile(profile).map(|compiled| compiled.program.len()).unwrap_err().to_string()
}

#[test]
fn every_architecture_has_its_own_numbers() {
    let all = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"];
    let rules = vec![rule(&["read", "execve", "stat64", "no_such_call"], "SCMP_ACT_ALLOW", &[])];
    let compiled = compile(&profile("SCMP_ACT_ERRNO", &all, rules.clone())).unwrap();
    let of = |architecture, number| verdict(&compiled, architecture, number, [0; 6]);
    assert_eq!([of(X86_64, 0), of(X86_64, 59), of(X86_64, 1)], [ALLOW, ALLOW, EPERM]);
    assert_eq!([of(I386, 3), of(I386, 11), of(I386, 195), of(I386, 0)], [ALLOW, ALLOW, ALLOW, EPERM]);
    assert_eq!([of(X86_64, X32_BIT), of(X86_64, X32_BIT + 520), of(X86_64, X32_BIT + 59)], [ALLOW, ALLOW, EPERM]);
    assert_eq!(of(0xc000_00b7, 0), KILL);
    // What the profile is not for is killed, and the native architecture always has a filter.
    let compiled = compile(&profile("SCMP_ACT_ERRNO", &[], rules)).unwrap();
    let of = |architecture, number| verdict(&compiled, architecture, number, [0; 6]);
    assert_eq!([of(X86_64, 0), of(X86_64, 1), of(I386, 3), of(X86_64, X32_BIT)], [ALLOW, EPERM, KILL, KILL]);
}

#[test]
fn calls_that_the_profile_is_too_old_for_do_not_exist() {
    let rules = vec![rule(&["read", "openat2"], "SCMP_ACT_ALLOW", &[])];
    let mut profile = profile("SCMP_ACT_ERRNO", &["SCMP_ARCH_X86_64"], rules);
    let of = |profile: &Seccomp, number| verdict(&compile(profile).unwrap(), X86_64, number, [0; 6]);
    assert_eq!([436, 437, 438, 500].map(|number| of(&profile, number)), [EPERM, ALLOW, ENOSYS, ENOSYS]);
    assert_eq!(of(&profile, X32_BIT), KILL);
    profile.dialect = SeccompDialect::Crun;
    assert_eq!([436, 437, 438, 500].map(|number| of(&profile, number)), [EPERM, ALLOW, EPERM, EPERM]);
    profile.dialect = SeccompDialect::Runc;
    profile.default_action = "SCMP_ACT_LOG".to_owned();
    assert_eq!(of(&profile, 500), libc::SECCOMP_RET_LOG);
}

#[test]
fn arguments_are_compared_in_all_their_bits() {
    let high = 1 << 40;
    for (operator, value, second, hold, fail) in [
        ("SCMP_CMP_NE", high, 0, [0, high + 1, 1], [high; 3]),
        ("SCMP_CMP_LT", high, 0, [0, high - 1, 7], [high, high + 1, u64::MAX]),
        ("SCMP_CMP_LE", high, 0, [0, high - 1, high], [high + 1, high * 2, u64::MAX]),
        ("SCMP_CMP_EQ", high, 0, [high; 3], [0, high + 1, high * 2]),
        ("SCMP_CMP_GE", high, 0, [high, high + 1, u64::MAX], [0, 7, high - 1]),
        ("SCMP_CMP_GT", high, 0, [high + 1, high * 2, u64::MAX], [0, high - 1, high]),
        ("SCMP_CMP_MASKED_EQ", high | 2, high, [high, high | 1, high | 1 << 50], [0, 2, high | 2]),
    ] {
        let rules = vec![rule(&["personality"], "SCMP_ACT_ALLOW", &[(0, operator, value, second)])];
        let compiled = compile(&profile("SCMP_ACT_KILL", &[], rules)).unwrap();
        let of = |value| verdict(&compiled, X86_64, 135, [value, 0, 0, 0, 0, 0]);
        assert_eq!(hold.map(of), [ALLOW; 3], "{operator}");
        assert_eq!(fail.map(of), [KILL; 3], "{operator}");
    }
}

#[test]
fn conditions_on_different_arguments_hold_together_and_on_the_same_one_by_one() {
    let both = [(0, "SCMP_CMP_EQ", 1, 0), (1, "SCMP_CMP_EQ", 2, 0)];
    let either = [(0, "SCMP_CMP_EQ", 1, 0), (0, "SCMP_CMP_EQ", 2, 0)];
    let of = |arguments: &[_], values| {
        let rules = vec![rule(&["socket"], "SCMP_ACT_ALLOW", arguments)];
        verdict(&compile(&profile("SCMP_ACT_KILL", &[], rules)).unwrap(), X86_64, 41, values)
    };
    assert_eq!([of(&both, [1, 2, 0, 0, 0, 0]), of(&both, [1, 1, 0, 0, 0, 0])], [ALLOW, KILL]);
    assert_eq!([1, 2, 3].map(|value| of(&either, [value, 0, 0, 0, 0, 0])), [ALLOW, ALLOW, KILL]);
}

#[test]
fn the_calls_of_socketcall_and_ipc_are_found_there() {
    let rules = vec![rule(&["socket", "semop"], "SCMP_ACT_ERRNO", &[])];
    let compiled = compile(&profile("SCMP_ACT_ALLOW", &["SCMP_ARCH_X86"], rules)).unwrap();
    let of = |number, which| verdict(&compiled, I386, number, [which, 0, 0, 0, 0, 0]);
    assert_eq!([of(359, 0), of(102, 1), of(102, 2), of(117, 1), of(117, 2)], [EPERM, EPERM, ALLOW, EPERM, ALLOW]);
}

#[test]
fn actions_and_their_numbers() {
    for (word, wanted) in [
        ("SCMP_ACT_KILL_PROCESS", libc::SECCOMP_RET_KILL_PROCESS),
        ("SCMP_ACT_TRAP", libc::SECCOMP_RET_TRAP),
        ("SCMP_ACT_LOG", libc::SECCOMP_RET_LOG),
        ("SCMP_ACT_TRACE", libc::SECCOMP_RET_TRACE | 38),
        ("SCMP_ACT_ERRNO", ENOSYS),
    ] {
        let mut rules = vec![rule(&["mkdir"], word, &[])];
        rules[0].errno = Some(38);
        let compiled = compile(&profile("SCMP_ACT_ALLOW", &[], rules)).unwrap();
        assert_eq!(verdict(&compiled, X86_64, 83, [0; 6]), wanted, "{word}");
    }
}

#[test]
fn what_cannot_be_honoured_is_refused() {
    let notify = profile("SCMP_ACT_ALLOW", &[], vec![rule(&["mount"], "SCMP_ACT_NOTIFY", &[])]);
    assert!(refused(&notify).contains("supervisor (SCMP_ACT_NOTIFY)"));
    assert!(refused(&profile("SCMP_ACT_PERHAPS", &[], Vec::new())).contains("SCMP_ACT_PERHAPS"));
    let seventh = profile("SCMP_ACT_ALLOW", &[], vec![rule(&["read"], "SCMP_ACT_KILL", &[(6, "SCMP_CMP_EQ", 0, 0)])]);
    assert!(refused(&seventh).contains("no argument 6"));
    let values: Vec<_> = (0..2000).map(|value| (0, "SCMP_CMP_EQ", value, 0)).collect();
    let long = profile("SCMP_ACT_ALLOW", &[], vec![rule(&["read"], "SCMP_ACT_KILL", &values)]);
    assert!(refused(&long).contains("instructions"));
    assert!(compile(&Seccomp::default()).unwrap().program.is_empty());
}
