//! Hot blocks and pages, with their code.

use super::cache::ExtentState;
use super::place::Place;
use crate::address::Address;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A translated block.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Block {
    /// Where its guest code begins.
    #[serde(flatten)]
    pub place: Place,
    /// The physical address of its first byte.
    pub physical: Address,
    /// Guest bytes.
    pub guest_bytes: u64,
    /// Guest instructions.
    pub instructions: u64,
    /// Host bytes.
    pub host_bytes: u64,
    /// Host bytes for each guest byte.
    pub expansion: f64,
    /// The mode that it was translated for, in words: code size, privilege, segments.
    pub mode: String,
    /// The privilege level of that mode.
    pub cpl: u8,
    /// Samples in it.
    pub samples: u64,
    /// Seconds in it.
    pub seconds: f64,
    /// How often it was entered, where that was counted.
    pub entries: Option<u64>,
    /// How often this place was translated.
    pub translations: u64,
    /// Whether it still stood at the end.
    pub state: ExtentState,
    /// Where its host code lies in the translation cache.
    pub cache_offset: u64,
    /// How it was left.
    pub exits: Vec<ByExit>,
    /// Callouts in it.
    pub callouts: u64,
    /// Faults in it.
    pub faults: Faults,
    /// Its guest code, an instruction each.
    pub guest: Vec<GuestLine>,
    /// Its host code, an instruction each.
    pub host: Vec<HostLine>,
}

/// One way out of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ByExit {
    /// What it is: `direct`, `conditional`, `indirect`, `return`, `callout`, `fall through` …
    pub kind: String,
    /// Where it goes, where that is known.
    pub target: Option<Address>,
    /// It is a link: patched into a jump to the next block.
    pub linked: bool,
    /// How often it was taken, where that was counted.
    pub count: Option<u64>,
}

/// Faults by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Faults {
    /// A window was filled; the guest knows nothing of it.
    pub hidden: u64,
    /// The guest's own page faults.
    #[serde(rename = "true")]
    pub real: u64,
    /// Accesses of devices.
    pub mmio: u64,
    /// Writes to pages with translated code.
    pub code_write: u64,
    /// Accesses of pages that are taken away too often to be mapped.
    pub churn: u64,
    /// Other host traps.
    pub other: u64,
}

impl Faults {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        [self.hidden, self.real, self.mmio, self.code_write, self.churn, self.other].iter().sum()
    }
}

/// What happens to an instruction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// It runs as itself.
    #[default]
    Innocuous,
    /// A short sequence stands for it.
    Rewritten,
    /// The interpreter does it.
    Callout,
}

/// A guest instruction.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct GuestLine {
    /// Its linear address.
    pub address: Address,
    /// Its bytes, in hexadecimal digits.
    pub bytes: String,
    /// Its text.
    pub text: String,
    /// What happens to it.
    pub class: Class,
    /// Why it is a callout, or what is special about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Samples in its host code.
    pub samples: u64,
    /// Faults there.
    pub faults: u64,
}

/// A host instruction.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct HostLine {
    /// Its offset in the block's host code.
    pub offset: u64,
    /// Its bytes, in hexadecimal digits.
    pub bytes: String,
    /// Its text.
    pub text: String,
    /// The guest instruction that it stands for: an index in the block's guest code. `None`: the
    /// block's own (its head, its exits).
    pub guest: Option<usize>,
    /// Samples on it.
    pub samples: u64,
}

/// A page of guest code.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Page {
    /// Its linear address.
    pub linear: Address,
    /// Its physical address.
    pub physical: Address,
    /// The first symbol in it, or the one that it lies in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// Samples in its blocks.
    pub samples: u64,
    /// Seconds in them.
    pub seconds: f64,
    /// Its blocks.
    pub blocks: u64,
    /// Their host bytes.
    pub host_bytes: u64,
    /// Blocks of it that writes invalidated.
    pub invalidations: u64,
    /// Callouts in it.
    pub callouts: u64,
    /// Faults in its code.
    pub faults: u64,
}
