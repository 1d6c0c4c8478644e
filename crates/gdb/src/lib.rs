//! A machine under gdb, by the remote protocol.
//!
//! The problem: a debugger wants to stop a guest anywhere, look at all of it and change it, and the guest must
//! not notice, nor the machine become slow. [`Server`] listens; the machine runs on the thread that calls
//! [`Server::serve`], and between two runs of it that thread talks with gdb.
//!
//! - `server.rs`, `line.rs` and `session.rs` are the way to gdb: sockets, the threads that read them, the packets
//!   (which the crate gdbstub knows). `target.rs` and `arch.rs` say what gdbstub wants to know.
//! - `debuggee.rs` is the machine with what gdb has set; `forward.rs` runs it, and `backward.rs` goes back, to
//!   the states that `history.rs` keeps.
//! - `registers.rs`, `descriptor.rs` and `memory.rs` are what gdb sees and changes; `commands/` has the `monitor`
//!   commands.
//!
//! Breakpoints, watchpoints and single steps are the monitor's ([`ringer_machine::Until`]): nothing is written
//! into the guest's code and none of its debug registers is used.

mod address;
mod arch;
mod backward;
mod commands;
mod debuggee;
mod descriptor;
mod error;
mod forward;
mod gate;
mod history;
mod line;
mod memory;
mod registers;
mod server;
mod session;
mod target;

pub use address::{Address, BadAddress};
pub use error::GdbError;
pub use gate::Gate;
pub use server::Server;
