//! Waiting a while, and threads, without the panics that the standard library has for a host that refuses them.

use ringer::sandbox::{Threads, spawn};
use ringer_cpu::refusal::{Refusal, refused};
use std::thread::{self, Builder};
use std::time::{Duration, Instant};

/// Does nothing for so long. (`std::thread::sleep` panics where clock_nanosleep is refused.)
pub fn pause(time: Duration) {
    let begin = Instant::now();
    while let Some(left) = time.checked_sub(begin.elapsed()).filter(|left| !left.is_zero()) {
        thread::park_timeout(left);
    }
}

/// Starts a thread that may make the system calls of `threads`. (`std::thread::spawn` panics where there cannot be one more.)
pub fn start(
    name: &str,
    threads: Threads,
    work: impl FnOnce() + Send + 'static,
) -> Result<(), Refusal> {
    let builder = Builder::new().name(name.to_owned());
    spawn(builder, threads, work).map(drop).map_err(refused("clone"))
}

/// Starts a thread that may do what the calling one may.
pub fn start_alike(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Refusal> {
    Builder::new().name(name.to_owned()).spawn(work).map(drop).map_err(refused("clone"))
}
