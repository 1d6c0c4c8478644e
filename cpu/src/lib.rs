//! The architectural machine: what an x86 processor *is*, with no idea of how fast it should be.
//!
//! This crate holds the guest-visible processor state, the exceptions, the CPU models, and the
//! reference interpreter: the one place where the full semantics of every instruction stand. The
//! translator's fast paths are proved against it, and the monitor's callouts run it.
//!
//! Nothing here knows about page tables or devices: memory, ports and control-register side
//! effects are reached through the [`Bus`] trait, in *linear* addresses.

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
compile_error!("Ringer runs on x86-64 Linux only: it executes guest code on the host's processor");

pub mod addr;
pub mod bus;
pub mod choice;
pub mod exception;
pub mod features;
pub mod flags;
pub mod interp;
pub mod model;
pub mod refusal;
pub mod saved;
pub mod segment;
pub mod state;
pub mod testing;

pub use addr::{Frame, Lin, Pa, Page, Pc};
pub use bus::{Access, Bus, PagingChange, PagingRegs, Privilege};
pub use choice::ChoiceError;
pub use exception::{Exception, Vector};
pub use flags::Eflags;
pub use interp::{Interp, Outcome};
pub use model::{CpuModel, Features};
pub use refusal::Refusal;
pub use saved::{SavedCpu, SavedCpuError};
pub use segment::{SegAttr, Segment, Selector};
pub use state::{Activity, CpuState, FpuImage, Gpr, Msrs, SegReg, TableReg};
