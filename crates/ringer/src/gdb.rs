//! A machine under gdb: [`Server::listen`], and then [`crate::Machine::run_with_gdb`] in the place of
//! [`crate::Machine::run`].
//!
//! With [`crate::ClockKind::Virtual`] gdb can go back in a run: `reverse-stepi`, `reverse-continue`. What was
//! sent to the sinks on the way is not sent again if they are behind the [`Gate`] that the machine is run with.
//! `docs/debugging.md` in the repository says what gdb sees and can do.

#[doc(inline)]
pub use ringer_gdb::{Address, BadAddress, Gate, GdbError, Server};
