//! The emitter: host bytes of one block, with its exits.
//!
//! Guest instructions go through iced's encoder, inline sequences through dynasm. Each family of
//! sequences has a file. They all keep the rules of [`crate::context`]: no flag changes that the
//! guest instruction does not change, and nothing is committed before the last access that can
//! fault (invariants 1 and 2). A sequence that cannot be emitted answers [`Refused`], and the instruction becomes a
//! callout.

// dynasm converts the numbers of dynamic registers itself.
#![allow(clippy::useless_conversion)]

mod aside;
mod branch;
mod cold;
mod emitter;
mod exit;
mod far;
mod flags;
mod identity;
mod limit;
mod memory;
mod misc;
mod operand;
mod rewrite;
mod scheme;
mod segment;
mod segstring;
mod stack;
mod string;
mod transfer;
mod x87;

pub(crate) use emitter::{Emitter, Refused, Step};
