//! The `ringer` command: reads the command line, runs a machine or a test suite, and turns the end
//! into an exit status.
//!
//! Invariants: every error is one line on standard error that starts with `ringer: `; the statuses
//! are those of [`ringer::status`]; a panic is an internal error and leaves the terminal as
//! it was.

mod args;
mod console;
mod deadline;
mod debugger;
mod display;
mod drives;
mod error;
mod escape;
mod firmware;
mod generate;
mod memory;
mod nano;
mod net;
mod output;
mod pause;
mod picture;
mod pictures;
mod plan;
mod postmortem;
mod process;
mod profile;
mod pty;
mod report;
mod run;
mod sandbox;
mod say;
mod script;
mod serial;
mod share;
mod signals;
mod speaker;
mod suite;
mod target;
mod terminal;
mod tracing_output;
mod trigger;
mod usage;
mod verify;
mod version;
mod writing;

use args::Command;
use error::CliError;
use ringer::status;
use ringer_cpu::refusal::hint_for_file;
use std::error::Error;
use std::panic;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: memory::Allocator = memory::Allocator;

fn main() -> ExitCode {
    terminal::install_panic_hook();
    // Here the stack may be small still.
    match process::prepare() {
        Ok(()) => command(),
        Err(status) => ExitCode::from(status),
    }
}

#[inline(never)]
fn command() -> ExitCode {
    let cli = match usage::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(status) => return ExitCode::from(status),
    };
    let result = panic::catch_unwind(panic::AssertUnwindSafe(|| dispatch(cli.command)));
    let code = match result {
        Ok(Ok(code)) => code,
        Ok(Err(e)) => {
            say::say(mended(&e));
            e.status()
        }
        // The hook has printed it.
        Err(_) => status::INTERNAL,
    };
    ExitCode::from(code)
}

/// The error, and how to mend it where it is one of the host's limits and does not say so.
fn mended(error: &CliError) -> String {
    let text = error.to_string();
    let mut cause: Option<&dyn Error> = Some(error);
    while let Some(now) = cause {
        match now.downcast_ref().and_then(hint_for_file) {
            Some(hint) if !text.contains(hint) => return format!("{text}; {hint}"),
            _ => cause = now.source(),
        }
    }
    text
}

fn dispatch(command: Command) -> Result<u8, CliError> {
    match command {
        Command::Run(args) => run::run(&args),
        Command::Profile(args) => profile::command(*args),
        Command::Verify(args) => verify::verify(&args),
        Command::Demo(args) => run::demo(&args),
        Command::Nano(args) => nano::run(&args),
        Command::Test(args) => suite::run(&args),
        Command::Completions(args) => generate::completions(&args),
        Command::Man(args) => generate::man(&args),
        Command::RestoreTerminal { screen } => {
            signals::ignore_background_output();
            terminal::watch(screen);
            Ok(0)
        }
    }
}
