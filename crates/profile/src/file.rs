//! The whole of a profile, and its file.

use crate::bound;
use crate::model::blocks::{Block, Page};
use crate::model::cache::CacheMap;
use crate::model::meta::{Meta, Sampling};
use crate::model::sites::{CalloutSite, FaultSite, IndirectSite, InvalidationSite};
use crate::model::summary::Summary;
use crate::model::time::{Mark, Stack, SymbolTime, Tick};
use ringer_input::{InputError, shown};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The version of the format that is written. A reader of version N reads every file up to N: fields are
/// only added, and the number grows when one changes its meaning. A file without a number is 0: the
/// summary alone, as Ringer wrote it first.
pub const FORMAT: u32 = 1;

/// A profile. The summary's fields stand at the top of its JSON object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ProfileFile {
    /// The version of the format.
    pub format: u32,
    /// Where it comes from.
    pub meta: Meta,
    /// The numbers of the whole run.
    #[serde(flatten)]
    pub summary: Summary,
    /// How time was found to belong to places; `None`: it was not.
    pub sampling: Option<Sampling>,
    /// The run by intervals.
    pub timeline: Vec<Tick>,
    /// Moments of it.
    pub marks: Vec<Mark>,
    /// The hottest blocks, hottest first.
    pub blocks: Vec<Block>,
    /// The hottest pages, hottest first.
    pub pages: Vec<Page>,
    /// The guest's symbols, by time.
    pub symbols: Vec<SymbolTime>,
    /// Stacks that samples were taken in.
    pub stacks: Vec<Stack>,
    /// Indirect branches, those with the most look-ups first.
    pub indirect_sites: Vec<IndirectSite>,
    /// Callouts, the most frequent first.
    pub callout_sites: Vec<CalloutSite>,
    /// Faults, the most frequent first.
    pub fault_sites: Vec<FaultSite>,
    /// Code that was written to, the most frequent first.
    pub invalidation_sites: Vec<InvalidationSite>,
    /// The translation cache at the end.
    pub cache: CacheMap,
}

/// Why a file is no profile.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// It has more than any profile.
    #[error("{} is no profile: it has too many values", shown(path))]
    TooMany {
        /// The file.
        path: PathBuf,
    },
    /// It is not what `ringer profile --json` writes.
    #[error("{} is no profile (write one with ringer profile --json): {source}", shown(path))]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// It has nothing of a profile.
    #[error(
        "{} is no profile: it names no engine (write one with ringer profile --json)",
        shown(path)
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// It is a later Ringer's.
    #[error(
        "{} has format {format}, and this version reads up to {FORMAT}: take the ringer that wrote it",
        shown(path)
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
}

impl ProfileFile {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, is none, or is of a later format.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        Self::parse(&ringer_input::read(path, bound::FILE)?, path)
    }

    /// Reads the contents of a file; `path` is for errors.
    ///
    /// # Errors
    /// When it is no profile, or of a later format.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self, ReadError> {
        if !bound::holds(bytes) {
            return Err(ReadError::TooMany { path: path.into() });
        }
        let file: Self = serde_json::from_slice(bytes)
            .map_err(|source| ReadError::Format { path: path.into(), source })?;
        if file.format > FORMAT {
            return Err(ReadError::Newer { path: path.into(), format: file.format });
        }
        if file.summary.engine.is_empty() {
            return Err(ReadError::Foreign { path: path.into() });
        }
        Ok(file)
    }

    /// What people call the run: the guest's name, else the engine's.
    #[must_use]
    pub fn title(&self) -> String {
        let name = &self.meta.guest.name;
        if name.is_empty() { self.summary.engine.clone() } else { name.clone() }
    }

    /// As JSON, a field a line.
    ///
    /// # Errors
    /// When `out` takes no more.
    pub fn write(&self, mut out: impl io::Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut out, self)?;
        out.write_all(b"\n")
    }
}
