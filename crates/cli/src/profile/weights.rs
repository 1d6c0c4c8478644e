//! What a sample stands for: each row of the ledger has its seconds, measured, and its samples share them.

use ringer::recording::Recording;
use ringer::{Profile, Row};

/// Seconds that a sample stands for, by row.
pub struct Weights(Vec<f64>);

impl Weights {
    /// The weights of a run.
    pub fn new(profile: &Profile, recording: &Recording) -> Self {
        let rows = profile.ledger.iter().zip(&recording.rows);
        let weight = |(row, samples): (&ringer::LedgerRow, &u64)| match samples {
            0 => 0.0,
            n => row.seconds / *n as f64,
        };
        Self(rows.map(weight).collect())
    }

    /// Seconds of so many samples in `row`.
    pub fn seconds(&self, row: Row, samples: u64) -> f64 {
        self.0.get(row as usize).copied().unwrap_or_default() * samples as f64
    }
}
