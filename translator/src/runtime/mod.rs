//! The translation cache at run time: memory, blocks, links, target tables, and the way in and out.
//!
//! # Linking
//! A direct branch is patched to jump straight to its target's host code only when the target block
//! lies wholly in the page that the branch's block lies in: then whoever reached the one could reach
//! the other, in whatever address space. Every other branch goes through the target table, which is
//! per address space, so a block can be shared between all of them.
//!
//! # Eviction
//! Blocks are allocated upward. When the budget is used up, everything goes at once (the stubs stay)
//! and the hot part of the guest is translated again; the guest never waits for room. What is known of a block takes more
//! room than its code where blocks are short, so that counts in the budget, too.

pub mod blocks;
pub mod cache;
pub mod enter;
pub mod memory;
mod relocate;
pub mod sink;
pub mod stubs;
mod target_table;
pub mod targets;
pub mod transfer;

pub use cache::{CacheStats, CodeCache};
pub use enter::{can_set_gs_base, gs_base, set_gs_base};
pub use stubs::WaysOut;
