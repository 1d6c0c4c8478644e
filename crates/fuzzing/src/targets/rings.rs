//! Rings of virtio devices: a driver that has begun well writes anything into them, into buffers and registers; a copy by way
//! of a saved state, over a copy of memory, must do the same.

use super::nowhere::Nowhere;
use crate::target::Target;
use ringer_devices::{
    Board, BoardConfig, Folder, Mac, Medium, MediumError, Nics, VirtioConfig, rows,
};

/// Which device, features and the size of its rings; then steps of eight bytes: what, where, and a value.
pub const RINGS: Target = Target {
    name: "rings",
    run: rings,
    seeds: || (0..6).flat_map(|device| [request(device, 0), request(device, 3)]).collect(),
    words: &[
        // A descriptor's address and length, its flags, an index of what is offered, notifications, time.
        &[0, 0, 0, 0x10, 0, 0x40, 0, 0],
        &[0, 0, 0x0c, 0x10, 1, 0, 1, 0],
        &[0, 0, 2, 0x20, 1, 0, 0, 0],
        &[1, 0, 0, 0, 0, 0, 0, 0],
        &[1, 1, 0, 0, 0, 0, 0, 0],
        &[3, 0, 0, 0, 0, 0, 0, 0],
        &[4, 0, 0, 0, 0, 0, 0, 0],
        &[5, 60, 0, 0, 0, 0, 0, 0],
    ],
    memory: 8 << 20,
};

/// Bytes of a step, and steps of an input at most.
const STEP: usize = 8;
const MOST: usize = 500;
/// Bytes of memory; where the parts of ring 0 are, and how far the next ring's are from them.
const MEMORY: usize = 0x1_0000;
const PLACES: [u64; 3] = [0x1000, 0x2000, 0x3000];
const APART: u64 = 0x400;
/// Device numbers of a disk, random numbers, the console, the balloon, the network adapter, a folder.
const DEVICES: [u32; 6] = [0x10, 0x14, 0x15, 0x16, 0x17, 0x18];
/// Where the registers are.
const REGISTERS: u64 = 0xfebf_4000;
const SECTORS: u64 = 8;

/// A device that is driven well: a request of two buffers, what is to be read and what is to be written.
fn request(device: u8, features: u8) -> Vec<u8> {
    let put = |at: u16, value: u32| {
        let ([a, b], [c, d, e, f]) = (at.to_le_bytes(), value.to_le_bytes());
        vec![0, 0, a, b, c, d, e, f]
    };
    let ring = u16::from((2..5).contains(&device));
    let at = |place: u16| place + ring * 0x400;
    let steps = [
        put(at(0x1000), 0x4000),
        put(at(0x1008), 16),
        put(at(0x100c), 0x0001_0001),
        put(at(0x1010), 0x5000),
        put(at(0x1018), 513),
        put(at(0x101c), 2),
        put(at(0x2000), 0x0001_0000),
        vec![1, ring as u8, 0, 0, 0, 0, 0, 0],
        vec![3, 0, 0, 0, 0, 0, 0, 0],
    ];
    [vec![device, features, 3, 0], steps.concat()].concat()
}

/// A medium that nothing changes, so that a copy of the board has the same.
#[derive(Debug)]
struct Still;

impl Medium for Still {
    fn len(&self) -> u64 {
        SECTORS * 512
    }

    fn is_read_only(&self) -> bool {
        false
    }

    fn read(&mut self, _: u64, buf: &mut [u8]) -> Result<(), MediumError> {
        buf.fill(0xa5);
        Ok(())
    }

    fn write(&mut self, _: u64, _: &[u8]) -> Result<(), MediumError> {
        Ok(())
    }

    fn flush(&mut self) -> Result<(), MediumError> {
        Ok(())
    }
}

/// A folder that says what it was told.
#[derive(Debug)]
struct Echo(u8);

impl Folder for Echo {
    fn answer(&mut self, mut message: Vec<u8>, room: usize) -> Vec<u8> {
        self.0 = self.0.wrapping_add(1);
        message.push(self.0);
        message.truncate(room);
        message
    }

    fn reset(&mut self) {
        self.0 = 0;
    }

    fn save(&self) -> Vec<u8> {
        vec![self.0]
    }

    fn load(&mut self, bytes: &[u8]) -> bool {
        self.0 = bytes.first().copied().unwrap_or(0);
        bytes.len() == 1
    }
}

/// A board, its memory, and the time.
struct Run {
    board: Board,
    memory: Vec<u8>,
    now: u64,
}

