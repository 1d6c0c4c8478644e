//! What is delivered through the IDT.

/// Error-code bit 1: the index is one of the IDT.
const IDT: u32 = 2;

/// An event to deliver. The return address is `Ctx::next_rip`.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// 0 to 255.
    pub vector: u8,
    /// Pushed last, in protected mode.
    pub error: Option<u32>,
    /// EFLAGS as they are saved.
    pub eflags: u32,
    /// An instruction raised it on purpose: the gate's DPL guards it, and faults lack EXT.
    pub software: bool,
}

impl Event {
    /// The error code that names its entry of the IDT.
    #[must_use]
    pub fn entry_code(&self) -> u32 {
        u32::from(self.vector) * 8 + IDT
    }
}
