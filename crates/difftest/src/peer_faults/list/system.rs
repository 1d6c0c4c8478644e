//! The list: flags, single-stepping, privilege and transfers.

use super::super::Fault;
use crate::case::Outcome;
use crate::compare::{Diff, Part, ignore};
use crate::layout::{CODE16, TSS_DF};
use iced_x86::{Instruction, Mnemonic as M, OpKind, Register};

/// The entries.
pub const LIST: &[Fault] = &[
    Fault {
        name: "RF in pushed EFLAGS",
        reason: "SDM volume 3, 17.3.1.1: a fault pushes EFLAGS with RF set; TCG never does",
        explains: |look, list| {
            if let Some(frame) = look.frame {
                ignore(list, frame.flags, 0x1_0000);
            }
            // Where the stack pointer is not that of the case, or not a multiple of four.
            let stored = |d: &Diff| matches!(d.place, Part::Data(_));
            let bit =
                |d: &Diff| (0..4).any(|k| d.ours ^ d.theirs == 1 << (8 * k) && d.theirs < d.ours);
            let alone = list.iter().filter(|d| stored(d)).count() == 1;
            if alone && matches!(look.ours.vector(), 8 | 14) {
                list.retain(|d| !(stored(d) && bit(d)));
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
        name: "undefined encodings in data that is run",
        reason: "SDM volume 2, appendix A: an encoding that is not defined, such as 8F /1, raises #UD; TCG \
                 does not look at all bits",
        explains: |look, list| {
            let data = look.at().is_none_or(Instruction::is_invalid);
            if look.ours.vector() == 6 && look.theirs.vector() != 6 && data {
                list.clear();
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
        name: "RPL of null selectors at a return",
        reason: "SDM volume 2, IRET and RET, return to outer privilege level: where the selector is null, or the \
                 segment is not for that level, the register becomes 0; TCG keeps the RPL",
        explains: |look, list| {
            const SEGMENTS: [usize; 4] = [0x24, 0x2c, 0x30, 0x34];
            let kept = |d: &Diff| {
                let segment = SEGMENTS.iter().any(|at| d.place == Part::Word(*at));
                segment && d.ours == 0 && d.theirs < 4
            };
            if look.seq.setting.cpl() == 3 {
                list.retain(|d| !kept(d));
            }
        },
    },
    Fault {
        name: "INT1",
        reason: "SDM volume 2, INT1: F1 raises #DB; TCG raises #UD",
        explains: |look, list| {
            // It can also be in data that is run.
            let behind = look
                .their_frame
                .zip(look.frame)
                .is_some_and(|(t, o)| t.eip.wrapping_add(1) == o.eip);
            let one = look.has(&[M::Int1]) || (look.ours.vector() == 1 && behind);
            if one && look.theirs.vector() == 6 {
                list.clear();
            }
        },
    },
    Fault {
        name: "single-stepping STI",
        reason: "SDM volume 3, 6.8.3 and 17.3.1.4: STI holds back maskable interrupts for an instruction, MOV SS \
                 and POP SS debug exceptions too; TCG has one shadow for both",
        explains: |look, list| {
            let sti = |i: &&crate::sequence::Item| i.instruction.mnemonic() == M::Sti;
            let eip = look.frame.map(|f| f.eip);
            let behind =
                look.seq.items.iter().filter(sti).any(|i| Some(i.instruction.next_ip32()) == eip);
            if look.ours.vector() == 1 && behind {
                list.clear();
            }
        },
    },
    Fault {
        name: "single-stepping LSS",
        reason: "SDM volume 3, 6.8.3: MOV SS and POP SS hold debug exceptions back for an instruction, LSS does not; \
                 TCG treats them alike",
        explains: |look, list| {
            let lss = |i: &&crate::sequence::Item| i.instruction.mnemonic() == M::Lss;
            let eip = look.frame.map(|f| f.eip);
            let behind =
                look.seq.items.iter().filter(lss).any(|i| Some(i.instruction.next_ip32()) == eip);
            if look.ours.vector() == 1 && behind {
                list.clear();
            }
        },
    },
    Fault {
        name: "error code of a far call beyond the limit",
        reason: "SDM volume 2, CALL and JMP: #GP(0) if the target offset is beyond the new code segment's limit; TCG \
                 reports the selector",
        explains: |look, list| {
            let far = |i: &Instruction| {
                matches!(i.mnemonic(), M::Call | M::Jmp)
                    && (i.is_call_far_indirect()
                        || i.is_jmp_far_indirect()
                        || i.is_call_far()
                        || i.is_jmp_far())
            };
            let both = look.ours.vector() == 13 && look.theirs.vector() == 13;
            if let (true, Some(error)) =
                (both && look.at().is_some_and(far), look.frame.and_then(|f| f.error))
            {
                ignore(list, error, u32::MAX);
            }
        },
    },
    Fault {
        name: "DR4 and DR5 at CPL 3",
        reason: "SDM volume 3, 17.2.2 and table 6-2: with CR4.DE they are no registers, and #UD of decoding comes \
                 before #GP for the privilege; TCG looks at the privilege first",
        explains: |look, list| {
            let reserved = |i: &Instruction| {
                let debug = [Register::DR4, Register::DR5];
                i.mnemonic() == M::Mov && (0..2).any(|k| debug.contains(&i.op_register(k)))
            };
            if (look.ours.vector(), look.theirs.vector()) == (6, 13)
                && look.at().is_some_and(reserved)
            {
                list.clear();
            }
        },
    },
    Fault {
        name: "IRET to V86 mode at CPL 3",
        reason: "SDM volume 2, IRET: only at CPL 0 does VM in the image of EFLAGS lead to V86 mode; TCG looks at \
                 the image alone",
        explains: |look, list| {
            // An exception in V86 mode clears them.
            let cleared =
                |o: &Outcome<'_>| [0x24, 0x2c, 0x30, 0x34].iter().all(|at| o.word(*at) == 0);
            let iret = look.has(&[M::Iret, M::Iretd]) && look.seq.setting.cpl() == 3;
            if iret && cleared(&look.theirs) && !cleared(&look.ours) {
                list.clear();
            }
        },
    },
    Fault {
        name: "limit of a far return's target",
        reason: "SDM volume 2, RET and IRET: #GP if the return instruction pointer is not within the limit of the \
                 return code segment; TCG does not look",
        explains: |look, list| {
            let far = |i: &Instruction| matches!(i.mnemonic(), M::Retf | M::Iret | M::Iretd);
            let beyond = |f: crate::compare::Frame| f.cs & !3 == CODE16 && f.eip > 0xffff;
            if look.ours.vector() == 13
                && look.at().is_some_and(far)
                && look.their_frame.is_some_and(beyond)
            {
                list.clear();
            }
        },
    },
    Fault {
        name: "EFLAGS of the task that a far CALL leaves",
        reason: "SDM volume 3, 7.3: EFLAGS of the current task are saved in its TSS; TCG computes them from what an \
                 earlier instruction left",
        explains: |look, list| {
            let task = |i: &Instruction| {
                matches!(i.op0_kind(), OpKind::FarBranch16 | OpKind::FarBranch32)
                    && i.far_branch_selector() & !3 == TSS_DF
            };
            let left = look.seq.items.iter().any(|i| task(&i.instruction));
            if let (8, true, Some(frame)) = (look.ours.vector(), left, look.frame) {
                ignore(list, frame.flags, u32::MAX);
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