impl Run {
    fn new() -> Self {
        let config = BoardConfig {
            ram_size: MEMORY as u64,
            debug_exit: false,
            apic: false,
            test_device: false,
            rtc_epoch_s: 1_000_000_000,
            log_post: false,
            ide: [None; 4],
            ahci: [None; 6],
            floppies: [None; 2],
            serials: [false; 3],
            parallel: false,
            vga: false,
            nics: Nics { virtio: Some(Mac::DEFAULT), ..Nics::default() },
            virtio: VirtioConfig { disks: [true, false, false, false], ..VirtioConfig::ALL },
        };
        let mut board = Board::new(config, Box::new(Nowhere), Box::new(Nowhere));
        board.insert(rows::VIRTIO_DISKS[0], 0, Some(Box::new(Still)));
        board.connect(rows::VIRTIO_CONSOLE, Box::new(Nowhere));
        board.connect_link("virtio-net", Box::new(Nowhere));
        board.share(rows::SHARE, Box::new(Echo(0)));
        Run { board, memory: vec![0; MEMORY], now: 0 }
    }

    fn set(&mut self, at: u64, size: u8, value: u64) {
        self.board.over(&mut self.memory).mmio_write(self.now, REGISTERS + at, size, value);
    }

    /// Begins as a driver does.
    fn start(&mut self, device: u8, features: u8, size: u8) {
        let device = DEVICES[usize::from(device) % DEVICES.len()];
        for (register, value) in [(0x20, REGISTERS as u32), (4, 6)] {
            self.board.port_out(0, 0xcf8, 4, 0x8000_0000 | device << 11 | register);
            self.board.port_out(0, 0xcfc, 4, value);
        }
        self.set(0x14, 1, 3);
        // Interrupts by index, mergeable buffers, or neither; VERSION_1.
        let wanted = u64::from(features & 1) << 29 | u64::from(features >> 1 & 1) << 15;
        for (half, value) in [(0, wanted), (1, 1)] {
            self.set(8, 4, half);
            self.set(12, 4, value);
        }
        self.set(0x14, 1, 11);
        for ring in 0..3 {
            self.set(0x16, 2, ring);
            self.set(0x18, 2, 1 << (size & 7));
            for (at, place) in [0x20, 0x28, 0x30].into_iter().zip(PLACES) {
                self.set(at, 4, place + APART * ring);
            }
            self.set(0x1c, 2, 1);
        }
        self.set(0x14, 1, 15);
    }

    fn step(&mut self, bytes: &[u8]) -> u64 {
        let at = u16::from_le_bytes([bytes[2], bytes[3]]);
        let value = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        match bytes[0] & 7 {
            0 => {
                let at = usize::from(at).min(MEMORY - 4);
                self.memory[at..at + 4].copy_from_slice(&value.to_le_bytes());
            }
            1 => self.set(0x3000 + 4 * u64::from(bytes[1]), 2, u64::from(bytes[1])),
            2 => self.set(u64::from(at) & 0x3fff, 1 << (bytes[1] & 3), u64::from(value)),
            3 => {
                let at = REGISTERS + (u64::from(at) & 0x3fff);
                return self.board.over(&mut self.memory).mmio_read(self.now, at, 4);
            }
            4 => {
                self.now += 1;
                self.board.over(&mut self.memory).advance(self.now);
            }
            5 => {
                let frame = vec![bytes[7]; 14 + usize::from(bytes[1])];
                let mut board = self.board.over(&mut self.memory);
                return u64::from(board.frame_input(self.now, &frame));
            }
            6 => return self.board.serial_input(self.now, &bytes[1..]) as u64,
            _ => self.board.reset(self.now),
        }
        u64::from(self.board.intr())
    }
}

fn rings(bytes: &[u8]) {
    let (head, steps) = bytes.split_at(bytes.len().min(4));
    let &[device, features, size, _] = head else { return };
    let mut run = Run::new();
    run.start(device, features, size);
    let steps: Vec<&[u8]> = steps.chunks_exact(STEP).take(MOST).collect();
    let (first, second) = steps.split_at(steps.len() / 2);
    for step in first {
        run.step(step);
    }
    while run.board.take_event().is_some() {}
    let saved = run.board.save().expect("it can be saved");
    let mut copy = Run::new();
    copy.board.load(&saved).expect("what was saved is loaded");
    (copy.memory, copy.now) = (run.memory.clone(), run.now);
    for step in second {
        assert_eq!(run.step(step), copy.step(step), "a copy answers otherwise");
    }
    assert!(run.memory == copy.memory, "a copy leaves other memory");
    assert!(run.board.save() == copy.board.save(), "a copy's state is another at the end");
}
