//! The comparison.

use super::estimate::{Change, Pair};
use super::findings::{Finding, findings};
use super::sides::{self, DiffError, DiffOptions, Side};
use super::{places, rates};
use crate::file::ProfileFile;
use serde::Serialize;

/// What differs. As JSON it is what `ringer profile diff --json` writes.
#[derive(Clone, Debug, Serialize)]
pub struct Diff {
    /// The version of this format; fields are only ever added.
    pub format: u32,
    /// The first side.
    pub a: Side,
    /// The second side.
    pub b: Side,
    /// What makes the comparison less than a fair one.
    pub warnings: Vec<String>,
    /// Options that differ.
    pub options: Vec<String>,
    /// What B's counts and seconds were multiplied by.
    pub scale: f64,
    /// Wall seconds, idle time left out.
    pub busy_seconds: Change,
    /// Wall seconds.
    pub seconds: Change,
    /// What the time differs by, biggest first; noise is not among them.
    pub findings: Vec<Finding>,
    /// Seconds of the ledger's rows, biggest difference first.
    pub ledger: Vec<Change>,
    /// Rates, biggest difference first: shares in per cent, counts for a million guest instructions.
    pub rates: Vec<Change>,
    /// Seconds of guest functions, biggest difference first.
    pub symbols: Vec<Change>,
    /// Seconds of blocks, biggest difference first.
    pub blocks: Vec<Change>,
    /// Counts of callouts by site or form, biggest difference first.
    pub callouts: Vec<Change>,
}

impl Diff {
    /// Compares; each side has one run at least.
    ///
    /// # Errors
    /// When a side is empty, or the guests differ and nobody said that they may.
    pub fn new(
        a: &[ProfileFile],
        b: &[ProfileFile],
        options: DiffOptions,
    ) -> Result<Self, DiffError> {
        let (first, second) = (sides::side(a, "A")?, sides::side(b, "B")?);
        let warnings = sides::warnings(a, b, options)?;
        let scale = if options.per_instruction { sides::scale(a, b) } else { 1.0 };
        let pair = Pair { a, b, scale };
        let ledger = rates::ledger(&pair);
        let rates = rates::rates(&pair);
        let symbols = places::symbols(&pair);
        let blocks = places::blocks(&pair);
        let callouts = places::callouts(&pair);
        let findings = findings(&pair, &ledger, &rates, &symbols);
        Ok(Self {
            format: 1,
            a: first,
            b: second,
            warnings,
            options: sides::options(a, b),
            scale,
            busy_seconds: rates::busy(&pair),
            seconds: rates::seconds(&pair),
            findings,
            ledger,
            rates,
            symbols,
            blocks,
            callouts,
        })
    }
}
