//! What parent and child share: cases in, outcomes out, the memory that cases work on.
//!
//! Plain data in one shared mapping. The protocol gives each side its turn (see `child`): the parent
//! writes inputs while the child waits for a byte, and reads outputs after the child's answer.

use crate::layout::WRITABLE_LEN;
use ringer_cpu::FpuImage;

/// Slots in an exchange at most.
pub const MAX_SLOTS: usize = 64;
/// Cases of a slot at most.
pub const MAX_STATES: usize = 32;
/// Bytes of the pool that memory contents come from.
pub const POOL: usize = 256 << 10;

/// The processor state before a case.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Input {
    /// x87, MMX and SSE state.
    pub fpu: FpuImage,
    /// Upper halves of YMM0 to YMM7.
    pub ymm: [[u8; 16]; 8],
    /// EAX to EDI, in encoding order.
    pub gpr: [u32; 8],
    /// EFLAGS without TF.
    pub eflags: u32,
    /// Offset of the instruction.
    pub eip: u32,
    /// Stop by a single-step trap, not by the far jump behind the instruction.
    pub step: u32,
    /// Offset of what follows the instruction.
    pub next: u32,
    /// Selector of the code segment.
    pub cs: u32,
    /// Instructions up to `next`.
    pub count: u32,
}

/// No trap: the instruction completed.
pub const COMPLETED: u32 = u32::MAX;

/// The processor state after a case.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Output {
    /// x87, MMX and SSE state.
    pub fpu: FpuImage,
    /// Upper halves of YMM0 to YMM7.
    pub ymm: [[u8; 16]; 8],
    /// EAX to EDI, in encoding order.
    pub gpr: [u32; 8],
    /// EFLAGS.
    pub eflags: u32,
    /// Offset of the next instruction, or of the one that faulted.
    pub eip: u32,
    /// The exception's vector, or [`COMPLETED`].
    pub trap: u32,
    /// Its error code.
    pub error: u32,
    /// CR2, when it is a page fault.
    pub cr2: u32,
    /// The kernel saved `fpu`, in the 64-bit layout without selectors.
    pub by_kernel: u32,
}

/// One instruction and the states to run it with.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Slot {
    /// Where in the pool the writable pages' contents start.
    pub memory: u32,
    /// Index of its first case.
    pub first: u32,
    /// Cases.
    pub count: u32,
}

/// The shared mapping.
#[derive(Debug)]
#[repr(C, align(4096))]
pub struct Wire {
    /// Slots in use.
    pub slots_used: u32,
    /// The case that the child is at, for the report of its death.
    pub at: u32,
    /// What to run.
    pub slots: [Slot; MAX_SLOTS],
    /// Every case's input.
    pub inputs: [Input; MAX_SLOTS * MAX_STATES],
    /// Every case's outcome.
    pub outputs: [Output; MAX_SLOTS * MAX_STATES],
    /// The writable pages after each slot's last case.
    pub after: [[u8; WRITABLE_LEN]; MAX_SLOTS],
    /// Contents for the writable pages.
    pub pool: [u8; POOL],
}
