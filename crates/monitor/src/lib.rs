//! The monitor: runs a guest by one of three engines, and stands between translated code, the
//! interpreter, the MMU and the devices.
//!
//! [`Monitor::run`] is the run loop; [`bt`] dispatches blocks, [`faults`] takes the exits that host
//! traps cause, [`lockstep`] compares the two engines, [`signals`] is the only place where host
//! signals arrive.

pub mod bios;
mod blocks;
mod bt;
mod callouts;
mod clock;
mod config;
mod faults;
mod footprint;
mod gs;
mod heat;
mod hosttsc;
mod huge_pages;
mod inbox;
pub mod jitdump;
mod journal;
mod lockstep;
mod prefill;
mod profile;
mod random;
mod reset;
mod retranslation;
mod run;
mod segment_memo;
pub mod signals;
mod space_selection;
mod system_bus;
#[cfg(feature = "testing")]
pub mod testing;
mod transfer_memo;
mod verification;
mod x87;

pub use bios::BiosHook;
pub use config::{ClockKind, Engine, MonitorConfig, MonitorError, RunEnd, UnknownEngine};
pub use inbox::Kicker;
pub use profile::{HotCallout, LedgerRow, Profile, Row};
pub use reset::Parts;
pub use ringer_translator::TranslatorOptions;
pub use run::Monitor;
pub use signals::{KickSignal, UnusableSignal};
pub use verification::Checks;
