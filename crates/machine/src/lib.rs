//! A PC put together: memory, board and processor, and the loaders that put a guest into it.
//!
//! The problem: what a user names (a kernel, a ROM, a disk image) must become guest memory and an
//! entry state exactly as the protocol of that kind of image says, and a guest's reset must lead to
//! the same point again. [`Machine`] owns that cycle; [`boot`] holds one file for each protocol;
//! [`bios`] is the minimal firmware under a boot sector; [`firmware`] is what loaders share.
//!
//! Invariants: image files are read once, before anything is built; every size that an image file
//! states is checked against the file and against guest memory (invariant 17); nothing here panics because of a
//! file's contents.

pub mod bios;
pub mod boot;
mod config;
pub mod firmware;
mod handle;
mod machine;
mod postmortem;
mod schedule;
mod shield;
mod shutdown;
mod size;
mod state;
mod stop;
mod symbols;
mod until;
mod watch;

pub use boot::{Bios, BootSource, FileKind, Flat, FlatMode, LoadError, module_file, recognise};
pub use config::{BootDevice, FirmwareConfig, MachineConfig, PcConfig, RunConfig};
pub use handle::Handle;
pub use machine::{Checkpoint, Machine, MachineError, Sinks};
pub use postmortem::PostMortem;
pub use ringer_cpu::CpuModel;
pub use ringer_devices::{Room, Screen, SerialSink, screen};
pub use ringer_input::InputError;
pub use ringer_monitor::jitdump::{JitDump, SharedJitDump};
pub use ringer_monitor::recording;
pub use ringer_monitor::{
    At, BlockView, Checks, ClockKind, Counters, Engine, Event, Glance, Happening, HotCallout,
    KickSignal, LedgerRow, Marker, MemoryBudget, Moment, Onlooker, Profile, Row, TraceKinds,
    TranslatorOptions, UnusableSignal, WatchHit, WatchKind, Watchpoint, When,
};
pub use shield::{ShieldedDevice, ShieldedLink};
pub use size::{SizeError, parse_size};
pub use state::{MachineState, StateDigest, StateError};
pub use stop::{Stop, status};
pub use symbols::{
    Load, Place, Symbol, SymbolKind, Symbols, SymbolsError, read_symbols, symbols_for,
};
pub use until::Until;
