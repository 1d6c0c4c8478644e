//! What stands between a running guest and serial sinks and devices of an embedder, which are code of others.
//!
//! Invariant: an embedder's code is called with direction flag, MXCSR and x87 unit as the ABI wants them (invariant 8).
//! Translated code's exit sees to the first two; the guest's x87 state stays in the host's unit from one
//! block to the next, and is put aside here.

use ringer_cpu::interp::fpu;
use ringer_devices::state::StateError;
use ringer_devices::{Ctx, Device, Link, Reset, Room, SerialSink};
use std::io;

/// A sink that finds the host's x87 unit as its own.
pub struct Shielded {
    sink: Box<dyn SerialSink>,
    /// What it said after the last write.
    room: Room,
}

impl Shielded {
    /// Shields `sink`.
    pub fn sink(sink: Box<dyn SerialSink>) -> Box<dyn SerialSink> {
        Box::new(Self { sink, room: Room::Free })
    }
}

impl SerialSink for Shielded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        // One way there and back: a guest sends byte by byte.
        fpu::with_host_x87(|| {
            let written = self.sink.write(bytes);
            self.room = self.sink.room();
            written
        })
    }

    fn room(&mut self) -> Room {
        let said = std::mem::replace(&mut self.room, Room::None);
        if said == Room::Free { said } else { fpu::with_host_x87(|| self.sink.room()) }
    }
}

/// A link that finds the host's x87 unit as its own.
#[derive(Debug)]
pub struct ShieldedLink(Box<dyn Link>);

impl ShieldedLink {
    /// Shields `link`.
    #[must_use]
    pub fn new(link: Box<dyn Link>) -> Self {
        Self(link)
    }
}

impl Link for ShieldedLink {
    fn send(&mut self, frame: &[u8]) {
        fpu::with_host_x87(|| self.0.send(frame));
    }
}

/// A device of an embedder's that finds the host's x87 unit as its own.
#[derive(Debug)]
pub struct ShieldedDevice(Box<dyn Device>);

impl ShieldedDevice {
    /// Shields `device`.
    #[must_use]
    pub fn new(device: Box<dyn Device>) -> Self {
        Self(device)
    }
}

impl Device for ShieldedDevice {
    fn read(&mut self, region: usize, offset: u64, size: u8, ctx: &mut Ctx<'_>) -> u64 {
        fpu::with_host_x87(|| self.0.read(region, offset, size, ctx))
    }

    fn write(&mut self, region: usize, offset: u64, size: u8, value: u64, ctx: &mut Ctx<'_>) {
        fpu::with_host_x87(|| self.0.write(region, offset, size, value, ctx));
    }

    fn burst_in(&mut self, region: usize, offset: u64, size: u8, buf: &mut [u8]) -> usize {
        fpu::with_host_x87(|| self.0.burst_in(region, offset, size, buf))
    }

    fn burst_out(&mut self, region: usize, offset: u64, size: u8, data: &[u8]) -> usize {
        fpu::with_host_x87(|| self.0.burst_out(region, offset, size, data))
    }

    fn wake(&mut self, ctx: &mut Ctx<'_>) {
        fpu::with_host_x87(|| self.0.wake(ctx));
    }

    fn deadline(&self) -> Option<u64> {
        fpu::with_host_x87(|| self.0.deadline())
    }

    fn acknowledged(&mut self, line: usize, ctx: &mut Ctx<'_>) {
        fpu::with_host_x87(|| self.0.acknowledged(line, ctx));
    }

    fn pin(&mut self, level: bool, ctx: &mut Ctx<'_>) {
        fpu::with_host_x87(|| self.0.pin(level, ctx));
    }

    fn receive(&mut self, bytes: &[u8], ctx: &mut Ctx<'_>) -> usize {
        fpu::with_host_x87(|| self.0.receive(bytes, ctx))
    }

    fn frame(&mut self, frame: &[u8], ctx: &mut Ctx<'_>) -> bool {
        fpu::with_host_x87(|| self.0.frame(frame, ctx))
    }

    fn backed_up(&mut self, full: bool, ctx: &mut Ctx<'_>) {
        fpu::with_host_x87(|| self.0.backed_up(full, ctx));
    }

    fn listens(&self) -> bool {
        fpu::with_host_x87(|| self.0.listens())
    }

    fn reset(&mut self, kind: Reset, ctx: &mut Ctx<'_>) {
        fpu::with_host_x87(|| self.0.reset(kind, ctx));
    }

    fn save(&self, ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        fpu::with_host_x87(|| self.0.save(ctx))
    }

    fn load(&mut self, version: u32, bytes: &[u8], ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        fpu::with_host_x87(|| self.0.load(version, bytes, ctx))
    }
}
