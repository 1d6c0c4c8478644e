//! Whole machines of random code, under Ringer's engines: each begins with random memory, registers, tables and
//! devices, runs for a random number of instructions, and everything that is left must be equal.
//!
//! - [`world`] is what a machine begins with; [`make`], `real` and `protected` make it;
//! - `code` fills its code pages: routines of random instructions that lead to each other, with what random
//!   instructions seldom come to (`snippets`) in between, put together by `coder`;
//! - [`twin`] runs one machine under two engines, and finds the instruction behind which they first differ;
//! - `jobs` runs many, on several threads.
//!
//! Invariants: a machine follows from seed, mode and number alone. Time is virtual, so a run of N instructions is a
//! beginning of a run of more: where two engines differ at the end, the first difference is found by bisection.
//! Page tables change with the flush that the SDM asks for (volume 3A, 4.10.4), or not at all: what a processor does
//! with an entry that was changed without one is its own.

mod code;
mod coder;
pub mod jobs;
pub mod make;
mod places;
mod protected;
mod real;
mod snippets;
pub mod twin;
pub mod world;

use std::str::FromStr;
use thiserror::Error;

/// What a machine runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Real-address mode.
    Real,
    /// Protected mode with paging: 32-bit and 16-bit code at CPL 0 and 3, virtual-8086 mode.
    Protected,
    /// The same on the model `max` with CR4.SMAP, most of it at CPL 0.
    Smap,
}

impl Mode {
    /// All.
    pub const ALL: [Self; 3] = [Self::Real, Self::Protected, Self::Smap];
}

/// A mode that is none.
#[derive(Debug, Error)]
#[error("unknown mode '{0}': use real, protected or smap")]
pub struct UnknownMode(String);

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s {
            "real" => Ok(Self::Real),
            "protected" => Ok(Self::Protected),
            "smap" => Ok(Self::Smap),
            other => Err(UnknownMode(other.to_owned())),
        }
    }
}

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The modes, in turn.
    pub modes: Vec<Mode>,
    /// With a machine's number it gives the machine.
    pub seed: u64,
    /// The first machine of each mode.
    pub first: u64,
    /// Machines of each mode.
    pub count: u64,
    /// Every so many-th machine runs in lockstep too; 0: none.
    pub lockstep_every: u64,
    /// Differences that are reported before the run ends.
    pub reports: usize,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Machines run.
    pub machines: u64,
    /// Of those, how many ran in lockstep too.
    pub lockstep: u64,
    /// Guest instructions that retired in them, under one engine.
    pub instructions: u64,
    /// Of binary translation: instructions that ran as host code.
    pub translated: u64,
    /// How many machines ended how.
    pub ends: std::collections::BTreeMap<&'static str, u64>,
    /// Machines that were compared up to the one instruction that engines may carry out otherwise
    /// ([`twin::Verdict::Departure`]).
    pub departures: u64,
    /// Reports of what differs, hangs or fails.
    pub failures: Vec<String>,
}
