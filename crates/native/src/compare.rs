//! Two outcomes of one case: what differs.

use crate::excuse::{self, Excuse};
use crate::fpu::{fpu, hex};
use crate::wire::{COMPLETED, Input, Output};
use iced_x86::Instruction;
use ringer_casegen::undefined;
use ringer_cpu::FpuImage;
use std::fmt::Write as _;

const PAGE_FAULT: u32 = 14;
/// #DE, a fault, after which the SDM calls all flags of DIV and IDIV undefined, as it does after
/// their completion.
const DIVIDE_ERROR: u32 = 0;
const WITH_CODE: [u32; 7] = [8, 10, 11, 12, 13, 14, 17];
const NAMES: [&str; 8] = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"];

/// How two outcomes compare, of which some may differ as an excuse `E` says.
#[derive(Debug)]
pub enum Verdict<E: 'static = Excuse> {
    /// They agree.
    Same,
    /// They differ in flags only that the SDM leaves undefined.
    UndefinedOnly,
    /// They differ as [`excuse`] says that they may.
    Excused(&'static E),
    /// They differ.
    Differ(String),
}

/// Compares a guest's outcome of `i` with the host's.
#[must_use]
pub fn compare(i: &Instruction, input: &Input, host: &Output, guest: &Output) -> Verdict {
    let what = trap(host, guest)
        .or_else(|| registers(host, guest))
        .or_else(|| fpu(host, guest))
        .or_else(|| flags(i, input, host, guest));
    let Some(what) = what else {
        let same = (host.eflags ^ guest.eflags) & !excuse::EFLAGS == 0;
        return if same { Verdict::Same } else { Verdict::UndefinedOnly };
    };
    match excuse::excused(i, input, host, guest) {
        Some(excuse) => Verdict::Excused(excuse),
        None => Verdict::Differ(what),
    }
}

fn flags(i: &Instruction, input: &Input, host: &Output, guest: &Output) -> Option<String> {
    let differ = (host.eflags ^ guest.eflags) & !excuse::EFLAGS;
    let done = host.trap == COMPLETED || host.trap == DIVIDE_ERROR;
    let free = if differ != 0 && done {
        // A zero source matters to no flag.
        undefined(i, input.gpr[1] as u8, false).flags
    } else {
        0
    };
    (differ & !free != 0)
        .then(|| format!("eflags: host {:08x}, guest {:08x}", host.eflags, guest.eflags))
}

fn trap(host: &Output, guest: &Output) -> Option<String> {
    if host.trap != guest.trap {
        return Some(format!("host {}, guest {}", ending(host), ending(guest)));
    }
    if WITH_CODE.contains(&host.trap) {
        let ignored = if host.trap == PAGE_FAULT { excuse::PAGE_FAULT_ERROR } else { 0 };
        if (host.error ^ guest.error) & !ignored != 0 {
            return Some(format!("error code: host {:x}, guest {:x}", host.error, guest.error));
        }
    }
    if host.trap == PAGE_FAULT && host.cr2 != guest.cr2 {
        return Some(format!("cr2: host {:08x}, guest {:08x}", host.cr2, guest.cr2));
    }
    (host.eip != guest.eip).then(|| format!("eip: host {:08x}, guest {:08x}", host.eip, guest.eip))
}

fn ending(o: &Output) -> String {
    match o.trap {
        COMPLETED => "completed".to_owned(),
        PAGE_FAULT => format!("#PF({:x}) at {:08x}", o.error, o.cr2),
        vector => format!("vector {vector}, error {:x}", o.error),
    }
}

fn registers(host: &Output, guest: &Output) -> Option<String> {
    let k = (0..8).find(|&k| host.gpr[k] != guest.gpr[k])?;
    Some(format!("{}: host {:08x}, guest {:08x}", NAMES[k], host.gpr[k], guest.gpr[k]))
}

/// The state of an outcome, for reports.
#[must_use]
pub fn describe(o: &Output) -> String {
    let mut out = format!("{}, eip {:08x} eflags {:08x}", ending(o), o.eip, o.eflags);
    state(&mut out, &o.gpr, &o.fpu, &o.ymm);
    out
}

