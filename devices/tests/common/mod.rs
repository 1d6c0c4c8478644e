//! What the tests of the board share: a board with every row on it, and random numbers.

#![allow(dead_code)] // Each test file uses its part.

pub mod nic;
pub mod virtio;

use ringer_devices::ide::DriveKind;
use ringer_devices::link::{HEADER, MAX_FRAME};
use ringer_devices::{Board, BoardConfig, BoardEvent, Link, Nics, SerialSink, rows};
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};

/// A sink whose other end a test reads.
pub struct Wire(Sender<u8>);

impl SerialSink for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        // Nobody at the other end: the bytes are lost, as on an open line.
        bytes.iter().for_each(|&byte| self.0.send(byte).unwrap_or(()));
        Ok(())
    }
}

/// A line and its far end.
pub fn wire() -> (Box<Wire>, Receiver<u8>) {
    let (near, far) = channel();
    (Box::new(Wire(near)), far)
}

/// The configuration that fits all that a configuration can.
pub const CONFIG: BoardConfig = BoardConfig {
    ram_size: 512 << 20,
    debug_exit: true,
    apic: true,
    test_device: true,
    rtc_epoch_s: 1_000_000_000,
    log_post: true,
    ide: [Some(DriveKind::Disk), None, Some(DriveKind::Cd), None],
    ahci: [Some(DriveKind::Disk), None, Some(DriveKind::Cd), None, None, None],
    floppies: [
        Some(ringer_devices::FloppyDrive::Kib1440),
        Some(ringer_devices::FloppyDrive::Kib1200),
    ],
    vga: true,
    nics: Nics {
        e1000: Some(ringer_devices::Mac::DEFAULT),
        rtl8139: Some(ringer_devices::Mac::DEFAULT),
        virtio: Some(ringer_devices::Mac::DEFAULT),
    },
    virtio: ringer_devices::VirtioConfig::ALL,
    serials: [true; 3],
    parallel: true,
};

/// A link whose other end hangs loose.
#[derive(Debug)]
pub struct Loose;

impl Link for Loose {
    fn send(&mut self, frame: &[u8]) {
        assert!((HEADER..=MAX_FRAME).contains(&frame.len()), "{} bytes", frame.len());
    }
}

/// A board with every row on it; its sinks lose what they are given.
pub fn full_board() -> Board {
    let mut board = Board::new(CONFIG, wire().0, wire().0);
    assert!(board.connect_link(rows::E1000, Box::new(Loose)));
    board
}

/// Names of the events that wait, oldest first.
pub fn events(board: &mut Board) -> Vec<String> {
    std::iter::from_fn(|| board.take_event())
        .map(|event: BoardEvent| format!("{event:?}"))
        .collect()
}

/// A small xorshift generator: the sequence is the same on every host.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    /// The sequence number `seed`.
    pub fn new(seed: u64) -> Self {
        Random((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// One below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 16) % n
    }
}
