//! What the guest sends, for a script beside whoever reads it.

use ringer::{Room, SerialSink, Sinks};
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes that are kept for a script that has not looked yet; of more the beginning is lost.
const KEPT: usize = 1 << 20;

/// What was sent by the first serial port and not looked at; clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Tap(Arc<Mutex<VecDeque<u8>>>);

impl Tap {
    /// `sinks`, the serial one tapped.
    pub fn on(&self, sinks: Sinks) -> Sinks {
        let serial = Box::new(Tapped { sink: sinks.serial, tap: self.clone() });
        Sinks { serial, ..sinks }
    }

    /// Takes what was sent since the last time.
    pub fn take(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }
}

struct Tapped {
    sink: Box<dyn SerialSink>,
    tap: Tap,
}

impl SerialSink for Tapped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut kept = self.tap.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(bytes);
        let more = kept.len().saturating_sub(KEPT);
        kept.drain(..more);
        drop(kept);
        self.sink.write(bytes)
    }

    fn room(&mut self) -> Room {
        self.sink.room()
    }
}
