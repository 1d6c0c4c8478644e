//! Single instructions that matter: indirect branches, callouts, faults, writers of code.

use super::place::Place;
use crate::address::Address;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An indirect branch or a return, and how its look-ups went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct IndirectSite {
    /// The branch.
    #[serde(flatten)]
    pub place: Place,
    /// Its text.
    pub instruction: String,
    /// `jump`, `call` or `return`.
    pub kind: String,
    /// Look-ups that found a block.
    pub hits: u64,
    /// Those that left for the dispatcher.
    pub misses: u64,
}

impl IndirectSite {
    /// Its look-ups that found a block, in per cent; 100 where there were none.
    #[must_use]
    pub fn hit_percent(&self) -> f64 {
        let all = self.hits.saturating_add(self.misses);
        if all == 0 { 100.0 } else { 100.0 * self.hits as f64 / all as f64 }
    }
}

/// An instruction that is left to the interpreter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CalloutSite {
    /// The instruction's address.
    #[serde(flatten)]
    pub place: Place,
    /// Its text.
    pub instruction: String,
    /// The row of the ledger that it is booked on.
    pub row: String,
    /// Why it is a callout.
    pub why: String,
    /// How often it ran.
    pub count: u64,
    /// Seconds, where they were measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

/// An instruction that faults.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct FaultSite {
    /// The instruction's address.
    #[serde(flatten)]
    pub place: Place,
    /// Its text.
    pub instruction: String,
    /// `hidden`, `true`, `mmio`, `code write`, `churn` or `other`.
    pub kind: String,
    /// How often.
    pub count: u64,
}

/// Code that was written to after it had been translated.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct InvalidationSite {
    /// The physical page.
    pub page: Address,
    /// The symbol of the code that went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// Who wrote, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub writer: Option<Place>,
    /// What wrote: `guest`, `device` …
    pub cause: String,
    /// How often.
    pub count: u64,
    /// Blocks that went.
    pub blocks: u64,
}
