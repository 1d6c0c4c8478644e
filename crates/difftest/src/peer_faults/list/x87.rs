//! The list: the x87 unit.

use super::super::{Fault, ignore_fpu, widens};
use crate::case::Outcome;
use crate::compare::{Part, ignore};
use crate::units::{is_x87, uses_mmx, writes_memory};
use iced_x86::{Instruction, Mnemonic as M};

/// The entries.
pub const LIST: &[Fault] = &[
    Fault {
        name: "x87 stack faults",
        reason: "SDM volume 1, 8.5.1.1: stack overflow and underflow set SF and IE and yield the \
                 indefinite; TCG does not notice them",
        explains: |look, list| {
            // Initialising forgets SF.
            let forgets = look.has(&[M::Fninit, M::Fnclex]);
            if (look.fsw() & 0x40 != 0 || forgets) && look.x87() {
                list.clear();
            }
        },
    },
    Fault {
        name: "C1 of the x87 status word",
        reason: "SDM volume 1, 8.1.3.2: C1 tells whether the result was rounded up; TCG keeps what it was",
        explains: |look, list| {
            if look.x87() {
                for d in list.iter_mut().filter(|d| d.place == Part::Fpu(0)) {
                    d.theirs = d.theirs & !0x200_0000 | d.ours & 0x200_0000;
                }
                list.retain(|d| d.ours != d.theirs);
            }
        },
    },
    Fault {
        name: "DE in the x87 status word",
        reason: "SDM volume 1, 8.5.2: a denormal operand sets DE, and raises #MF when it is unmasked; TCG \
                 does neither",
        explains: |look, list| {
            if look.fsw() & 2 != 0 && look.x87() {
                if look.ours.word(0x200) & 2 == 0 {
                    list.clear();
                }
                ignore_fpu(list, 0, 2 << 16);
            }
        },
    },
    Fault {
        name: "unmasked x87 exceptions",
        reason: "SDM volume 1, 8.5.1 and 8.6: an unmasked #IA or #Z leaves the operands alone, and MMX \
                 instructions too raise what is pending; TCG stores the masked response, and its MMX \
                 instructions do not wait",
        explains: |look, list| {
            if look.fsw() & 0x80 != 0 {
                list.clear();
            }
        },
    },
    Fault {
        name: "reserved bits of the x87 control word",
        reason: "SDM volume 1, 8.1.5: bits 6, 7 and 13 to 15 are reserved, and read as 1 and 0 on \
                 processors; TCG stores what is loaded",
        explains: |look, list| {
            if look.has(&[M::Fldcw]) {
                ignore_fpu(list, 0, 0x8080_e0c0);
            }
        },
    },
    Fault {
        name: "FCOMI's other flags",
        reason: "SDM volume 2, FCOMI: OF, SF and AF are cleared; TCG leaves them",
        explains: |look, list| {
            // What follows may depend on them.
            if look.has(&[M::Fcomi, M::Fcomip, M::Fucomi, M::Fucomip]) {
                list.clear();
            }
        },
    },
    Fault {
        name: "tags after FST to a register",
        reason: "SDM volume 1, 8.1.7: a register that is written is not empty; TCG leaves it so",
        explains: |look, list| {
            if look.has(&[M::Fst, M::Fstp]) {
                list.retain(|d| d.place != Part::Fpu(4));
            }
        },
    },
    Fault {
        name: "precision control of loads",
        reason: "SDM volume 1, 8.1.5.2: precision control affects FADD, FSUB, FMUL, FDIV and FSQRT only, \
                 not the conversion of their memory operands, nor FRNDINT, FPREM and the like; TCG rounds \
                 those too",
        explains: |look, list| {
            let reduced = look.seq.case.fpu[1] & 3 != 3 || look.has(&[M::Fldcw]);
            if reduced && look.seq.items.iter().any(|i| widens(&i.instruction)) {
                list.clear();
            }
        },
    },
    Fault {
        name: "signalling NaNs in memory",
        reason: "SDM volume 1, table 4-7: of a quiet and a signalling NaN the x87 takes the quiet one; TCG \
                 quiets a memory operand before it compares",
        explains: |look, list| {
            let at = |o: &Outcome<'_>, place| match place {
                Part::Fpu(at @ 32..160) => o.word(0x200 + (at & !15) + 8) & 0x7fff == 0x7fff,
                _ => false,
            };
            if look.seq.items.iter().any(|i| widens(&i.instruction)) {
                list.retain(|d| !(at(&look.ours, d.place) && at(&look.theirs, d.place)));
            }
        },
    },
    Fault {
        name: "x87 flags of stores that fault",
        reason: "SDM volume 3, 6.5: a fault leaves the status word as it was; TCG sets PE and others \
                 before the store that faults",
        explains: |look, list| {
            let store = |i: &Instruction| is_x87(i) && writes_memory(i);
            if matches!(look.ours.vector(), 8 | 14) && look.at().is_some_and(store) {
                ignore_fpu(list, 0, 0x80bf << 16);
            }
        },
    },
    Fault {
        name: "PE of FPREM and FSCALE",
        reason: "SDM volume 2, FPREM: the remainder is exact, and so is FSCALE without underflow or \
                 overflow; TCG sets PE",
        explains: |look, list| {
            if look.has(&[M::Fprem, M::Fprem1, M::Fscale]) {
                if look.ours.word(0x200) & 0x20 == 0 {
                    list.clear();
                }
                // After an invalid operation the quotient's bits mean nothing.
                let invalid = look.fsw() & 1 != 0;
                let codes = if invalid { 0x4700 } else { 0 };
                ignore_fpu(list, 0, (0x20 | codes) << 16);
            }
        },
    },
    Fault {
        name: "C0 to C3 of FPREM without a quotient",
        reason: "SDM volume 2, FPREM: C0, C3 and C1 take the quotient's low bits; where there is no quotient, as of \
                 a NaN, they are not defined: processors leave them, TCG clears them",
        explains: |look, list| {
            if look.has(&[M::Fprem, M::Fprem1]) {
                let before = u32::from(look.seq.case.fpu[3]) << 8;
                ignore_fpu(list, 0, (before & look.fsw() & 0x4300) << 16);
            }
        },
    },
    Fault {
        name: "C0 of FPREM",
        reason: "SDM volume 2, FPREM: C0 takes bit 2 of the quotient; where exponents are far apart (as of 2^63 and 15.03 by \
                 FPREM1) TCG loses it",
        explains: |look, list| {
            if look.has(&[M::Fprem, M::Fprem1]) {
                ignore_fpu(list, 0, (look.fsw() & 0x100) << 16);
            }
        },
    },
    Fault {
        name: "order of FBLD's reads",
        reason: "the SDM leaves open which byte of an operand across pages faults first; ours is the lowest",
        explains: |look, list| {
            let fbld = |i: &Instruction| i.mnemonic() == M::Fbld;
            if matches!(look.ours.vector(), 8 | 14) && look.at().is_some_and(fbld) {
                list.retain(|d| d.place != Part::Word(0x3c));
                if let Some(error) = look.frame.and_then(|f| f.error) {
                    ignore(list, error, 1);
                }
            }
        },
    },
    Fault {
        name: "x87 after MMX",
        reason: "SDM volume 1, 9.6.2: the exponents that an MMX write leaves make NaNs of the registers, \
                 and all are valid; TCG's have the exponents from before",
        explains: |look, list| {
            if uses_mmx(look.seq) && look.x87() {
                list.clear();
            }
        },
    },
    Fault {
        name: "TOP after EMMS",
        reason: "SDM volume 3, table 13-2: EMMS sets TOP to 0; TCG leaves it",
        explains: |look, list| {
            if look.has(&[M::Emms]) {
                list.retain(|d| !matches!(d.place, Part::Fpu(0 | 4 | 32..160)));
                if look.x87() {
                    list.clear();
                }
            }
        },
    },
];
