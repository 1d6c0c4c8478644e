//! A run over its time, and its time over the guest's functions.

use super::place::Place;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happened in one interval of the run. All counts are of the interval alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Tick {
    /// Its begin, in seconds of the run.
    pub start: f64,
    /// Its length in seconds.
    pub seconds: f64,
    /// Guest instructions retired by translated code.
    pub instructions_translated: u64,
    /// Guest instructions retired by the interpreter.
    pub instructions_interpreted: u64,
    /// Blocks entered.
    pub block_entries: u64,
    /// Block transitions by a direct link.
    pub direct_links: u64,
    /// Block transitions by the inline look-up.
    pub inline_lookups: u64,
    /// Block transitions through the dispatcher.
    pub dispatched: u64,
    /// Blocks translated.
    pub blocks_translated: u64,
    /// Blocks invalidated.
    pub invalidations: u64,
    /// Callouts.
    pub callouts: u64,
    /// Interrupts delivered.
    pub interrupts: u64,
    /// Hidden faults.
    pub hidden_faults: u64,
    /// True faults.
    pub true_faults: u64,
    /// MMIO faults.
    pub mmio_faults: u64,
    /// Faults by writes to pages with translated code.
    pub code_write_faults: u64,
    /// Faults by accesses of pages that are taken away too often to be mapped.
    pub churn_faults: u64,
    /// Other host traps in translated code.
    pub other_faults: u64,
    /// Port accesses.
    pub port_io: u64,
    /// MMIO accesses.
    pub mmio: u64,
    /// Bytes of the translation cache in use at its end.
    pub cache_used: u64,
    /// Seconds of each row of the ledger, in the ledger's order.
    pub ledger: Vec<f64>,
}

impl Tick {
    /// Guest instructions retired.
    #[must_use]
    pub fn instructions(&self) -> u64 {
        self.instructions_translated.saturating_add(self.instructions_interpreted)
    }

    /// Block transitions that needed no dispatcher.
    #[must_use]
    pub fn undispatched(&self) -> u64 {
        self.direct_links.saturating_add(self.inline_lookups)
    }

    /// Faults of all kinds but hidden ones.
    #[must_use]
    pub fn other_than_hidden(&self) -> u64 {
        let kinds = [
            self.true_faults,
            self.mmio_faults,
            self.code_write_faults,
            self.churn_faults,
            self.other_faults,
        ];
        kinds.into_iter().fold(0, u64::saturating_add)
    }
}

/// A moment that the guest, or the user, marked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Mark {
    /// When, in seconds of the run.
    pub at: f64,
    /// Guest instructions retired by then.
    pub instructions: u64,
    /// What made it: `serial` (a text), `port` (a write).
    pub kind: String,
    /// The text, or the value written.
    pub text: String,
}

/// The time of one guest symbol.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SymbolTime {
    /// Its name; an address or a module where no symbol is known.
    pub name: String,
    /// The privilege level that it ran at.
    pub cpl: u8,
    /// Samples there.
    pub samples: u64,
    /// Seconds there.
    pub seconds: f64,
    /// Blocks that it consists of.
    pub blocks: u64,
    /// Callouts there.
    pub callouts: u64,
    /// Faults there, of all kinds.
    pub faults: u64,
}

/// A stack that was seen when a sample was taken.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Stack {
    /// What the engine did: the ledger row's name.
    pub activity: String,
    /// The privilege level.
    pub cpl: u8,
    /// The guest's frames, outermost first; the last is where it was.
    pub frames: Vec<Place>,
    /// Samples with this stack.
    pub samples: u64,
    /// Seconds that they stand for.
    pub seconds: f64,
}
