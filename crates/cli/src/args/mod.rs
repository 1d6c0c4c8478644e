//! The command line: one file for each group of options.

mod display;
mod drive;
mod ends;
mod engine;
mod firmware;
mod gdb;
mod generate;
mod guest;
mod nano;
mod net;
mod pictures;
mod profile;
mod recording;
mod run;
mod script;
mod share;
mod suite;
mod suite_report;
mod trace;
mod values;
mod verify;
mod virtio;

pub use display::{Display, DisplayArgs};
pub use drive::{DriveArgs, Interface};
pub use ends::EndArgs;
pub use engine::{EngineArgs, Sandboxed, Ways};
pub use firmware::{FirmwareArgs, Vga};
pub use gdb::GdbArgs;
pub use generate::{CompletionsArgs, ManArgs};
pub use guest::GuestRun;
pub use nano::{DemoArgs, NanoArgs};
pub use net::{Net, NetArgs, NetKind};
pub use pictures::{DiffArgs, PictureArgs, ProfileCommand, ShowArgs};
pub use profile::ProfileArgs;
pub use recording::RecordingArgs;
pub use run::RunArgs;
pub use script::ScriptArgs;
pub use share::ShareArgs;
pub use suite::{ListFormat, TestArgs};
pub use suite_report::SuiteReportArgs;
pub use trace::{TraceArgs, TraceFormat};
pub use verify::VerifyArgs;
pub use virtio::VirtioArgs;

use crate::version;
use clap::{Parser, Subcommand};

/// An x86 PC in an ordinary Linux process, by binary translation.
///
/// `ringer FILE` runs a guest: a kernel (bzImage or Multiboot), a boot sector or disk image, a ROM or a
/// saved state, recognised by its contents; it is short for `ringer run FILE`.
#[derive(Debug, Parser)]
#[command(name = "ringer", version = version::SHORT, long_version = version::LONG)]
#[command(after_help = AFTER_HELP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "\
Stop status: 0 the guest powered off, (value << 1) | 1 what it wrote to the debug-exit port, \
2 usage or input error, 4 a test failed, 64 reset (--no-reboot), 66 triple fault, \
68 --max-instructions, 70 internal error, 72 lockstep difference, 74 output error, 76 refused by the verifier, \
78 a halt that nothing can wake, 80 a text of --fail-on, 84 a step of --script failed, 124 --timeout, 130 ended by the user.
On a stdio console, Ctrl-A X ends the run and Ctrl-A H lists the other keys.";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs a guest.
    Run(GuestRun),
    /// Runs a guest and prints where its time went.
    Profile(Box<ProfileArgs>),
    /// Runs guests in both engines with every block verified, and reports whether equivalence,
    /// resource control and efficiency held
    Verify(VerifyArgs),
    /// Runs test ROMs and reports on them.
    Test(TestArgs),
    /// Runs a small built-in guest and prints a short profile.
    Demo(DemoArgs),
    /// Measures what single operations cost: here, in QEMU TCG and natively.
    Nano(NanoArgs),
    /// Prints a completion script for a shell.
    Completions(CompletionsArgs),
    /// Writes the manual pages.
    Man(ManArgs),
    /// Restores the terminal when the process that started this one dies.
    #[command(hide = true)]
    RestoreTerminal {
        /// It shows its other screen.
        #[arg(long)]
        screen: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
