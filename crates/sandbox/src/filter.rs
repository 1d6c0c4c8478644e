//! The tables as programs for the kernel.

use crate::calls::{Args, CALLS, Threads};
use crate::kernel;
use crate::never::NEVER;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};
use std::collections::BTreeMap;

/// Puts the filters of `threads` above the calling thread. Both or, where the kernel takes none, neither.
pub(crate) fn load(threads: Threads) -> bool {
    let (Ok(never), Ok(calls)) = (never(threads), calls(threads)) else { return false };
    // The second is loaded under the first, which has no such call: so that one comes last.
    let table = threads.intersects(Threads::COORDINATOR) || kernel::load(&calls);
    table && kernel::load(&never)
}

/// The table of calls: those of `threads`, and ENOSYS. A coordinator has no table: it does all that the command does.
fn calls(threads: Threads) -> Result<BpfProgram, BackendError> {
    let rows = CALLS.iter().filter(|call| call.threads.intersects(threads));
    let mut rules = rules(rows.map(|call| (call.number, call.args)))?;
    // What loads the other filter.
    rules.insert(libc::SYS_seccomp, Vec::new());
    let missing = SeccompAction::Errno(libc::ENOSYS as u32);
    compile(rules, missing, SeccompAction::Allow)
}

/// The list of calls that end the process.
fn never(threads: Threads) -> Result<BpfProgram, BackendError> {
    let rows = NEVER.iter().filter(|never| !never.but.intersects(threads));
    let rules = rules(rows.map(|never| (never.number, never.args)))?;
    compile(rules, SeccompAction::Allow, SeccompAction::KillProcess)
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn compile(
    rules: Rules,
    others: SeccompAction,
    these: SeccompAction,
) -> Result<BpfProgram, BackendError> {
    SeccompFilter::new(rules, others, these, TargetArch::x86_64)?.try_into()
}

fn rules(rows: impl Iterator<Item = (libc::c_long, Args)>) -> Result<Rules, BackendError> {
    let mut rules = Rules::new();
    let mut any = Vec::new();
    for (number, args) in rows {
        let of_call = rules.entry(number).or_default();
        let conditions = conditions(args)?;
        if conditions.is_empty() {
            any.push(number);
        }
        for condition in conditions {
            of_call.push(SeccompRule::new(vec![condition])?);
        }
    }
    // A row without conditions is above those that have some.
    rules.extend(any.into_iter().map(|number| (number, Vec::new())));
    Ok(rules)
}

/// Conditions of which one must hold; none for any arguments.
fn conditions(args: Args) -> Result<Vec<SeccompCondition>, BackendError> {
    let one = |argument, operator, value| {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
    };
    let process = || u64::from(std::process::id());
    match args {
        Args::Any => Ok(Vec::new()),
        Args::OneOf(argument, values) => {
            values.iter().map(|value| one(argument, SeccompCmpOp::Eq, *value)).collect()
        }
        Args::Bits(argument, bits) => Ok(vec![one(argument, SeccompCmpOp::MaskedEq(bits), bits)?]),
        Args::SomeOf(argument, bits) => {
            bits.iter().map(|bit| one(argument, SeccompCmpOp::MaskedEq(*bit), *bit)).collect()
        }
        Args::NoBits(argument, bits) => Ok(vec![one(argument, SeccompCmpOp::MaskedEq(bits), 0)?]),
        Args::ThisProcess => Ok(vec![one(0, SeccompCmpOp::Eq, process())?]),
        Args::OtherProcess => Ok(vec![one(0, SeccompCmpOp::Ne, process())?]),
    }
}
