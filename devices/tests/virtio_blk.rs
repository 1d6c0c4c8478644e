//! A virtio disk as drivers use it: by either set of registers, with messages, and what goes wrong.

mod common;

use common::Random;
use common::virtio as driver;
use driver::{AVAILABLE, BUFFERS, DESCRIPTORS, Driver, INDIRECT, MESSAGES, NEXT, USED, WRITE};
use ringer_devices::{Medium, MediumError, rows};
use std::sync::{Arc, Mutex};

const HEAD: u64 = BUFFERS;
const DATA: u64 = BUFFERS + 0x1000;
const STATUS: u64 = BUFFERS + 0x800;
const EVENT_INDEX: u64 = 1 << 29;
const FLUSH: u64 = 1 << 9;

/// A medium whose sectors hold their numbers, that tells what was done to it.
#[derive(Debug)]
struct Noted {
    bytes: Vec<u8>,
    read_only: bool,
    fails: bool,
    /// It has holes.
    punches: bool,
    done: Arc<Mutex<Vec<String>>>,
}

impl Noted {
    fn new(sectors: u8) -> (Self, Arc<Mutex<Vec<String>>>) {
        let done = Arc::new(Mutex::new(Vec::new()));
        let bytes = (0..sectors).flat_map(|n| [n; 512]).collect();
        (Noted { bytes, read_only: false, fails: false, punches: false, done: done.clone() }, done)
    }

    fn note(&self, what: String) -> Result<(), MediumError> {
        self.done.lock().unwrap().push(what);
        if self.fails { Err(MediumError::Io) } else { Ok(()) }
    }
}

impl Medium for Noted {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn is_read_only(&self) -> bool {
        self.read_only
    }

    fn read(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), MediumError> {
        self.note(format!("read {offset} {}", buf.len()))?;
        self.bytes.read(offset, buf)
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), MediumError> {
        self.note(format!("write {offset} {}", data.len()))?;
        self.bytes.write(offset, data)
    }

    fn punch(&mut self, offset: u64, len: u64) -> Result<bool, MediumError> {
        if self.punches {
            self.note(format!("punch {offset} {len}"))?;
        }
        Ok(self.punches)
    }

    fn flush(&mut self) -> Result<(), MediumError> {
        self.note("flush".to_owned())
    }
}

fn bench() -> (Driver, Arc<Mutex<Vec<String>>>) {
    let mut driver = Driver::new(0x10);
    let (medium, done) = Noted::new(64);
    assert!(driver.board.insert(rows::VIRTIO_DISKS[0], 0, Some(Box::new(medium))));
    assert!(!driver.board.insert(rows::VIRTIO_DISKS[0], 1, None), "there is one unit");
    (driver, done)
}

fn head(driver: &mut Driver, kind: u32, sector: u64) {
    let bytes = [&kind.to_le_bytes()[..], &[0; 4], &sector.to_le_bytes()].concat();
    driver.put(HEAD, &bytes);
    driver.put(STATUS, &[0xee]);
}

/// A request with data in these buffers; its status.
fn request(driver: &mut Driver, kind: u32, sector: u64, data: &[(u64, u32)]) -> u8 {
    head(driver, kind, sector);
    let to_memory = matches!(kind, 0 | 8);
    let mut pieces = vec![(HEAD, 16, false)];
    pieces.extend(data.iter().map(|&(at, len)| (at, len, to_memory)));
    pieces.push((STATUS, 1, true));
    driver.describe(0, &pieces);
    driver.offer(0);
    driver.notify();
    driver.bytes(STATUS, 1)[0]
}

