//! Guest memory as the processor sees it: RAM, page walks, the software TLB, shadow windows.
//!
//! - [`ram`]: guest physical memory in a memfd.
//! - [`walk`]: page walks with rights, reserved bits, accessed and dirty flags.
//! - [`soft`] and `tlb`: accesses made in Rust (interpreter, callouts).
//! - [`HugePages`]: guest memory in huge pages of the host.
//! - [`windows`]: host address ranges in which translated code reaches guest memory directly.
//!
//! `unsafe` is confined to `ram.rs` and `hostmap.rs`.

mod events;
mod fill;
mod format;
#[cfg(test)]
mod fuzz_tests;
mod hostmap;
mod huge;
mod key;
pub mod phys;
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

pub use events::{Active, DropSink, Fill, Reason, WindowId, WindowStats};
pub use format::Format;
pub use huge::{HugePages, Progress};
pub use phys::PhysIo;
pub use ram::{GuestMemory, MemoryError, Region};
pub use soft::Mmu;
pub use walk::{Paging, Path, Translation};
pub use windows::{WindowError, Windows};
