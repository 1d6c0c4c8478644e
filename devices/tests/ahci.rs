//! The AHCI adapter as a driver uses it: commands from memory, frames back, an interrupt, and what goes wrong.

mod common;

use common::{CONFIG, wire};
use ringer_devices::{Board, BoardConfig, DriveKind, Medium, rows};

/// Where the tests have the adapter's registers, the command list, the received frames and the command table.
const BASE: u64 = 0xfebf_1000;
const LIST: u32 = 0x1000;
const RECEIVED: u32 = 0x2000;
const TABLE: u32 = 0x3000;
/// The function's number in a configuration address.
const FUNCTION: u32 = 0x8000_f800;

const IS: u64 = 0x10;
const COMMAND: u64 = 0x18;
const TASK_FILE: u64 = 0x20;
const ISSUE: u64 = 0x38;

struct Bench {
    board: Board,
    memory: Vec<u8>,
    port: u64,
}

impl Bench {
    fn new() -> Self {
        let mut config = BoardConfig { ide: [None; 4], ahci: [None; 6], ..CONFIG };
        config.ahci[0] = Some(DriveKind::Disk);
        config.ahci[2] = Some(DriveKind::Cd);
        let mut board = Board::new(config, wire().0, wire().0);
        let disk: Box<dyn Medium> = Box::new((0..64u8).flat_map(|n| [n; 512]).collect::<Vec<u8>>());
        assert!(board.insert(rows::AHCI, 0, Some(disk)));
        for (register, value) in [(0x24, BASE as u32), (4, 6)] {
            board.port_out(0, 0xcf8, 4, FUNCTION | register);
            board.port_out(0, 0xcfc, 4, value);
        }
        // INTA# of device 31 is PIRQC: to IRQ 11.
        board.port_out(0, 0xcf8, 4, 0x8000_0860);
        board.port_out(0, 0xcfc, 4, 0x0b0b_0b0b);
        let mut bench = Bench { board, memory: vec![0; 1 << 20], port: 0 };
        bench.write(4, 0x8000_0002);
        for port in [0, 2] {
            bench.port = port;
            for (at, value) in [(0, LIST), (8, RECEIVED), (0x14, u32::MAX), (COMMAND, 0x11)] {
                bench.set(at, value);
            }
            bench.set(IS, u32::MAX);
        }
        bench.write(8, u32::MAX);
        bench.port = 0;
        bench
    }

    fn read(&mut self, at: u64) -> u32 {
        self.board.over(&mut self.memory).mmio_read(0, BASE + at, 4) as u32
    }

    fn write(&mut self, at: u64, value: u32) {
        self.board.over(&mut self.memory).mmio_write(0, BASE + at, 4, u64::from(value));
    }

    fn get(&mut self, at: u64) -> u32 {
        self.read(0x100 + self.port * 0x80 + at)
    }

    fn set(&mut self, at: u64, value: u32) {
        self.write(0x100 + self.port * 0x80 + at, value);
    }

