//! The IDE function as drivers use it: sectors by PIO and by the bus master, packets, resets, and what goes wrong.

mod common;

use common::{CONFIG, wire};
use ringer_devices::ide::DriveKind;
use ringer_devices::{Board, BoardConfig, Medium, MediumError, rows};
use std::sync::{Arc, Mutex};

const DRIVES: [Option<DriveKind>; 4] =
    [Some(DriveKind::Disk), Some(DriveKind::Disk), Some(DriveKind::Cd), None];
/// Sectors of the first disk.
const SECTORS: usize = 300;
/// Where the tests have the bus master's registers.
const MASTER: u16 = 0xc000;

const DRQ: u32 = 0x08;
const ERR: u32 = 0x01;

/// Bytes that a test keeps a hand on, and what fails.
#[derive(Clone, Debug, Default)]
struct Shared {
    bytes: Arc<Mutex<Vec<u8>>>,
    /// Reads and writes of this sector fail.
    bad: Option<u64>,
    full: bool,
    read_only: bool,
    flushes: Arc<Mutex<usize>>,
}

impl Shared {
    fn new(sectors: usize) -> Self {
        let bytes = (0..sectors * 512).map(|n| (n / 512 + n % 251) as u8).collect();
        Shared { bytes: Arc::new(Mutex::new(bytes)), ..Shared::default() }
    }

    fn touches(&self, offset: u64, bytes: usize) -> bool {
        self.bad.is_some_and(|bad| offset < (bad + 1) * 512 && offset + bytes as u64 > bad * 512)
    }

    fn sector(&self, n: usize) -> Vec<u8> {
        self.bytes.lock().unwrap()[n * 512..(n + 1) * 512].to_vec()
    }
}

impl Medium for Shared {
    fn len(&self) -> u64 {
        self.bytes.lock().unwrap().len() as u64
    }

    fn is_read_only(&self) -> bool {
        self.read_only
    }

    fn read(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), MediumError> {
        match self.touches(offset, buf.len()) {
            true => Err(MediumError::Io),
            false => self.bytes.lock().unwrap().read(offset, buf),
        }
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), MediumError> {
        match () {
            () if self.read_only => Err(MediumError::ReadOnly),
            () if self.full => Err(MediumError::Full),
            () if self.touches(offset, data.len()) => Err(MediumError::Io),
            () => self.bytes.lock().unwrap().write(offset, data),
        }
    }

    fn flush(&mut self) -> Result<(), MediumError> {
        *self.flushes.lock().unwrap() += 1;
        Ok(())
    }
}

/// A board with drives, memory, and a driver that knows one channel.
struct Bench {
    board: Board,
    memory: Vec<u8>,
    disk: Shared,
    base: u16,
}

impl Bench {
    fn new() -> Self {
        Self::with(Shared::new(SECTORS))
    }

    fn with(disk: Shared) -> Self {
        let config = BoardConfig { ide: DRIVES, ..CONFIG };
        let board = Board::new(config, wire().0, wire().0);
        let mut bench = Bench { board, memory: vec![0; 1 << 20], disk, base: 0x1f0 };
        let disk: Box<dyn Medium> = Box::new(bench.disk.clone());
        assert!(bench.board.insert(rows::IDE, 0, Some(disk)));
        // BAR4, then ports and mastering on.
        bench.configure(0x20, u32::from(MASTER) | 1);
        bench.configure(0x04, 5);
        bench
    }

    fn configure(&mut self, register: u32, value: u32) {
        self.board.port_out(0, 0xcf8, 4, 0x8000_0900 | register);
        self.board.port_out(0, 0xcfc, 4, value);
    }

    fn read(&mut self, register: u16) -> u32 {
        let port = self.base + register;
        self.board.over(&mut self.memory).port_in(0, port, 1)
    }

    fn write(&mut self, register: u16, value: u32) {
        let port = self.base + register;
        self.board.over(&mut self.memory).port_out(0, port, 1, value);
    }

    fn control(&mut self, value: u32) {
        let port = self.base + 0x206;
        self.board.port_out(0, port, 1, value);
    }

    fn alternate_status(&mut self) -> u32 {
        self.board.port_in(0, self.base + 0x206, 1)
    }

    fn irq(&self) -> bool {
        self.board.line(if self.base == 0x1f0 { 14 } else { 15 })
    }

