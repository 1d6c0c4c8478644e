//! The table of what a later processor does differently from an 80286, with the reasons.

use super::moo::Case;

/// A difference between the 286 and its successors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The limit of an instruction's length.
    Length,
    /// LOCK before an instruction that may not carry it.
    Lock,
    /// The vector of a stack-segment overrun.
    StackVector,
    /// Registers of a string instruction that faults.
    StringPointers,
    /// FS and GS.
    NewSegments,
    /// What is raised for an instruction that is too long.
    LengthInvalid,
    /// SP after a POP to memory that faults.
    PopToMemory,
    /// A far pointer across the end of a segment.
    WrappedPointer,
    /// The flags that AAM by 0 pushes.
    AamByZero,
    /// The flags of a repeated comparison that faults.
    CompareFlags,
    /// The largest quotient of an IDIV of bytes.
    Quotient80h,
}

/// A kind and its reason.
#[derive(Clone, Copy, Debug)]
pub struct Reason {
    /// The kind.
    pub kind: Kind,
    /// One word for reports.
    pub name: &'static str,
    /// What differs, by which manual, and what is checked instead.
    pub why: &'static str,
}

/// Every kind once.
pub const REASONS: [Reason; 11] = [
    Reason {
        kind: Kind::Length,
        name: "length",
        why: "a 286 raises interrupt 13 for instructions over 10 bytes, later processors for those over \
              15 (iAPX 286 manual, interrupt 13 in real mode; SDM volume 3, #GP). Checked: the \
              instruction with redundant prefixes up to 16 bytes ends as captured",
    },
    Reason {
        kind: Kind::Lock,
        name: "lock",
        why: "a 286 in real mode takes LOCK before any instruction; since the 386 it is #UD where the \
              instruction may not carry it (SDM volume 2, LOCK). Checked: #UD with its frame and \
              nothing else changed, and without the prefix the captured result",
    },
    Reason {
        kind: Kind::StackVector,
        name: "stack-vector",
        why: "an operand beyond the limit of SS is interrupt 13 on a 286 in real mode, 12 since the \
              386 (SDM volume 3, #SS; 8086 emulation). Checked: the captured result, with interrupt \
              12 leading where 13 does",
    },
    Reason {
        kind: Kind::StringPointers,
        name: "string-pointers",
        why: "a string instruction that faults has moved SI, DI and CX on a 286; later processors leave \
              them as before the iteration that faults (SDM volume 2, REP). Checked: all else as \
              captured, and SI, DI and CX as computed from the first element that straddles FFFFh",
    },
    Reason {
        kind: Kind::NewSegments,
        name: "fs-gs",
        why: "FS and GS came with the 386; a 286 answers #UD (SDM volume 3, architecture \
              compatibility). Checked: with the segment number 6, which no processor has, the \
              captured #UD",
    },
    Reason {
        kind: Kind::LengthInvalid,
        name: "length-ud",
        why: "now and then a 286 raises interrupt 6, not 13, for instructions over 10 bytes; later processors \
              raise 13 for those over 15 (SDM volume 3, #GP). Checked: the instruction with redundant \
              prefixes up to 16 bytes ends as captured, with interrupt 13 leading where 6 does",
    },
    Reason {
        kind: Kind::PopToMemory,
        name: "pop-memory",
        why: "a POP to memory that faults has moved SP on a 286; a fault leaves it as it was (SDM volume 3, \
              6.5). Checked: #GP, or #SS through SS, with its frame and nothing else changed",
    },
    Reason {
        kind: Kind::WrappedPointer,
        name: "wrapped-pointer",
        why: "a 286 reads a far pointer at FFFEh as two words, the second at 0; later it is an operand of \
              four bytes beyond the limit (SDM volume 3, 5.3). Checked: #GP, or #SS through SS, with its \
              frame and nothing else changed, and with the pointer at a lower offset the captured result",
    },
    Reason {
        kind: Kind::AamByZero,
        name: "aam-zero",
        why: "a 286 that divides by 0 in AAM pushes flags of a result that there is none of; a fault leaves \
              the flags as they were (SDM volume 3, 6.5). Checked: #DE with its frame, in every bit, and nothing \
              else changed",
    },
    Reason {
        kind: Kind::CompareFlags,
        name: "compare-flags",
        why: "a repeated CMPS or SCAS that faults keeps the flags of the last comparison on a 286; later \
              processors restore those from before the instruction (SDM volume 2, REP). Checked: the flags \
              from before, and else as under string-pointers",
    },
    Reason {
        kind: Kind::Quotient80h,
        name: "idiv-80h",
        why: "a 286 does not see that the quotient +128 of an IDIV of bytes is too large: AL is 80h; it is #DE \
              (SDM volume 2, IDIV). Checked: #DE with its frame and nothing else changed",
    },
];

/// A case to run instead, and whether the file's masks (undefined flags) hold for it.
#[derive(Debug)]
pub struct Derived {
    /// The case.
    pub case: Case,
    /// False: compare every bit.
    pub masked: bool,
}
