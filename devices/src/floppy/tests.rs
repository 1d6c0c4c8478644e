//! The controller with diskettes, command by command.

use super::controller::{Bus, Controller, DRIVES};
use super::drive::Drive;
use super::format::{FORMATS, FloppyDrive, FloppyFormat};
use crate::medium::{Medium, MediumError};

/// The host's memory behind the DMA channel: so many bytes are wanted, these came, or are to be taken.
#[derive(Default)]
struct Host {
    wanted: usize,
    bytes: Vec<u8>,
}

impl Bus for Host {
    fn give(&mut self, data: &[u8]) -> (usize, bool) {
        let moved = data.len().min(self.wanted);
        self.wanted -= moved;
        self.bytes.extend(&data[..moved]);
        (moved, self.wanted == 0 && moved > 0)
    }

    fn take(&mut self, data: &mut [u8]) -> (usize, bool) {
        let moved = data.len().min(self.bytes.len());
        data[..moved].copy_from_slice(&self.bytes[..moved]);
        self.bytes.drain(..moved);
        (moved, self.bytes.is_empty() && moved > 0)
    }
}

/// A diskette whose sectors each begin with their number, and one of which may be bad.
#[derive(Debug)]
struct Disk {
    bytes: Vec<u8>,
    read_only: bool,
    bad: Option<u64>,
}

impl Medium for Disk {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn is_read_only(&self) -> bool {
        self.read_only
    }

    fn read(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), MediumError> {
        if self.bad.is_some_and(|bad| bad == offset / 512) {
            return Err(MediumError::Io);
        }
        self.bytes.read(offset, buf)
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), MediumError> {
        self.bytes.write(offset, data)
    }

    fn flush(&mut self) -> Result<(), MediumError> {
        Ok(())
    }
}

fn disk(format: &FloppyFormat) -> Disk {
    let mut bytes = vec![0; format.bytes() as usize];
    for (number, sector) in (0u16..).zip(bytes.chunks_exact_mut(format.sector_bytes())) {
        sector[..2].copy_from_slice(&number.to_le_bytes());
        sector[2..].fill(number as u8);
    }
    Disk { bytes, read_only: false, bad: None }
}

const FLOPPY_144: &FloppyFormat = &FORMATS[8];

struct Bench {
    chip: Controller,
    drives: [Drive; DRIVES],
    host: Host,
    now: u64,
}

impl Bench {
    /// Out of reset, the motors on, with this in drive 0, whose reset interrupts were sensed.
    fn new(kind: FloppyDrive, medium: Disk) -> Self {
        let drives = [Drive::new(Some(kind)), Drive::new(None)];
        let mut bench =
            Bench { chip: Controller::new(), drives, host: Host::default(), now: 1_000 };
        assert!(bench.drives[0].insert(Some(Box::new(medium))));
        bench.chip.set_output(0x3c, bench.now);
        bench.run();
        for unit in 0..4 {
            assert_eq!(bench.command(&[8]), [0xc0 | unit, 0]);
        }
        bench
    }

    fn of(format: &FloppyFormat) -> Self {
        let mut bench = Bench::new(format.drive, disk(format));
        bench.chip.set_control(format.rate_in(format.drive));
        bench
    }

    /// Lets time pass until nothing is due.
    fn run(&mut self) {
        while let Some(due) = self.chip.deadline() {
            assert!(due >= self.now);
            self.now = due;
            self.chip.advance(due, &mut self.drives, &mut self.host);
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            assert_eq!(self.chip.status() & 0xc0, 0x80, "it takes a byte");
            self.chip.write_data(byte, self.now, &mut self.drives);
        }
    }

    fn result(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.chip.status() & 0xd0 == 0xd0 {
            bytes.push(self.chip.read_data(self.now, &mut self.drives));
        }
        bytes
    }

    /// A command from its first byte to its result.
    fn command(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.send(bytes);
        self.run();
        self.result()
    }

    fn seek(&mut self, cylinder: u8) {
        self.command(&[0x0f, 0, cylinder]);
        assert_eq!(self.command(&[8]), [0x20, cylinder]);
    }

