//! A container's seccomp profile, as the runtime-spec has it (`linux.seccomp`), compiled to what seccomp(2) takes, with
//! the decisions that the container's own runtime makes of it. Numbers of calls belong in `seccomp/calls.rs`, what the
//! rules of one call come to in `seccomp/rules.rs`, instructions in `seccomp/program.rs`.

mod calls;
mod program;
mod rules;
#[cfg(all(test, target_arch = "x86_64"))]
mod tests;

use nix::errno::Errno;
use nix::libc;
use seccompiler::BpfProgram;

use crate::{Error, sys};

/// A profile: runtime-spec, config-linux, Seccomp. Words are the specification's (`SCMP_ACT_ERRNO`, `SCMP_CMP_EQ`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seccomp {
    /// What becomes of a call that no rule names.
    pub default_action: String,
    /// The error number of a default action that gives one.
    pub default_errno: Option<u32>,
    /// `SCMP_ARCH_X86_64` and its like.
    pub architectures: Vec<String>,
    /// `SECCOMP_FILTER_FLAG_LOG` and its like.
    pub flags: Vec<String>,
    /// The rules.
    pub rules: Vec<SeccompRule>,
    /// How its runtime reads it.
    pub dialect: SeccompDialect,
}

/// What becomes of some calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeccompRule {
    /// The calls; what this machine does not have is left out.
    pub names: Vec<String>,
    /// `SCMP_ACT_ALLOW` and its like.
    pub action: String,
    /// The error number of an action that gives one.
    pub errno: Option<u32>,
    /// All of them have to hold. Of several on one argument, as runtimes have it, one has to.
    pub arguments: Vec<SeccompArgument>,
}

/// A condition on an argument of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeccompArgument {
    /// Which, from 0.
    pub index: u32,
    /// What it is compared with; the mask for `SCMP_CMP_MASKED_EQ`.
    pub value: u64,
    /// What the masked argument is compared with for `SCMP_CMP_MASKED_EQ`.
    pub value_two: u64,
    /// `SCMP_CMP_EQ` and its like.
    pub operator: String,
}

/// Where runtimes differ about a profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SeccompDialect {
    /// Where the default action is a refusal, calls that are newer than all that the profile names do not exist
    /// (ENOSYS), so that a C library falls back to older ones.
    #[default]
    Runc,
    /// They are refused as all others. A profile without flags has `SECCOMP_FILTER_FLAG_SPEC_ALLOW`.
    Crun,
}

/// A profile that is ready to be installed.
#[doc(hidden)]
#[derive(Debug)]
pub struct Compiled {
    /// Empty where the profile says nothing.
    program: BpfProgram,
    flags: libc::c_ulong,
}

/// Compiles a profile. Asks nothing of the kernel.
#[doc(hidden)]
pub fn compile(profile: &Seccomp) -> Result<Compiled, Error> {
    // runc takes this for no profile at all.
    if profile.default_action.is_empty() && profile.rules.is_empty() {
        return Ok(Compiled { program: Vec::new(), flags: 0 });
    }
    let program = program::assemble(&rules::decisions(profile)?);
    // BPF_MAXINSNS.
    if program.len() > 4096 {
        return Err(Error::Seccomp(format!("it comes to {} instructions, and the kernel takes 4096", program.len())));
    }
    Ok(Compiled { program, flags: flags(profile)? })
}

impl Compiled {
    /// Installs it, for good. Without no_new_privs, CAP_SYS_ADMIN is needed for it.
    pub fn install(&self) -> Result<(), Error> {
        if self.program.is_empty() {
            return Ok(());
        }
        match sys::install_seccomp_filter(self.flags, &self.program) {
            // A kernel that does not know a flag.
            Err(Errno::EINVAL) if self.flags != 0 => sys::install_seccomp_filter(0, &self.program),
            other => other,
        }
        .map_err(Error::system("cannot install the container's seccomp filter"))
    }

    /// The instructions, for tests: `struct sock_filter` in a number, the operation code on top.
    pub fn instructions(&self) -> Vec<u64> {
        let number = |it: &seccompiler::sock_filter| {
            u64::from(it.code) << 48 | u64::from(it.jt) << 40 | u64::from(it.jf) << 32 | u64::from(it.k)
        };
        self.program.iter().map(number).collect()
    }
}

fn flags(profile: &Seccomp) -> Result<libc::c_ulong, Error> {
    if profile.flags.is_empty() && profile.dialect == SeccompDialect::Crun {
        return Ok(libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW);
    }
    profile.flags.iter().try_fold(0, |flags, word| match word.as_str() {
        "SECCOMP_FILTER_FLAG_LOG" => Ok(flags | libc::SECCOMP_FILTER_FLAG_LOG),
        "SECCOMP_FILTER_FLAG_SPEC_ALLOW" => Ok(flags | libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW),
        // There is one thread; and nobody to receive a notification.
        "SECCOMP_FILTER_FLAG_TSYNC" | "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" => Ok(flags),
        _ => Err(Error::Seccomp(format!("it has the flag {word}, which is unknown"))),
    })
}