    /// A command with a 28-bit sector number on device 0.
    fn command(&mut self, code: u32, lba: u32, count: u32) {
        for (register, value) in
            [(6, 0xe0 | lba >> 24), (2, count), (3, lba), (4, lba >> 8), (5, lba >> 16), (7, code)]
        {
            self.write(register, value & 0xff);
        }
    }

    /// A block from the data register, as REP INSW reads it: as much as moves at once, then an item.
    fn take(&mut self, bytes: usize) -> Vec<u8> {
        let mut data = vec![0; bytes];
        let mut at = 0;
        while at < bytes {
            at += self.board.burst_in(self.base, 2, &mut data[at..]);
            if let Some(place) = data.get_mut(at..at + 2) {
                let item = self.board.over(&mut self.memory).port_in(0, self.base, 2);
                place.copy_from_slice(&(item as u16).to_le_bytes());
                at += 2;
            }
        }
        data
    }

    /// The same by REP OUTSD.
    fn put(&mut self, data: &[u8]) {
        let mut at = 0;
        while at < data.len() {
            at += self.board.burst_out(self.base, 4, &data[at..]);
            if let Some(four) = data.get(at..at + 4) {
                let item = u32::from_le_bytes([four[0], four[1], four[2], four[3]]);
                self.board.over(&mut self.memory).port_out(0, self.base, 4, item);
                at += 4;
            }
        }
    }

    /// A packet with room for `limit` bytes at a time.
    fn packet(&mut self, bytes: [u8; 12], limit: u32) {
        for (register, value) in [(6, 0xa0), (1, 0), (4, limit & 0xff), (5, limit >> 8), (7, 0xa0)]
        {
            self.write(register, value);
        }
        assert_eq!((self.read(7) & DRQ, self.read(2)), (DRQ, 1), "a packet is wanted");
        self.put(&bytes);
    }

    /// A packet's answer, in as many blocks as it takes.
    fn answer(&mut self, bytes: [u8; 12], limit: u32) -> Vec<u8> {
        self.packet(bytes, limit);
        let mut answer = Vec::new();
        while self.read(7) & DRQ != 0 {
            assert_eq!(self.read(2), 2, "data for the host");
            let block = self.read(4) | self.read(5) << 8;
            assert!(block <= limit && block > 0);
            answer.extend(self.take(block.next_multiple_of(2) as usize));
        }
        assert_eq!((self.read(7) & ERR, self.read(2) & 7), (0, 3));
        answer
    }

    /// The sense that the last command left: its key, code and qualifier.
    fn sense(&mut self) -> [u8; 3] {
        let sense = self.answer([3, 0, 0, 0, 18, 0, 0, 0, 0, 0, 0, 0], 512);
        [sense[2], sense[12], sense[13]]
    }

    fn failed(&mut self, bytes: [u8; 12]) -> [u8; 3] {
        self.packet(bytes, 2048);
        assert_eq!(self.read(7) & (ERR | DRQ), ERR);
        let key = self.read(1) >> 4;
        let sense = self.sense();
        assert_eq!(u32::from(sense[0]), key);
        sense
    }

    fn cd(&mut self, sectors: usize) -> Shared {
        let disc = Shared::new(sectors * 4);
        assert!(self.board.insert(rows::IDE, 2, Some(Box::new(disc.clone()))));
        self.base = 0x170;
        disc
    }

    fn master(&mut self, register: u16) -> u32 {
        let second = if self.base == 0x1f0 { 0 } else { 8 };
        self.board.over(&mut self.memory).port_in(0, MASTER + second + register, 1)
    }

    fn set_master(&mut self, register: u16, size: u8, value: u32) {
        let second = if self.base == 0x1f0 { 0 } else { 8 };
        self.board.over(&mut self.memory).port_out(0, MASTER + second + register, size, value);
    }

    /// A table at 1000h of regions (address, bytes), the last of them marked.
    fn table(&mut self, regions: &[(u32, u32)]) {
        for (n, &(address, bytes)) in regions.iter().enumerate() {
            let last = if n + 1 == regions.len() { 0x8000_0000 } else { 0 };
            let at = 0x1000 + 8 * n;
            self.memory[at..at + 4].copy_from_slice(&address.to_le_bytes());
            self.memory[at + 4..at + 8].copy_from_slice(&(bytes & 0xffff | last).to_le_bytes());
        }
        self.set_master(4, 4, 0x1000);
        self.set_master(2, 1, 6);
    }
}