    /// Reads `sectors` from there on.
    fn read(&mut self, [cylinder, head, number]: [u8; 3], sectors: usize, end: u8) -> Vec<u8> {
        self.host = Host { wanted: sectors * 512, bytes: Vec::new() };
        self.command(&[0xe6, head << 2, cylinder, head, number, 2, end, 0x1b, 0xff])
    }
}

#[test]
fn every_sector_of_every_format_is_read() {
    for format in &FORMATS {
        let mut bench = Bench::of(format);
        let expected = disk(format).bytes;
        let mut all: Vec<u8> = Vec::new();
        let track = usize::from(format.sectors) * format.sector_bytes();
        for cylinder in 0..format.cylinders {
            bench.seek(cylinder);
            let heads = usize::from(format.heads);
            bench.host = Host { wanted: heads * track, bytes: Vec::new() };
            let multi = if heads == 2 { 0x80 } else { 0 };
            let [n, eot] = [format.size, format.sectors];
            let result = bench.command(&[0x46 | multi, 0, cylinder, 0, 1, n, eot, 0x1b, 0xff]);
            assert_eq!(result, [0, 0, 0, cylinder + 1, 0, 1, n], "{format:?}");
            all.extend(&bench.host.bytes);
        }
        assert!(all == expected, "{format:?}");
    }
}

#[test]
fn terminal_count_ends_a_read_where_the_host_wants() {
    let mut bench = Bench::of(FLOPPY_144);
    assert_eq!(bench.read([0, 0, 3], 2, 18), [0, 0, 0, 0, 0, 5, 2]);
    assert_eq!((bench.host.bytes[0], bench.host.bytes[512]), (2, 3));
    assert!(!bench.chip.irq(), "its result was read");
    // Over the end of the track to the other head.
    assert_eq!(bench.read([0, 0, 18], 2, 18), [4, 0, 0, 0, 1, 2, 2]);
    assert_eq!((bench.host.bytes[0], bench.host.bytes[512]), (17, 18));
    // More is wanted than the cylinder has.
    assert_eq!(bench.read([0, 1, 18], 2, 18), [0x40, 0x80, 0, 1, 0, 1, 2]);
}

#[test]
fn what_is_not_there_is_told_as_the_data_sheet_says() {
    let mut bench = Bench::of(FLOPPY_144);
    assert_eq!(bench.read([0, 0, 19], 1, 19)[..3], [0x40, 0x04, 0], "past the end of the track");
    assert_eq!(bench.read([1, 0, 1], 1, 18)[..3], [0x40, 0x04, 0x10], "another cylinder");
    bench.chip.set_control(2);
    assert_eq!(bench.read([0, 0, 1], 1, 18)[..3], [0x40, 0x01, 0], "another data rate");
    bench.chip.set_control(0);
    bench.seek(80);
    assert_eq!(bench.read([80, 0, 1], 1, 18)[..3], [0x40, 0x01, 0], "nothing is written there");
    assert!(bench.drives[0].insert(None));
    let before = bench.now;
    assert_eq!(bench.read([0, 0, 1], 1, 18)[..3], [0x40, 0x01, 0], "no diskette");
    assert!(bench.now - before >= 50_000_000, "the index hole is waited for");
    assert_eq!(bench.command(&[4, 0]), [0x68], "nothing shuts the write-protect sensor");
}

#[test]
fn a_masked_channel_is_an_overrun() {
    let mut bench = Bench::of(FLOPPY_144);
    assert_eq!(bench.read([0, 0, 1], 0, 18)[..3], [0x40, 0x10, 0]);
}

#[test]
fn bad_and_protected_diskettes() {
    let mut bad = disk(FLOPPY_144);
    (bad.bad, bad.read_only) = (Some(4), true);
    let mut bench = Bench::new(FloppyDrive::Kib1440, bad);
    bench.chip.set_control(0);
    assert_eq!(bench.read([0, 0, 4], 3, 18), [0x40, 0x20, 0x20, 0, 0, 5, 2]);
    bench.host.bytes = vec![1; 512];
    assert_eq!(bench.command(&[0x45, 0, 0, 0, 1, 2, 18, 0x1b, 0xff])[..3], [0x40, 0x02, 0]);
    bench.host.bytes = vec![0, 0, 1, 2];
    assert_eq!(bench.command(&[0x4d, 0, 2, 18, 0x50, 0xf6])[..3], [0x40, 0x02, 0]);
    assert_eq!(bench.command(&[4, 0]), [0x78]);
}

