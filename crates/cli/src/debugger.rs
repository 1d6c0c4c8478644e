//! gdb's way to a guest.

use crate::args::GdbArgs;
use crate::error::CliError;
use crate::say::say;
use ringer::gdb::{Gate, Server};
use ringer::{Machine, Sinks, Stop, Until};

/// Where gdb is listened for, and the gate that the guest's output goes through.
#[derive(Debug)]
pub struct Debugger {
    server: Server,
    gate: Gate,
    wait: bool,
}

impl Debugger {
    /// Listens where `args` say, if they do.
    ///
    /// # Errors
    /// When the address is in use, or is none of this host's.
    pub fn listen(args: &GdbArgs) -> Result<Option<Self>, CliError> {
        let Some(address) = args.address() else { return Ok(None) };
        let server = Server::listen(&address).map_err(ringer::Error::from)?;
        let waiting = if args.wait() { "waiting for gdb" } else { "gdb can connect" };
        say(format_args!("{waiting} at {}", server.address()));
        Ok(Some(Self { server, gate: Gate::new(), wait: args.wait() }))
    }

    /// `sinks` behind the gate.
    pub fn guard(&self, sinks: Sinks) -> Sinks {
        self.gate.guard(sinks)
    }

    /// Runs the machine to its end, with gdb.
    pub fn run(&self, machine: &mut Machine, until: &Until) -> Result<Stop, ringer::Error> {
        machine.run_with_gdb(&self.server, &self.gate, self.wait, until)
    }
}
