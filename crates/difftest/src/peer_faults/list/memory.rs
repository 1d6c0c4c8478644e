//! The list: segments, pages, and what a fault in the middle of an access leaves.

use super::super::{Fault, ignore_accessed};
use crate::compare::{Part, ignore};
use crate::units::{modifies_memory, writes_memory};
use iced_x86::{Instruction, Mnemonic as M, Register};

/// CR2 in a result slot.
const CR2: usize = 0x3c;

/// The entries.
pub const LIST: &[Fault] = &[
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
                list.retain(|d| d.place != Part::Word(0x3c) || d.ours & 0xfff < 0xff0);
                ignore_accessed(list);
            }
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
            if look.ours.vector() == 8 || (at && matches!(look.ours.vector(), 11..=14)) {
                list.retain(|d| !matches!(d.place, Part::Data(_) | Part::Word(0x3c)));
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
                    !(matches!(d.place, Part::Word(0xe0..=0xe8)) && d.ours ^ d.theirs == 0x20)
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
                list.retain(|d| d.place != Part::Word(0x3c));
                if let Some(error) = look.frame.and_then(|f| f.error) {
                    ignore(list, error, 7);
                }
                ignore_accessed(list);
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
        name: "wide stores in pieces",
        reason: "SDM volume 3, 6.5: a fault leaves memory as it was; TCG writes operands of more than 8 \
                 bytes, FBSTP's and SIDT's in pieces",
        explains: |look, list| {
            let wide = |i: &Instruction| writes_memory(i) && i.memory_size().size() > 4;
            if matches!(look.ours.vector(), 8 | 14) && look.at().is_some_and(wide) {
                list.retain(|d| !matches!(d.place, Part::Data(_) | Part::Word(0x3c)));
                if let Some(error) = look.frame.and_then(|f| f.error) {
                    ignore(list, error, 3);
                }
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
                list.retain(|d| !matches!(d.place, Part::Word(0x04..=0x20 | 0x3c)));
            }
        },
    },
    Fault {
        name: "A of the page that an instruction reaches into",
        reason: "SDM volume 3, 4.8: all bytes of an instruction are fetched before it raises #UD, #NM or #GP; \
                 TCG stops at the opcode",
        explains: |look, list| {
            if matches!(look.ours.vector(), 6..=8 | 13) {
                list.retain(|d| d.place != Part::Word(0xd4) || d.ours ^ d.theirs != 0x20);
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
];
