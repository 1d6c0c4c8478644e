//! Whatever reads what others wrote, fed with anything: it must neither panic nor hang, and take no more memory than is
//! said here.
//!
//! Each [`Target`] is a function of bytes. `tests/bounded.rs` calls each a few thousand times with seeds that are changed at
//! random, under a counting allocator, and `fuzz/` hands each to libFuzzer, which looks for new ways through the code
//! (docs/testing.md).

mod mutate;
mod sample;
mod target;
mod targets;

pub use mutate::{Random, mutate};
pub use target::Target;
pub use targets::{TARGETS, target};
