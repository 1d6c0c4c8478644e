//! Two outcomes of one 64-bit case: whether they agree.

use super::excuse::{self, Excuse};
use super::outcome::{ending, registers, vectors};
use super::{Input, Output};
use iced_x86::Instruction;
use ringer_casegen::undefined;
use ringer_cpu::Eflags;

/// Flags that are compared.
const COMPARED: u32 = Eflags::ARITH.bits()
    | Eflags::DF.bits()
    | Eflags::NT.bits()
    | Eflags::AC.bits()
    | Eflags::ID.bits();

/// How two outcomes compare.
pub type Verdict = crate::compare::Verdict<Excuse>;

/// Compares the guest's outcome of `i` with the host's.
#[must_use]
pub fn compare(i: &Instruction, input: &Input, host: &Output, guest: &Output) -> Verdict {
    let what = ending(host, guest)
        .or_else(|| registers(host, guest))
        .or_else(|| vectors(host, guest))
        .or_else(|| flags(i, input, host, guest));
    let Some(what) = what else {
        let same = (host.rflags ^ guest.rflags) as u32 & COMPARED == 0;
        return if same { Verdict::Same } else { Verdict::UndefinedOnly };
    };
    match excuse::excused(i, input, host, guest) {
        Some(excuse) => Verdict::Excused(excuse),
        None => Verdict::Differ(what),
    }
}

fn flags(i: &Instruction, input: &Input, host: &Output, guest: &Output) -> Option<String> {
    let flags = (host.rflags ^ guest.rflags) as u32 & COMPARED;
    let free = || undefined(i, input.gpr[1] as u8, false).flags;
    (flags != 0 && flags & !free() != 0)
        .then(|| format!("flags: host {:x}, guest {:x}", host.rflags, guest.rflags))
}
