//! Guest memory as the processor sees it: RAM, page walks, the software TLB, shadow windows.
//!
//! - [`map`]: the physical address space as data. [`ram`]: guest memory, in a memfd, and the door of devices to it.
//! - `device_ram`: memory of a device's own, whose places change while the guest runs.
//! - [`walk`]: page walks with rights, reserved bits, accessed and dirty flags.
//! - [`soft`] and `tlb`: accesses made in Rust (interpreter, callouts).
//! - `watch`: bytes whose accesses somebody wants to know of.
//! - [`HugePages`]: guest memory in huge pages of the host. [`host_tables`]: how many page tables the host has for us.
//! - [`inline_tlb`]: what translated code looks in by itself where a window does not pay.
//! - [`windows`]: host address ranges in which translated code reaches guest memory directly.
//!
//! `unsafe` is confined to `file.rs` and `hostmap.rs`.

mod aside;
#[cfg(test)]
mod aside_tests;
mod churn;
mod code_view;
mod device_ram;
mod events;
mod file;
mod fill;
mod format;
#[cfg(test)]
mod fuzz_tests;
pub mod host_tables;
mod hostmap;
mod huge;
pub mod image;
pub mod inline_tlb;
mod key;
pub mod map;
mod pages;
pub mod phys;
pub mod ram;
mod records;
mod snapshot;
pub mod soft;
mod stale;
#[cfg(test)]
mod testing;
mod tlb;
pub mod walk;
mod watch;
mod window;
pub mod windows;
#[cfg(test)]
mod windows_memory_tests;

pub use events::{Active, DropSink, Fill, Reason, WindowId, WindowStats};
pub use format::Format;
pub use huge::{HugePages, Progress};
pub use image::{LoadError, MemoryState};
pub use map::{MapError, MemoryMap, Shadow};
pub use phys::PhysIo;
pub use ram::{DmaRefusals, Flush, GuestMemory, MemoryError, Region};
pub use soft::Mmu;
pub use stale::Stale;
pub use walk::{PageTranslation, Paging, PagingState, Path};
pub use watch::{WatchHit, WatchKind, Watchpoint};
pub use windows::{WindowError, WindowLimits, Windows};
