//! The monitor: runs a guest by one of three engines, and stands between translated code, the
//! interpreter, the MMU and the devices.
//!
//! # Who owns what
//! [`Monitor`] is the whole, and only the run loop (`run.rs`) knows it. It has two owners in it:
//! - `Vcpu` (`vcpu.rs`) is one processor: its context, interpreter, windows and target tables
//!   (`space_selection.rs`), what translated code may do by itself (`segment_memo.rs`,
//!   `transfer_memo.rs`, `shortcuts.rs`), what comes next for it (`link.rs`, `prefill.rs`,
//!   `schedule.rs`), and the signals of the thread that runs it (`signals.rs`). A second processor is
//!   a second value.
//! - `Chassis` is the machine that it runs on: the system bus (`system_bus.rs`: memory, devices, the
//!   clock, what is recorded for a profile (`recorder.rs`), and the seat of the running processor's MMU) and translated code (`code.rs`: the cache,
//!   who makes blocks, who verifies them, which are made anew, where they end at breakpoints).
//!
//! Parts own their data, and are given what else they need.
//!
//! # What happens next
//! A piece of guest code answers with `Next` (`stop.rs`): translated code goes on, the dispatcher
//! finds the next block, the run loop services the machine, or the run is over, and why
//! ([`RunEnd`]). From the inside out:
//! - `step.rs` runs one instruction in the interpreter, `entry.rs` goes into translated code and
//!   comes out of it, `faults.rs` takes the exits that host traps and kicks cause;
//! - `dispatch.rs` finds or makes blocks and runs them; `lockstep.rs` runs both engines and compares
//!   (`difference.rs`; `aliased_move.rs` knows what may differ), a long string instruction slice by slice (`slices.rs`);
//! - `run.rs` services devices, mail, limits and interrupts between two slices of either, and
//!   `run/debug.rs` has what a debugger needs of it: single steps, watchpoints, going through a run again.
//!
//! Imports go from later to earlier files of this list only.

mod aliased_move;
pub mod bios;
mod breakpoints;
mod budget;
mod callouts;
mod clock;
mod code;
mod config;
mod difference;
mod dispatch;
mod dma;
mod entry;
mod events;
mod faults;
mod footprint;
mod glance;
mod gs;
mod heat;
mod hosttsc;
mod huge_pages;
mod idled;
mod inbox;
mod inputs;
pub mod jitdump;
mod journal;
mod link;
mod lockstep;
mod marks;
mod moment;
mod observe;
mod parts;
mod prefill;
mod profile;
mod random;
mod recorder;
pub mod recording;
mod retranslation;
mod run;
mod schedule;
mod segment_memo;
mod shortcuts;
pub mod signals;
mod slices;
mod space_selection;
mod state;
mod step;
mod stop;
mod summary;
pub mod symbols;
mod system_bus;
#[cfg(feature = "testing")]
pub mod testing;
mod transfer_memo;
mod vcpu;
mod verification;
mod why;
mod x87;

pub use bios::BiosHook;
pub use budget::MemoryBudget;
pub use config::{ClockKind, Engine, MonitorConfig, MonitorError, UnknownEngine};
pub use events::{At, Event, Happening, TraceKinds, When};
pub use glance::{Glance, Onlooker};
pub use inbox::{Kicker, MAX_FRAMES, MAX_KEYS};
pub use marks::Marker;
pub use moment::{BlockView, Moment};
pub use parts::Parts;
pub use profile::{Counters, HotCallout, LedgerRow, Profile, Row};
pub use random::host_entropy;
pub use ringer_mmu::{WatchHit, WatchKind, Watchpoint};
pub use ringer_translator::TranslatorOptions;
pub use run::Monitor;
pub use signals::{KickSignal, UnusableSignal};
pub use state::MonitorState;
pub use stop::{Breakpoint, RunEnd, Until};
pub use verification::Checks;
