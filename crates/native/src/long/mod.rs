//! The host's own processor as the judge of 64-bit user-level code, which it runs as it is.
//!
//! A helper process ([`child`]) executes each case under single step, so that one instruction (of a repeated one, one iteration)
//! runs; the interpreter executes the same from the same state over the same pages ([`bus`]). General registers, flags, RIP,
//! x87, MMX, XMM and YMM registers, memory, and for faults vector, error code and CR2 must agree ([`compare`]); flags that the SDM
//! leaves undefined may differ, and what processors do in ways of their own is listed in [`excuse`].

pub mod bus;
pub mod check;
pub mod child;
pub mod compare;
pub mod excuse;
pub mod outcome;
pub mod prepare;

use ringer_cpu::FpuImage;
use std::ops::Range;

/// Bytes in a page.
pub const PAGE: u64 = 0x1000;
/// Where the instructions are.
pub const CODE: u64 = 0x4000_0000;
/// Two writable pages that RIP-relative and 32-bit addresses reach, and a read-only one behind them.
pub const NEAR: u64 = 0x4020_0000;
/// Two writable pages that only 64-bit addresses reach, and a read-only one behind them.
pub const FAR: u64 = 0x12_3456_0000;
/// The stack's two pages.
pub const STACK: u64 = 0x5_6000_0000;
/// GS base.
pub const GS: u64 = 0x100;
/// Writable pages.
pub const WRITABLE: [u64; 6] = [NEAR, NEAR + PAGE, FAR, FAR + PAGE, STACK, STACK + PAGE];
/// Read-only pages, all zeros.
pub const READ_ONLY: [u64; 2] = [NEAR + 2 * PAGE, FAR + 2 * PAGE];
/// Bytes in the writable pages.
pub const WRITABLE_LEN: usize = WRITABLE.len() * PAGE as usize;
/// The selectors that Linux gives a 64-bit process.
pub const CS: u16 = 0x33;
/// See [`CS`].
pub const SS: u16 = 0x2b;
/// Cases of an exchange at most, one slot of code each.
pub const MOST: usize = 128;
/// Bytes of a slot.
pub const SLOT: u64 = 32;
/// No trap but the single step's: the instruction completed, or an iteration of it did.
pub const COMPLETED: u32 = u32::MAX;

/// Offsets in which addresses without registers mostly lie.
pub const TARGETS: [Range<u32>; 3] = [
    NEAR as u32 - 24..NEAR as u32 + 40,
    NEAR as u32 + 0x200..NEAR as u32 + 0x1e00,
    NEAR as u32 + 0x1fd8..NEAR as u32 + 0x2018,
];

/// The processor state before a case.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Input {
    /// x87, MMX and SSE state, as FXSAVE with REX.W lays it out.
    pub fpu: FpuImage,
    /// Upper halves of YMM0 to YMM15.
    pub ymm: [[u8; 16]; 16],
    /// RAX to R15, in encoding order.
    pub gpr: [u64; 16],
    /// RFLAGS, without TF.
    pub rflags: u64,
    /// Where the instruction is.
    pub rip: u64,
}

/// The processor state after a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Output {
    /// x87, MMX and SSE state, as FXSAVE with REX.W lays it out.
    pub fpu: FpuImage,
    /// Upper halves of YMM0 to YMM15.
    pub ymm: [[u8; 16]; 16],
    /// RAX to R15, in encoding order.
    pub gpr: [u64; 16],
    /// RFLAGS.
    pub rflags: u64,
    /// Where the next instruction is, or the one that faulted.
    pub rip: u64,
    /// CR2, when it is a page fault.
    pub cr2: u64,
    /// The exception's vector, or [`COMPLETED`].
    pub trap: u32,
    /// Its error code.
    pub error: u32,
}

/// What parent and child share.
#[derive(Debug)]
#[repr(C, align(4096))]
pub struct Wire {
    /// Cases in use.
    pub count: u32,
    /// The case that the child is at, for the report of its death.
    pub at: u32,
    /// Every case's input.
    pub inputs: [Input; MOST],
    /// Every case's outcome.
    pub outputs: [Output; MOST],
    /// The writable pages before the first case and after the last.
    pub memory: [u8; WRITABLE_LEN],
}
