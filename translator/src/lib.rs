//! Guest basic blocks to host code, and the translation cache that holds it.
//!
//! # One block's way through this crate
//! 1. [`Mode::of`] distils the processor state into the facts that change a translation.
//! 2. [`Translator::translate`] decodes from a guest EIP on, looks each instruction up in the one
//!    table ([`classify`]), and has it emitted: as itself with renamed registers and a re-based
//!    memory operand, as a short inline sequence, or as a callout that leaves for the interpreter.
//! 3. [`runtime`] places the bytes in the translation cache, links direct exits, and runs them.
//!
//! Generating code is safe Rust: bytes in, bytes out. What the host code may assume about registers
//! and flags, and must keep, is written in [`context`].

pub mod classify;
pub mod context;
mod decode;
mod draft;
mod emit;
pub mod listing;
mod mode;
mod options;
mod pic_masks;
mod placement;
#[cfg(feature = "planted-fault")]
mod plant;
#[cfg(feature = "planted-fault")]
mod planted;
pub mod runtime;
mod slots;
mod source;
mod tail;
mod thunk;
mod translate;
mod translation;
pub mod verify;

pub use listing::{disasm_guest, listing};
pub use mode::{Mode, SegmentClass};
pub use options::TranslatorOptions;
pub use pic_masks::PicMasks;
pub use placement::{Placement, StubAddresses};
#[cfg(feature = "planted-fault")]
pub use planted::{PlantedFault, PlantedKind};
pub use source::{GoesOn, Source};
pub use thunk::{KnownThunks, LEN as THUNK_LEN, PcThunk, ThunkGuard};
pub use translate::{Translator, translate};
pub use translation::{
    ClassCounts, Counters, DirectExit, Fixup, FixupKind, LookupSite, MapEntry, Outline, StringSite,
    Terminator, Translation, X87,
};
