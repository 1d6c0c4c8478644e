//! How the processes of a suite are started.

use std::io;
use std::process::{Child, Command};

/// Starts a process.
///
/// # Errors
/// When it cannot be started.
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    command.spawn()
}
