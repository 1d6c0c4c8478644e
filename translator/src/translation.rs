//! What translating a block makes.

use crate::classify::ExecutionUnit;
use crate::thunk::ThunkGuard;
use iced_x86::{Code, FlowControl};
use ringer_cpu::Pc;
use ringer_cpu::interp::fpu::moves_pointers;

/// A translated block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translation {
    /// Host code; position-dependent, for [`crate::placement::Placement::base`].
    pub host: Vec<u8>,
    /// Guest bytes that the translation depends on, a final callout's included.
    pub guest_len: u32,
    /// Guest instructions that run as host code.
    pub instrs: u32,
    /// Host offset to guest EIP; see the head of `translate.rs`.
    pub map: Vec<MapEntry>,
    /// Exits that can be linked.
    pub exits: Vec<DirectExit>,
    /// String instructions that hide guest registers while they run.
    pub strings: Vec<StringSite>,
    /// KnownThunks that it takes for granted while the target table names them.
    pub guards: Vec<ThunkGuard>,
    /// What a copy for another EIP changes; `None`: there can be none.
    pub fixups: Option<Vec<Fixup>>,
    /// It has bytes of a second page.
    pub crosses_page: bool,
    /// The numbers that it counts under, with the PROFILE option.
    pub counters: Counters,
    /// Its look-ups, in the order of their numbers, with the PROFILE option.
    pub lookups: Vec<LookupSite>,
}

/// The numbers under which a block counts, with the PROFILE option.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// The block's.
    pub entry: u32,
    /// That of its first look-up.
    pub first_lookup: u32,
}

/// Where a block looks up where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookupSite {
    /// Offset in [`Translation::host`].
    pub host_off: u32,
    /// The guest instruction that goes there.
    pub eip: Pc,
    /// What that is: `Next` where the block goes on into the next page.
    pub flow: FlowControl,
}

/// Where a guest instruction's host sequence begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapEntry {
    /// Offset in [`Translation::host`].
    pub host_off: u32,
    /// The guest instruction.
    pub eip: Pc,
    /// What guest ESP is more than r12 there (see `FOLD_ESP`); modulo 2^32.
    pub esp: u32,
    /// What it does to the x87 pointers.
    pub x87: X87,
    /// The instruction is in the interrupt shadow of an STI: no interrupt before it.
    pub shadow: bool,
}

/// A host string instruction on pointers that are not the guest's plus the window's base. When it
/// stops in its middle, the guest's registers are: ESI the low half of RSI less the source segment's
/// base, EDI the low half of RDI less ES's, and ECX. With `short` only the low words of these, and the
/// high words of ESI, EDI and (if `repeated`) ECX in r9, r11 and r8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StringSite {
    /// Offset in [`Translation::host`] of the instruction, prefixes included.
    pub host_off: u32,
    /// Encoding index of the source's segment, where there is a source.
    pub source: Option<u8>,
    /// Whether EDI is used.
    pub destination: bool,
    /// The guest's addresses and count have 16 bits.
    pub short: bool,
    /// It has a repeat prefix.
    pub repeated: bool,
}

/// What an instruction does to the x87 instruction and data pointers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum X87 {
    /// Nothing.
    #[default]
    Other,
    /// A non-control x87 instruction: FIP is its EIP once it has run.
    Computes,
    /// FLDCW: an exception that it unmasks changes no pointer.
    ControlWord,
}

impl X87 {
    pub(crate) fn of(code: Code, unit: ExecutionUnit) -> Self {
        match code {
            Code::Fldcw_m2byte => X87::ControlWord,
            _ if unit == ExecutionUnit::Fpu && moves_pointers(code) => X87::Computes,
            _ => X87::Other,
        }
    }
}

/// A jump that can be patched to lead straight to another block in the same page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectExit {
    /// Number of the site: `first_site` plus the index in [`Translation::exits`].
    pub site: u32,
    /// Offset of the rel32 field; it leads to the exit's cold stub until it is patched.
    pub patch_off: u32,
    /// The guest EIP it goes to.
    pub target: Pc,
}

/// Four bytes of host code that differ in a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fixup {
    /// Their offset in the host code.
    pub at: u32,
    /// What they are.
    pub kind: FixupKind,
}

/// What differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FixupKind {
    /// An EIP as far from the block's as it always is.
    Eip,
    /// A rel32 to a stub, which stays where it is.
    Host,
    /// The negated cache offset of a thunk's block: of the block's guards, in their order.
    Thunk,
    /// The place of the block's count.
    Entry,
    /// The place of a look-up's count.
    Lookup,
    /// The number of a look-up.
    LookupNumber,
}

/// What a reader of a translation wants to know, and nobody who runs it: for listings and tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outline {
    /// How the block ends.
    pub terminator: Terminator,
    /// What its instructions were.
    pub classes: ClassCounts,
}

/// How a block ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminator {
    /// JMP or CALL to a known address.
    Direct {
        /// The destination.
        target: u32,
    },
    /// A conditional branch.
    Conditional {
        /// The destination when taken.
        taken: u32,
        /// The next instruction.
        fallthrough: u32,
    },
    /// JMP or CALL through a register or memory.
    Indirect,
    /// RET.
    Return,
    /// The interpreter runs the instruction at `eip`.
    Callout {
        /// That instruction.
        eip: u32,
    },
    /// The size limit, the page's end, or a check for interrupts.
    FallThrough {
        /// The next instruction.
        next: u32,
    },
}

/// How many instructions of a block were of which class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassCounts {
    /// Re-emitted as themselves.
    pub innocuous: u16,
    /// Inline sequences.
    pub rewritten: u16,
    /// Left to the interpreter (0 or 1: it ends the block).
    pub callout: u16,
}
