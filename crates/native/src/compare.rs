//! Two outcomes of one case: what differs.

use crate::excuse::{self, Excuse};
use crate::wire::{COMPLETED, Input, Output};
use iced_x86::Instruction;
use ringer_casegen::undefined;
use ringer_cpu::FpuImage;
use std::fmt::Write as _;
use std::ops::Range;

const PAGE_FAULT: u32 = 14;
/// #DE, a fault, after which the SDM calls all flags of DIV and IDIV undefined, as it does after
/// their completion.
const DIVIDE_ERROR: u32 = 0;
const WITH_CODE: [u32; 7] = [8, 10, 11, 12, 13, 14, 17];
const NAMES: [&str; 8] = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"];

/// How two outcomes compare.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// They agree.
    Same,
    /// They differ in flags only that the SDM leaves undefined.
    UndefinedOnly,
    /// They differ as [`excuse`] says that they may.
    Excused(&'static Excuse),
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

/// Parts of an FXSAVE image that are compared: control and status words, tags; MXCSR; XMM0-7. (The
/// x87 registers follow by themselves: ten bytes of every sixteen.)
const PARTS: [(&str, Range<usize>); 5] = [
    ("control word", 0..2),
    ("status word", 2..4),
    ("tags", 4..5),
    ("mxcsr", 24..28),
    ("xmm", 160..288),
];

/// What differs in the x87 and SSE state, the x87 pointers aside.
pub(crate) fn fpu(host: &Output, guest: &Output) -> Option<String> {
    let (a, b) = (&host.fpu.0, &guest.fpu.0);
    if a[..5] == b[..5] && a[24..28] == b[24..28] && a[32..288] == b[32..288] {
        return None;
    }
    let part = PARTS.iter().find(|(_, range)| a[range.clone()] != b[range.clone()]);
    if let Some((name, range)) = part {
        let show = |image: &FpuImage| hex(&image.0[range.clone()]);
        return Some(format!("{name}: host {}, guest {}", show(&host.fpu), show(&guest.fpu)));
    }
    (0..8).map(|k| (k, 32 + 16 * k)).find_map(|(k, at)| {
        let (a, b) = (&a[at..at + 10], &b[at..at + 10]);
        (a != b).then(|| format!("st({k}): host {}, guest {}", hex(a), hex(b)))
    })
}

/// FOP, FIP, FCS, FDP and FDS: AMD's FXSAVE shows them while an unmasked x87 exception is pending and
/// zeros otherwise. The kernel keeps no selectors, and nothing while no exception is pending: they
/// are gone from a trap's frame, and from any case in which another thread got the processor.
///
/// FOP, FDP and FDS are compared in cases of a `single` instruction only: this host moves them with
/// every instruction, the guest's processor with one that raises an unmasked exception (SDM volume
/// 1, 8.1.8 and 8.1.9), and in a sequence the two come apart.
#[must_use]
pub fn pointers(host: &Output, guest: &Output, single: bool) -> Option<String> {
    const ES: u16 = 1 << 7;
    let shown = host.by_kernel == 0 && host.fpu.fsw() & ES != 0;
    let (a, b) = (&host.fpu.0, &guest.fpu.0);
    let same = |part: Range<usize>| a[part.clone()] == b[part];
    let lost = |part: Range<usize>| a[part].iter().all(|byte| *byte == 0);
    let code = (same(6..8) || !single) && same(8..12) && (same(12..14) || lost(12..14));
    let data = !single || (same(16..20) && (same(20..22) || lost(20..22))) || lost(16..22);
    // All of them are gone: the thread was preempted before FLDCW made the exception wait.
    let preempted = lost(6..22);
    (shown && !preempted && !(code && data))
        .then(|| format!("x87 pointers: host {}, guest {}", hex(&a[6..24]), hex(&b[6..24])))
}

/// Bytes, last first, as numbers are written.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().rev().fold(String::new(), |mut out, b| {
        let _ = write!(out, "{b:02x}");
        out
    })
}

/// The state of an outcome, for reports.
#[must_use]
pub fn describe(o: &Output) -> String {
    let mut out = format!("{}, eip {:08x} eflags {:08x}", ending(o), o.eip, o.eflags);
    state(&mut out, &o.gpr, &o.fpu);
    out
}

/// The state before a case, for reports.
#[must_use]
pub fn describe_input(i: &Input) -> String {
    let mut out = format!("eip {:08x} eflags {:08x} step {}", i.eip, i.eflags, i.step);
    state(&mut out, &i.gpr, &i.fpu);
    out
}

fn state(out: &mut String, gpr: &[u32; 8], fpu: &FpuImage) {
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
