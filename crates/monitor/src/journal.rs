//! What lockstep's dry run wrote, so that it can be undone and then compared.

/// One RAM write of the dry run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Offset in guest memory.
    pub offset: u64,
    /// The bytes before it.
    pub old: Vec<u8>,
}

/// The journal of one dry run.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// In order of time.
    pub writes: Vec<Entry>,
    /// The run touched a device: it cannot be repeated, so it must not be kept.
    pub device: bool,
}

impl Journal {
    /// Notes that the bytes at `offset` were `old` before a write.
    pub fn record(&mut self, offset: u64, old: &[u8]) {
        self.writes.push(Entry { offset, old: old.to_vec() });
    }
}
