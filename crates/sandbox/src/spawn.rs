//! Threads that confine themselves when they begin.

use crate::calls::Threads;
use crate::confinement::confine;
use crate::starting::{one_less, one_more};
use std::io;
use std::thread::{Builder, JoinHandle};

/// Makes a thread as `builder` says that confines itself as one of `threads`, if the process is sandboxed, and then does
/// `work`. No guest runs before it is confined.
///
/// # Errors
/// When the host has no thread to give.
pub fn spawn<T: Send + 'static>(
    builder: Builder,
    threads: Threads,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    one_more();
    let confined = move || {
        confine(threads);
        one_less();
        work()
    };
    builder.spawn(confined).inspect_err(|_| one_less())
}
