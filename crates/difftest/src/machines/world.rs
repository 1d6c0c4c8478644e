//! What a machine begins with.

use super::Mode;
use ringer_cpu::CpuState;

/// A machine at its start.
#[derive(Clone, Debug)]
pub struct World {
    /// What it runs in.
    pub mode: Mode,
    /// Pieces of memory: physical address and bytes.
    pub memory: Vec<(u32, Vec<u8>)>,
    /// The processor.
    pub cpu: CpuState,
    /// Bytes that were written to ports.
    pub ports: Vec<(u16, u8)>,
    /// How many instructions it runs.
    pub limit: u64,
    /// At which visit code is translated.
    pub visit: u8,
    /// Whether its translated code goes by the inline TLB wherever it can.
    pub inline: bool,
    /// Bytes of the translation cache.
    pub cache: u64,
}
