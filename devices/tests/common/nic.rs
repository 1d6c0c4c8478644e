//! A board with one network adapter, its memory, and the far end of its cable.

use super::{CONFIG, wire};
use ringer_devices::{Board, BoardConfig, Link, Mac, NicModel, Nics};
use std::sync::mpsc::{Receiver, Sender, channel};

#[derive(Debug)]
struct Cable(Sender<Vec<u8>>);

impl Link for Cable {
    fn send(&mut self, frame: &[u8]) {
        self.0.send(frame.to_vec()).unwrap();
    }
}

/// The adapter, whose registers a driver has placed at `base` in memory.
pub struct Nic {
    pub board: Board,
    pub memory: Vec<u8>,
    pub out: Receiver<Vec<u8>>,
    pub now: u64,
    base: u64,
}

impl Nic {
    /// An adapter of `model`, function `function` (as an address of the configuration space has it), whose base register at
    /// `register` places it at `base`; its INTA# leads to IRQ 11.
    pub fn new(model: NicModel, function: u32, register: u32, base: u64, memory: usize) -> Nic {
        let nics = Nics::default().with(model, Mac::DEFAULT);
        let mut board = Board::new(BoardConfig { nics, ..CONFIG }, wire().0, wire().0);
        let (near, out) = channel();
        assert!(board.connect_link(model.id(), Box::new(Cable(near))));
        let routes = (0x8000_0860, 0x0b0b_0b0b);
        for (address, value) in [(function | register, base as u32), (function | 4, 7), routes] {
            board.port_out(0, 0xcf8, 4, address);
            board.port_out(0, 0xcfc, 4, value);
        }
        Nic { board, memory: vec![0; memory], out, now: 0, base }
    }

    /// Writes `size` bytes of `value` to the register at `at`.
    pub fn write(&mut self, at: u64, size: u8, value: u32) {
        let mut over = self.board.over(&mut self.memory);
        over.mmio_write(self.now, self.base + at, size, value.into());
    }

    /// Reads `size` bytes there.
    pub fn read(&mut self, at: u64, size: u8) -> u32 {
        self.board.over(&mut self.memory).mmio_read(self.now, self.base + at, size) as u32
    }

    /// Time goes on to `now`.
    pub fn advance(&mut self) {
        self.board.over(&mut self.memory).advance(self.now);
    }

    /// A frame comes in; whether it is taken.
    pub fn come(&mut self, frame: &[u8]) -> bool {
        self.board.over(&mut self.memory).frame_input(self.now, frame)
    }

    pub fn put(&mut self, at: u32, bytes: &[u8]) {
        self.memory[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
    }

    pub fn bytes(&self, at: u32, len: usize) -> &[u8] {
        &self.memory[at as usize..at as usize + len]
    }
}

/// A frame of `len` bytes to `to`, of a protocol that nobody knows.
pub fn frame(to: [u8; 6], len: usize) -> Vec<u8> {
    let payload = (0..len - 14).map(|n| n as u8);
    to.into_iter().chain([2, 0, 0, 0, 0, 1, 0x88, 0xb5]).chain(payload).collect()
}
