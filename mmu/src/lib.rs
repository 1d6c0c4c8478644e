//! Guest memory as the processor sees it: RAM, page walks, the software TLB, shadow windows.
//!
//! - [`ram`]: guest physical memory in a memfd.
//! - [`walk`]: page walks with rights, reserved bits, accessed and dirty flags.
//! - [`soft`] and `tlb`: accesses made in Rust (interpreter, callouts).
//! - [`LargePages`]: guest memory in large pages of the host.
//! - [`windows`]: host address ranges in which translated code reaches guest memory directly.
//!
//! `unsafe` is confined to `ram.rs` and `hostmap.rs`.

mod fill;
#[cfg(test)]
mod fuzz_tests;
mod hostmap;
mod large;
pub mod ram;
mod records;
mod snapshot;
pub mod soft;
#[cfg(test)]
mod testing;
mod tlb;
pub mod walk;
mod window;
pub mod windows;

pub use large::{LargePages, Progress};
pub use ram::{GuestMemory, MemoryError, Region};
pub use soft::{Mmu, PhysIo};
pub use walk::{Path, Translation};
pub use windows::{Active, DropSink, Fill, Reason, WindowError, WindowId, WindowStats, Windows};