#[test]
fn sectors_are_read_by_pio_with_an_interrupt_for_each_block() {
    let mut bench = Bench::new();
    bench.command(0x20, 7, 3);
    for n in 7..10 {
        assert!(bench.irq());
        assert_eq!(bench.read(7) & (DRQ | ERR), DRQ);
        assert!(!bench.irq(), "the status was read");
        assert_eq!(bench.take(512), bench.disk.sector(n));
    }
    assert!(!bench.irq());
    assert_eq!((bench.read(7), bench.read(2), bench.read(3)), (0x50, 0, 9));
    // READ MULTIPLE, by blocks as preset, not at all, and by blocks of four.
    bench.command(0xc4, 0, 18);
    bench.read(7);
    assert_eq!(bench.take(16 * 512)[15 * 512..], bench.disk.sector(15));
    assert!(bench.irq(), "a block of sixteen");
    assert_eq!(bench.take(2 * 512)[512..], bench.disk.sector(17));
    bench.command(0xc6, 0, 0);
    bench.command(0xc4, 0, 6);
    assert_eq!((bench.read(7) & ERR, bench.read(1)), (ERR, 4), "switched off");
    bench.command(0xc6, 0, 4);
    bench.command(0xc4, 0, 6);
    bench.read(7);
    assert_eq!(bench.take(2048)[512..1024], bench.disk.sector(1));
    assert!(bench.irq());
    assert_eq!(bench.take(1024)[512..], bench.disk.sector(5));
    assert_eq!(bench.alternate_status(), 0x50);
}

#[test]
fn sectors_are_written_by_pio_and_the_last_interrupt_says_that_they_are() {
    let mut bench = Bench::new();
    bench.command(0x30, 20, 2);
    assert_eq!((bench.read(7) & DRQ, bench.irq()), (DRQ, false), "nobody asks for the first");
    bench.put(&[0xaa; 512]);
    assert!(bench.irq());
    bench.put(&[0xbb; 512]);
    assert!(bench.irq());
    assert_eq!(bench.read(7), 0x50);
    assert_eq!((bench.disk.sector(20), bench.disk.sector(21)), (vec![0xaa; 512], vec![0xbb; 512]));
    assert_eq!(*bench.disk.flushes.lock().unwrap(), 0);
    bench.command(0xe7, 0, 0);
    assert_eq!(*bench.disk.flushes.lock().unwrap(), 1);
    // Without the write cache what was written is on the disk.
    bench.write(1, 0x82);
    bench.command(0xef, 0, 0);
    bench.command(0x30, 20, 1);
    bench.put(&[1; 512]);
    assert_eq!(*bench.disk.flushes.lock().unwrap(), 3);
}

#[test]
fn addresses_of_chs_and_of_48_bits_reach_the_same_sectors() {
    let mut bench = Bench::new();
    // Cylinder 0, head 4, sector 2 of 63 a track.
    for (register, value) in [(6, 0xa4), (2, 1), (3, 2), (4, 0), (5, 0), (7, 0x20)] {
        bench.write(register, value);
    }
    assert_eq!(bench.take(512), bench.disk.sector(4 * 63 + 1));
    // 10 sectors a track, 2 heads: cylinder 12, head 1, sector 10.
    for (register, value) in [(6, 0xa1), (2, 10), (7, 0x91)] {
        bench.write(register, value);
    }
    for (register, value) in [(6, 0xa1), (2, 1), (3, 10), (4, 12), (7, 0x20)] {
        bench.write(register, value);
    }
    assert_eq!(bench.take(512), bench.disk.sector(12 * 20 + 19));
    for (register, value) in [(6, 0xa1), (3, 11), (7, 0x20)] {
        bench.write(register, value);
    }
    assert_eq!((bench.read(7) & ERR, bench.read(1)), (ERR, 0x10), "no sector 11");
    // 48 bits: the high halves first.
    for (register, value) in
        [(6, 0x40), (2, 0), (3, 0), (4, 0), (5, 0), (2, 1), (3, 0x10), (4, 1), (5, 0), (7, 0x24)]
    {
        bench.write(register, value);
    }
    assert_eq!(bench.take(512), bench.disk.sector(0x110));
    // All 65,536 sectors of a count of 0 are not there; the first that is not is said, in both halves.
    for (register, value) in
        [(2, 0), (2, 0), (3, 0), (3, 1), (4, 0), (4, 0), (5, 0), (5, 0), (7, 0x24)]
    {
        bench.write(register, value);
    }
    assert_eq!((bench.read(1), bench.read(3), bench.read(4)), (0x10, 0x2c, 1));
    bench.control(0x80);
    assert_eq!((bench.read(3), bench.read(4)), (0, 0));
}

