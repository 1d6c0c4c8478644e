//! What stands between a running guest and a serial sink, which is code of others.
//!
//! Invariant: an embedder's code is called with direction flag, MXCSR and x87 unit as the ABI wants them (invariant 8).
//! Translated code's exit sees to the first two; the guest's x87 state stays in the host's unit from one
//! block to the next, and is put aside here.

use ringer_cpu::interp::fpu;
use ringer_devices::SerialSink;
use std::io;

/// A sink that finds the host's x87 unit as its own.
pub struct Shielded(Box<dyn SerialSink>);

impl Shielded {
    /// Shields `sink`.
    pub fn sink(sink: Box<dyn SerialSink>) -> Box<dyn SerialSink> {
        Box::new(Self(sink))
    }
}

impl SerialSink for Shielded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        fpu::with_host_x87(|| self.0.write(bytes))
    }
}