#[test]
fn what_is_written_is_read_back_and_a_part_is_filled_up() {
    let mut bench = Bench::of(FLOPPY_144);
    bench.host.bytes = vec![0xa5; 700];
    assert_eq!(bench.command(&[0xc5, 0, 0, 0, 1, 2, 18, 0x1b, 0xff]), [0, 0, 0, 0, 0, 3, 2]);
    bench.read([0, 0, 1], 3, 18);
    assert!(bench.host.bytes[..700].iter().all(|&byte| byte == 0xa5));
    assert!(bench.host.bytes[700..1024].iter().all(|&byte| byte == 0));
    assert_eq!(bench.host.bytes[1024], 2);
}

#[test]
fn deleted_sectors_are_read_alone_or_skipped() {
    let mut bench = Bench::of(FLOPPY_144);
    bench.host.bytes = vec![7; 512];
    assert_eq!(bench.command(&[0x49, 0, 0, 0, 2, 2, 18, 0x1b, 0xff])[0], 0);
    // Without SK the deleted one is the last.
    bench.host = Host { wanted: 2048, bytes: Vec::new() };
    let result = bench.command(&[0x46, 0, 0, 0, 1, 2, 18, 0x1b, 0xff]);
    assert_eq!((&result[..3], result[5]), (&[0, 0, 0x40][..], 3));
    assert_eq!(bench.host.bytes.len(), 1024);
    // With it, it is passed over.
    assert_eq!(bench.read([0, 0, 1], 2, 18), [0, 0, 0x40, 0, 0, 4, 2]);
    assert_eq!((bench.host.bytes[0], bench.host.bytes[512]), (0, 2));
    // READ DELETED DATA finds it as it is.
    bench.host = Host { wanted: 512, bytes: Vec::new() };
    assert_eq!(bench.command(&[0x4c, 0, 0, 0, 2, 2, 18, 0x1b, 0xff])[..3], [0, 0, 0]);
    // Writing data ends that.
    bench.host.bytes = vec![8; 512];
    bench.command(&[0x45, 0, 0, 0, 2, 2, 18, 0x1b, 0xff]);
    assert_eq!(bench.read([0, 0, 2], 1, 18)[..3], [0, 0, 0]);
}

#[test]
fn a_track_is_formatted_and_read_whole() {
    let mut bench = Bench::of(FLOPPY_144);
    bench.seek(3);
    bench.host.bytes = (1..=18).flat_map(|number| [3, 1, number, 2]).collect();
    assert_eq!(bench.command(&[0x4d, 4, 2, 18, 0x50, 0xf6])[..3], [4, 0, 0]);
    bench.host = Host { wanted: 18 * 512, bytes: Vec::new() };
    let result = bench.command(&[0x42, 4, 3, 1, 1, 2, 18, 0x1b, 0xff]);
    assert_eq!(result[..3], [4, 0, 0]);
    assert!(bench.host.bytes.len() == 18 * 512 && bench.host.bytes.iter().all(|&b| b == 0xf6));
    // A track that is called otherwise is read all the same.
    bench.host = Host { wanted: 512, bytes: Vec::new() };
    assert_eq!(bench.command(&[0x42, 4, 9, 1, 1, 2, 18, 0x1b, 0xff])[..3], [4, 0x04, 0]);
    // What the image cannot hold is not formatted.
    bench.host.bytes = vec![3, 1, 19, 2];
    assert_eq!(bench.command(&[0x4d, 4, 2, 1, 0x50, 0xf6])[..3], [0x44, 0x02, 0]);
}

