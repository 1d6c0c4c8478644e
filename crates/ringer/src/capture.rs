//! A sink that keeps what it is given.

use ringer_devices::SerialSink;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Keeps the latest bytes of an output in memory. Clones share them: one goes to the
/// [`crate::Builder`], another reads.
#[derive(Clone, Debug)]
pub struct Capture {
    bytes: Arc<Mutex<Vec<u8>>>,
    limit: usize,
}

impl Default for Capture {
    /// Keeps up to 1 MiB.
    fn default() -> Self {
        Self::with_limit(1 << 20)
    }
}

impl Capture {
    /// Keeps up to so many bytes; of more, the first are dropped.
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        Self { bytes: Arc::default(), limit }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        // Bytes are bytes, whatever a panicking thread did with them.
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bytes that came so far.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.lock().clone()
    }

    /// The bytes that came since this was last asked.
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.lock())
    }
}

impl SerialSink for Capture {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut kept = self.lock();
        kept.extend_from_slice(bytes);
        let over = kept.len().saturating_sub(self.limit);
        kept.drain(..over);
        Ok(())
    }
}
