//! A container's seccomp profile, as the runtime-spec has it (`linux.seccomp`), compiled to what seccomp(2) takes.

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
    /// All of them have to hold.
    pub arguments: Vec<SeccompArgument>,
}

/// A condition on an argument of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeccompArgument {
    /// Which, from 0.
    pub index: u32,
    /// What it is compared with.
    pub value: u64,
    /// The mask's counterpart for `SCMP_CMP_MASKED_EQ`.
    pub value_two: u64,
    /// `SCMP_CMP_EQ` and its like.
    pub operator: String,
}
