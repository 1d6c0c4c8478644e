//! The list of the peer's faults.

use super::{
    CONVERSIONS, Fault, MIN_MAX, ignore_accessed, ignore_fpu, is_mmx, is_sse, is_x87,
    modifies_memory, near_nan, uses_mmx, uses_sse, uses_x87, widens, writes_memory,
};
use crate::case::Outcome;
use crate::compare::{Diff, Place, ignore};
use iced_x86::{Instruction, Mnemonic as M, OpKind, Register};

/// CR2 in a result slot.
const CR2: usize = 0x3c;

/// The list.
pub const FAULTS: &[Fault] = &[
    Fault {
        name: "RF in pushed EFLAGS",
        reason: "SDM volume 3, 17.3.1.1: a fault pushes EFLAGS with RF set; TCG never does",
        explains: |look, list| {
            if let Some(frame) = look.frame {
                ignore(list, frame.flags, 0x1_0000);
            }
        },
    },
    Fault {
        name: "segment limits and types",
        reason: "SDM volume 3, 5.3 and 5.5: an access beyond the limit, or against the type, raises #GP \
                 or #SS; TCG checks neither for memory operands",
        explains: |look, list| {
            if matches!(look.ours.vector(), 8 | 12 | 13) && look.limited() {
                list.clear();
            }
        },
    },
    Fault {
        name: "x87 stack faults",
        reason: "SDM volume 1, 8.5.1.1: stack overflow and underflow set SF and IE and yield the \
                 indefinite; TCG does not notice them",
        explains: |look, list| {
            // Initialising forgets SF.
            let forgets = look.has(&[M::Fninit, M::Fnclex]);
            if (look.fsw() & 0x40 != 0 || forgets) && uses_x87(look.seq) {
                list.clear();
            }
        },
    },
    Fault {
        name: "C1 of the x87 status word",
        reason: "SDM volume 1, 8.1.3.2: C1 tells whether the result was rounded up; TCG keeps what it was",
        explains: |look, list| {
            if uses_x87(look.seq) {
                for d in list.iter_mut().filter(|d| d.place == Place::Fpu(0)) {
                    d.theirs = d.theirs & !0x200_0000 | d.ours & 0x200_0000;
                }
                list.retain(|d| d.ours != d.theirs);
            }
        },
    },
    Fault {
        name: "exponents of MMX registers",
        reason: "SDM volume 1, 9.6.2: an MMX write sets the sign and exponent of the x87 register to all \
                 ones; TCG leaves them",
        explains: |look, list| {
            if uses_mmx(look.seq) {
                list.retain(|d| !matches!(d.place, Place::Fpu(32..160)) || d.ours != 0xffff);
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
            for d in list.iter_mut().filter(|d| d.place == Place::Fpu(24)) {
                d.theirs |= d.ours & 2;
            }
            // STMXCSR may have stored it at any byte.
            let stored = look.has(&[M::Stmxcsr]);
            let one_bit = |d: &Diff| (0..4).any(|k| d.ours & !d.theirs == 2 << (8 * k));
            let there = |d: &Diff| matches!(d.place, Place::Data(_)) && one_bit(d);
            list.retain(|d| d.ours != d.theirs && !(stored && there(d)));
        },
    },
    Fault {
        name: "ARPL without a change",
        reason: "SDM volume 2, ARPL: the destination changes only when its RPL is raised, and processors \
                 write it only then; TCG writes it always, and faults on a page that may not be written",
        explains: |look, list| {
            if matches!(look.theirs.vector(), 8 | 14) && look.has(&[M::Arpl]) {
                list.clear();
            }
        },
    },
    Fault {
        name: "single-stepping PAUSE",
        reason: "SDM volume 3, 17.3.1.4: TF traps after each instruction; TCG leaves its loop at PAUSE and \
                 loses the trap",
        explains: |look, list| {
            if look.ours.vector() == 1 && look.has(&[M::Pause]) {
                list.clear();
            }
        },
    },
    Fault {
        name: "an instruction's last bytes",
        reason: "SDM volume 3, table 6-2: a fault while an instruction is fetched comes before those of \
                 decoding it (#UD, #NM, #GP by privilege); TCG looks at the opcode first",
        explains: |look, list| {
            let fetched = look.ours.vector() == 14 && look.ours.word(CR2) & 0xfff == 0;
            if fetched && matches!(look.theirs.vector(), 6 | 7 | 13) {
                list.clear();
            }
        },
    },
    Fault {
        name: "read-modify-write as a read",
        reason: "SDM volume 3, 4.7: W/R tells that the access that faulted was a write; an operand that is \
                 read and written needs the right to write from the start, and the page is not accessed \
                 without it; TCG reads first",
        explains: |look, list| {
            // Code that the case wrote itself, or data that it ran into, is not looked at.
            let modifies = look.at().is_none_or(modifies_memory);
            if look.ours.vector() == 14 && modifies {
                // Across pages TCG reports the second.
                let across = look.ours.word(CR2) & 0xfff >= 0xff0;
                if let Some(spot) = look.frame.and_then(|f| f.error) {
                    ignore(list, spot, if across { 3 } else { 2 });
                }
                list.retain(|d| d.place != Place::Word(0x3c) || d.ours & 0xfff < 0xff0);
                ignore_accessed(list);
            }
        },
    },
    Fault {
        name: "a write through CS",
        reason: "SDM volume 3, 5.5: a code segment cannot be written; TCG does not check the type",
        explains: |look, list| {
            let cs = |i: &Instruction| i.memory_segment() == Register::CS;
            if matches!(look.ours.vector(), 8 | 13) && look.at().is_some_and(cs) {
                list.clear();
            }
        },
    },
    Fault {
        name: "DE in the x87 status word",
        reason: "SDM volume 1, 8.5.2: a denormal operand sets DE, and raises #MF when it is unmasked; TCG \
                 does neither",
        explains: |look, list| {
            if look.fsw() & 2 != 0 && uses_x87(look.seq) {
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
        name: "MMX transition before a fault",
        reason: "SDM volume 3, 6.5: a fault leaves the state as it was; TCG turns the x87 stack into MMX \
                 registers before the access that faults",
        explains: |look, list| {
            let mmx = |i: &Instruction| is_mmx(i);
            if look.at().is_some_and(mmx) {
                list.retain(|d| !matches!(d.place, Place::Fpu(0 | 4 | 32..160)));
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
                list.retain(|d| !matches!(d.place, Place::Fpu(0 | 4 | 32..160)));
                if uses_x87(look.seq) || uses_mmx(look.seq) {
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
        name: "SIDT and SGDT with 16-bit operands",
        reason: "SDM volume 2, SGDT: all 32 bits of the base are stored whatever the operand size; TCG \
                 stores 24",
        explains: |look, list| {
            if look.has(&[M::Sidt, M::Sgdt]) {
                list.clear();
            }
        },
    },
    Fault {
        name: "ENTER's final stack pointer",
        reason: "SDM volume 2, ENTER: #PF if a write using the final value of the stack pointer would \
                 fault; TCG does not look",
        explains: |look, list| {
            let enter = |i: &Instruction| i.mnemonic() == M::Enter;
            if matches!(look.ours.vector(), 8 | 14) && look.at().is_some_and(enter) {
                list.clear();
            }
        },
    },
    Fault {
        name: "RET with 8000h bytes or more",
        reason: "SDM volume 2, RET: the immediate is a number of bytes, without sign; TCG extends it as \
                 signed",
        explains: |look, list| {
            let far = |i: &Instruction| {
                matches!(i.mnemonic(), M::Ret | M::Retf)
                    && i.op_count() > 0
                    && i.immediate16() >= 0x8000
            };
            if look.seq.items.iter().any(|i| far(&i.instruction)) {
                list.clear();
            }
        },
    },
    Fault {
        name: "NaN operands of SSE",
        reason: "SDM volume 1, table 4-7: of two NaNs SSE takes the first source; TCG follows the x87 rule",
        explains: |look, list| {
            if uses_sse(look.seq) {
                list.retain(|d| {
                    !matches!(d.place, Place::Fpu(160..288)) || !near_nan(look, d.place)
                });
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
                list.retain(|d| !matches!(d.place, Place::Fpu(160..288)));
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
        name: "flags at a fault",
        reason: "SDM volume 3, 6.5: a fault leaves the flags as they were; TCG computes them anew for an \
                 instruction that reads them, before the access that faults, and cannot go back",
        explains: |look, list| {
            let rotate = |i: &Instruction| {
                i.rflags_read() != 0
                    || matches!(
                        i.mnemonic(),
                        M::Rol | M::Ror | M::Rcl | M::Rcr | M::Xadd | M::Cmpxchg
                    )
            };
            if let (true, Some(frame)) = (look.at().is_some_and(rotate), look.frame) {
                // What it cannot go back to may spoil any bit of the image.
                ignore(list, frame.flags, u32::MAX);
            }
        },
    },
    Fault {
        name: "the end of ENTER's frame",
        reason: "SDM volume 2, ENTER: it faults when a write at the final stack pointer would; processors \
                 look at that page for writing, TCG does not",
        explains: |look, list| {
            if look.has(&[M::Enter]) {
                ignore_accessed(list);
            }
        },
    },
    Fault {
        name: "undefined encodings in data that is run",
        reason: "SDM volume 2, appendix A: an encoding that is not defined, such as 8F /1, raises #UD; TCG \
                 does not look at all bits",
        explains: |look, list| {
            if look.ours.vector() == 6 && look.theirs.vector() != 6 && look.at().is_none() {
                list.clear();
            }
        },
    },
    Fault {
        name: "U/S of far transfers",
        reason: "SDM volume 3, 4.7: the stack accesses of far CALL, RETF and IRET to the same privilege are \
                 user accesses at CPL 3; TCG makes them as supervisor",
        explains: |look, list| {
            let far = |i: &Instruction| {
                i.is_call_far()
                    || i.is_call_far_indirect()
                    || matches!(i.mnemonic(), M::Retf | M::Iret | M::Iretd)
            };
            if look.ours.vector() == 14 && look.seq.setting.cpl() == 3 && look.at().is_some_and(far)
            {
                list.clear();
            }
        },
    },
    Fault {
        name: "partial frames",
        reason: "SDM volume 3, 6.15, #DF; volume 2, PUSHA: pushes go down from the highest address; TCG \
                 writes what fits before the fault, or from the lowest address up",
        explains: |look, list| {
            let pusha =
                |i: &Instruction| matches!(i.mnemonic(), M::Pusha | M::Pushad) || i.is_call_far();
            let at = look.at().is_some_and(pusha);
            if look.ours.vector() == 8 || (at && look.ours.vector() == 14) {
                list.retain(|d| !matches!(d.place, Place::Data(_) | Place::Word(0x3c)));
                ignore_accessed(list);
                if let Some(error) = look.frame.and_then(|f| f.error) {
                    ignore(list, error, 7);
                }
            }
        },
    },
    Fault {
        name: "A of a walk that fails",
        reason: "SDM volume 3, 4.8: the accessed flag tells of a use in a translation; TCG sets it in the \
                 directory before it finds the table's entry absent",
        explains: |look, list| {
            if matches!(look.ours.vector(), 8 | 14) {
                list.retain(|d| {
                    !(matches!(d.place, Place::Word(0xe0..=0xe8)) && d.ours ^ d.theirs == 0x20)
                });
            }
        },
    },
    Fault {
        name: "order of CMPS's reads",
        reason: "SDM volume 2, CMPS: DS:SI is the first source; TCG reads ES:DI first",
        explains: |look, list| {
            let cmps = |i: &Instruction| matches!(i.mnemonic(), M::Cmpsb | M::Cmpsw | M::Cmpsd);
            if matches!(look.ours.vector(), 8 | 14) && look.at().is_some_and(cmps) {
                list.retain(|d| d.place != Place::Word(0x3c));
                if let Some(error) = look.frame.and_then(|f| f.error) {
                    ignore(list, error, 7);
                }
                ignore_accessed(list);
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
        name: "TOP after EMMS",
        reason: "SDM volume 3, table 13-2: EMMS sets TOP to 0; TCG leaves it",
        explains: |look, list| {
            if look.has(&[M::Emms]) {
                list.retain(|d| !matches!(d.place, Place::Fpu(0 | 4 | 32..160)));
                if uses_x87(look.seq) {
                    list.clear();
                }
            }
        },
    },
    Fault {
        name: "tags after FST to a register",
        reason: "SDM volume 1, 8.1.7: a register that is written is not empty; TCG leaves it so",
        explains: |look, list| {
            if look.has(&[M::Fst, M::Fstp]) {
                list.retain(|d| d.place != Place::Fpu(4));
            }
        },
    },
    Fault {
        name: "x87 after MMX",
        reason: "SDM volume 1, 9.6.2: the exponents that an MMX write leaves make NaNs of the registers, \
                 and all are valid; TCG's have the exponents from before",
        explains: |look, list| {
            if uses_mmx(look.seq) && uses_x87(look.seq) {
                list.clear();
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
        name: "memory operand of PUNPCKL with MMX",
        reason: "SDM volume 2, PUNPCKLBW: mm/m32, four bytes are read; TCG reads eight",
        explains: |look, list| {
            let low = [M::Punpcklbw, M::Punpcklwd, M::Punpckldq];
            if look.has(&low) && matches!(look.theirs.vector(), 8 | 14) {
                list.clear();
            }
        },
    },
    Fault {
        name: "#AC",
        reason: "SDM volume 3, 6.15, #AC: at CPL 3 with CR0.AM and EFLAGS.AC misaligned accesses raise it; \
                 TCG never does",
        explains: |look, list| {
            if look.ours.vector() == 17 {
                list.clear();
            }
        },
    },
    Fault {
        name: "order of FBLD's reads",
        reason: "the SDM leaves open which byte of an operand across pages faults first; ours is the lowest",
        explains: |look, list| {
            let fbld = |i: &Instruction| i.mnemonic() == M::Fbld;
            if matches!(look.ours.vector(), 8 | 14) && look.at().is_some_and(fbld) {
                list.retain(|d| d.place != Place::Word(0x3c));
            }
        },
    },
    Fault {
        name: "D after ARPL",
        reason: "SDM volume 2, ARPL: the destination is written only when its RPL is lower; TCG writes it \
                 always",
        explains: |look, list| {
            if look.has(&[M::Arpl]) {
                ignore_accessed(list);
            }
        },
    },
    Fault {
        name: "instructions that straddle the end of the segment",
        reason: "SDM volume 3, 5.3: #GP when an instruction reaches beyond the limit; TCG wraps",
        explains: |look, list| {
            let end = look.frame.is_some_and(|f| f.eip > 0xffff_fff0);
            if matches!(look.ours.vector(), 8 | 13) && end {
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
                Place::Fpu(at @ 32..160) => o.word(0x200 + (at & !15) + 8) & 0x7fff == 0x7fff,
                _ => false,
            };
            if look.seq.items.iter().any(|i| widens(&i.instruction)) {
                list.retain(|d| !(at(&look.ours, d.place) && at(&look.theirs, d.place)));
            }
        },
    },
    Fault {
        name: "privilege before the operand",
        reason: "SDM volume 3, 6.9: #GP for a privileged instruction comes with its decoding, before #PF of \
                 its operand; TCG reads the operand first",
        explains: |look, list| {
            let system = |i: &Instruction| matches!(i.mnemonic(), M::Ltr | M::Lldt | M::Lmsw);
            if matches!(look.ours.vector(), 8 | 13) && look.at().is_some_and(system) {
                list.clear();
            }
        },
    },
    Fault {
        name: "A and D of a store's first page",
        reason: "SDM volume 3, 4.8: both pages of a store are translated before it is made, and the first \
                 can be marked though the second faults; TCG marks them one by one",
        explains: |look, list| {
            if matches!(look.ours.vector(), 8 | 14) && look.at().is_some_and(writes_memory) {
                ignore_accessed(list);
            }
        },
    },
    Fault {
        name: "INT1",
        reason: "SDM volume 2, INT1: F1 raises #DB; TCG raises #UD",
        explains: |look, list| {
            if look.has(&[M::Int1]) && look.theirs.vector() == 6 {
                list.clear();
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
        name: "CLFLUSH",
        reason: "SDM volume 2, CLFLUSH: it is checked and faults as a load of a byte; TCG does nothing",
        explains: |look, list| {
            let flush = |i: &Instruction| i.mnemonic() == M::Clflush;
            if look.at().is_some_and(flush) {
                list.clear();
            } else if look.has(&[M::Clflush]) {
                ignore_accessed(list);
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
        name: "wide stores in pieces",
        reason: "SDM volume 3, 6.5: a fault leaves memory as it was; TCG writes operands of more than 8 \
                 bytes, FBSTP's and SIDT's in pieces",
        explains: |look, list| {
            let wide = |i: &Instruction| writes_memory(i) && i.memory_size().size() > 4;
            if matches!(look.ours.vector(), 8 | 14) && look.at().is_some_and(wide) {
                list.retain(|d| !matches!(d.place, Place::Data(_) | Place::Word(0x3c)));
            }
        },
    },
    Fault {
        name: "POPA that faults",
        reason: "SDM volume 3, 6.5: a fault leaves the registers as they were; TCG loads those before the \
                 page's end",
        explains: |look, list| {
            let popa = |i: &Instruction| matches!(i.mnemonic(), M::Popa | M::Popad);
            if matches!(look.ours.vector(), 8 | 14) && look.at().is_some_and(popa) {
                list.retain(|d| !matches!(d.place, Place::Word(0x04..=0x20 | 0x3c)));
            }
        },
    },
    Fault {
        name: "A of the page that an instruction reaches into",
        reason: "SDM volume 3, 4.8: all bytes of an instruction are fetched before it raises #UD or #NM; \
                 TCG stops at the opcode",
        explains: |look, list| {
            if matches!(look.ours.vector(), 6..=8) {
                list.retain(|d| d.place != Place::Word(0xd4) || d.ours ^ d.theirs != 0x20);
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
    Fault {
        name: "IRET to V86 mode with EIP over FFFFh",
        reason: "SDM volume 2, IRET, RETURN-TO-VIRTUAL-8086-MODE: #GP when the instruction pointer is not \
                 within the limit; TCG takes its low half",
        explains: |look, list| {
            let iret = |i: &Instruction| matches!(i.mnemonic(), M::Iret | M::Iretd);
            let v86 = look.theirs.word(0x28) == u32::from(crate::layout::DATA0)
                && look.seq.setting.cpl() == 0;
            if look.ours.vector() == 13 && v86 && look.at().is_some_and(iret) {
                list.clear();
            }
        },
    },
];
