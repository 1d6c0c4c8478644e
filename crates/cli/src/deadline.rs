//! `--timeout`, from the start of the command: files are read within it too, however long a disk or a pipe takes.

use crate::patience;
use crate::pause::start;
use crate::say::say;
use crate::signals;
use crate::terminal;
use ringer::sandbox::Threads;
use ringer::{Refusal, status};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// The moment by which a run is over. As long as this is not [`Deadline::loaded`], the process ends then.
#[derive(Debug)]
pub struct Deadline {
    at: Option<Instant>,
    _loading: Option<Sender<()>>,
}

impl Deadline {
    /// The deadline of a run that begins now.
    ///
    /// # Errors
    /// When the system has no thread to spare.
    pub fn start(limit: Option<Duration>) -> Result<Self, Refusal> {
        let at = limit.and_then(|limit| Instant::now().checked_add(limit));
        patience::ends_at(at)?;
        let Some(limit) = limit else { return Ok(Self { at, _loading: None }) };
        let (loading, loaded) = channel::<()>();
        let watch = move || {
            if loaded.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                terminal::restore();
                say("stopped by --timeout, before all files were read");
                std::process::exit(i32::from(status::TIMEOUT));
            }
        };
        signals::shielded(|| start("deadline", Threads::SIGNALS, watch))??;
        Ok(Self { at, _loading: Some(loading) })
    }

    /// All files are read: from now on the run itself ends in time. When that is.
    pub fn loaded(self) -> Option<Instant> {
        self.at
    }
}
