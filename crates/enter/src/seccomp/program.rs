//! Decisions as instructions of the kernel's filter machine, in one program: the architecture, then a binary search for
//! the call's number, then its conditions. What is decided does not belong here.

use std::collections::BTreeMap;

use nix::libc::{BPF_ABS, BPF_JA, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W};
use seccompiler::{
    BpfProgram, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule as ConditionsOfRule, sock_filter,
};

use super::rules::{Condition, Conditional, Decisions, OTHER_ARCHITECTURE, Operator, Verdict};

/// `struct seccomp_data`: where the call's number and the architecture are.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;

/// The program that makes the decisions.
pub(super) fn assemble(decisions: &Decisions) -> BpfProgram {
    let mut program = vec![load(ARCHITECTURE)];
    for (architecture, pieces) in decisions {
        let mut block = vec![load(NUMBER)];
        block.extend(search(&ranges(pieces)));
        program.push(jump(BPF_JEQ, *architecture, 1, 0));
        program.push(skip(block.len()));
        program.append(&mut block);
    }
    program.push(give(OTHER_ARCHITECTURE));
    program
}

/// Where each range of calls begins, those with the same verdict together.
fn ranges(pieces: &BTreeMap<u32, Verdict>) -> Vec<(u32, &Verdict)> {
    let mut ranges: Vec<_> = pieces.iter().map(|(start, verdict)| (*start, verdict)).collect();
    ranges.dedup_by(|next, last| next.1 == last.1);
    ranges
}

fn search(ranges: &[(u32, &Verdict)]) -> BpfProgram {
    if let [(_, verdict)] = ranges {
        return verdict_of(verdict);
    }
    let (lower, upper) = ranges.split_at(ranges.len() / 2);
    let Some((start, _)) = upper.first() else { return BpfProgram::new() };
    let mut below = search(lower);
    let mut program = match u8::try_from(below.len()) {
        Ok(length) => vec![jump(BPF_JGE, *start, length, 0)],
        Err(_) => vec![jump(BPF_JGE, *start, 0, 1), skip(below.len())],
    };
    program.append(&mut below);
    program.append(&mut search(upper));
    program
}

fn verdict_of(verdict: &Verdict) -> BpfProgram {
    match verdict {
        Verdict::Return(action) => vec![give(*action)],
        Verdict::First(all, otherwise) => {
            let mut program: BpfProgram = all.iter().flat_map(conditional).collect();
            program.push(give(*otherwise));
            program
        }
    }
}

/// Falls through where a condition does not hold.
fn conditional(conditional: &Conditional) -> BpfProgram {
    let conditions = conditional.conditions.iter().map(|it| condition(it, conditional.wide)).collect();
    let rule = ConditionsOfRule::new(conditions).expect("a rule without conditions is no conditional");
    let mut program = BpfProgram::from(rule);
    program.push(give(conditional.action));
    program
}

fn condition(condition: &Condition, wide: bool) -> SeccompCondition {
    let operator = match condition.operator {
        Operator::Ne => SeccompCmpOp::Ne,
        Operator::Lt => SeccompCmpOp::Lt,
        Operator::Le => SeccompCmpOp::Le,
        Operator::Eq => SeccompCmpOp::Eq,
        Operator::Ge => SeccompCmpOp::Ge,
        Operator::Gt => SeccompCmpOp::Gt,
        Operator::Masked(mask) => SeccompCmpOp::MaskedEq(mask),
    };
    let length = if wide { SeccompCmpArgLen::Qword } else { SeccompCmpArgLen::Dword };
    SeccompCondition::new(condition.argument, length, operator, condition.value).expect("the argument was checked")
}

fn load(offset: u32) -> sock_filter {
    sock_filter { code: (BPF_LD | BPF_W | BPF_ABS) as u16, jt: 0, jf: 0, k: offset }
}

fn give(action: u32) -> sock_filter {
    sock_filter { code: (BPF_RET | BPF_K) as u16, jt: 0, jf: 0, k: action }
}

fn jump(comparison: u32, with: u32, holds: u8, otherwise: u8) -> sock_filter {
    sock_filter { code: (BPF_JMP | comparison | BPF_K) as u16, jt: holds, jf: otherwise, k: with }
}

fn skip(count: usize) -> sock_filter {
    // A program is far shorter than that, or refused.
    sock_filter { code: (BPF_JMP | BPF_JA) as u16, jt: 0, jf: 0, k: count as u32 }
}
