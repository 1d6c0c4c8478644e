//! Where a profile comes from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which Ringer ran which guest where, when and how.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Meta {
    /// The program that ran the guest.
    pub ringer: Build,
    /// The machine that it ran on.
    pub host: Host,
    /// When the run began: RFC 3339, in UTC.
    pub date: String,
    /// The command line behind the program's name, a word each.
    pub arguments: Vec<String>,
    /// The optimisations that were switched off (`--disable`), by name.
    pub disabled: Vec<String>,
    /// What time was for the guest: `real` or `virtual`.
    pub clock: String,
    /// The processor model that the guest saw.
    pub cpu: String,
    /// The guest's memory in bytes.
    pub memory: u64,
    /// The translation cache in bytes.
    pub cache_size: u64,
    /// What ran.
    pub guest: Guest,
    /// How the run ended, in words.
    pub end: String,
}

/// A build of Ringer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Build {
    /// The version.
    pub version: String,
    /// The commit, where the build knew it.
    pub commit: Option<String>,
}

/// A host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Host {
    /// Its processor's name.
    pub cpu: String,
    /// Its kernel's release.
    pub kernel: String,
    /// Processors that are there to be used.
    pub cpus: u32,
}

/// What a machine booted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Guest {
    /// A name for people: the first file's.
    pub name: String,
    /// A digest of all that the guest was made of (files, command line, state): two profiles with
    /// the same one are of the same guest. Empty: not known.
    pub digest: String,
    /// The command line that it was given.
    pub command_line: Option<String>,
    /// The files.
    pub files: Vec<GuestFile>,
    /// The files that names of guest addresses come from.
    pub symbols: Vec<String>,
}

/// A file that a machine booted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct GuestFile {
    /// What it is: `kernel`, `initrd`, `rom`, `disk`, `state` …
    pub role: String,
    /// Its path, as given.
    pub path: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// A digest of its contents.
    pub digest: String,
}

/// How time was found to belong to places, and what finding it out cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Sampling {
    /// What was asked: `timer` (a signal at an interval) or `counters` (entries of blocks).
    pub method: String,
    /// Seconds between two samples.
    pub interval: f64,
    /// Samples taken.
    pub samples: u64,
    /// Those of them in translated code.
    pub translated: u64,
    /// Samples that belong to no place: no room, or outside the machine.
    pub lost: u64,
    /// Seconds that sampling took, as measured.
    pub cost_seconds: f64,
}
