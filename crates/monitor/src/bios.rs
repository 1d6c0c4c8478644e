//! Who serves the calls that a firmware stub makes through the board's firmware port.

use ringer_cpu::CpuState;
use ringer_mmu::GuestMemory;

/// Serves a firmware call: the guest's registers, its memory, and a sink for console bytes.
pub type BiosHandler = Box<
    dyn FnMut(&mut CpuState, &mut GuestMemory, &mut dyn FnMut(u8), &mut dyn FnMut() -> Option<u8>),
>;

/// The handler of firmware calls: called after the OUT retired, before the next instruction.
pub struct BiosHook {
    /// The handler.
    pub handler: BiosHandler,
}

impl std::fmt::Debug for BiosHook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BiosHook")
    }
}
