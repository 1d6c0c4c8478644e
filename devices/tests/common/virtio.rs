//! A driver of virtio devices: rings in the first MiB of memory, requests of buffers, registers by either way.

use super::{CONFIG, wire};
use ringer_devices::{Board, BoardConfig};

/// Where the function's regions are put.
pub const PORTS: u16 = 0xc000;
pub const MESSAGES: u64 = 0xfebf_0000;
pub const REGISTERS: u64 = 0xfebf_4000;
/// The ring's three parts, and where buffers begin.
pub const DESCRIPTORS: u64 = 0x1_0000;
pub const AVAILABLE: u64 = 0x1_1000;
pub const USED: u64 = 0x1_2000;
pub const BUFFERS: u64 = 0x2_0000;

pub const NEXT: u16 = 1;
pub const WRITE: u16 = 2;
pub const INDIRECT: u16 = 4;

/// A descriptor.
pub fn descriptor(address: u64, len: u32, flags: u16, next: u16) -> Vec<u8> {
    [&address.to_le_bytes()[..], &len.to_le_bytes(), &flags.to_le_bytes(), &next.to_le_bytes()]
        .concat()
}

/// A board with a driver for the function of one of its devices.
pub struct Driver {
    pub board: Board,
    pub memory: Vec<u8>,
    pub now: u64,
    /// The ring that is spoken of.
    pub on: u64,
    size: u16,
    offered: [u16; 4],
}

/// Bytes between the rings.
const RINGS: u64 = 0x4000;

impl Driver {
    /// A driver of the function of device number `device`, whose regions are in their places.
    pub fn new(device: u32) -> Self {
        let config = BoardConfig { ide: [None; 4], ahci: [None; 6], ..CONFIG };
        let board = Board::new(config, wire().0, wire().0);
        let memory = vec![0; 1 << 20];
        let mut driver = Driver { board, memory, now: 0, on: 0, size: 0, offered: [0; 4] };
        let places = [(0x10, u32::from(PORTS)), (0x14, MESSAGES as u32), (0x20, REGISTERS as u32)];
        for (register, value) in places.into_iter().chain([(4, 7)]) {
            driver.configure(device, register, value);
        }
        // All four wires to IRQ 11.
        driver.configure(1, 0x60, 0x0b0b_0b0b);
        driver
    }

    pub fn configure(&mut self, device: u32, register: u32, value: u32) {
        self.board.port_out(self.now, 0xcf8, 4, 0x8000_0000 | device << 11 | register);
        self.board.over(&mut self.memory).port_out(self.now, 0xcfc, 4, value);
    }

    pub fn port_in(&mut self, at: u16, size: u8) -> u32 {
        self.board.over(&mut self.memory).port_in(self.now, PORTS + at, size)
    }

    pub fn port_out(&mut self, at: u16, size: u8, value: u32) {
        self.board.over(&mut self.memory).port_out(self.now, PORTS + at, size, value);
    }

    pub fn get(&mut self, at: u64, size: u8) -> u64 {
        self.board.over(&mut self.memory).mmio_read(self.now, REGISTERS + at, size)
    }

    pub fn set(&mut self, at: u64, size: u8, value: u64) {
        self.board.over(&mut self.memory).mmio_write(self.now, REGISTERS + at, size, value);
    }

    pub fn irq(&self) -> bool {
        self.board.line(11)
    }

    /// Accepts `features`, and has ring 0 of `size` entries: a new driver.
    pub fn start(&mut self, features: u64, size: u16) {
        self.set(0x14, 1, 0);
        self.set(0x14, 1, 3);
        for half in [0, 1] {
            self.set(0x08, 4, half);
            self.set(0x0c, 4, (features | 1 << 32) >> (32 * half) & 0xffff_ffff);
        }
        self.set(0x14, 1, 0x0b);
        assert_eq!(self.get(0x14, 1), 0x0b, "the features are taken");
        self.ring(0, size);
        self.set(0x14, 1, 0x0f);
    }

    /// Sets ring `number` up, at the first one's place and `number` times 16 KiB.
    pub fn ring(&mut self, number: u64, size: u16) {
        self.set(0x16, 2, number);
        self.set(0x18, 2, u64::from(size));
        for (at, place) in [(0x20, DESCRIPTORS), (0x28, AVAILABLE), (0x30, USED)] {
            self.set(at, 4, place + RINGS * number);
            self.set(at + 4, 4, 0);
        }
        self.set(0x1c, 2, 1);
        self.size = size;
        self.offered[number as usize] = 0;
    }

    pub fn put(&mut self, at: u64, bytes: &[u8]) {
        self.memory[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
    }

    pub fn bytes(&self, at: u64, len: usize) -> &[u8] {
        &self.memory[at as usize..at as usize + len]
    }

    pub fn word(&self, at: u64) -> u16 {
        u16::from_le_bytes(self.bytes(at, 2).try_into().unwrap())
    }

    /// Writes the descriptors of a request, each of an address, bytes, and whether the device writes them, from `first` on.
    pub fn describe(&mut self, first: u16, pieces: &[(u64, u32, bool)]) {
        for (n, &(address, len, write)) in (0u16..).zip(pieces) {
            let at = first + n;
            let more = usize::from(n) + 1 < pieces.len();
            let flags = if more { NEXT } else { 0 } | if write { WRITE } else { 0 };
            let entry = descriptor(address, len, flags, at + 1);
            self.put(DESCRIPTORS + RINGS * self.on + 16 * u64::from(at), &entry);
        }
    }

    /// Offers the request that begins at descriptor `head`.
    pub fn offer(&mut self, head: u16) {
        let (ring, offered) = (AVAILABLE + RINGS * self.on, self.offered[self.on as usize]);
        self.put(ring + 4 + 2 * u64::from(offered % self.size), &head.to_le_bytes());
        self.offered[self.on as usize] = offered.wrapping_add(1);
        self.put(ring + 2, &offered.wrapping_add(1).to_le_bytes());
    }

    /// The ring goes on behind `offered` requests: a state was taken over.
    pub fn ring_goes_on(&mut self, offered: u16) {
        self.offered[self.on as usize] = offered;
    }

    /// Has the device look at the ring.
    pub fn notify(&mut self) {
        self.set(0x3000 + 4 * self.on, 2, self.on);
    }

    /// Requests that were given back so far.
    pub fn used(&self) -> u16 {
        self.word(USED + RINGS * self.on + 2)
    }

    /// The request that was given back as the `n`th: its head, and bytes written.
    pub fn given(&self, n: u16) -> (u32, u32) {
        let at = USED + RINGS * self.on + 4 + 8 * u64::from(n % self.size);
        let word = |at| u32::from_le_bytes(self.bytes(at, 4).try_into().unwrap());
        (word(at), word(at + 4))
    }

    pub fn needs_reset(&mut self) -> bool {
        self.get(0x14, 1) & 0x40 != 0
    }
}