#[test]
fn what_the_medium_refuses_is_an_error_with_the_sector() {
    let mut bench = Bench::with(Shared { bad: Some(9), ..Shared::new(SECTORS) });
    bench.command(0x20, 8, 4);
    bench.take(512);
    assert_eq!((bench.read(7), bench.read(1), bench.read(3)), (0x51, 0x40, 9));
    assert!(!bench.irq());
    bench.command(0x30, 9, 1);
    bench.put(&[0; 512]);
    assert_eq!((bench.read(7), bench.read(1)), (0x71, 4), "a device fault");
    let mut bench = Bench::with(Shared { read_only: true, ..Shared::new(SECTORS) });
    bench.command(0x30, 9, 1);
    bench.put(&[0; 512]);
    assert_eq!((bench.read(7), bench.read(1)), (0x51, 0x44), "write-protected");
    bench.command(0x20, SECTORS as u32 - 1, 2);
    assert_eq!((bench.read(1), bench.read(3) | bench.read(4) << 8), (0x10, SECTORS as u32));
    bench.command(0x77 + 9, 0, 0);
    assert_eq!((bench.read(7), bench.read(1)), (0x51, 4), "no such command");
}

#[test]
fn the_bus_master_gathers_and_scatters_and_says_how_it_ended() {
    let mut bench = Bench::new();
    bench.table(&[(0x2000, 512), (0x4002, 1022), (0x8000, 2)]);
    bench.command(0xc8, 30, 3);
    assert!(!bench.irq());
    bench.set_master(0, 1, 9);
    assert!(bench.irq());
    assert_eq!((bench.master(2), bench.read(7)), (4, 0x50));
    bench.set_master(0, 1, 8);
    assert_eq!(bench.memory[0x2000..0x2200], bench.disk.sector(30));
    let rest = [bench.disk.sector(31), bench.disk.sector(32)].concat();
    assert_eq!(bench.memory[0x4002..0x4400], rest[..1022]);
    assert_eq!(bench.memory[0x8000..0x8002], rest[1022..]);
    // To the disk; there is room for more than is asked for: the master stays active.
    bench.memory[0x2000..0x2200].fill(0x77);
    bench.table(&[(0x2000, 0)]);
    bench.command(0xca, 40, 1);
    bench.set_master(0, 1, 1);
    assert_eq!((bench.master(2), bench.disk.sector(40)), (5, vec![0x77; 512]));
    bench.set_master(0, 1, 0);
    assert_eq!(bench.master(2), 4);
    // Too little room: the device waits, and no interrupt comes.
    bench.read(7);
    bench.table(&[(0x2000, 512)]);
    bench.command(0xc8, 0, 2);
    bench.set_master(0, 1, 9);
    assert_eq!((bench.master(2), bench.irq(), bench.read(7) & DRQ), (0, false, DRQ));
    // No memory there.
    bench.set_master(0, 1, 0);
    bench.table(&[(0x4000_0000, 512)]);
    bench.command(0xc8, 0, 1);
    bench.set_master(0, 1, 9);
    assert_eq!((bench.master(2), bench.irq()), (2, false));
}

#[test]
fn a_device_that_fails_during_dma_and_a_table_without_end_are_told() {
    let mut bench = Bench::with(Shared { bad: Some(20), ..Shared::new(SECTORS) });
    bench.table(&[(0x2000, 0)]);
    bench.command(0xc8, 0, 64);
    bench.set_master(0, 1, 9);
    assert_eq!((bench.read(7), bench.read(1), bench.read(3)), (0x51, 0x40, 20));
    assert_eq!(bench.master(2) & 6, 4);
    // Regions of two bytes and never a last one, to the end of the 64 KiB in which a table lies.
    let entry = [0u8, 0x20, 0, 0, 2, 0, 0, 0];
    bench.memory[0x1_0000..0x2_0000].chunks_mut(8).for_each(|at| at.copy_from_slice(&entry));
    bench.set_master(0, 1, 0);
    bench.set_master(4, 4, 0x1_0000);
    bench.set_master(2, 1, 6);
    bench.command(0xc8, 21, 0);
    bench.set_master(0, 1, 9);
    assert_eq!(bench.master(2), 0);
    // Without the master bit nothing is moved.
    bench.configure(0x04, 1);
    bench.set_master(0, 1, 0);
    bench.command(0xc8, 21, 1);
    bench.set_master(0, 1, 9);
    assert_eq!((bench.master(2), bench.irq()), (2, false));
}

