//! The differential fuzzer: random sequences of instructions in Ringer's two engines and in an
//! independent implementation of the architecture, everything compared.
//!
//! One guest program, the runner, takes batches of cases from memory on all three; see
//! `guest/runner.s`. [`run::Machines`] is the whole of it.

mod bench;
mod case;
mod compare;
mod composer;
mod generate;
mod layout;
pub mod machines;
mod model;
mod peer;
mod peer_faults;
#[cfg(feature = "planted-fault")]
pub mod planted;
mod qemu;
mod report;
mod ringer;
pub mod run;
mod sequence;
mod setting;
mod special;
pub mod tables;
mod units;

pub use peer::PeerError;
pub use qemu::Qemu;
