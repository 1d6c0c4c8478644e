//! The devices of a PC and the buses they hang on, owned by value by one single-threaded [`Board`].
//!
//! The problem: a guest kernel programs two 8259s, an 8254, a real-time clock, a 16550 and a keyboard
//! controller by port I/O, and expects each to behave as its data sheet says, at any pace of time.
//!
//! Four layers, each ignorant of the one above it:
//! - *chips* (`pic`, `pit`, `rtc`, `uart`, `i8042`, ...) are pure register machines. They know neither
//!   port numbers nor interrupt numbers, hold no locks and read no clock: time is an argument.
//! - a [`Device`] is a chip in its mounting: it turns accesses to regions into accesses to registers, and pins
//!   into lines of a [`Ctx`], the one way out of it.
//! - a [`Row`] says all else there is to know of a device, and [`rows::TABLE`] is the table of them.
//! - the *board* ([`board`]) mounts devices by their rows on the buses ([`bus`]), calls them, and saves them.
//!
//! Invariants:
//! - Time is `now`, nanoseconds of the one machine clock. A `now` in the past counts as the latest one
//!   seen, so device time never runs backwards (invariant 14). Ticks are exact: see [`clock`].
//! - A guest can write anything anywhere: no access panics, none takes unbounded time or memory (invariant 15).
//! - Nothing here knows the processor: what a device wants of it comes out as a [`BoardEvent`], or as
//!   the level of the INTR line.

#![cfg_attr(
    not(test),
    warn(clippy::cast_possible_truncation, clippy::cast_possible_wrap, clippy::cast_sign_loss)
)]

mod access;
#[allow(clippy::cast_possible_truncation)] // Lengths of tables, which are of a few hundred bytes.
pub mod acpi;
pub mod addresses;
#[allow(clippy::cast_possible_truncation)] // Fields of messages.
mod apics;
#[allow(clippy::cast_possible_truncation)]
mod backplane;
pub mod board;
mod board_state;
#[cfg(test)]
mod board_tests;
pub mod bus;
pub mod clock;
mod config;
mod ctx;
mod deadlines;
pub mod device;
mod display;
mod dma;
#[allow(clippy::cast_possible_truncation)] // Fields of registers and descriptors.
mod e1000;
mod floppy;
pub mod folder;
#[allow(clippy::cast_possible_truncation)] // Lengths that are checked first.
pub mod fw_cfg;
mod given;
mod host;
#[allow(clippy::cast_possible_truncation)] // Fields of registers.
mod hpet;
mod i8042;
pub mod ide;
mod input;
#[allow(clippy::cast_possible_truncation)] // Fields of registers.
mod ioapic;
mod irq;
mod isa_dma;
mod keyboard;
mod keys;
#[allow(clippy::cast_possible_truncation)] // Fields of registers.
mod lapic;
pub mod link;
mod masks;
pub mod medium;
pub mod memory;
mod microwire;
mod mounts;
mod mouse;
mod msrs;
mod pam;
mod parallel;
mod pci;
mod pic;
mod pit;
mod pm;
pub mod row;
pub mod rows;
mod rtc;
#[allow(clippy::cast_possible_truncation)] // Fields of registers.
mod rtl8139;
mod scancodes;
pub mod screen;
mod smbus;
pub mod speaker;
pub mod state;
mod ticks;
mod typing;
mod uart;
pub mod vga;
mod virtio;

pub use access::OverMemory;
pub use backplane::Stats;
pub use board::{AttachError, Board};
pub use config::{BoardConfig, VirtioConfig};
pub use ctx::Ctx;
pub use device::{Device, Reset};
pub use floppy::format::{Density, FloppyDrive, FloppyFormat};
pub use folder::{Folder, Tag, TagError};
pub use host::{BoardEvent, Room, SerialSink};
pub use ide::DriveKind;
pub use input::{Input, MouseInput};
pub use isa_dma::IsaTransfer;
pub use keys::Key;
pub use link::{Link, Mac, MacError, NicModel, Nics};
pub use medium::{Medium, MediumError};
pub use pic::Mask;
pub use row::Row;
pub use screen::Screen;
pub use speaker::Sound;
pub use state::{BoardLoadError, Section};
pub use typing::{LAYOUTS, Layout, TypingError};