#[test]
fn sectors_go_to_and_from_scattered_buffers() {
    let (mut driver, done) = bench();
    driver.start(FLUSH, 8);
    assert_eq!((driver.get(0x2000, 4), driver.get(0x2004, 4)), (64, 0));
    assert_eq!(request(&mut driver, 0, 7, &[(DATA, 512), (DATA + 0x1000, 1024)]), 0);
    assert_eq!((driver.used(), driver.given(0)), (1, (0, 1537)));
    assert_eq!([0u64, 0x1000, 0x1200].map(|at| driver.bytes(DATA + at, 1)[0]), [7, 8, 9]);
    assert!(driver.irq());
    assert_eq!((driver.get(0x1000, 1), driver.irq()), (1, false), "a read clears it");
    assert_eq!(request(&mut driver, 1, 20, &[(DATA + 0x1100, 512)]), 0);
    assert_eq!((driver.used(), driver.given(1)), (2, (0, 1)));
    assert_eq!(request(&mut driver, 4, 0, &[]), 0);
    assert_eq!(request(&mut driver, 0, 20, &[(DATA, 512)]), 0);
    assert_eq!((driver.bytes(DATA, 1)[0], driver.bytes(DATA + 0x100, 1)[0]), (8, 9));
    let done = done.lock().unwrap().join(", ");
    assert_eq!(done, "read 3584 1536, write 10240 512, flush, read 10240 512");
}

#[test]
fn an_old_driver_finds_the_same_disk() {
    let (mut driver, done) = bench();
    assert_eq!(driver.port_in(0, 4) & 0x244, 0x244);
    driver.port_out(0x12, 1, 3);
    // Without FLUSH: what was written is to stay.
    driver.port_out(4, 4, 0x4);
    assert_eq!(driver.port_in(0x14, 4), 64);
    driver.port_out(0x0e, 2, 0);
    assert_eq!(driver.port_in(0x0c, 2), 256);
    driver.port_out(8, 4, (DESCRIPTORS >> 12) as u32);
    driver.port_out(0x12, 1, 7);
    head(&mut driver, 1, 3);
    driver.describe(0, &[(HEAD, 16, false), (DATA, 512, false), (STATUS, 1, true)]);
    // Its rings lie behind the descriptors, the used ring at the next page.
    driver.put(DESCRIPTORS + 4096, &[0, 0, 1, 0, 0, 0]);
    driver.port_out(0x10, 2, 0);
    assert_eq!((driver.bytes(STATUS, 1)[0], driver.word(DESCRIPTORS + 8192 + 2)), (0, 1));
    assert!(driver.irq());
    assert_eq!((driver.port_in(0x13, 1), driver.irq()), (1, false));
    assert_eq!(done.lock().unwrap().join(", "), "write 1536 512, flush");
}

#[test]
fn sectors_that_nobody_needs_go_back_to_the_host() {
    for punches in [false, true] {
        let (mut driver, _) = bench();
        let (mut medium, done) = Noted::new(64);
        medium.punches = punches;
        driver.board.insert(rows::VIRTIO_DISKS[0], 0, Some(Box::new(medium)));
        driver.start(FLUSH, 8);
        assert_eq!([36, 40, 44].map(|at| driver.get(0x2000 + at, 4)), [1 << 21, 1, 1]);
        let range = |sector: u64, count: u32, flags: u8| {
            [&sector.to_le_bytes()[..], &count.to_le_bytes(), &[flags, 0, 0, 0]].concat()
        };
        let mut ask = |kind: u32, range: Vec<u8>| {
            driver.put(DATA, &range);
            request(&mut driver, kind, 0, &[(DATA, 16)])
        };
        assert_eq!(ask(11, range(3, 4, 0)), 0);
        assert_eq!(ask(11, range(3, 62, 0)), 1, "beyond the end");
        assert_eq!(ask(11, range(u64::MAX, 2, 0)), 1);
        assert_eq!(ask(11, range(3, 4, 1)), 2, "that flag is another request's");
        assert_eq!(ask(13, range(8, 1, 1)), 0);
        assert_eq!(ask(13, range(9, 1, 0)), 0);
        let want = match punches {
            true => "punch 1536 2048, punch 4096 512, write 4608 512",
            false => "write 4096 512, write 4608 512",
        };
        assert_eq!(done.lock().unwrap().join(", "), want);
    }
}