#[test]
fn verification_needs_no_host_and_counts_or_goes_to_the_end() {
    let mut bench = Bench::of(FLOPPY_144);
    assert_eq!(bench.command(&[0xd6, 0, 0, 0, 1, 2, 18, 0x1b, 0xff]), [0, 0, 0, 1, 0, 1, 2]);
    assert_eq!(bench.command(&[0x56, 0x80, 0, 0, 3, 2, 18, 0x1b, 4]), [0, 0, 0, 0, 0, 7, 2]);
    assert_eq!(bench.command(&[0x56, 0x80, 0, 0, 3, 2, 18, 0x1b, 40])[..2], [0x40, 0x80]);
    assert_eq!(bench.command(&[0x56, 0, 0, 0, 1, 2, 19, 0x1b, 0xff])[..2], [0x40, 0x04]);
    assert!(bench.host.bytes.is_empty());
}

#[test]
fn scans_compare_and_tell_how() {
    let mut bench = Bench::of(FLOPPY_144);
    let scan = |bench: &mut Bench, command: u8, byte: u8, step: u8| {
        // Three sectors of the host's, of which all bytes are like any but the last.
        let mut sector = vec![0xff; 512];
        sector[511] = byte;
        bench.host.bytes = sector.repeat(18);
        bench.command(&[0x40 | command, 0, 0, 0, 1, 2, 18, 0x1b, step])
    };
    assert_eq!(scan(&mut bench, 0x11, 3, 1), [0, 0, 0x08, 0, 0, 4, 2], "the fourth is equal");
    assert_eq!(scan(&mut bench, 0x11, 99, 1)[..3], [0, 0, 0x04], "none is");
    assert_eq!(scan(&mut bench, 0x19, 99, 1)[..3], [0, 0, 0x00], "the first is less");
    assert_eq!(scan(&mut bench, 0x1d, 5, 1), [0, 0, 0x08, 0, 0, 6, 2]);
    assert_eq!(scan(&mut bench, 0x11, 3, 2)[..3], [0, 0, 0x04], "only every other is looked at");
}

#[test]
fn bytes_go_through_the_data_register_without_dma() {
    let mut bench = Bench::of(FLOPPY_144);
    bench.command(&[3, 0xdf, 0x03]);
    bench.send(&[0x46, 0, 0, 0, 2, 2, 3, 0x1b, 0xff]);
    let mut read = Vec::new();
    for _ in 0..2 {
        bench.run();
        assert!(bench.chip.irq());
        for _ in 0..512 {
            assert_eq!(bench.chip.status() & 0xf0, 0xf0);
            read.push(bench.chip.read_data(bench.now, &mut bench.drives));
        }
    }
    assert_eq!(bench.result(), [0x40, 0x80, 0, 1, 0, 1, 2], "nobody gives a terminal count");
    assert_eq!((read[0], read[512]), (1, 2));
    bench.send(&[0x45, 0, 0, 0, 2, 2, 2, 0x1b, 0xff]);
    bench.run();
    for _ in 0..512 {
        assert_eq!(bench.chip.status() & 0xf0, 0xb0);
        bench.chip.write_data(0x77, bench.now, &mut bench.drives);
    }
    assert_eq!(bench.result()[..2], [0x40, 0x80]);
    bench.command(&[3, 0xdf, 0x02]);
    bench.read([0, 0, 2], 1, 18);
    assert!(bench.host.bytes.iter().all(|&byte| byte == 0x77));
}

#[test]
fn heads_are_sought_also_relatively_and_by_implication() {
    let mut bench = Bench::of(FLOPPY_144);
    assert_ne!(bench.chip.input(&bench.drives) & 0x80, 0, "a new diskette");
    bench.seek(5);
    assert_eq!(bench.chip.input(&bench.drives) & 0x80, 0, "a step took notice of it");
    bench.command(&[0xcf, 0, 7]);
    assert_eq!(bench.command(&[8]), [0x20, 12]);
    bench.command(&[0x8f, 0, 2]);
    assert_eq!(bench.command(&[8]), [0x20, 10]);
    assert_eq!(bench.command(&[0x4a, 0])[3..5], [10, 0]);
    bench.send(&[7, 0]);
    assert_eq!(bench.chip.status(), 0x81, "the drive is busy, the controller not");
    bench.run();
    assert_eq!(bench.chip.status(), 0x81);
    assert_eq!(bench.command(&[8]), [0x20, 0]);
    assert_eq!(bench.chip.status(), 0x80);
    assert_eq!(bench.command(&[4, 0])[0] & 0x10, 0x10);
    assert_eq!(bench.command(&[8]), [0x80], "nothing to sense");
    bench.command(&[0x13, 0, 0x57, 0]);
    assert_eq!(bench.read([40, 0, 1], 1, 18), [0x20, 0, 0, 40, 0, 2, 2]);
    bench.command(&[7, 1]);
    assert_eq!(bench.command(&[8]), [0x71, 0], "a drive that is not there has no track 0");
}

