//! What firmware reaches while the processor stands: a PC's reset is for the most part its firmware's
//! affair, and so the embedder's.

use ringer_cpu::CpuState;
use ringer_devices::Board;
use ringer_mmu::GuestMemory;

/// What firmware reaches: the machine, between two instructions.
#[derive(Debug)]
pub struct Parts<'a> {
    /// The processor's state.
    pub cpu: &'a mut CpuState,
    /// Guest memory.
    pub memory: &'a mut GuestMemory,
    /// The devices.
    pub board: &'a mut Board,
    /// Machine time, in nanoseconds.
    pub now: u64,
}
