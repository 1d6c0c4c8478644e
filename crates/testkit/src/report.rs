//! What a run tells about its end: the JSON of `ringer run --report F`.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a run ended. Fields are only ever added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunReport {
    /// The kind of end: poweroff, debug-exit, reset, triple-fault, instruction-limit, timeout, quit
    /// or difference.
    pub end: String,
    /// The exit status of the process.
    pub status: u8,
    /// The value written to the debug-exit port, if that was the end.
    pub value: Option<u32>,
    /// The end in words.
    pub detail: String,
    /// What the guest wrote to port 80h: the latest 4096 bytes of each boot.
    pub post: Vec<u8>,
    /// Guest instructions retired, as far as the engine counts them.
    pub instructions: u64,
    /// A number for the machine's whole state at the end: that of two runs that are alike is the same.
    #[serde(default)]
    pub digest: String,
    /// A number for each part of that state but memory, by name.
    #[serde(default)]
    pub sections: BTreeMap<String, String>,
}
