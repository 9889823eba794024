//! What the rules of a profile come to for each call of each architecture: the semantics of libseccomp, as runtimes use
//! it. Instructions do not belong here.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use nix::libc;

use super::calls::{Architecture, NATIVE, X32_BIT};
use super::{Seccomp, SeccompArgument, SeccompDialect, SeccompRule};
use crate::Error;

/// What libseccomp does to programs of an architecture that the profile does not have: SCMP_FLTATR_ACT_BADARCH.
pub(super) const OTHER_ARCHITECTURE: u32 = libc::SECCOMP_RET_KILL_THREAD;

/// What becomes of calls from this number on, by `AUDIT_ARCH_…`.
pub(super) type Decisions = Vec<(u32, BTreeMap<u32, Verdict>)>;

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// `SECCOMP_RET_…`.
    Return(u32),
    /// The first whose conditions hold, or else the last.
    First(Vec<Conditional>, u32),
}

/// An action under conditions, all of which have to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Conditional {
    pub(super) conditions: Vec<Condition>,
    /// `SECCOMP_RET_…`.
    pub(super) action: u32,
    /// Whether arguments are looked at in all their 64 bits.
    pub(super) wide: bool,
}

/// A condition on an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) argument: u8,
    pub(super) operator: Operator,
    pub(super) value: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Ne,
    Lt,
    Le,
    Eq,
    Ge,
    Gt,
    Masked(u64),
}

/// What a rule says of a call.
#[derive(Clone)]
struct Rule {
    /// Its place among the rules.
    index: usize,
    /// `SECCOMP_RET_…`.
    action: u32,
    conditions: Vec<Condition>,
}

/// What the whole profile comes to.
pub(super) fn decisions(profile: &Seccomp) -> Result<Decisions, Error> {
    let filter = Filter::new(profile)?;
    let listed: Vec<_> = profile.architectures.iter().filter_map(|word| Architecture::from_word(word)).collect();
    let mut decisions = Vec::new();
    for architecture in [NATIVE, Architecture::X86, Architecture::Arm] {
        if architecture != NATIVE && !listed.contains(&architecture) {
            continue;
        }
        let mut pieces = BTreeMap::from([(0, Verdict::Return(filter.default))]);
        let newest = filter.decide(architecture, &mut pieces).filter(|_| listed.contains(&architecture));
        let mut missing = vec![(newest, 0, u32::MAX)];
        if architecture == Architecture::X86_64 {
            let mut newest_x32 = None;
            match listed.contains(&Architecture::X32) {
                true => newest_x32 = filter.decide(Architecture::X32, &mut pieces),
                // No call at all is -1: a tracer's way to skip one.
                false => cover(&mut pieces, X32_BIT, u32::MAX - 1, &Verdict::Return(OTHER_ARCHITECTURE)),
            }
            // runc looks at the bit alone.
            let starts = (0..4).map(|quarter| quarter * X32_BIT);
            let quarters = starts.zip([newest, newest_x32, newest, newest_x32]);
            missing = quarters.map(|(start, newest)| (newest, start, start + (X32_BIT - 1))).collect();
        }
        if filter.hides_newer {
            for (newest, start, end) in missing {
                if let Some(newest) = newest.filter(|newest| *newest < end) {
                    let nothing = Verdict::Return(libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned());
                    cover(&mut pieces, start.max(newest + 1), end, &nothing);
                }
            }
        }
        decisions.push((architecture.audit(), pieces));
    }
    Ok(decisions)
}

/// A profile with its words understood.
struct Filter<'a> {
    default: u32,
    /// Whether calls that are newer than all that the profile names do not exist.
    hides_newer: bool,
    /// What the rules say of each call. A rule that only says what is so by default is none.
    calls: HashMap<&'a str, Vec<Rule>>,
}

