//! An image as a drive's medium: bounds, write protection, and one line to the user for each kind of failure.

use crate::layers::{Failure, Layer};
use ringer_devices::{Medium, MediumError};
use ringer_input::shown;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Tells the user something, in one line. It is called on the thread that runs the machine.
pub type Reporter = Arc<dyn Fn(&str) + Send + Sync>;

/// An image in a drive.
pub(crate) struct Reporting {
    layer: Box<dyn Layer>,
    path: PathBuf,
    reporter: Reporter,
    /// Kinds of failures, and what was being done, of which the user knows.
    told: Vec<(&'static str, MediumError)>,
}

impl fmt::Debug for Reporting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reporting").field("path", &self.path).field("layer", &self.layer).finish()
    }
}

impl Reporting {
    /// The image `layer` of the file at `path`.
    pub(crate) fn new(layer: Box<dyn Layer>, path: PathBuf, reporter: Reporter) -> Self {
        Self { layer, path, reporter, told: Vec::new() }
    }

    fn tell(&mut self, doing: &'static str, done: Result<(), Failure>) -> Result<(), MediumError> {
        let Failure { kind, why } = match done {
            Ok(()) => return Ok(()),
            Err(failure) => failure,
        };
        if !self.told.contains(&(doing, kind)) {
            self.told.push((doing, kind));
            let path = shown(&self.path);
            (self.reporter)(&format!(
                "cannot {doing} the image {path}: {why}; the guest sees an I/O error"
            ));
        }
        Err(kind)
    }

    fn holds(&self, offset: u64, bytes: usize) -> Result<(), MediumError> {
        let end = offset.checked_add(bytes as u64);
        match end.is_some_and(|end| end <= self.layer.length()) {
            true => Ok(()),
            false => Err(MediumError::OutOfRange),
        }
    }
}

impl Medium for Reporting {
    fn len(&self) -> u64 {
        self.layer.length()
    }

    fn is_read_only(&self) -> bool {
        !self.layer.is_writable()
    }

    fn read(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), MediumError> {
        self.holds(offset, buf.len())?;
        let done = self.layer.read(offset, buf);
        self.tell("read", done)
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), MediumError> {
        self.holds(offset, data.len())?;
        if !self.layer.is_writable() {
            // No failure: that is what the user asked for.
            return Err(MediumError::ReadOnly);
        }
        let done = self.layer.write(offset, data);
        self.tell("write", done)
    }

    fn punch(&mut self, offset: u64, len: u64) -> Result<bool, MediumError> {
        self.holds(offset, usize::try_from(len).unwrap_or(usize::MAX))?;
        if !self.layer.is_writable() {
            return Err(MediumError::ReadOnly);
        }
        let mut punched = false;
        let done = self.layer.punch(offset, len).map(|done| punched = done);
        self.tell("write", done).map(|()| punched)
    }

    fn flush(&mut self) -> Result<(), MediumError> {
        let done = self.layer.flush();
        self.tell("flush", done)
    }
}