#[test]
fn a_recalibration_of_79_steps_may_not_be_enough() {
    let mut bench = Bench::of(FLOPPY_144);
    bench.seek(83);
    bench.command(&[7, 0]);
    assert_eq!(bench.command(&[8]), [0x70, 0]);
    bench.command(&[7, 0]);
    assert_eq!(bench.command(&[8]), [0x20, 0]);
}

#[test]
fn registers_are_dumped_locked_and_reset() {
    let mut bench = Bench::of(FLOPPY_144);
    assert_eq!(bench.command(&[0x10]), [0x90]);
    bench.command(&[3, 0xaf, 0x02]);
    bench.command(&[0x13, 0, 0x5a, 9]);
    bench.command(&[0x12, 0x97]);
    bench.seek(4);
    bench.read([4, 0, 1], 1, 18);
    assert_eq!(bench.command(&[0x0e]), [4, 0, 0, 0, 0xaf, 0x02, 18, 0x17, 0x5a, 9]);
    assert_eq!(bench.command(&[0x94]), [0x10]);
    bench.chip.set_rate(0x80, bench.now);
    bench.run();
    assert!(bench.chip.irq(), "polling is on after a reset");
    assert_eq!(bench.command(&[8]), [0xc0, 0]);
    assert_eq!(bench.command(&[0x0e])[4..], [0xaf, 0x02, 0, 0x94, 0x0a, 9]);
    assert_eq!(bench.command(&[0x14]), [0x00]);
    bench.chip.set_output(0x30, bench.now);
    assert_eq!(bench.chip.status(), 0);
    bench.chip.set_output(0x3c, bench.now);
    bench.run();
    assert!(bench.chip.irq());
    assert_eq!(bench.command(&[8]), [0xc0, 0]);
    assert!(!bench.chip.irq());
    for byte in [0x18, 0x00, 0x33] {
        bench.result();
        assert_eq!(bench.command(&[byte]), [0x80], "no command");
    }
}

#[test]
fn a_40_track_diskette_in_an_80_track_drive_wants_double_steps() {
    let mut bench = Bench::new(FloppyDrive::Kib1200, disk(&FORMATS[3]));
    bench.chip.set_control(1);
    bench.seek(20);
    assert_eq!(bench.command(&[0x4a, 0])[..5], [0, 0, 0, 10, 0]);
    bench.seek(21);
    assert_eq!(bench.command(&[0x4a, 0])[..2], [0x40, 0x01]);
}

#[test]
fn an_image_that_is_short_has_zeroes_behind_and_no_room() {
    let short = Disk { bytes: vec![9; 700], read_only: false, bad: None };
    let mut bench = Bench::new(FloppyDrive::Kib1440, short);
    bench.chip.set_control(0);
    assert_eq!(bench.read([0, 0, 2], 2, 18)[..3], [0, 0, 0]);
    assert_eq!((bench.host.bytes[187], bench.host.bytes[188]), (9, 0));
    bench.host.bytes = vec![0; 512];
    assert_eq!(bench.command(&[0x45, 0, 0, 0, 9, 2, 18, 0x1b, 0xff])[0], 0);
    bench.host.bytes = vec![1; 512];
    assert_eq!(bench.command(&[0x45, 0, 0, 0, 9, 2, 18, 0x1b, 0xff])[..3], [0x40, 0x20, 0x20]);
}