impl<'a> Filter<'a> {
    fn new(profile: &'a Seccomp) -> Result<Self, Error> {
        let default = action(&profile.default_action, profile.default_errno)?;
        let lets_through = ["SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE"];
        let refuses = !lets_through.contains(&profile.default_action.as_str());
        let hides_newer = refuses && profile.dialect == SeccompDialect::Runc;
        let mut calls: HashMap<&str, Vec<Rule>> = HashMap::with_capacity(512);
        for (index, rule) in profile.rules.iter().enumerate() {
            let rules = understand(index, rule, default)?;
            for name in &rule.names {
                calls.entry(name).or_default().extend_from_slice(&rules);
            }
        }
        Ok(Self { default, hides_newer, calls })
    }

    /// Puts in what becomes of each call that the rules name. Tells the number of the newest call that the profile
    /// names, whatever it says of it.
    fn decide(&self, architecture: Architecture, pieces: &mut BTreeMap<u32, Verdict>) -> Option<u32> {
        let mut multiplexed: BTreeMap<u32, Vec<Rule>> = BTreeMap::new();
        for (name, rules) in &self.calls {
            let Some((call, which)) = architecture.multiplexed(name) else { continue };
            for rule in rules {
                // The first argument says which call it is, and takes the place of a condition on it.
                let which = Condition { argument: 0, operator: Operator::Eq, value: which };
                let others = rule.conditions.iter().filter(|other| other.argument != 0).copied();
                let conditions = [which].into_iter().chain(others).collect();
                multiplexed.entry(call).or_default().push(Rule { conditions, ..*rule });
            }
        }
        let mut newest = 0;
        for (name, number) in architecture.calls() {
            let named = self.calls.get(name);
            if named.is_some() && architecture.multiplexed(name).is_none() {
                newest = newest.max(number);
            }
            let mut all = multiplexed.remove(&number).unwrap_or_default();
            all.extend(named.into_iter().flatten().cloned());
            if !all.is_empty() {
                all.sort_unstable_by_key(|rule| rule.index);
                pieces.insert(number, settle(all, self.default, architecture.is_wide()));
                pieces.entry(number + 1).or_insert(Verdict::Return(self.default));
            }
        }
        Some(newest).filter(|newest| *newest != 0)
    }
}

/// What several rules for one call come to. Without conditions, the first decides, and those with conditions count for
/// nothing. Otherwise, the order is that of libseccomp's tree, whatever the order of the rules.
fn settle(rules: Vec<Rule>, default: u32, wide: bool) -> Verdict {
    let mut all: Vec<Conditional> = Vec::new();
    for Rule { action, mut conditions, .. } in rules {
        let looked_at = if wide { u64::MAX } else { u64::from(u32::MAX) };
        conditions.retain(|condition| !matches!(condition.operator, Operator::Masked(mask) if mask & looked_at == 0));
        if conditions.is_empty() {
            return Verdict::Return(action);
        }
        conditions.sort_by_key(|condition| condition.argument);
        let new = Conditional { conditions, action, wide };
        let place = all.iter().position(|old| order(old, &new).is_gt()).unwrap_or(all.len());
        all.insert(place, new);
    }
    Verdict::First(all, default)
}

/// Later arguments come first, equality before inequality, narrower before wider, and what asks for less before what
/// asks for the same and more. What is as good as another keeps its place.
fn order(one: &Conditional, other: &Conditional) -> Ordering {
    let pairs = nodes(one).zip(nodes(other)).find(|(one, other)| one != other);
    match pairs {
        Some((one, other)) => other.rank.cmp(&one.rank),
        None => one.conditions.len().cmp(&other.conditions.len()),
    }
}

/// A comparison of half an argument, a node of libseccomp's tree.
#[derive(PartialEq, Eq)]
struct Node {
    /// The half, the kind of operator, the value.
    rank: (u8, u8, u32),
    /// What else tells it from others.
    mask: Option<u32>,
}