/// The state before a case, for reports.
#[must_use]
pub fn describe_input(i: &Input) -> String {
    let mut out = format!("eip {:08x} eflags {:08x} step {}", i.eip, i.eflags, i.step);
    state(&mut out, &i.gpr, &i.fpu, &i.ymm);
    out
}

fn state(out: &mut String, gpr: &[u32; 8], fpu: &FpuImage, ymm: &[[u8; 16]; 8]) {
    for (name, value) in NAMES.iter().zip(gpr) {
        let _ = write!(out, " {name} {value:08x}");
    }
    let (control, status) = (fpu.fcw(), fpu.fsw());
    let _ = write!(
        out,
        "\n    fcw {control:04x} fsw {status:04x} ftw {:02x} fop {} fip {} fdp {} mxcsr {:08x}",
        fpu.0[4],
        hex(&fpu.0[6..8]),
        hex(&fpu.0[8..16]),
        hex(&fpu.0[16..24]),
        fpu.mxcsr()
    );
    for (k, half) in ymm.iter().enumerate().filter(|(_, half)| **half != [0; 16]) {
        let _ = write!(out, "\n    ymm{k} {}", hex(half));
    }
    for k in 0..8 {
        let (st, xmm) = (32 + 16 * k, 160 + 16 * k);
        let _ = write!(
            out,
            "\n    st{k} {} xmm{k} {}",
            hex(&fpu.0[st..st + 10]),
            hex(&fpu.0[xmm..xmm + 16])
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iced_x86::Decoder;

    fn outcome() -> Output {
        Output {
            fpu: FpuImage::reset(),
            ymm: [[0; 16]; 8],
            gpr: [7; 8],
            eflags: 0x202,
            eip: 0x1002,
            trap: COMPLETED,
            error: 0,
            cr2: 0,
            by_kernel: 0,
        }
    }

    fn input() -> Input {
        Input {
            fpu: FpuImage::reset(),
            ymm: [[0; 16]; 8],
            gpr: [7; 8],
            eflags: 2,
            eip: 0x1000,
            step: 0,
            next: 0x1002,
            cs: 0x23,
            count: 1,
        }
    }

    fn verdict(bytes: &[u8], change: fn(&mut Output, &mut Output)) -> Verdict {
        let (mut host, mut guest) = (outcome(), outcome());
        change(&mut host, &mut guest);
        compare(&Decoder::new(32, bytes, 0).decode(), &input(), &host, &guest)
    }

    /// ADD EAX, ECX: nothing is undefined.
    const ADD: &[u8] = &[0x01, 0xc8];

    #[test]
    fn everything_that_counts_is_compared() {
        let changes: [fn(&mut Output, &mut Output); 8] = [
            |h, _| h.gpr[5] = 8,
            |h, _| h.eflags |= 0x10,
            |h, _| h.eip += 1,
            |h, _| h.trap = 13,
            |h, g| (h.trap, g.trap, h.cr2) = (14, 14, 1),
            |h, g| (h.trap, g.trap, h.error) = (14, 14, 2),
            |h, _| h.fpu.0[25] ^= 1,
            |h, _| h.fpu.0[32 + 16 * 7 + 9] ^= 1,
        ];
        for (k, change) in changes.into_iter().enumerate() {
            assert!(matches!(verdict(ADD, change), Verdict::Differ(_)), "change {k}");
        }
        assert!(matches!(verdict(ADD, |_, _| {}), Verdict::Same));
    }

    #[test]
    fn undefined_flags_and_the_fetch_bit_are_not() {
        let af = |h: &mut Output, _: &mut Output| h.eflags |= 0x10;
        assert!(matches!(verdict(&[0x21, 0xc8], af), Verdict::UndefinedOnly));
        let fetch = |h: &mut Output, g: &mut Output| {
            (h.trap, g.trap, h.error, g.error) = (14, 14, 0x15, 5);
        };
        assert!(matches!(verdict(ADD, fetch), Verdict::Same));
    }

    #[test]
    fn an_excuse_covers_its_own_instruction_only() {
        let order = |h: &mut Output, g: &mut Output| {
            (h.trap, g.trap, h.cr2) = (14, 14, 1);
        };
        assert!(matches!(verdict(&[0xa6], order), Verdict::Excused(_)));
        assert!(matches!(verdict(&[0xa4], order), Verdict::Differ(_)));
    }
}
