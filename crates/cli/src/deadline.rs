//! `--timeout`, from the start of the command to its end: files are read within it, however long a disk or a pipe takes, and
//! what is written when the run is over is bounded by it too.
//!
//! While the guest runs the machine keeps the time. Before and behind that one thread does, which is started with the run. As
//! long as files are read it ends the process when the time is over. Afterwards whoever reads an output may have stopped:
//! the guest's own outputs are given up on in time ([`crate::output::Output::finish`]); everything else that is written
//! is marked ([`crate::writing`]), and the thread ends the process when such a write still waits for its reader
//! [`LAST`] after the timeout. Work that waits for nobody is not cut off.

use crate::pause::start;
use crate::say::say;
use crate::signals;
use crate::terminal;
use crate::writing;
use ringer::sandbox::Threads;
use ringer::{Refusal, status};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// So long after the timeout the guest's outputs may take.
const OUTPUTS: Duration = Duration::from_millis(500);
/// So long after it a write that waits for its reader ends the process.
const LAST: Duration = Duration::from_millis(800);
/// A write that takes so long waits for its reader.
const WAITS: Duration = Duration::from_millis(50);

/// What the thread watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Watched {
    /// When the run is to be over.
    ends: Option<Instant>,
    /// Its files are being read.
    loading: bool,
    /// The thread is there.
    by_thread: bool,
}

static WATCHED: Mutex<Watched> =
    Mutex::new(Watched { ends: None, loading: false, by_thread: false });
static CHANGED: Condvar = Condvar::new();

fn watched() -> MutexGuard<'static, Watched> {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The moment by which a run is over. As long as this is not [`Deadline::loaded`], the process ends then.
#[derive(Debug)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// The deadline of a run that begins now.
    ///
    /// # Errors
    /// When the system has no thread to spare.
    pub fn start(limit: Option<Duration>) -> Result<Self, Refusal> {
        let ends = limit.and_then(|limit| Instant::now().checked_add(limit));
        let before = {
            let mut watched = watched();
            let by_thread = watched.by_thread || ends.is_some();
            std::mem::replace(&mut *watched, Watched { ends, loading: true, by_thread })
        };
        CHANGED.notify_all();
        if ends.is_some() && !before.by_thread {
            signals::shielded(|| start("deadline", Threads::SIGNALS, watch))??;
        }
        Ok(Self(ends))
    }

    /// All files are read: from now on the run itself ends in time. When that is.
    pub fn loaded(self) -> Option<Instant> {
        self.0
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        watched().loading = false;
        CHANGED.notify_all();
    }
}

fn watch() {
    loop {
        let now = watched();
        let seen = *now;
        let over = seen.ends.map(|ends| if seen.loading { ends } else { ends + LAST });
        let left = over.map(|over| over.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) && seen.loading {
            drop(now);
            terminal::restore();
            say("stopped by --timeout, before all files were read");
            std::process::exit(i32::from(status::TIMEOUT));
        }
        let (began, from) = (writing::since(), Instant::now());
        let now = match left {
            None => CHANGED.wait(now).unwrap_or_else(PoisonError::into_inner),
            Some(left) => {
                let waited = CHANGED.wait_timeout(now, left.max(WAITS));
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        let same = *now == seen;
        drop(now);
        let waits = began.is_some() && began == writing::since() && from.elapsed() >= WAITS;
        if left == Some(Duration::ZERO) && same && waits {
            terminal::restore();
            std::process::exit(i32::from(status::TIMEOUT));
        }
    }
}

/// When the run is to be over, if it has a timeout.
pub fn of_run() -> Option<Instant> {
    watched().ends
}

/// When the guest's outputs are to be out.
pub fn of_outputs() -> Option<Instant> {
    of_run().map(|ends| ends + OUTPUTS)
}
