//! Where in what r15 points to each thing is that host code reads or writes. (The verifier states for itself what blocks may
//! reach.)

use crate::context::{ContextBlock, CountingBlock, ExecContext, Reload};
use ringer_cpu::CpuState;
use ringer_cpu::segment::Segment;
use std::mem::offset_of;

/// Where MXCSR and the XMM registers are in an image of FXSAVE (SDM volume 1, 10.5.1).
const FX_MXCSR: usize = 24;
const FX_XMM: usize = 160;

/// The slot of a field of the context.
macro_rules! slot {
    ($field:ident) => {
        std::mem::offset_of!($crate::context::ExecContext, $field) as i32
    };
}
pub(crate) use slot;

const fn cpu(offset: usize) -> i32 {
    (offset_of!(ExecContext, cpu) + offset) as i32
}

pub(crate) const EIP: i32 = cpu(offset_of!(CpuState, rip));
pub(crate) const EFLAGS: i32 = cpu(offset_of!(CpuState, eflags));
pub(crate) const SEG: i32 = cpu(offset_of!(CpuState, seg));
pub(crate) const IF_FLAG: i32 = offset_of!(ExecContext, if_flag) as i32;
pub(crate) const SYS_FLAGS: i32 = offset_of!(ExecContext, sys_flags) as i32;
pub(crate) const IRQ_PENDING: i32 = offset_of!(ContextBlock, doorbell.irq_pending) as i32;
pub(crate) const SHADOW_IRQ: i32 = cpu(offset_of!(CpuState, shadow_irq));
pub(crate) const X87_EIP: i32 = offset_of!(ExecContext, x87_eip) as i32;
pub(crate) const X87_FLDCW: i32 = offset_of!(ExecContext, x87_fldcw) as i32;
pub(crate) const X87_STATUS: i32 = offset_of!(ExecContext, x87_status) as i32;
pub(crate) const WINDOW_BASE: i32 = offset_of!(ExecContext, window_base) as i32;
pub(crate) const RETIRED: i32 = offset_of!(ExecContext, retired) as i32;
pub(crate) const BUDGET: i32 = offset_of!(ExecContext, budget) as i32;
pub(crate) const LOOKUP_SITE: i32 = offset_of!(ExecContext, lookup_site) as i32;
pub(crate) const ENTRIES: i32 = offset_of!(CountingBlock, entries) as i32;
pub(crate) const LOOKUPS: i32 = offset_of!(CountingBlock, lookups) as i32;

/// A number of the context's reload `slot`: selector, address, low and high half by `part`.
pub(crate) const fn reload(slot: usize, part: usize) -> i32 {
    (offset_of!(ExecContext, reloads) + slot * size_of::<Reload>() + 4 * part) as i32
}

/// Limit of the segment with encoding index `k`.
pub(crate) const fn limit(k: usize) -> i32 {
    SEG + (k * size_of::<Segment>() + offset_of!(Segment, limit)) as i32
}

/// Base of the segment with encoding index `k`.
pub(crate) const fn base(k: usize) -> i32 {
    SEG + (k * size_of::<Segment>() + offset_of!(Segment, base)) as i32
}

/// Selector of the segment with encoding index `k`.
pub(crate) const fn selector(k: usize) -> i32 {
    SEG + (k * size_of::<Segment>() + offset_of!(Segment, selector)) as i32
}

/// A dword whose upper half is the selector of the segment with encoding index `k`, which is not the first one.
pub(crate) const fn selector_above(k: usize) -> i32 {
    selector(k) - 2
}
pub(crate) const KICK: i32 = offset_of!(ContextBlock, doorbell.kick) as i32;
pub(crate) const CPL: i32 = cpu(offset_of!(CpuState, cpl));
pub(crate) const MXCSR: i32 = cpu(offset_of!(CpuState, fpu) + FX_MXCSR);

/// Guest register number `k`, while other code than translated code runs.
pub(crate) const fn gpr(k: usize) -> i32 {
    cpu(offset_of!(CpuState, gpr) + 8 * k)
}

/// XMM register number `k`, likewise.
pub(crate) const fn xmm(k: usize) -> i32 {
    cpu(offset_of!(CpuState, fpu) + FX_XMM + 16 * k)
}

/// Upper half of YMM register number `k`, likewise.
pub(crate) const fn ymm_high(k: usize) -> i32 {
    cpu(offset_of!(CpuState, ymm_high) + 16 * k)
}

/// Host register number `k` at a Signal exit.
pub(crate) const fn wide(k: usize) -> i32 {
    (offset_of!(ExecContext, wide) + 8 * k) as i32
}

/// The segment with encoding index `k`.
pub(crate) const fn segment(k: usize) -> i32 {
    SEG + (k * size_of::<Segment>()) as i32
}
