//! The numbers of system calls, by name and architecture. What is done about a call does not belong here.

/// An architecture whose programs run on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(target_arch = "x86_64", allow(dead_code, reason = "the other machine's"))]
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "the other machine's"))]
pub(super) enum Architecture {
    X86_64,
    /// x86_64 with pointers of 32 bits: shares its architecture's number with it, and has a bit set in its calls'.
    X32,
    X86,
    Aarch64,
    Arm,
}

/// The bit that makes a call of x86_64 one of x32.
pub(super) const X32_BIT: u32 = 0x4000_0000;

/// What a profile is always for.
#[cfg(target_arch = "x86_64")]
pub(super) const NATIVE: Architecture = Architecture::X86_64;
#[cfg(not(target_arch = "x86_64"))]
pub(super) const NATIVE: Architecture = Architecture::Aarch64;

impl Architecture {
    /// The specification's word. Programs of any other architecture do not run here.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        match word {
            "SCMP_ARCH_NATIVE" => Some(NATIVE),
            #[cfg(target_arch = "x86_64")]
            "SCMP_ARCH_X86_64" => Some(Self::X86_64),
            #[cfg(target_arch = "x86_64")]
            "SCMP_ARCH_X32" => Some(Self::X32),
            #[cfg(target_arch = "x86_64")]
            "SCMP_ARCH_X86" => Some(Self::X86),
            #[cfg(not(target_arch = "x86_64"))]
            "SCMP_ARCH_AARCH64" => Some(Self::Aarch64),
            #[cfg(not(target_arch = "x86_64"))]
            "SCMP_ARCH_ARM" => Some(Self::Arm),
            _ => None,
        }
    }

    /// `AUDIT_ARCH_…` of `include/uapi/linux/audit.h`.
    pub(super) fn audit(self) -> u32 {
        match self {
            Self::X86_64 | Self::X32 => 0xc000_003e,
            Self::X86 => 0x4000_0003,
            Self::Aarch64 => 0xc000_00b7,
            Self::Arm => 0x4000_0028,
        }
    }

    /// Whether an argument is a number of 64 bits. Of others, the upper half is not looked at.
    pub(super) fn is_wide(self) -> bool {
        matches!(self, Self::X86_64 | Self::Aarch64)
    }

    /// Every call.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn calls(self) -> Vec<(&'static str, u32)> {
        let wide = || syscalls::x86_64::Sysno::iter().map(|call| (call.name(), call.id().cast_unsigned()));
        match self {
            Self::X86 => {
                // A word of Rust's.
                let named = |call: syscalls::x86::Sysno| call.name().trim_start_matches("r#");
                syscalls::x86::Sysno::iter().map(|call| (named(call), call.id().cast_unsigned())).collect()
            }
            Self::X32 => wide().filter_map(|(name, number)| Some((name, x32(name, number)? | X32_BIT))).collect(),
            _ => wide().collect(),
        }
    }

    /// Every call.
    #[cfg(not(target_arch = "x86_64"))]
    pub(super) fn calls(self) -> Vec<(&'static str, u32)> {
        use syscalls::{aarch64, arm};
        match self {
            Self::Arm => {
                let private = ["breakpoint", "cacheflush", "usr26", "usr32", "set_tls", "get_tls"];
                let private = private.into_iter().zip(0xf0001..);
                arm::Sysno::iter().map(|call| (call.name(), call.id().cast_unsigned())).chain(private).collect()
            }
            _ => {
                let named = |call: aarch64::Sysno| match call.name() {
                    "fstatat" => "newfstatat",
                    name => name,
                };
                aarch64::Sysno::iter().map(|call| (named(call), call.id().cast_unsigned())).collect()
            }
        }
    }

    /// The call that does the work of many, and which of them `name` is: `socketcall(2)`, `ipc(2)`.
    pub(super) fn multiplexed(self, name: &str) -> Option<(u32, u64)> {
        const SOCKETCALL: u32 = 102;
        const IPC: u32 = 117;
        if self != Self::X86 {
            return None;
        }
        let (call, number) = match name {
            "socket" => (SOCKETCALL, 1),
            "bind" => (SOCKETCALL, 2),
            "connect" => (SOCKETCALL, 3),
            "listen" => (SOCKETCALL, 4),
            "accept" => (SOCKETCALL, 5),
            "getsockname" => (SOCKETCALL, 6),
            "getpeername" => (SOCKETCALL, 7),
            "socketpair" => (SOCKETCALL, 8),
            "send" => (SOCKETCALL, 9),
            "recv" => (SOCKETCALL, 10),
            "sendto" => (SOCKETCALL, 11),
            "recvfrom" => (SOCKETCALL, 12),
            "shutdown" => (SOCKETCALL, 13),
            "setsockopt" => (SOCKETCALL, 14),
            "getsockopt" => (SOCKETCALL, 15),
            "sendmsg" => (SOCKETCALL, 16),
            "recvmsg" => (SOCKETCALL, 17),
            "accept4" => (SOCKETCALL, 18),
            "recvmmsg" => (SOCKETCALL, 19),
            "sendmmsg" => (SOCKETCALL, 20),
            "semop" => (IPC, 1),
            "semget" => (IPC, 2),
            "semctl" => (IPC, 3),
            "semtimedop" => (IPC, 4),
            "msgsnd" => (IPC, 11),
            "msgrcv" => (IPC, 12),
            "msgget" => (IPC, 13),
            "msgctl" => (IPC, 14),
            "shmat" => (IPC, 21),
            "shmdt" => (IPC, 22),
            "shmget" => (IPC, 23),
            "shmctl" => (IPC, 24),
            _ => return None,
        };
        Some((call, number))
    }
}

/// The number of a call of x86_64 for x32, without its bit.
#[cfg(target_arch = "x86_64")]
fn x32(name: &str, number: u32) -> Option<u32> {
    /// In the order of their numbers, from 512 on.
    const OWN: [&str; 36] = [
        "rt_sigaction",
        "rt_sigreturn",
        "ioctl",
        "readv",
        "writev",
        "recvfrom",
        "sendmsg",
        "recvmsg",
        "execve",
        "ptrace",
        "rt_sigpending",
        "rt_sigtimedwait",
        "rt_sigqueueinfo",
        "sigaltstack",
        "timer_create",
        "mq_notify",
        "kexec_load",
        "waitid",
        "set_robust_list",
        "get_robust_list",
        "vmsplice",
        "move_pages",
        "preadv",
        "pwritev",
        "rt_tgsigqueueinfo",
        "recvmmsg",
        "sendmmsg",
        "process_vm_readv",
        "process_vm_writev",
        "setsockopt",
        "getsockopt",
        "io_setup",
        "io_submit",
        "execveat",
        "preadv2",
        "pwritev2",
    ];
    match name {
        "_sysctl" | "create_module" | "epoll_ctl_old" | "epoll_wait_old" | "get_kernel_syms" | "get_thread_area"
        | "map_shadow_stack" | "nfsservctl" | "query_module" | "set_thread_area" | "uselib" | "vserver" => None,
        _ => Some(OWN.iter().position(|own| *own == name).map_or(number, |index| 512 + index as u32)),
    }
}
