//! The host's ends of a board that nobody looks at.

use ringer_devices::{Link, SerialSink};
use std::io;

/// Where bytes and frames go.
#[derive(Debug)]
pub(super) struct Nowhere;

impl SerialSink for Nowhere {
    fn write(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
}

impl Link for Nowhere {
    fn send(&mut self, _: &[u8]) {}
}
