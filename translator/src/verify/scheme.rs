//! What the registers of a block are for, and how it reaches memory: the verifier's own statement of what the emitter's scheme
//! says, written from [`crate::context`]. The verifier's rules are one for all schemes.

use crate::context::{ContextBlock, CountingBlock, Counts, ExecContext, Reload};
use iced_x86::Register;
use ringer_cpu::CpuState;
use ringer_cpu::segment::Segment;
use std::mem::offset_of;

/// A scheme. Host registers are given by their numbers.
#[derive(Clone, Copy, Debug)]
pub struct Scheme {
    /// Those that hold the guest's, whose upper halves are zero at every boundary.
    pub(super) guest: [usize; 8],
    /// Those that a sequence may use as it likes.
    pub(super) scratch: [usize; 4],
    /// Those that no block may write.
    pub(super) anchors: [usize; 4],
    /// The anchor that leads to the target table.
    pub(super) table: Register,
    /// The anchor that is the base of the translation cache.
    pub(super) cache: Register,
    /// The anchor that leads to the context.
    pub(super) context: Register,
    /// The segment register that leads to the guest's memory, with addresses of 32 bits.
    pub(super) memory: Register,
    /// Those that string instructions go by, as host pointers into that memory.
    pub(super) pointers: [Register; 2],
    /// The one field of the context whose 64-bit value blocks may compute with: the memory's host address, a multiple of 4 GiB.
    pub(super) window_base: usize,
    /// The parts of the context that blocks may touch.
    pub(super) fields: &'static [Field],
    /// What they may touch beyond the context.
    pub(super) counts: &'static [Field],
}

impl Scheme {
    /// Of 16- and 32-bit guests: everything in place but ESP, which is in r12; memory behind GS.
    pub const IA32: &'static Self = &Self {
        guest: [0, 1, 2, 3, 5, 6, 7, 12],
        scratch: [8, 9, 10, 11],
        anchors: [4, 13, 14, 15],
        table: Register::R13,
        cache: Register::R14,
        context: Register::R15,
        memory: Register::GS,
        pointers: [Register::RSI, Register::RDI],
        window_base: WINDOW_BASE,
        fields: CONTEXT,
        counts: &[],
    };

    /// The same with the PROFILE option, under which there are counts behind the context.
    pub const IA32_COUNTING: &'static Self = &Self { counts: COUNTS, ..*Self::IA32 };

    /// True for a register that sequences may use as they like.
    pub(super) fn is_scratch(&self, reg: Register) -> bool {
        reg.is_gpr() && self.scratch.contains(&reg.full_register().number())
    }

    /// True for a register, or a part of one, that no block may write.
    pub(super) fn is_anchor(&self, reg: Register) -> bool {
        reg.is_gpr() && self.anchors.contains(&reg.full_register().number())
    }
}

/// A part of the context that blocks use.
#[derive(Debug)]
pub(super) struct Field {
    /// Its offset from r15.
    pub at: usize,
    /// Its bytes.
    pub len: usize,
    /// Whether blocks may write it.
    pub write: bool,
}

const fn field(at: usize, len: usize, write: bool) -> Field {
    Field { at, len, write }
}

/// A writable part of segment register number `k`.
const fn segment_field(k: usize, at: usize, len: usize) -> Field {
    field(CPU + offset_of!(CpuState, seg) + k * size_of::<Segment>() + at, len, true)
}

const WINDOW_BASE: usize = offset_of!(ExecContext, window_base);

const CPU: usize = offset_of!(ExecContext, cpu);

/// The parts of the context that blocks may touch. Everything else there is the monitor's.
const CONTEXT: &[Field] = &[
    field(CPU + offset_of!(CpuState, rip), 4, true),
    field(CPU + offset_of!(CpuState, seg), size_of::<[Segment; 6]>(), false),
    // Real and V86 mode: a load of a segment register sets selector and base. Wherever the base lies,
    // addresses are cut to 32 bits behind it; with another CS the block is left.
    segment_field(0, offset_of!(Segment, selector), 2),
    segment_field(0, offset_of!(Segment, base), 4),
    segment_field(1, offset_of!(Segment, selector), 2),
    segment_field(1, offset_of!(Segment, base), 4),
    segment_field(2, offset_of!(Segment, selector), 2),
    segment_field(2, offset_of!(Segment, base), 4),
    segment_field(3, offset_of!(Segment, selector), 2),
    segment_field(3, offset_of!(Segment, base), 4),
    segment_field(4, offset_of!(Segment, selector), 2),
    segment_field(4, offset_of!(Segment, base), 4),
    segment_field(5, offset_of!(Segment, selector), 2),
    segment_field(5, offset_of!(Segment, base), 4),
    field(CPU + offset_of!(CpuState, shadow_irq), 1, true),
    field(offset_of!(ExecContext, if_flag), 4, true),
    field(offset_of!(ExecContext, sys_flags), 4, false),
    field(offset_of!(ContextBlock, doorbell.irq_pending), 4, false),
    field(offset_of!(ExecContext, exit_arg), 4, true),
    field(offset_of!(ExecContext, x87_eip), 8, true),
    field(offset_of!(ExecContext, x87_status), 4, true),
    field(WINDOW_BASE, 8, false),
    field(offset_of!(ExecContext, reloads), size_of::<[Reload; 3]>(), false),
    field(offset_of!(ExecContext, retired), 8, true),
    field(offset_of!(ExecContext, budget), 8, true),
    field(offset_of!(ExecContext, lookup_site), 4, true),
];

/// What lies behind the context where blocks count.
const COUNTS: &[Field] = &[
    field(offset_of!(CountingBlock, entries), size_of::<Counts>(), true),
    field(offset_of!(CountingBlock, lookups), size_of::<Counts>(), true),
];
