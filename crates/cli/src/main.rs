//! The `ringer` command: reads the command line, runs a machine or a test suite, and turns the end
//! into an exit status.
//!
//! Invariants: every error is one line on standard error that starts with `ringer: `; the statuses
//! are those of [`ringer::status`]; a panic is an internal error and leaves the terminal as
//! it was.

mod args;
mod console;
mod error;
mod nano;
mod output;
mod plan;
mod postmortem;
mod pty;
mod report;
mod run;
mod serial;
mod signals;
mod suite;
mod terminal;
mod tracing_output;
mod trigger;
mod verify;

use args::{Cli, Command};
use clap::Parser;
use clap::error::ErrorKind;
use error::CliError;
use ringer::status;
use std::panic;
use std::process::ExitCode;

fn main() -> ExitCode {
    terminal::install_panic_hook();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => return ExitCode::from(usage(&e)),
    };
    let result = panic::catch_unwind(panic::AssertUnwindSafe(|| dispatch(&cli.command)));
    let code = match result {
        Ok(Ok(code)) => code,
        Ok(Err(e)) => {
            eprintln!("ringer: {e}");
            e.status()
        }
        // The hook has printed it.
        Err(_) => status::INTERNAL,
    };
    ExitCode::from(code)
}

fn dispatch(command: &Command) -> Result<u8, CliError> {
    match command {
        Command::Run(args) => run::run(args),
        Command::Profile(args) => run::profile(args),
        Command::Verify(args) => verify::verify(args),
        Command::Demo(args) => run::demo(args),
        Command::Nano(args) => nano::run(args),
        Command::Test(args) => suite::run(args),
        Command::RestoreTerminal => {
            signals::ignore_background_output();
            terminal::watch();
            Ok(0)
        }
    }
}

/// Help goes out as clap wrote it; an error becomes one line.
fn usage(error: &clap::Error) -> u8 {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A reader that went away does not want the rest.
            let _ = error.print();
            0
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            eprintln!("ringer: no command given (try 'ringer --help')");
            status::USAGE
        }
        _ => {
            let text = error.to_string();
            let lines = text.lines().map(str::trim).take_while(|l| !l.is_empty());
            let line = lines.collect::<Vec<_>>().join(" ");
            eprintln!("ringer: {}", line.strip_prefix("error: ").unwrap_or(&line));
            status::USAGE
        }
    }
}
