//! What the kernel, and a filter before it, says of system calls that ask for nothing: their arguments are out of range,
//! and so what is allowed fails in a way of its own. In children, since a filter may kill.

use std::ffi::{c_int, c_long, c_void};
use std::ptr;

use crate::Facts;
use crate::kernel::{self, _exit, errno, fork, mmap, prctl, syscall, waitpid};

/// A call with its arguments.
type Call = (&'static str, c_long, [c_long; 5]);

pub(crate) fn all(facts: &mut Facts) {
    let calls: Vec<(c_long, [c_long; 5])> = NAMED.iter().map(|(_, number, words)| (*number, *words)).collect();
    for ((name, _, _), outcome) in NAMED.iter().zip(outcomes(&calls)) {
        facts.add(&format!("call.{name}"), outcome);
    }
    let numbers: Vec<c_long> = (0..LAST).filter(|number| !UNASKED.contains(number)).chain(UNKNOWN).collect();
    let calls: Vec<_> = numbers.iter().map(|number| (*number, [-1; 5])).collect();
    facts.add("call.every", runs(&numbers, &outcomes(&calls)));
    facts.add("call.of_32_bits", of_32_bits());
}

/// What is said of each call; one word for what killed the child that made it.
fn outcomes(calls: &[(c_long, [c_long; 5])]) -> Vec<String> {
    const NOT_YET: i32 = -1;
    // SAFETY: a new mapping, shared with children and as large as it is used below, which is never unmapped.
    let shared = unsafe { mmap(ptr::null_mut(), calls.len() * 4, 3, 0x21, -1, 0) }.cast::<i32>();
    // SAFETY: it is readable and writable, and nobody but this process's children writes to it.
    let results = unsafe { std::slice::from_raw_parts_mut(shared, calls.len()) };
    results.fill(NOT_YET);
    let mut words: Vec<String> = Vec::new();
    while words.len() < calls.len() {
        let from = words.len();
        let end = child(|| {
            for (at, (number, [a, b, c, d, e])) in calls.iter().enumerate().skip(from) {
                // SAFETY: no argument is a pointer to anything, and no number is one that ends or suspends.
                let result = unsafe { syscall(*number, *a, *b, *c, *d, *e, -1 as c_long) };
                results[at] = if result < 0 { errno() } else { 0 };
            }
        });
        let done = results.iter().skip(from).take_while(|result| **result != NOT_YET);
        words.extend(done.map(|errno| kernel::name(*errno)));
        match end {
            Ok(()) => {}
            // What stopped it, or keeps it from being asked at all, stands for the call; the next child goes on behind it.
            Err(word) => words.push(word),
        }
    }
    words.truncate(calls.len());
    words
}

/// Does this in a child; an error is what it died of.
fn child(work: impl FnOnce()) -> Result<(), String> {
    const PR_SET_DUMPABLE: c_int = 4;
    // SAFETY: this process has one thread, and the child ends without going back.
    match unsafe { fork() } {
        0 => {
            // SAFETY: no pointer; what a filter kills leaves no core file.
            unsafe { prctl(PR_SET_DUMPABLE, 0_u64, 0_u64, 0_u64, 0_u64) };
            work();
            // SAFETY: ends the child.
            unsafe { _exit(0) }
        }
        pid if pid < 0 => Err(format!("fork:{}", kernel::name(errno()))),
        pid => {
            let mut status = 0;
            // SAFETY: the child is ours, and one number is written.
            unsafe { waitpid(pid, &mut status, 0) };
            if status == 0 { Ok(()) } else { Err(format!("killed:{}", status & 0x7f)) }
        }
    }
}

/// Numbers in a row that have the same outcome, in a word each.
fn runs(numbers: &[c_long], outcomes: &[String]) -> String {
    let mut words: Vec<(c_long, c_long, &str)> = Vec::new();
    for (number, outcome) in numbers.iter().zip(outcomes) {
        match words.last_mut() {
            Some((_, last, of)) if *of == outcome.as_str() && *last + 1 == *number => *last = *number,
            _ => words.push((*number, *number, outcome)),
        }
    }
    let word = |(first, last, outcome): &(c_long, c_long, &str)| match first == last {
        true => format!("{first}:{outcome}"),
        false => format!("{first}-{last}:{outcome}"),
    };
    words.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// getpid(2) as a program of 32 bits asks for it.
fn of_32_bits() -> String {
    #[cfg(target_arch = "x86_64")]
    {
        let calls = [0; 1];
        // SAFETY: a new mapping, shared with the child, which is never unmapped.
        let shared = unsafe { mmap(ptr::null_mut::<c_void>(), size_of_val(&calls) * 8, 3, 0x21, -1, 0) }.cast::<i32>();
        let end = child(|| {
            let result: i32;
            // SAFETY: getpid asks for nothing; the register that the compiler needs is put back.
            unsafe {
                std::arch::asm!("push rbx", "xor ebx, ebx", "int 0x80", "pop rbx", inlateout("eax") 20 => result,
                    out("rcx") _, out("rdx") _, out("rsi") _, out("rdi") _, out("r8") _, out("r9") _, out("r10") _,
                    out("r11") _);
                *shared = result;
            }
        });
        // SAFETY: readable, and the child has ended.
        let result = unsafe { *shared };
        end.map_or_else(|word| word, |()| kernel::name(if result < 0 { -result } else { 0 }))
    }
    #[cfg(not(target_arch = "x86_64"))]
    "none".to_owned()
}

/// One more than the last number of this kernel's and of the next ones.
const LAST: c_long = 480;

/// Numbers that nobody has: what a filter says of those that it does not know.
const UNKNOWN: [c_long; 3] = [512 + 400, 1999, 9999];

/// Calls that would end, suspend or detach the child, or leave something behind.
#[cfg(target_arch = "x86_64")]
const UNASKED: [c_long; 14] = [15, 29, 34, 56, 57, 58, 60, 68, 112, 153, 162, 231, 335, 336];
#[cfg(not(target_arch = "x86_64"))]
const UNASKED: std::ops::Range<c_long> = 0..424;

#[cfg(target_arch = "x86_64")]
const NAMED: [Call; 34] = [
    ("mount", 165, [0, 0, 0, 0, 0]),
    ("umount", 166, [0, -1, 0, 0, 0]),
    ("unshare", 272, [0, 0, 0, 0, 0]),
    ("setns", 308, [-1, 0, 0, 0, 0]),
    // Two that exclude each other, one of them a new namespace.
    ("clone", 56, [0x0002_0000 | 0x200, 0, 0, 0, 0]),
    ("clone3", 435, [0, 0, 0, 0, 0]),
    ("pivot_root", 155, [0, 0, 0, 0, 0]),
    ("chroot", 161, [0, 0, 0, 0, 0]),
    ("keyctl", 250, [-1, 0, 0, 0, 0]),
    ("add_key", 248, [0, 0, 0, 0, 0]),
    ("request_key", 249, [0, 0, 0, 0, 0]),
    ("bpf", 321, [-1, 0, 0, 0, 0]),
    ("perf_event_open", 298, [0, 0, 0, 0, 0]),
    ("userfaultfd", 323, [-1, 0, 0, 0, 0]),
    ("personality", 135, [0x0004_0000, 0, 0, 0, 0]),
    ("personality_asked", 135, [0xffff_ffff, 0, 0, 0, 0]),
    ("process_vm_readv", 310, [1, 0, 0, 0, 0]),
    ("open_by_handle_at", 304, [-1, 0, 0, 0, 0]),
    ("name_to_handle_at", 303, [-1, 0, 0, 0, -1]),
    ("clock_settime", 227, [-1, 0, 0, 0, 0]),
    ("reboot", 169, [0, 0, 0, 0, 0]),
    ("syslog", 103, [-1, 0, 0, 0, 0]),
    ("io_uring_setup", 425, [0, 0, 0, 0, 0]),
    ("socket_vsock", 41, [40, -1, 0, 0, 0]),
    ("socket_raw", 41, [2, 3, 1, 0, 0]),
    ("socket_alg", 41, [38, 5, 0, 0, 0]),
    ("init_module", 175, [0, 0, 0, 0, 0]),
    ("kcmp", 312, [0, 0, -1, 0, 0]),
    ("mbind", 237, [0, 0, -1, 0, 0]),
    ("fsopen", 430, [0, -1, 0, 0, 0]),
    ("landlock", 444, [0, 0, 0, 0, 0]),
    ("chmod", 90, [0, 0, 0, 0, 0]),
    ("mkdir", 83, [0, 0, 0, 0, 0]),
    // The last, since it makes every signal a stop.
    ("ptrace_me", 101, [0, 0, 0, 0, 0]),
];
#[cfg(not(target_arch = "x86_64"))]
const NAMED: [Call; 3] =
    [("clone3", 435, [0, 0, 0, 0, 0]), ("io_uring_setup", 425, [0, 0, 0, 0, 0]), ("landlock", 444, [0, 0, 0, 0, 0])];
