//! How often cold code ran: the tier-up counters.

/// Saturating counters in a fixed table; two addresses may share one, which only makes code hot a
/// little early.
#[derive(Debug)]
pub struct Heat {
    counts: Box<[u8]>,
    threshold: u8,
}

const SLOTS: usize = 1 << 16;

impl Heat {
    /// Code is hot at its `threshold`-th visit (1: at once).
    #[must_use]
    pub fn new(threshold: u8) -> Self {
        Self { counts: vec![0; SLOTS].into_boxed_slice(), threshold }
    }

    /// From now on code is hot at its `threshold`-th visit.
    #[cfg(feature = "testing")]
    pub fn set_threshold(&mut self, threshold: u8) {
        self.threshold = threshold.max(1);
    }

    /// Counts a visit of the block at physical address `pa`; true when it is hot.
    #[inline]
    pub fn visit(&mut self, pa: u64) -> bool {
        let slot = &mut self.counts[(pa ^ (pa >> 16)) as usize % SLOTS];
        *slot = slot.saturating_add(1);
        *slot >= self.threshold
    }

    /// Whether the block at `pa` was visited at least half as often as makes it hot.
    #[must_use]
    pub fn is_warm(&self, pa: u64) -> bool {
        let count = self.counts[(pa ^ (pa >> 16)) as usize % SLOTS];
        count > 0 && count >= self.threshold / 2
    }

    /// Forgets the visits at `pa`: its bytes changed, or it cannot be translated.
    pub fn cool(&mut self, pa: u64) {
        self.counts[(pa ^ (pa >> 16)) as usize % SLOTS] = 0;
    }
}
