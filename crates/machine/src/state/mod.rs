//! A machine's state: saved between two instructions, loaded into another machine like it, compared.
//! `docs/state.md` has the form of the file and what is promised of it.
//!
//! `format.rs` knows bytes, `manifest.rs` and `boot_record.rs` what they say of the machine, `capture.rs`
//! the machine's parts, `machine_state.rs` the value that users hold, `file.rs` its file while it is written.

mod boot_record;
mod capture;
mod digest;
mod error;
mod file;
mod format;
mod machine_state;
mod manifest;

pub(crate) use boot_record::BootRecord;
pub(crate) use capture::{Own, restore, sections};
pub use digest::StateDigest;
pub use error::StateError;
pub(crate) use file::StateFiles;
pub(crate) use format::{Head, MAGIC};
pub use machine_state::MachineState;
pub(crate) use machine_state::write_file;
pub(crate) use manifest::{MachineRecord, Manifest};