#[test]
fn resets_leave_signatures_and_device_1_is_answered_for() {
    let mut bench = Bench::new();
    bench.write(6, 0xf0);
    bench.control(4);
    assert_eq!(bench.alternate_status(), 0x80);
    bench.control(0);
    let signature = |bench: &mut Bench| [1, 2, 3, 4, 5, 6, 7].map(|n| bench.read(n));
    assert_eq!(signature(&mut bench), [1, 1, 1, 0, 0, 0xa0, 0x50]);
    bench.base = 0x170;
    assert_eq!(signature(&mut bench), [1, 1, 1, 0x14, 0xeb, 0xa0, 0]);
    bench.write(6, 0xb0);
    assert_eq!((bench.read(7), bench.read(6)), (0, 0xb0), "there is no device 1");
    bench.write(6, 0xa0);
    bench.write(7, 0xec);
    assert_eq!((bench.read(7) & ERR, bench.read(4), bench.read(5)), (ERR, 0x14, 0xeb));
    // Diagnostics select device 0 and interrupt.
    bench.base = 0x1f0;
    bench.write(6, 0xb0);
    bench.write(7, 0x90);
    assert!(bench.irq());
    assert_eq!(signature(&mut bench), [1, 1, 1, 0, 0, 0xa0, 0x50]);
    // Nobody hears of interrupts while they are off.
    bench.control(2);
    bench.command(0x40, 0, 1);
    assert!(!bench.irq());
    bench.control(0);
    assert!(!bench.irq() || bench.read(7) == 0x50);
}

#[test]
fn a_channel_that_is_not_decoded_is_not_there() {
    let mut bench = Bench::new();
    assert_eq!(bench.read(7), 0x50);
    bench.configure(0x40, 0x8000_0000);
    assert_eq!((bench.read(7), bench.alternate_status()), (0xff, 0xff));
    bench.base = 0x170;
    assert_eq!(bench.alternate_status(), 0);
    bench.configure(0x40, 0x8000_8000);
    bench.base = 0x1f0;
    assert_eq!(bench.read(7), 0x50);
}

