//! The translation cache at the end of the run.

use super::place::{Place, is_zero};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What lies where in the translation cache.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CacheMap {
    /// Its size in bytes.
    pub size: u64,
    /// Bytes in use, from its begin.
    pub used: u64,
    /// What lies there, in ascending order and without overlaps; what no extent covers is free.
    pub extents: Vec<Extent>,
}

/// A range of the cache.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Extent {
    /// Its first byte.
    pub start: u64,
    /// Its length in bytes.
    pub len: u64,
    /// What is there.
    pub state: ExtentState,
    /// The guest code of the block there.
    #[serde(flatten)]
    pub place: Place,
    /// Samples in it.
    #[serde(skip_serializing_if = "is_zero")]
    pub samples: u64,
}

/// What a range of the cache is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum ExtentState {
    /// A block that time was spent in.
    Hot,
    /// A block without a sample.
    #[default]
    Cold,
    /// A block that a write to its guest code ended.
    Invalidated,
    /// Code that blocks share.
    Stub,
}