fn nodes(rule: &Conditional) -> impl Iterator<Item = Node> {
    let halves: &[u32] = if rule.wide { &[32, 0] } else { &[0] };
    rule.conditions.iter().flat_map(move |condition| {
        halves.iter().map(move |shift| {
            let (half, value) = (2 * condition.argument + (*shift / 32) as u8, (condition.value >> shift) as u32);
            let (kind, value, mask) = match condition.operator {
                Operator::Masked(mask) => (3, value & (mask >> shift) as u32, Some((mask >> shift) as u32)),
                Operator::Eq | Operator::Ne => (3, value, None),
                Operator::Le | Operator::Lt => (2, !value, None),
                Operator::Ge | Operator::Gt => (1, value, None),
            };
            Node { rank: (half, kind, value), mask }
        })
    })
}

/// Gives every call from `from` to `to` the same verdict.
fn cover(pieces: &mut BTreeMap<u32, Verdict>, from: u32, to: u32, verdict: &Verdict) {
    if let Some(next) = to.checked_add(1)
        && let Some((_, after)) = pieces.range(..=next).next_back()
    {
        let after = after.clone();
        pieces.insert(next, after);
    }
    pieces.retain(|start, _| !(from..=to).contains(start));
    pieces.insert(from, verdict.clone());
}

fn understand(index: usize, rule: &SeccompRule, default: u32) -> Result<Vec<Rule>, Error> {
    let action = action(&rule.action, rule.errno)?;
    let conditions: Vec<_> = rule.arguments.iter().map(condition).collect::<Result<_, _>>()?;
    let mut arguments: Vec<_> = conditions.iter().map(|condition| condition.argument).collect();
    arguments.sort_unstable();
    arguments.dedup();
    if action == default {
        return Ok(Vec::new());
    }
    Ok(match arguments.len() == conditions.len() {
        true => vec![Rule { index, action, conditions }],
        // Runtimes make rules of their own of them where two are on the same argument.
        false => conditions.into_iter().map(|it| Rule { index, action, conditions: vec![it] }).collect(),
    })
}

fn condition(argument: &SeccompArgument) -> Result<Condition, Error> {
    let index = u8::try_from(argument.index).ok().filter(|index| *index < 6);
    let index = index.ok_or_else(|| Error::Seccomp(format!("calls have no argument {}", argument.index)))?;
    let (operator, value) = match argument.operator.as_str() {
        "SCMP_CMP_NE" => (Operator::Ne, argument.value),
        "SCMP_CMP_LT" => (Operator::Lt, argument.value),
        "SCMP_CMP_LE" => (Operator::Le, argument.value),
        "SCMP_CMP_EQ" => (Operator::Eq, argument.value),
        "SCMP_CMP_GE" => (Operator::Ge, argument.value),
        "SCMP_CMP_GT" => (Operator::Gt, argument.value),
        "SCMP_CMP_MASKED_EQ" => (Operator::Masked(argument.value), argument.value_two),
        other => return Err(Error::Seccomp(format!("it has the operator {other}, which is unknown"))),
    };
    Ok(Condition { argument: index, operator, value })
}

/// `SECCOMP_RET_…` for the specification's word.
fn action(word: &str, errno: Option<u32>) -> Result<u32, Error> {
    let data = errno.unwrap_or(libc::EPERM.cast_unsigned()) & libc::SECCOMP_RET_DATA;
    match word {
        "SCMP_ACT_ALLOW" => Ok(libc::SECCOMP_RET_ALLOW),
        "SCMP_ACT_LOG" => Ok(libc::SECCOMP_RET_LOG),
        "SCMP_ACT_TRACE" => Ok(libc::SECCOMP_RET_TRACE | data),
        "SCMP_ACT_ERRNO" => Ok(libc::SECCOMP_RET_ERRNO | data),
        "SCMP_ACT_TRAP" => Ok(libc::SECCOMP_RET_TRAP),
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => Ok(libc::SECCOMP_RET_KILL_THREAD),
        "SCMP_ACT_KILL_PROCESS" => Ok(libc::SECCOMP_RET_KILL_PROCESS),
        "SCMP_ACT_NOTIFY" => Err(Error::Seccomp(
            "it has calls decided by a supervisor (SCMP_ACT_NOTIFY), who serves its runtime only".into(),
        )),
        other => Err(Error::Seccomp(format!("it has the action {other}, which is unknown"))),
    }
}
