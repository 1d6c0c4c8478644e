//! The floppy controller on its board: sectors come through the 8237A into memory, as a driver has them.

mod common;

use common::full_board;
use ringer_devices::{Board, FloppyFormat, Medium, rows};

const IRQ: u8 = 6;

/// A machine of a board and memory.
struct Machine {
    board: Board,
    memory: Vec<u8>,
    now: u64,
}

/// An image of that many bytes, in which each sector differs from the others.
fn image(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at / 512 * 7 + at % 251) as u8).collect()
}

impl Machine {
    fn new() -> Self {
        let mut machine = Machine { board: full_board(), memory: vec![0; 1 << 20], now: 0 };
        machine.out(0x3f2, 0x1c);
        machine.wait();
        for unit in 0..4 {
            assert_eq!(machine.command(&[8], 2), [0xc0 | unit, 0]);
        }
        machine
    }

    fn out(&mut self, port: u16, value: u8) {
        self.board.over(&mut self.memory).port_out(self.now, port, 1, u32::from(value));
    }

    fn byte(&mut self, port: u16) -> u8 {
        self.board.over(&mut self.memory).port_in(self.now, port, 1) as u8
    }

    fn insert(&mut self, image: &[u8]) {
        let medium: Box<dyn Medium> = Box::new(image.to_vec());
        assert!(self.board.insert(rows::FLOPPY, 0, Some(medium)));
    }

    /// Lets time pass until the controller interrupts.
    fn wait(&mut self) {
        let end = self.now + 1_000_000_000;
        while !self.board.line(IRQ) {
            self.now = self.board.next_deadline().unwrap_or(end);
            assert!(self.now < end, "no interrupt came");
            self.board.over(&mut self.memory).advance(self.now);
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            assert_eq!(self.byte(0x3f4) & 0xc0, 0x80);
            self.out(0x3f5, byte);
        }
    }

    fn command(&mut self, bytes: &[u8], results: usize) -> Vec<u8> {
        self.send(bytes);
        if results == 7 {
            self.wait();
        }
        (0..results)
            .map(|_| {
                assert_eq!(self.byte(0x3f4) & 0xc0, 0xc0);
                self.byte(0x3f5)
            })
            .collect()
    }

    /// Channel 2 for `len` bytes at `pa`, in that mode.
    fn dma(&mut self, mode: u8, pa: u32, len: usize) {
        self.out(0x0a, 6);
        self.out(0x0c, 0);
        self.out(0x0b, mode);
        let [low, high, page, _] = pa.to_le_bytes();
        let count = (len - 1).to_le_bytes();
        for (port, byte) in [(4, low), (4, high), (0x81, page), (5, count[0]), (5, count[1])] {
            self.out(port, byte);
        }
        self.out(0x0a, 2);
    }

    fn seek(&mut self, cylinder: u8) {
        self.send(&[0x0f, 0, cylinder]);
        self.wait();
        assert_eq!(self.command(&[8], 2), [0x20, cylinder]);
    }
}

#[test]
fn a_whole_diskette_comes_by_dma_and_a_sector_goes() {
    let format = FloppyFormat::of(1440 << 10).unwrap();
    let image = image(1440 << 10);
    let mut machine = Machine::new();
    machine.insert(&image);
    machine.out(0x3f7, 0);
    let track = usize::from(format.sectors) * 512;
    let cylinder_bytes = 2 * track;
    for cylinder in 0..format.cylinders {
        machine.seek(cylinder);
        machine.dma(0x46, 0x2_0000, cylinder_bytes);
        let read = [0xe6, 0, cylinder, 0, 1, 2, 18, 0x1b, 0xff];
        assert_eq!(machine.command(&read, 7), [0, 0, 0, cylinder + 1, 0, 1, 2]);
        assert!(machine.byte(0x08) & 4 != 0, "terminal count");
        let at = usize::from(cylinder) * cylinder_bytes;
        assert!(
            machine.memory[0x2_0000..0x2_0000 + cylinder_bytes] == image[at..at + cylinder_bytes]
        );
    }
    machine.memory[0x3_0000..0x3_0200].fill(0xa5);
    machine.dma(0x4a, 0x3_0000, 512);
    let write = [0xc5, 4, 79, 1, 18, 2, 18, 0x1b, 0xff];
    assert_eq!(machine.command(&write, 7), [0, 0, 0, 80, 0, 1, 2], "where it would go on");
    machine.dma(0x46, 0x4_0000, 512);
    let read = [0xe6, 4, 79, 1, 18, 2, 18, 0x1b, 0xff];
    assert_eq!(machine.command(&read, 7)[..3], [0, 0, 0]);
    assert!(machine.memory[0x4_0000..0x4_0200].iter().all(|&byte| byte == 0xa5));
}

#[test]
fn transfers_wrap_at_64_kib_and_a_masked_channel_overruns() {
    let image = image(1440 << 10);
    let mut machine = Machine::new();
    machine.insert(&image);
    machine.out(0x3f7, 0);
    machine.dma(0x46, 0x2_ff00, 512);
    let read = [0xe6, 0, 0, 0, 1, 2, 18, 0x1b, 0xff];
    assert_eq!(machine.command(&read, 7)[0], 0);
    assert!(machine.memory[0x2_ff00..0x3_0000] == image[..256]);
    assert!(machine.memory[0x2_0000..0x2_0100] == image[256..512]);
    assert_eq!(machine.command(&read, 7)[..2], [0x40, 0x10], "the channel masked itself");
}

#[test]
fn a_diskette_that_is_changed_is_noticed_and_saved_machines_go_on() {
    let mut machine = Machine::new();
    machine.insert(&image(1440 << 10));
    machine.out(0x3f7, 0);
    assert_eq!(machine.byte(0x3f7), 0x80);
    machine.seek(1);
    assert_eq!(machine.byte(0x3f7), 0);
    // In the middle of a command.
    machine.dma(0x46, 0x1_0000, 1024);
    machine.send(&[0xe6, 0, 1, 0, 1, 2, 18, 0x1b, 0xff]);
    let state = machine.board.save().unwrap();
    let mut other =
        Machine { board: full_board(), memory: machine.memory.clone(), now: machine.now };
    other.insert(&image(1440 << 10));
    other.board.load(&state).unwrap();
    for one in [&mut machine, &mut other] {
        one.wait();
        assert_eq!((0..3).map(|_| one.byte(0x3f5)).collect::<Vec<_>>(), [0, 0, 0]);
    }
    assert!(machine.memory == other.memory && machine.now == other.now);
    for _ in 0..4 {
        machine.byte(0x3f5);
    }
    assert!(machine.board.insert(rows::FLOPPY, 0, None));
    assert_eq!(machine.byte(0x3f7), 0x80);
    assert!(!machine.board.insert(rows::FLOPPY, 2, None), "there is no such drive");
    let large: Box<dyn Medium> = Box::new(vec![0; 4 << 20]);
    assert!(!machine.board.insert(rows::FLOPPY, 0, Some(large)), "no diskette is so large");
}

#[test]
fn the_cmos_tells_of_the_drives() {
    let mut machine = Machine::new();
    for (register, value) in [(0x10, 0x42), (0x14, 0x43)] {
        machine.out(0x70, register);
        assert_eq!(machine.byte(0x71), value);
    }
}
