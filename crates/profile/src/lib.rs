//! What `ringer profile` writes: a run's numbers as data, as pictures, and held against another run's.
//!
//! [`ProfileFile`] is the whole of it, versioned, and stands in a JSON file. Everything else here reads
//! one. Whoever runs the guest fills it; nothing here knows an engine, so a file can be looked at
//! anywhere.

mod address;
mod bound;
mod diff;
mod file;
mod flame;
mod folded;
mod html;
mod model;
mod pprof;
mod schema;
mod speedscope;
mod stacks;

pub use address::Address;
pub use diff::{Cause, Change, Diff, DiffError, DiffOptions, Finding, Side, diff_html};
pub use file::{FORMAT, ProfileFile, ReadError};
pub use flame::flame;
pub use folded::folded;
pub use html::html;
pub use model::blocks::{Block, ByExit, Class, Faults, GuestLine, HostLine, Page};
pub use model::cache::{CacheMap, Extent, ExtentState};
pub use model::meta::{Build, Guest, GuestFile, Host, Meta, Sampling};
pub use model::place::Place;
pub use model::sites::{CalloutSite, FaultSite, IndirectSite, InvalidationSite};
pub use model::summary::{HotCallout, LedgerRow, Summary};
pub use model::time::{Mark, Stack, SymbolTime, Tick};
pub use pprof::pprof;
pub use schema::schema;
pub use speedscope::speedscope;
