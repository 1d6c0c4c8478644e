//! Messages instead of an interrupt line: MSI-X with a table of four (PCI 3.0, 6.8.2).

use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};

/// Messages.
pub(crate) const VECTORS: u16 = 4;
/// Where in their region the bits of messages that wait are.
const PENDING: u64 = 0x800;
/// Bytes of an entry.
const ENTRY: u64 = 16;
/// In an entry's control word: it is masked.
const MASKED: u32 = 1;

/// An entry of the table.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Entry {
    address: u64,
    data: u32,
    control: u32,
}

impl Default for Entry {
    fn default() -> Self {
        Entry { address: 0, data: 0, control: MASKED }
    }
}

/// The table, and which messages wait.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct MsiX {
    entries: [Entry; VECTORS as usize],
    pending: u8,
}

/// Whether messages are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Switches {
    /// Messages instead of the line.
    pub(crate) on: bool,
    /// All are masked.
    pub(crate) masked: bool,
}

impl MsiX {
    /// Refuses what it could not be.
    ///
    /// # Errors
    /// [`StateError::Impossible`].
    pub(crate) fn check(&self) -> Result<(), StateError> {
        let controls = self.entries.iter().all(|entry| entry.control & !MASKED == 0);
        check(controls && self.pending < 1 << VECTORS, "a table of messages")
    }

    /// Reads the doubleword at `offset`.
    pub(crate) fn read(&self, offset: u64) -> u32 {
        if offset == PENDING {
            return u32::from(self.pending);
        }
        let entry = usize::try_from(offset / ENTRY).ok().and_then(|at| self.entries.get(at));
        let Some(entry) = entry else { return 0 };
        let [a, b, c, d, e, f, g, h] = entry.address.to_le_bytes();
        match offset % ENTRY {
            0 => u32::from_le_bytes([a, b, c, d]),
            4 => u32::from_le_bytes([e, f, g, h]),
            8 => entry.data,
            _ => entry.control,
        }
    }

    /// Writes the doubleword at `offset`.
    pub(crate) fn write(&mut self, offset: u64, value: u32) {
        let entry = usize::try_from(offset / ENTRY).ok().and_then(|at| self.entries.get_mut(at));
        let Some(entry) = entry else { return };
        let (low, high) = (entry.address & 0xffff_ffff, entry.address & !0xffff_ffff);
        match offset % ENTRY {
            // Doublewords are aligned.
            0 => entry.address = high | u64::from(value & !3),
            4 => entry.address = u64::from(value) << 32 | low,
            8 => entry.data = value,
            _ => entry.control = value & MASKED,
        }
    }

    /// Message `vector` is due.
    pub(crate) fn raise(&mut self, vector: u16) {
        if vector < VECTORS {
            self.pending |= 1 << vector;
        }
    }

    /// The next message to send, address and data, as far as any may be sent.
    pub(crate) fn take(&mut self, switches: Switches) -> Option<(u64, u32)> {
        if !switches.on || switches.masked || self.pending == 0 {
            return None;
        }
        let waits =
            |at: usize, entry: &Entry| self.pending & 1 << at != 0 && entry.control & MASKED == 0;
        let at = self.entries.iter().enumerate().position(|(at, entry)| waits(at, entry))?;
        self.pending &= !(1 << at);
        Some((self.entries[at].address, self.entries[at].data))
    }

    /// Nothing waits any more: the function does not send messages.
    pub(crate) fn forget(&mut self) {
        self.pending = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ON: Switches = Switches { on: true, masked: false };

    #[test]
    fn a_message_waits_while_it_is_masked() {
        let mut table = MsiX::default();
        assert_eq!(table.read(0x1c), 1, "masked after a reset");
        table.write(0x10, 0xfee0_1003);
        table.write(0x18, 0x41);
        table.raise(1);
        assert_eq!((table.take(ON), table.read(PENDING)), (None, 2));
        table.write(0x1c, 0xffff_fffe);
        assert_eq!(table.take(Switches { masked: true, ..ON }), None);
        assert_eq!(table.take(Switches { on: false, ..ON }), None);
        assert_eq!(table.take(ON), Some((0xfee0_1000, 0x41)));
        assert_eq!((table.take(ON), table.read(PENDING)), (None, 0));
        table.raise(VECTORS);
        assert_eq!(table.read(PENDING), 0, "there is no such message");
    }
}