#[test]
fn a_disc_is_read_by_packets_and_by_the_bus_master() {
    let mut bench = Bench::new();
    let disc = bench.cd(20);
    let test_unit_ready = [0; 12];
    assert_eq!(bench.failed(test_unit_ready), [6, 0x28, 0], "the medium may be another");
    bench.packet(test_unit_ready, 512);
    assert!(bench.irq());
    assert_eq!((bench.read(7), bench.read(2)), (0x50, 3));
    assert_eq!(
        bench.answer([0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 512),
        [0, 0, 0, 19, 0, 0, 8, 0]
    );
    let read = [0x28, 0, 0, 0, 0, 3, 0, 0, 2, 0, 0, 0];
    let expected: Vec<u8> = (12..20).flat_map(|n| disc.sector(n)).collect();
    for limit in [2048, 65534, 512, 100] {
        assert!(bench.answer(read, limit) == expected, "{limit}");
    }
    // READ CD of user data, and one that wants what is not had.
    assert!(bench.answer([0xbe, 8, 0, 0, 0, 3, 0, 0, 2, 0x10, 0, 0], 2048) == expected);
    assert_eq!(bench.failed([0xbe, 8, 0, 0, 0, 3, 0, 0, 2, 0xf8, 0, 0]), [5, 0x24, 0]);
    assert_eq!(bench.failed([0x28, 0, 0, 0, 0, 19, 0, 0, 2, 0, 0, 0]), [5, 0x21, 0]);
    assert_eq!(bench.failed([0xfe, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), [5, 0x20, 0]);
    // DMA: the packet's byte count does not matter.
    bench.table(&[(0x2000, 4096)]);
    bench.write(1, 1);
    bench.write(7, 0xa0);
    bench.set_master(0, 1, 9);
    bench.put(&read);
    assert!(bench.irq());
    assert_eq!((bench.read(7), bench.read(2), bench.master(2)), (0x50, 3, 4));
    assert!(bench.memory[0x2000..0x3000] == expected);
}

#[test]
fn a_tray_opens_locks_and_tells_of_another_medium() {
    let mut bench = Bench::new();
    bench.cd(20);
    let event = [0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8, 0, 0, 0];
    let start_stop = |bits: u8| [0x1b, 0, 0, 0, bits, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(bench.answer(event, 512)[4..6], [2, 2], "new, and there");
    assert_eq!(bench.answer(event, 512)[4..6], [0, 2]);
    assert_eq!(bench.sense(), [6, 0x28, 0]);
    // Locked: neither guest nor user get it out.
    bench.packet([0x1e, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], 512);
    assert_eq!(bench.failed(start_stop(2)), [5, 0x53, 2]);
    assert!(!bench.board.insert(rows::IDE, 2, None));
    assert_eq!(bench.answer(event, 512)[4..6], [1, 2], "somebody wants it");
    bench.packet([0x1e, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 512);
    bench.packet(start_stop(2), 512);
    assert_eq!(bench.failed([0; 12]), [2, 0x3a, 2]);
    bench.packet(start_stop(3), 512);
    assert_eq!(bench.failed([0; 12]), [6, 0x28, 0]);
    assert!(bench.board.insert(rows::IDE, 2, None));
    assert_eq!(bench.failed([0; 12]), [2, 0x3a, 1]);
    assert_eq!(bench.answer(event, 512)[4..6], [3, 0]);
    // A disk is where it is, and there is no fourth drive.
    assert!(!bench.board.insert(rows::IDE, 3, None));
    assert!(!bench.board.insert(rows::IDE, 7, None));
}

#[test]
fn a_drive_takes_mode_pages_and_tells_its_own() {
    let mut bench = Bench::new();
    bench.cd(20);
    bench.sense();
    let pages = bench.answer([0x5a, 0, 0x2a, 0, 0, 0, 0, 1, 0, 0, 0, 0], 512);
    assert_eq!((pages[8], usize::from(pages[1]) + 2), (0x2a, pages.len()));
    assert_eq!(bench.answer([0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 8, 0, 0, 0], 512).len(), 8);
    let select = |bytes: u8| [0x55, 0x10, 0, 0, 0, 0, 0, 0, bytes, 0, 0, 0];
    let list = [0, 0, 0, 0, 0, 0, 0, 0, 1, 6, 0, 5, 0, 0, 0, 0];
    bench.packet(select(16), 512);
    assert_eq!((bench.read(7) & DRQ, bench.read(2)), (DRQ, 0));
    bench.put(&list);
    assert_eq!((bench.read(7), bench.read(2)), (0x50, 3));
    bench.packet(select(12), 512);
    bench.put(&list[..12]);
    assert_eq!(bench.read(7) & ERR, ERR);
    assert_eq!(bench.sense(), [5, 0x26, 0]);
    let inquiry = bench.answer([0x12, 0, 0, 0, 36, 0, 0, 0, 0, 0, 0, 0], 512);
    assert_eq!((inquiry[0], &inquiry[8..14]), (5, &b"RINGER"[..]));
}

#[test]
fn what_moves_at_once_leaves_the_board_as_item_by_item() {
    for (size, ask) in [(1, 700), (2, 510), (2, 8), (4, 2048), (4, 5)] {
        let mut saved = Vec::new();
        for at_once in [true, false] {
            let mut bench = Bench::new();
            // Two sectors, read, and then half a sector written.
            for (code, count) in [(0x20, 2), (0x30, 1)] {
                bench.command(code, 7, count);
                let mut data = vec![0x77; ask];
                let (board, base) = (&mut bench.board, bench.base);
                let most = 511 / usize::from(size) * usize::from(size);
                let len = ask.min(most) / usize::from(size) * usize::from(size);
                if at_once && code == 0x20 {
                    assert_eq!(board.burst_in(base, size, &mut data), len);
                } else if at_once {
                    assert_eq!(board.burst_out(base, size, &data), len);
                }
                for item in (0..len).step_by(usize::from(size)).filter(|_| !at_once) {
                    let place = &mut data[item..item + usize::from(size)];
                    if code == 0x20 {
                        let value = board.over(&mut bench.memory).port_in(0, base, size);
                        place.copy_from_slice(&value.to_le_bytes()[..place.len()]);
                    } else {
                        board.over(&mut bench.memory).port_out(0, base, size, 0x7777_7777);
                    }
                }
                let stats = (board.stats().port_reads, board.stats().port_writes);
                saved.push((bench.board.save().unwrap(), data, stats));
            }
        }
        assert!(saved[0] == saved[2] && saved[1] == saved[3], "items of {size} bytes, {ask}");
    }
}
