//! The block of memory that a host operation works on: the operand, the guest's registers, and what of the
//! host's is put aside meanwhile. Its layout is what the assembled code addresses.

use crate::state::FpuImage;
use std::mem::offset_of;

/// What a host operation works on.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct HostFrame {
    /// The memory operand; long enough for FNSAVE's 108 bytes.
    pub mem: [u8; 128],
    /// The guest's registers.
    pub fx: FpuImage,
    /// The upper halves of the guest's YMM registers.
    pub ymm: [[u8; 16]; 16],
    /// The general register.
    pub gpr: u64,
    /// RDX, for instructions that take the lengths of strings in RAX and RDX.
    pub second: u64,
    /// RFLAGS to run with, and as they were afterwards.
    pub flags: u64,
    /// The host's MXCSR meanwhile.
    pub host_mxcsr: u32,
}

/// Offsets in [`HostFrame`] for the assembler.
pub(super) const FX: usize = offset_of!(HostFrame, fx);
pub(super) const YMM: usize = offset_of!(HostFrame, ymm);
pub(super) const GPR: usize = offset_of!(HostFrame, gpr);
pub(super) const SECOND: usize = offset_of!(HostFrame, second);
pub(super) const FLAGS: usize = offset_of!(HostFrame, flags);
pub(super) const HOST_MXCSR: usize = offset_of!(HostFrame, host_mxcsr);

const _: () = assert!(offset_of!(HostFrame, mem) == 0 && FX.is_multiple_of(16));
