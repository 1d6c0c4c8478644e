//! What a machine made of a case, against what the hardware did.

use super::engine::{End, Machine, defined, mask};
use super::moo::{Case, Family, REGISTERS, Regs, reg};

/// Where the case pushed FLAGS, and how many bytes of them, if it did: bits that came later differ
/// there too, and bits that the manual leaves undefined.
fn pushed_flags(case: &Case, end: &End) -> Option<(u32, u32)> {
    let top = |above: u32| {
        let sp = end.regs[reg::ESP].wrapping_add(above) & 0xffff;
        (end.regs[reg::SS] << 4) + sp
    };
    // (The address in the captures is rounded down to even.)
    if case.exception.is_some() {
        return Some((top(4), 2));
    }
    let pushed = match case.name.rsplit(' ').next() {
        Some("pushf") => 2,
        Some("pushfd") => 4,
        _ => return None,
    };
    Some((top(0), pushed))
}

/// All differences, one line each; empty: the machine did what the hardware did.
///
/// Compared are the registers in the bits that `masks`, the case and the family define, every byte
/// that the case lists after it, and every byte that it lists before it only and so left alone.
pub fn differences(
    case: &Case,
    masks: &Regs,
    family: Family,
    machine: &dyn Machine,
    end: &End,
) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(what) = &end.refused {
        out.push(what.clone());
    } else if !end.halted {
        out.push("no HLT reached".to_owned());
    }
    for (n, name) in REGISTERS.into_iter().enumerate() {
        if case.before.regs[n].is_none() && case.after.regs[n].is_none() {
            continue;
        }
        let (got, want) = (end.regs[n], case.end(n));
        let bits = mask(n, case, masks, family);
        if (got ^ want) & bits != 0 {
            out.push(format!("{name} is {:x}, not {:x}", got & bits, want & bits));
        }
    }
    memory(case, masks, family, machine, end, &mut out);
    out
}

fn memory(
    case: &Case,
    masks: &Regs,
    family: Family,
    machine: &dyn Machine,
    end: &End,
    out: &mut Vec<String>,
) {
    let flags = pushed_flags(case, end);
    let bits = mask(reg::EFLAGS, case, masks, family) & defined(reg::EFLAGS, family);
    let mut expect = |at: u32, want: u8| {
        let byte = flags.map_or(u32::MAX, |(low, _)| at.wrapping_sub(low));
        let inside = flags.is_some_and(|(_, len)| byte < len);
        let mask = if inside { (bits >> (8 * byte)) as u8 } else { 0xff };
        let got = machine.peek(at);
        if (got ^ want) & mask != 0 {
            out.push(format!("[{at:05x}] is {got:02x}, not {want:02x}"));
        }
    };
    for &(at, want) in &case.after.ram {
        expect(at, want);
    }
    for &(at, want) in &case.before.ram {
        if case.after.byte(at).is_none() {
            expect(at, want);
        }
    }
}

/// Bytes among `writes` that the hardware did not change, by what it listed, and `machine` did.
pub fn stray_writes(case: &Case, machine: &dyn Machine, writes: &[(u32, usize)]) -> Vec<String> {
    let bytes = writes.iter().flat_map(|(at, len)| (*at..).take(*len));
    let unlisted = |at: &u32| case.after.byte(*at).is_none() && case.before.byte(*at).is_none();
    let changed = bytes.filter(unlisted).filter(|at| machine.peek(*at) != 0);
    changed.map(|at| format!("[{at:05x}] is {:02x}: a stray write", machine.peek(at))).collect()
}