    fn put(&mut self, at: u32, bytes: &[u8]) {
        self.memory[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
    }

    /// Issues a command in slot 0 whose data is in these regions (address, bytes).
    fn issue(&mut self, frame: [u8; 20], packet: [u8; 12], regions: &[(u32, u32)]) {
        let header = [5 | (regions.len() as u32) << 16, 0, TABLE, 0];
        self.put(LIST, &header.map(u32::to_le_bytes).concat());
        self.put(TABLE, &frame);
        self.put(TABLE + 0x40, &packet);
        for (n, &(address, bytes)) in (0..).zip(regions) {
            let entry = [address, 0, 0, bytes - 1];
            self.put(TABLE + 0x80 + 16 * n, &entry.map(u32::to_le_bytes).concat());
        }
        self.set(ISSUE, 1);
    }

    /// An ATA command of `count` sectors from `lba` on.
    fn ata(&mut self, code: u8, lba: u8, count: u8, regions: &[(u32, u32)]) {
        let mut frame = [0; 20];
        (frame[0], frame[1], frame[2], frame[4], frame[7], frame[12]) =
            (0x27, 0x80, code, lba, 0x40, count);
        self.issue(frame, [0; 12], regions);
    }

    fn irq(&self) -> bool {
        self.board.line(11)
    }

    /// Bytes that the last command moved, as its header says.
    fn moved(&self) -> u32 {
        let at = LIST as usize + 4;
        u32::from_le_bytes(self.memory[at..at + 4].try_into().unwrap())
    }
}

#[test]
fn ports_say_what_is_there_and_signatures_come_when_frames_are_received() {
    let mut bench = Bench::new();
    assert_eq!((bench.read(0x0c), bench.read(0x10)), (0x3f, 0x0001_0300));
    for (port, status, signature) in [(0, 0x113, 0x101), (1, 0, u32::MAX), (2, 0x113, 0xeb14_0101)]
    {
        bench.port = port;
        assert_eq!((bench.get(0x28), bench.get(0x24)), (status, signature), "{port}");
    }
    assert_eq!(bench.memory[RECEIVED as usize + 0x40], 0x34);
    assert!(!bench.irq());
    // A software reset by two frames, then one of the link.
    bench.port = 0;
    let mut frame = [0; 20];
    (frame[0], frame[15]) = (0x27, 4);
    bench.issue(frame, [0; 12], &[]);
    assert_eq!(bench.get(ISSUE), 0);
    frame[15] = 0;
    bench.issue(frame, [0; 12], &[]);
    assert_eq!((bench.get(ISSUE), bench.get(TASK_FILE)), (0, 0x150));
    bench.set(0x2c, 1);
    bench.set(0x2c, 0);
    assert_eq!(bench.get(0x30) & 1 << 26, 1 << 26);
}

#[test]
fn sectors_go_to_and_from_scattered_memory() {
    let mut bench = Bench::new();
    bench.ata(0x25, 7, 3, &[(0x8000, 512), (0x9000, 1024)]);
    assert_eq!((bench.get(ISSUE), bench.get(IS) & 1, bench.moved()), (0, 1, 1536));
    assert!(bench.irq());
    assert_eq!((bench.memory[0x8000], bench.memory[0x9000], bench.memory[0x9200]), (7, 8, 9));
    bench.set(IS, u32::MAX);
    assert!(bench.irq(), "the adapter's own bit is left");
    bench.write(8, u32::MAX);
    assert!(!bench.irq());
    // Back to other sectors; by PIO, too.
    bench.ata(0x35, 20, 3, &[(0x8000, 512), (0x9000, 1024)]);
    bench.ata(0x34, 30, 1, &[(0x9000, 512)]);
    bench.ata(0x20, 20, 1, &[(0xa000, 512)]);
    assert_eq!((bench.get(ISSUE), bench.memory[0xa000], bench.get(TASK_FILE)), (0, 7, 0x50));
    assert_eq!(bench.memory[RECEIVED as usize + 0x20], 0x5f, "a PIO setup frame");
    bench.ata(0x25, 30, 1, &[(0xa000, 512)]);
    assert_eq!(bench.memory[0xa000], 8);
    bench.ata(0xec, 0, 0, &[(0xa000, 512)]);
    assert_eq!(bench.memory[0xa000..0xa002], [0x40, 0]);
}

#[test]
fn a_command_that_fails_stops_its_port_until_it_is_started_again() {
    let mut bench = Bench::new();
    bench.ata(0x25, 62, 3, &[(0x8000, 1536)]);
    assert_eq!((bench.get(TASK_FILE) & 1, bench.get(IS) >> 30 & 1, bench.get(ISSUE)), (1, 1, 1));
    bench.ata(0x25, 0, 1, &[(0x8000, 512)]);
    assert_eq!(bench.get(ISSUE), 1);
    bench.set(COMMAND, 0x10);
    bench.set(COMMAND, 0x11);
    bench.ata(0x25, 5, 1, &[(0x8000, 512)]);
    assert_eq!((bench.get(ISSUE), bench.memory[0x8000]), (0, 5));
    // More data than room, and room where there is no memory.
    bench.ata(0x25, 0, 2, &[(0x8000, 512)]);
    assert_eq!((bench.get(IS) >> 24 & 1, bench.get(ISSUE)), (1, 1));
    bench.set(COMMAND, 0x10);
    bench.set(COMMAND, 0x11);
    bench.ata(0x25, 0, 1, &[(0x4000_0000, 512)]);
    assert_eq!((bench.get(IS) >> 29 & 1, bench.get(ISSUE)), (1, 1));
}

#[test]
fn a_disc_is_read_by_packets() {
    let mut bench = Bench::new();
    let disc: Vec<u8> = (0..32u8).flat_map(|n| [n | 0x80; 2048]).collect();
    assert!(bench.board.insert(rows::AHCI, 2, Some(Box::new(disc))));
    bench.port = 2;
    let mut frame = [0; 20];
    (frame[0], frame[1], frame[2], frame[3]) = (0x27, 0x80, 0xa0, 1);
    let read = [0x28, 0, 0, 0, 0, 4, 0, 0, 2, 0, 0, 0];
    bench.issue(frame, read, &[(0x8000, 4096)]);
    assert_eq!(bench.get(TASK_FILE) >> 8, 0x64, "the medium may be another");
    bench.set(COMMAND, 0x10);
    bench.set(COMMAND, 0x11);
    bench.issue(frame, read, &[(0x8000, 4096)]);
    assert_eq!((bench.get(TASK_FILE) & 1, bench.moved()), (0, 4096));
    assert_eq!((bench.memory[0x8000], bench.memory[0x8fff]), (0x84, 0x85));
    // The same by PIO, by blocks of 2048 bytes.
    (frame[3], frame[5], frame[6]) = (0, 0, 8);
    bench.memory[0x8000..0x9000].fill(0);
    bench.issue(frame, read, &[(0x8000, 4096)]);
    assert_eq!((bench.memory[0x8000], bench.memory[0x8fff], bench.moved()), (0x84, 0x85, 4096));
}

#[test]
fn a_message_takes_the_place_of_the_pin() {
    let mut bench = Bench::new();
    bench.set(0x14, u32::MAX);
    bench.ata(0x25, 1, 1, &[(0x8000, 512)]);
    assert!(bench.irq());
    // Vector 41h to processor 0; the local APIC is on.
    bench.board.mmio_write(0, 0xfee0_00f0, 4, 0x1ff);
    for (register, value) in [(0x84, 0xfee0_0000), (0x8c, 0x41), (0x80, 1 << 16)] {
        bench.board.port_out(0, 0xcf8, 4, FUNCTION | register);
        bench.board.port_out(0, 0xcfc, 4, value);
    }
    assert!(!bench.irq(), "the pin is low from then on");
    let requested = |bench: &mut Bench| bench.board.mmio_read(0, 0xfee0_0220, 4);
    assert_eq!(requested(&mut bench), 0);
    bench.set(IS, u32::MAX);
    bench.write(8, u32::MAX);
    bench.ata(0x25, 2, 1, &[(0x8000, 512)]);
    assert_eq!((requested(&mut bench), bench.irq()), (1 << 1, false));
    assert_eq!(bench.memory[0x8000], 2);
    bench.board.port_out(0, 0xcf8, 4, FUNCTION | 0x34);
    assert_eq!(bench.board.port_in(0, 0xcfc, 4) & 0xff, 0x80);
}
