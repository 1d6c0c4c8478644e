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
mod checks;
mod clock;
mod config;
mod env;
mod faults;
mod footprint;
mod gather;
mod gs;
mod heat;
mod hosttsc;
mod inbox;
pub mod jitdump;
mod journal;
mod lockstep;
mod profile;
mod random;
mod refill;
mod reload;
mod run;
mod select;
pub mod signals;
mod single;
mod switches;
mod to_halt;
mod trapping;
mod x87;

pub use bios::BiosHook;
pub use checks::Checks;
pub use config::{ClockKind, Engine, MonitorConfig, MonitorError, RunEnd, UnknownEngine};
pub use inbox::Kicker;
pub use profile::{HotCallout, LedgerRow, Profile, Row};
pub use ringer_translator::TranslatorOptions;
pub use run::Monitor;
pub use single::Once;
pub use to_halt::HaltRun;
