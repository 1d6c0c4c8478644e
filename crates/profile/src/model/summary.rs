//! The numbers of a whole run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The counters of a run, and where its wall time went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Summary {
    /// Engine name.
    pub engine: String,
    /// Wall seconds of the run.
    pub seconds: f64,
    /// Guest instructions retired by translated code.
    pub instructions_translated: u64,
    /// Guest instructions retired by the interpreter (cold code and callouts).
    pub instructions_interpreted: u64,
    /// Share of guest instructions executed translated, in per cent.
    pub translated_percent: f64,
    /// Blocks entered in translated code.
    pub block_entries: u64,
    /// Block transitions by a patched direct branch (or falling into the next block).
    pub direct_links: u64,
    /// Block transitions by the inline look-up.
    pub inline_lookups: u64,
    /// Block transitions that went through the dispatcher.
    pub dispatched: u64,
    /// Share of block transitions that needed no dispatcher, in per cent.
    pub undispatched_percent: f64,
    /// Blocks translated.
    pub blocks_translated: u64,
    /// Guest bytes translated.
    pub guest_bytes: u64,
    /// Host bytes they became.
    pub host_bytes: u64,
    /// Host bytes for each guest byte.
    pub expansion: f64,
    /// Bytes of the translation cache in use.
    pub cache_used: u64,
    /// Full evictions of the translation cache.
    pub evictions: u64,
    /// Blocks invalidated by writes to code.
    pub invalidations: u64,
    /// Interrupts delivered.
    pub interrupts: u64,
    /// Callouts, all kinds.
    pub callouts: u64,
    /// Shadow faults by cause: hidden (a window was filled).
    pub hidden_faults: u64,
    /// Pages mapped before the access that a guest's page-fault handler returned to.
    pub prefills: u64,
    /// Shadow faults by cause: true page faults of the guest.
    pub true_faults: u64,
    /// Shadow faults by cause: MMIO.
    pub mmio_faults: u64,
    /// Shadow faults by cause: writes to pages with translated code.
    pub code_write_faults: u64,
    /// Faults by accesses of pages that are taken away too often to be mapped.
    pub churn_faults: u64,
    /// Other host traps in translated code (divide errors, alignment …).
    pub other_faults: u64,
    /// Pages mapped into shadow windows.
    pub window_pages: u64,
    /// Shadow windows made.
    pub windows_created: u64,
    /// Shadow windows given up for others.
    pub windows_evicted: u64,
    /// Instructions whose accesses kept trapping and that go by the inline TLB at the end, or are left to the interpreter.
    pub set_aside: u64,
    /// Entries of inline TLBs for pages that windows map.
    pub inline_mapped: u64,
    /// Entries of inline TLBs for pages that windows do not map.
    pub inline_aside: u64,
    /// Port accesses.
    pub port_io: u64,
    /// MMIO accesses.
    pub mmio: u64,
    /// The instruction forms that were callouts most often.
    pub hot_callouts: Vec<HotCallout>,
    /// Where the wall time went.
    pub ledger: Vec<LedgerRow>,
    /// Wall time that no row claims, in seconds; below zero where rows claim more than went by.
    pub residual_seconds: f64,
    /// Why the residual is what it is, where that needs a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub residual_note: Option<String>,
}

impl Summary {
    /// Guest instructions retired.
    #[must_use]
    pub fn instructions(&self) -> u64 {
        self.instructions_translated.saturating_add(self.instructions_interpreted)
    }

    /// The ledger's row of that name.
    #[must_use]
    pub fn row(&self, name: &str) -> Option<&LedgerRow> {
        self.ledger.iter().find(|row| row.name == name)
    }
}

/// One row of the ledger.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LedgerRow {
    /// What the time went to.
    pub name: String,
    /// Seconds.
    pub seconds: f64,
    /// How often it was entered.
    pub count: u64,
}

/// An instruction form that is often left to the interpreter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct HotCallout {
    /// The form, as the manual writes it.
    pub instruction: String,
    /// How often it ran.
    pub count: u64,
}
