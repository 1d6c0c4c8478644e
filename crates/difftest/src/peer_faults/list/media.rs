//! The list: MMX, SSE and SSE2.

use super::super::{CONVERSIONS, Fault, MIN_MAX, hides_nan, ignore_accessed, ignore_fpu, near_nan};
use crate::compare::{Diff, Part};
use crate::units::{is_mmx, is_sse, uses_mmx, uses_sse};
use iced_x86::{Instruction, Mnemonic as M, OpKind};

/// The entries.
pub const LIST: &[Fault] = &[
    Fault {
        name: "exponents of MMX registers",
        reason: "SDM volume 1, 9.6.2: an MMX write sets the sign and exponent of the x87 register to all \
                 ones; TCG leaves them",
        explains: |look, list| {
            if uses_mmx(look.seq) {
                list.retain(|d| !matches!(d.place, Part::Fpu(32..160)) || d.ours != 0xffff);
            }
        },
    },
    Fault {
        name: "SIMD floating-point exceptions",
        reason: "SDM volume 1, 11.5: an unmasked exception raises #XM (or #UD without OSXMMEXCPT); TCG \
                 never does",
        explains: |look, list| {
            let mxcsr = look.mxcsr();
            if mxcsr & !(mxcsr >> 7) & 0x3f != 0 && uses_sse(look.seq) {
                list.clear();
            }
        },
    },
    Fault {
        name: "DE in MXCSR",
        reason: "SDM volume 1, 11.5.2.2: a denormal operand sets DE; TCG does not",
        explains: |look, list| {
            for d in list.iter_mut().filter(|d| d.place == Part::Fpu(24)) {
                d.theirs |= d.ours & 2;
            }
            // STMXCSR may have stored it at any byte, and another instruction loaded it.
            let stored = look.has(&[M::Stmxcsr]);
            let one_bit = |d: &Diff| (0..4).any(|k| d.ours & !d.theirs == 2 << (8 * k));
            let there =
                |d: &Diff| matches!(d.place, Part::Data(_) | Part::Word(0x04..=0x20)) && one_bit(d);
            list.retain(|d| d.ours != d.theirs && !(stored && there(d)));
        },
    },
    Fault {
        name: "MMX transition before a fault",
        reason: "SDM volume 3, 6.5: a fault leaves the state as it was; TCG turns the x87 stack into MMX \
                 registers before the access that faults",
        explains: |look, list| {
            // Or nobody knows where: the frame is in none of the pages that are looked at.
            let unknown = look.at().is_none()
                && matches!(look.ours.vector(), 8 | 12..=14)
                && uses_mmx(look.seq);
            if unknown || look.at().is_some_and(is_mmx) {
                list.retain(|d| !matches!(d.place, Part::Fpu(0 | 4 | 32..160)));
            }
        },
    },
    Fault {
        name: "MMX transition of conversions from memory",
        reason: "SDM volume 2, CVTPI2PD: with a memory operand there is no transition to MMX (nor is there \
                 on processors for CVTPI2PS)",
        explains: |look, list| {
            let memory = |i: &Instruction| {
                matches!(i.mnemonic(), M::Cvtpi2pd | M::Cvtpi2ps) && i.op1_kind() == OpKind::Memory
            };
            if look.seq.items.iter().any(|i| memory(&i.instruction)) {
                list.retain(|d| !matches!(d.place, Part::Fpu(0 | 4 | 32..160)));
                if look.x87() || uses_mmx(look.seq) {
                    list.clear();
                }
            }
        },
    },
    Fault {
        name: "#UD for an unmasked SIMD exception",
        reason: "SDM volume 3, 6.15, #XM: without CR4.OSXMMEXCPT it is #UD; TCG raises neither",
        explains: |look, list| {
            let off = look.seq.case.cr4 & 0x400 == 0;
            if off && look.ours.vector() == 6 && look.at().is_some_and(is_sse) {
                list.clear();
            }
        },
    },
    Fault {
        name: "#UD before #NM",
        reason: "SDM volume 2, 2.7: with CR0.EM, or without CR4.OSFXSR, an MMX or SSE instruction raises #UD \
                 whatever TS is; TCG looks at TS first",
        explains: |look, list| {
            let media = |i: &Instruction| is_sse(i) || is_mmx(i);
            if look.ours.vector() == 6 && look.theirs.vector() == 7 && look.at().is_some_and(media)
            {
                list.clear();
            }
        },
    },
    Fault {
        name: "FZ of results that round to the least normal number",
        reason: "SDM volume 1, 4.9.1.5: a result is tiny when it is so after rounding (with an unbounded exponent), and \
                 FZ flushes tiny results; TCG flushes what is tiny before rounding",
        explains: |look, list| {
            let least =
                |d: &Diff| d.theirs << 1 == 0 && matches!(d.ours << 1, 0x0100_0000 | 0x0020_0000);
            if look.mxcsr() & 0x8000 != 0 {
                list.retain(|d| !(matches!(d.place, Part::Fpu(160..288)) && least(d)));
                // And says that they underflow.
                ignore_fpu(list, 24, 0x10);
            }
        },
    },
    Fault {
        name: "NaN operands of SSE",
        reason: "SDM volume 1, table 4-7: of two NaNs SSE takes the first source; TCG follows the x87 rule",
        explains: |look, list| {
            if uses_sse(look.seq) {
                let all = list.len();
                list.retain(|d| {
                    let nan = near_nan(look, d.place) || hides_nan(look);
                    !matches!(d.place, Part::Fpu(160..288)) || !nan
                });
                if list.len() < all {
                    // Of another width, a quiet one and a signalling one.
                    ignore_fpu(list, 24, 0x3f);
                }
            }
        },
    },
    Fault {
        name: "DAZ of MIN, MAX and compares",
        reason: "SDM volume 1, 10.2.3.4: with DAZ denormal operands count as zeros, and MIN and MAX return \
                 them so; TCG takes them as they are",
        explains: |look, list| {
            let daz = look.seq.case.fpu[24] & 0x40 != 0 || look.has(&[M::Ldmxcsr]);
            if daz && look.has(MIN_MAX) {
                list.retain(|d| !matches!(d.place, Part::Fpu(160..288)));
                // Stored: a zero, where theirs is a denormal.
                let zero = |d: &Diff| d.ours << 1 == 0 && d.theirs & 0x7f80_0000 == 0;
                list.retain(|d| !(matches!(d.place, Part::Data(_)) && zero(d)));
                // Of operations on what it returned.
                ignore_fpu(list, 24, 0x3f);
            }
        },
    },
    Fault {
        name: "#UD and #NM of conversions between MMX and SSE",
        reason: "SDM volume 2, CVTPS2PI: with CR0.EM it raises #UD, with CR0.TS #NM; TCG does not look",
        explains: |look, list| {
            let both = |i: &Instruction| CONVERSIONS.contains(&i.mnemonic());
            if matches!(look.ours.vector(), 6..=8) && look.at().is_some_and(both) {
                list.clear();
            }
        },
    },
    Fault {
        name: "memory operand of PUNPCKL with MMX",
        reason: "SDM volume 2, PUNPCKLBW: mm/m32, four bytes are read; TCG reads eight",
        explains: |look, list| {
            let low = [M::Punpcklbw, M::Punpcklwd, M::Punpckldq];
            if look.has(&low) {
                if matches!(look.theirs.vector(), 8 | 14) {
                    list.clear();
                }
                ignore_accessed(list);
            }
        },
    },
    Fault {
        name: "memory operand of CVTDQ2PD",
        reason: "SDM volume 2, CVTDQ2PD: xmm2/m64, eight bytes are read; TCG reads sixteen",
        explains: |look, list| {
            let widening =
                |i: &Instruction| i.mnemonic() == M::Cvtdq2pd && i.op1_kind() == OpKind::Memory;
            if matches!(look.theirs.vector(), 8 | 14)
                && look.their_fault.as_ref().is_some_and(widening)
            {
                list.clear();
            }
            if look.seq.items.iter().any(|i| widening(&i.instruction)) {
                ignore_accessed(list);
            }
        },
    },
    Fault {
        name: "alignment of SSE operands",
        reason: "SDM volume 1, 4.1.1: a 16-byte operand off a 16-byte boundary raises #GP, but for the \
                 unaligned moves; TCG does not check",
        explains: |look, list| {
            let wide = |i: &Instruction| is_sse(i) && i.memory_size().size() == 16;
            if matches!(look.ours.vector(), 8 | 13) && look.at().is_some_and(wide) {
                list.clear();
            }
        },
    },
    Fault {
        name: "EMMS with CR0.EM",
        reason: "SDM volume 2, EMMS: #UD if CR0.EM is set; TCG does not look",
        explains: |look, list| {
            let emms = |i: &Instruction| i.mnemonic() == M::Emms;
            if matches!(look.ours.vector(), 6..=8) && look.at().is_some_and(emms) {
                list.clear();
            }
        },
    },
    Fault {
        name: "LDMXCSR of reserved bits",
        reason: "SDM volume 2, LDMXCSR: #GP for an attempt to set reserved bits; TCG loads them",
        explains: |look, list| {
            let load = |i: &Instruction| i.mnemonic() == M::Ldmxcsr;
            if matches!(look.ours.vector(), 8 | 13) && look.at().is_some_and(load) {
                list.clear();
            }
        },
    },
];
