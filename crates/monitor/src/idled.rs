//! How long the processor has been idle with nothing coming of it.

use crate::vcpu::Vcpu;

/// Deadlines in a row that virtual time leaps over at most, with no interrupt coming of any: a device whose line is high
/// already, say. (A second or so of the host's.)
const MOST: u32 = 1 << 20;

/// Where the processor has been idle: instructions retired, deliveries since; and deadlines that passed there.
#[derive(Debug, Default)]
pub(crate) struct Idled {
    place: (u64, (u64, u32)),
    passed: u32,
}

impl Idled {
    /// Another deadline passes at `vcpu`, which has retired so many instructions. Whether it is one too many.
    pub fn too_long(&mut self, vcpu: &Vcpu, retired: u64) -> bool {
        let place = (retired, vcpu.delivered);
        self.passed = if self.place == place { self.passed.saturating_add(1) } else { 0 };
        self.place = place;
        self.passed > MOST
    }
}
