//! The devices of a PC and the buses they hang on, owned by value by one single-threaded [`Board`].
//!
//! The problem: a guest kernel programs two 8259s, an 8254, a real-time clock, a 16550 and a keyboard
//! controller by port I/O, and expects each to behave as its data sheet says, at any pace of time.
//!
//! Three layers, each ignorant of the one above it:
//! - *chips* (`pic`, `pit`, `rtc`, `uart`, `i8042`, ...) are pure register machines. They know neither
//!   port numbers nor interrupt numbers, hold no locks and read no clock: time is an argument.
//! - the *bus* ([`bus`]) maps an address to whoever decodes it.
//! - the *board* ([`board`]) mounts chips on the bus and wires their pins to each other.
//!
//! Invariants:
//! - Time is `now`, nanoseconds of the one machine clock. A `now` in the past counts as the latest one
//!   seen, so device time never runs backwards. Ticks are exact: see [`clock`].
//! - A guest can write anything anywhere: no access panics, none takes unbounded time or memory.
//! - Nothing here knows the processor: what a device wants of it comes out as a [`BoardEvent`], or as
//!   the level of the INTR line.

pub mod acpi;
mod aml;
pub mod board;
pub mod bus;
pub mod clock;
mod dma;
mod i8042;
mod irq;
mod keyboard;
mod pci;
mod pic;
mod pit;
mod pm;
mod ports;
mod rtc;
mod uart;

pub use board::{Board, BoardConfig, BoardEvent, SerialSink, Stats};
pub use pic::Mask;