#[test]
fn what_a_disk_cannot_do_is_an_error_of_the_request() {
    let (mut driver, done) = bench();
    driver.start(FLUSH, 8);
    for (kind, sector, len) in
        [(0, 63, 1024), (0, u64::MAX, 512), (0, 1 << 55, 512), (0, 0, 100), (1, 64, 512)]
    {
        assert_eq!(request(&mut driver, kind, sector, &[(DATA, len)]), 1, "{kind} {sector}");
    }
    assert_eq!(request(&mut driver, 77, 0, &[]), 2);
    assert_eq!(request(&mut driver, 0, 0, &[(0x4000_0000, 512)]), 1, "no memory there");
    assert_eq!(request(&mut driver, 8, 0, &[(DATA, 20)]), 0);
    assert_eq!(driver.bytes(DATA, 16), b"RINGER-VIRTIO-0\0");
    // Zeros: sector, count, flags; too many, or flags that nobody knows.
    driver.put(DATA, &[&5u64.to_le_bytes()[..], &2u32.to_le_bytes(), &[1, 0, 0, 0]].concat());
    assert_eq!(request(&mut driver, 13, 0, &[(DATA, 16)]), 0);
    driver.put(DATA + 8, &[0xff; 4]);
    assert_eq!(request(&mut driver, 13, 0, &[(DATA, 16)]), 1);
    driver.put(DATA + 12, &[2]);
    assert_eq!(request(&mut driver, 13, 0, &[(DATA, 16)]), 2);
    assert_eq!(request(&mut driver, 13, 0, &[(DATA, 12)]), 2);
    assert!(!driver.needs_reset());
    assert!(done.lock().unwrap().contains(&"write 2560 1024".to_owned()));
    let (mut broken, _) = Noted::new(64);
    broken.fails = true;
    assert!(driver.board.insert(rows::VIRTIO_DISKS[0], 0, Some(Box::new(broken))));
    assert_eq!(driver.get(0x1000, 1) & 2, 2, "the driver is told that the configuration changed");
    for kind in [0, 1, 4] {
        let data = if kind == 4 { vec![] } else { vec![(DATA, 512)] };
        assert_eq!(request(&mut driver, kind, 0, &data), 1);
    }
    assert!(driver.board.insert(rows::VIRTIO_DISKS[0], 0, None));
    assert_eq!(request(&mut driver, 0, 0, &[(DATA, 512)]), 1);
}

#[test]
fn a_medium_that_cannot_be_written_is_said_to_be_so() {
    let mut driver = Driver::new(0x10);
    let (mut medium, _) = Noted::new(4);
    medium.read_only = true;
    driver.board.insert(rows::VIRTIO_DISKS[0], 0, Some(Box::new(medium)));
    assert_eq!(driver.get(0x04, 4) & (1 << 5 | 1 << 14), 1 << 5);
}

#[test]
fn rings_that_break_the_rules_stop_the_device_until_it_is_reset() {
    type Break = fn(&mut Driver);
    let breaks: [(&str, Break); 11] = [
        ("a head beyond the ring", |d| d.offer(8)),
        ("more than fits", |d| d.put(AVAILABLE + 2, &9u16.to_le_bytes())),
        ("a circle", |d| {
            d.put(DESCRIPTORS, &driver::descriptor(HEAD, 16, NEXT, 0));
            d.offer(0);
        }),
        ("a next beyond the ring", |d| {
            d.put(DESCRIPTORS, &driver::descriptor(HEAD, 16, NEXT, 9));
            d.offer(0);
        }),
        ("to be read behind to be written", |d| {
            d.describe(0, &[(STATUS, 1, true), (HEAD, 16, false)]);
            d.offer(0);
        }),
        ("no status", |d| {
            d.describe(0, &[(HEAD, 16, false)]);
            d.offer(0);
        }),
        ("a short head", |d| {
            d.describe(0, &[(HEAD, 15, false), (STATUS, 1, true)]);
            d.offer(0);
        }),
        ("a head in no memory", |d| {
            d.describe(0, &[(1 << 40, 16, false), (STATUS, 1, true)]);
            d.offer(0);
        }),
        ("a table within a table", |d| {
            d.put(DATA, &driver::descriptor(DATA, 16, INDIRECT, 0));
            d.put(DESCRIPTORS, &driver::descriptor(DATA, 16, INDIRECT, 0));
            d.offer(0);
        }),
        ("a table of no whole descriptors", |d| {
            d.put(DESCRIPTORS, &driver::descriptor(DATA, 17, INDIRECT, 0));
            d.offer(0);
        }),
        ("more buffers than the ring has entries", |d| {
            let table: Vec<u8> =
                (0..9).flat_map(|n| driver::descriptor(HEAD, 16, NEXT | WRITE, n + 1)).collect();
            d.put(DATA, &table);
            d.put(DESCRIPTORS, &driver::descriptor(DATA, 0xffff0, INDIRECT, 0));
            d.offer(0);
        }),
    ];
    for (name, act) in breaks {
        let (mut driver, _) = bench();
        driver.start(FLUSH, 8);
        act(&mut driver);
        driver.notify();
        assert!(driver.needs_reset(), "{name}");
        assert_eq!((driver.used(), driver.get(0x1000, 1)), (0, 2), "{name}");
        assert_eq!(request(&mut driver, 0, 1, &[(DATA, 512)]), 0xee, "{name}: nothing is served");
        driver.memory[DESCRIPTORS as usize..BUFFERS as usize].fill(0);
        driver.start(FLUSH, 8);
        assert_eq!(request(&mut driver, 0, 1, &[(DATA, 512)]), 0, "{name}");
    }
}

