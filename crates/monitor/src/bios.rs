//! A private port through which a firmware stub asks the host for a service, synchronously.

use ringer_cpu::CpuState;
use ringer_mmu::GuestMemory;

/// Serves a firmware call: the guest's registers, its memory, and a sink for console bytes.
pub type BiosHandler = Box<
    dyn FnMut(&mut CpuState, &mut GuestMemory, &mut dyn FnMut(u8), &mut dyn FnMut() -> Option<u8>),
>;

/// The port and who serves it.
pub struct BiosHook {
    /// An OUT to this port calls the handler, after the instruction retired.
    pub port: u16,
    /// The handler.
    pub handler: BiosHandler,
}

impl std::fmt::Debug for BiosHook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BiosHook({:#x})", self.port)
    }
}
