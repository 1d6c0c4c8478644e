//! `--timeout` bounds what is written when the run is over, too.
//!
//! Whoever reads an output may have stopped. The guest's own outputs are given up on in time
//! ([`crate::output::Output::finish`]); everything else that is written is marked ([`crate::writing`]), and a thread that was
//! started with the run ends the process when such a write still waits for its reader [`LAST`] after the timeout. Work
//! that waits for nobody is not cut off.

use crate::pause::{pause, start};
use crate::signals;
use crate::terminal;
use crate::writing;
use ringer::sandbox::Threads;
use ringer::{Refusal, status};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So long after the timeout the guest's outputs may take.
const OUTPUTS: Duration = Duration::from_millis(500);
/// So long after it a write that waits for its reader ends the process.
const LAST: Duration = Duration::from_millis(800);
/// A write that takes so long waits for its reader.
const WAITS: Duration = Duration::from_millis(50);

/// When the run is to be over.
static ENDS: Mutex<Option<Instant>> = Mutex::new(None);
/// The thread is there.
static WATCHED: AtomicBool = AtomicBool::new(false);

/// A run begins that is to be over `ends`, if then.
pub fn ends_at(ends: Option<Instant>) -> Result<(), Refusal> {
    *ENDS.lock().unwrap_or_else(PoisonError::into_inner) = ends;
    if ends.is_none() || WATCHED.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    signals::shielded(|| start("patience", Threads::SIGNALS, watch))?
}

fn watch() {
    loop {
        let began = writing::since();
        let last = of_run().map(|ends| ends + LAST);
        let left = last.map_or(WAITS, |last| last.saturating_duration_since(Instant::now()));
        pause(left.max(WAITS));
        let over = left.is_zero() && of_run().map(|ends| ends + LAST) == last;
        if over && began.is_some() && began == writing::since() {
            terminal::restore();
            std::process::exit(i32::from(status::TIMEOUT));
        }
    }
}

/// When the run is to be over, if it has a timeout.
pub fn of_run() -> Option<Instant> {
    *ENDS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// When the guest's outputs are to be out.
pub fn of_outputs() -> Option<Instant> {
    of_run().map(|ends| ends + OUTPUTS)
}