#[test]
fn rings_in_no_memory_stop_the_device_too() {
    for (register, place) in [(0x24, 1u64), (0x2c, 0x80), (0x34, 0xffff_ffff), (0x30, 0xf_fffc)] {
        let (mut driver, _) = bench();
        driver.start(FLUSH, 8);
        driver.set(0x14, 1, 0);
        driver.set(0x14, 1, 3);
        for (at, value) in [(8, 1), (0xc, 1), (0x20, DESCRIPTORS), (0x28, AVAILABLE), (0x30, USED)]
        {
            driver.set(at, 4, value);
        }
        driver.set(register, 4, place);
        driver.set(0x14, 1, 0x0b);
        driver.set(0x1c, 2, 1);
        driver.set(0x14, 1, 0x0f);
        head(&mut driver, 0, 0);
        driver.describe(0, &[(HEAD, 16, false), (DATA, 512, true), (STATUS, 1, true)]);
        driver.offer(0);
        driver.notify();
        assert!(driver.needs_reset(), "{register:#x}");
    }
}

#[test]
fn buffers_by_a_table_outside_the_ring_are_the_same() {
    let (mut driver, _) = bench();
    driver.start(FLUSH | 1 << 28, 8);
    head(&mut driver, 0, 9);
    let table = [
        driver::descriptor(HEAD, 16, NEXT, 1),
        driver::descriptor(DATA, 512, NEXT | WRITE, 2),
        driver::descriptor(STATUS, 1, WRITE, 0),
    ];
    driver.put(BUFFERS + 0x400, &table.concat());
    driver.put(DESCRIPTORS + 16, &driver::descriptor(BUFFERS + 0x400, 48, INDIRECT, 0));
    driver.offer(1);
    driver.notify();
    assert_eq!((driver.bytes(STATUS, 1)[0], driver.bytes(DATA, 1)[0]), (0, 9));
    assert_eq!(driver.given(0), (1, 513));
}

#[test]
fn interrupts_come_when_they_are_wanted() {
    let (mut driver, _) = bench();
    driver.start(FLUSH, 8);
    driver.put(AVAILABLE, &[1, 0]);
    assert_eq!(request(&mut driver, 4, 0, &[]), 0);
    assert!(!driver.irq(), "the ring's flag says no");
    driver.put(AVAILABLE, &[0, 0]);
    request(&mut driver, 4, 0, &[]);
    assert!(driver.irq());
    // By index: the third, not before.
    let (mut driver, _) = bench();
    driver.start(FLUSH | EVENT_INDEX, 8);
    driver.put(AVAILABLE + 4 + 16, &2u16.to_le_bytes());
    for n in 1..=3 {
        request(&mut driver, 4, 0, &[]);
        assert_eq!((driver.irq(), driver.word(USED + 4 + 64)), (n == 3, n), "{n}");
    }
}

#[test]
fn messages_take_the_place_of_the_pin() {
    let (mut driver, _) = bench();
    // The table's entry 1: vector 41h to processor 0; the local APIC is on.
    for (at, value) in [(0x10, 0xfee0_0000u64), (0x14, 0), (0x18, 0x41), (0x1c, 0)] {
        driver.board.mmio_write(0, MESSAGES + at, 4, value);
    }
    driver.board.mmio_write(0, 0xfee0_00f0, 4, 0x1ff);
    driver.configure(0x10, 0x84, 0x8000_0000);
    driver.start(FLUSH, 8);
    driver.set(0x1a, 2, 9);
    assert_eq!(driver.get(0x1a, 2), 0xffff, "there is no such message");
    driver.set(0x1a, 2, 1);
    request(&mut driver, 4, 0, &[]);
    assert!(!driver.irq());
    let requested = driver.board.mmio_read(0, 0xfee0_0220, 4);
    assert_eq!(requested, 1 << 1, "vector 41h waits in the local APIC");
    assert_eq!(driver.port_in(0x18, 4), 64, "an old driver's configuration has moved");
}

#[test]
fn what_one_access_moves_is_bounded_and_the_rest_comes_later() {
    let (mut driver, _) = bench();
    let medium = vec![0x5a; 80 << 20];
    driver.board.insert(rows::VIRTIO_DISKS[0], 0, Some(Box::new(medium)));
    driver.start(FLUSH, 64);
    // 62 buffers of half a MiB that are the same memory; three requests, of which two are served at once.
    head(&mut driver, 0, 0);
    let table: Vec<u8> = [driver::descriptor(HEAD, 16, NEXT, 1)]
        .into_iter()
        .chain((1..63).map(|n| driver::descriptor(0x8_0000, 0x8_0000, NEXT | WRITE, n + 1)))
        .chain([driver::descriptor(STATUS, 1, WRITE, 0)])
        .flatten()
        .collect();
    driver.put(BUFFERS + 0x4000, &table);
    let len = table.len() as u32;
    for n in 0..4u16 {
        let entry = driver::descriptor(BUFFERS + 0x4000, len, INDIRECT, 0);
        driver.put(DESCRIPTORS + 16 * u64::from(n), &entry);
        driver.offer(n);
    }
    driver.notify();
    assert_eq!((driver.used(), driver.irq()), (3, true));
    assert_eq!(driver.board.next_deadline(), Some(1));
    // The rest is part of the state.
    let (saved, mut memory) = (driver.board.save().unwrap(), driver.memory.clone());
    let mut copy = Driver::new(0x10).board;
    copy.insert(rows::VIRTIO_DISKS[0], 0, Some(Box::new(vec![0x5a; 80 << 20])));
    copy.load(&saved).unwrap();
    driver.board.over(&mut driver.memory).advance(1);
    copy.over(&mut memory).advance(1);
    assert_eq!((driver.used(), driver.bytes(STATUS, 1)[0]), (4, 0));
    assert!(driver.board.next_deadline() != Some(2) && memory == driver.memory);
    assert_eq!(driver.board.save().unwrap(), copy.save().unwrap());
    // A state of a disk of another size is none for this one.
    copy.insert(rows::VIRTIO_DISKS[0], 0, None);
    assert!(copy.load(&saved).is_err());
}

#[test]
fn any_ring_does_no_harm() {
    let mut random = Random::new(7);
    for _ in 0..400 {
        let (mut driver, _) = bench();
        driver.start(random.next() & (FLUSH | EVENT_INDEX | 1 << 28), 1 << random.below(4));
        for _ in 0..40 {
            let at = DESCRIPTORS + random.below(0x40);
            let at = [
                at,
                AVAILABLE + random.below(32),
                USED + random.below(32),
                HEAD + random.below(16),
            ][random.below(4) as usize];
            let value = match random.below(3) {
                0 => random.next(),
                1 => random.below(4),
                _ => BUFFERS + random.below(0x2000),
            };
            driver.put(at & !1, &value.to_le_bytes()[..1 << random.below(4)]);
            match random.below(4) {
                0 => driver.notify(),
                1 => driver.set(random.below(0x40), 1 << random.below(3), random.below(16)),
                2 => driver.now += 1,
                _ => drop(driver.get(random.below(0x2040), 4)),
            }
            driver.board.over(&mut driver.memory).advance(driver.now);
        }
    }
}
