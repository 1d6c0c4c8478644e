//! The smaller virtio devices as drivers use them: random numbers, a console, a balloon, a network adapter.

mod common;

use common::virtio::{BUFFERS, Driver};
use common::{CONFIG, wire};
use ringer_devices::memory::{Dma, DmaError};
use ringer_devices::{Board, BoardConfig, Folder, Link, rows};
use std::sync::{Arc, Mutex};

const RNG: u32 = 0x14;
const CONSOLE: u32 = 0x15;
const BALLOON: u32 = 0x16;
const NET: u32 = 0x17;
const SHARE: u32 = 0x18;
const MERGEABLE: u64 = 1 << 15;

fn random(driver: &mut Driver, len: u32) -> Vec<u8> {
    driver.memory[BUFFERS as usize..][..0x2000].fill(0);
    driver.describe(0, &[(BUFFERS, len, true)]);
    driver.offer(0);
    driver.notify();
    let (_, given) = driver.given(driver.used() - 1);
    assert!(given <= 4096 && driver.bytes(BUFFERS + u64::from(given), 16) == [0; 16]);
    driver.bytes(BUFFERS, given as usize).to_vec()
}

#[test]
fn random_numbers_are_the_same_in_each_run_or_the_hosts() {
    let run = |entropy: bool| {
        let mut driver = Driver::new(RNG);
        if entropy {
            driver.board.set_entropy(|bytes| {
                bytes.fill(0x77);
                true
            });
        }
        driver.start(0, 8);
        [random(&mut driver, 20), random(&mut driver, 0x1800)]
    };
    let [first, second] = run(false);
    assert_eq!((first.len(), second.len()), (20, 4096), "less than there is room for");
    assert!(second.chunks(8).all(|part| !first.starts_with(part)), "a sequence goes on");
    assert_eq!(run(false), [first, second]);
    assert_eq!(run(true)[0], [0x77; 20]);
}

#[test]
fn a_sequence_goes_on_from_a_saved_state() {
    let mut driver = Driver::new(RNG);
    driver.start(0, 8);
    random(&mut driver, 100);
    let saved = driver.board.save().unwrap();
    let next = random(&mut driver, 100);
    let mut copy = Driver::new(RNG);
    copy.start(0, 8);
    random(&mut copy, 60);
    random(&mut copy, 100);
    copy.board.load(&saved).unwrap();
    copy.describe(0, &[(BUFFERS, 100, true)]);
    copy.ring_goes_on(1);
    copy.offer(0);
    copy.notify();
    assert_eq!(copy.bytes(BUFFERS, 100), next);
}

#[test]
fn a_console_sends_and_takes_what_is_typed() {
    let mut driver = Driver::new(CONSOLE);
    let (sink, sent) = wire();
    assert!(driver.board.connect(rows::VIRTIO_CONSOLE, sink));
    assert_eq!(driver.board.serial_input(0, b"early"), 5, "COM1 takes it: there is no driver");
    driver.start(0, 8);
    driver.ring(1, 8);
    assert_eq!(driver.get(0x2004, 4), 1, "one port");
    driver.put(BUFFERS, b"hello, world");
    driver.on = 1;
    driver.describe(0, &[(BUFFERS, 5, false), (BUFFERS + 7, 5, false)]);
    driver.offer(0);
    driver.notify();
    assert_eq!((sent.try_iter().collect::<Vec<u8>>(), driver.used()), (b"helloworld".to_vec(), 1));
    // Input waits for a buffer.
    driver.on = 0;
    assert_eq!(driver.board.serial_input(0, b"typed"), 5);
    driver.now = 10;
    driver.board.over(&mut driver.memory).advance(10);
    assert_eq!(driver.used(), 0);
    driver.describe(0, &[(BUFFERS, 3, true)]);
    driver.describe(1, &[(BUFFERS + 16, 8, true)]);
    driver.offer(0);
    driver.offer(1);
    driver.notify();
    assert_eq!((driver.given(0), driver.given(1)), ((0, 3), (1, 2)));
    assert_eq!(
        (driver.bytes(BUFFERS, 3), driver.bytes(BUFFERS + 16, 2)),
        (&b"typ"[..], &b"ed"[..])
    );
    // A buffer waits for input.
    driver.describe(0, &[(BUFFERS, 8, true)]);
    driver.offer(0);
    driver.notify();
    assert_eq!(driver.used(), 2);
    driver.board.serial_input(10, b"more");
    driver.board.over(&mut driver.memory).advance(11);
    assert_eq!((driver.given(2), driver.bytes(BUFFERS, 4)), ((0, 4), &b"more"[..]));
    // There is a limit to what waits.
    assert_eq!(driver.board.serial_input(11, &[b'x'; 9000]), 4096);
}

/// Memory that notes what is given back.
struct Noted(Vec<u8>, Vec<(u64, u64)>);

impl Dma for Noted {
    fn dma_read(&mut self, pa: u64, buf: &mut [u8]) -> Result<(), DmaError> {
        self.0.dma_read(pa, buf)
    }

    fn dma_write(&mut self, pa: u64, data: &[u8]) -> Result<(), DmaError> {
        self.0.dma_write(pa, data)
    }

    fn dma_give_back(&mut self, pa: u64, len: u64) {
        self.1.push((pa, len));
    }
}

#[test]
fn pages_in_a_balloon_and_free_ones_go_back() {
    let mut driver = Driver::new(BALLOON);
    driver.start(1 << 5, 8);
    (0..3).for_each(|ring| driver.ring(ring, 8));
    assert_eq!(driver.get(0x2000, 4), 16, "so many pages are wanted");
    driver.set(0x2004, 4, 2);
    assert_eq!(driver.get(0x2004, 4), 2);
    let pages = [5u32, 0xffff_ffff].map(u32::to_le_bytes).concat();
    driver.put(BUFFERS, &pages);
    driver.describe(0, &[(BUFFERS, 8, false)]);
    driver.offer(0);
    driver.on = 2;
    driver.describe(0, &[(0x8_0000, 0x2000, true), (0x4000_0000, 0xf000_0000, true)]);
    driver.offer(0);
    let mut memory = Noted(std::mem::take(&mut driver.memory), Vec::new());
    for ring in [0u64, 2] {
        let at = common::virtio::REGISTERS + 0x3000 + 4 * ring;
        driver.board.over(&mut memory).mmio_write(0, at, 2, ring);
    }
    let rest = (256u64 << 20) - 0x2000;
    let wanted =
        [(0x5000, 0x1000), (0xffff_ffff << 12, 0x1000), (0x8_0000, 0x2000), (0x4000_0000, rest)];
    assert_eq!(memory.1, wanted, "the rest stays: there is a limit");
    driver.memory = memory.0;
    assert_eq!(driver.used(), 1);
}

/// A link whose frames a test reads.
#[derive(Debug)]
struct Tap(Arc<Mutex<Vec<Vec<u8>>>>);

impl Link for Tap {
    fn send(&mut self, frame: &[u8]) {
        self.0.lock().unwrap().push(frame.to_vec());
    }
}

fn net() -> (Driver, Arc<Mutex<Vec<Vec<u8>>>>) {
    let mut driver = Driver::new(NET);
    let sent = Arc::new(Mutex::new(Vec::new()));
    assert!(driver.board.connect_link("virtio-net", Box::new(Tap(sent.clone()))));
    (driver, sent)
}

#[test]
fn frames_go_out_as_they_are() {
    let (mut driver, sent) = net();
    driver.start(MERGEABLE, 8);
    driver.ring(1, 8);
    let mac: Vec<u8> = (0..6).map(|at| driver.get(0x2000 + at, 1) as u8).collect();
    assert_eq!((&mac[..], driver.get(0x2006, 2)), (&[0x52, 0x54, 0, 0x12, 0x34, 0x56][..], 1));
    driver.on = 1;
    driver.put(BUFFERS + 12, &[0x5a; 60]);
    // In one buffer, the head in one of its own, one that is too long, one that is too short.
    driver.describe(0, &[(BUFFERS, 72, false)]);
    driver.describe(1, &[(BUFFERS, 12, false), (BUFFERS + 12, 30, false)]);
    driver.describe(3, &[(BUFFERS, 5000, false)]);
    driver.describe(4, &[(BUFFERS, 13, false)]);
    for head in [0, 1, 3, 4] {
        driver.offer(head);
    }
    driver.notify();
    let lens: Vec<_> = sent.lock().unwrap().iter().map(Vec::len).collect();
    assert_eq!((lens, driver.used(), driver.needs_reset()), (vec![60, 30], 4, false));
    assert!(sent.lock().unwrap().iter().flatten().all(|byte| *byte == 0x5a));
    // No head: the driver has broken the rules.
    driver.describe(0, &[(BUFFERS, 11, false)]);
    driver.offer(0);
    driver.notify();
    assert!(driver.needs_reset());
}

#[test]
fn frames_come_in_as_far_as_there_is_room() {
    let (mut driver, _) = net();
    let frame: Vec<u8> = (0..100).collect();
    let input = |driver: &mut Driver| {
        driver
            .board
            .over(&mut driver.memory)
            .frame_input(driver.now, &(0..100).collect::<Vec<u8>>())
    };
    assert!(input(&mut driver), "without a driver it is lost");
    driver.start(MERGEABLE, 8);
    assert!(!input(&mut driver), "it waits for a buffer");
    // In two buffers, whose number stands before it.
    driver.describe(0, &[(BUFFERS, 50, true)]);
    driver.offer(0);
    assert!(!input(&mut driver), "it waits for a second");
    driver.describe(1, &[(BUFFERS + 0x1000, 50, true), (BUFFERS + 0x2000, 50, true)]);
    driver.offer(1);
    assert!(input(&mut driver) && driver.irq());
    assert_eq!((driver.given(0), driver.given(1), driver.used()), ((0, 50), (1, 62), 2));
    assert_eq!(driver.bytes(BUFFERS, 12), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0]);
    assert_eq!(driver.bytes(BUFFERS + 12, 38), &frame[..38]);
    assert_eq!(driver.bytes(BUFFERS + 0x1000, 50), &frame[38..88]);
    assert_eq!(driver.bytes(BUFFERS + 0x2000, 12), &frame[88..]);
    // A driver that takes one buffer for a frame, and gives one that is too small.
    driver.start(0, 8);
    driver.describe(0, &[(BUFFERS, 50, true)]);
    driver.offer(0);
    assert!(input(&mut driver), "lost");
    driver.describe(0, &[(BUFFERS, 12, true), (BUFFERS + 0x1000, 200, true)]);
    assert!(input(&mut driver));
    assert_eq!((driver.used(), driver.bytes(BUFFERS + 10, 1)[0]), (1, 1));
    assert_eq!(driver.bytes(BUFFERS + 0x1000, 100), &frame[..]);
}

#[test]
fn a_board_has_none_that_was_not_asked_for() {
    let config = BoardConfig { virtio: ringer_devices::VirtioConfig::NONE, ..CONFIG };
    let board = Board::new(config, wire().0, wire().0);
    let there = board.rows().filter(|row| row.id.starts_with("virtio")).map(|row| row.id);
    assert_eq!(there.collect::<Vec<_>>(), ["virtio-net"]);
}

/// A folder that answers with the message turned round, and counts.
#[derive(Debug, Default)]
struct Turned(u8);

impl Folder for Turned {
    fn answer(&mut self, mut message: Vec<u8>, room: usize) -> Vec<u8> {
        self.0 += 1;
        message.reverse();
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

#[test]
fn a_message_to_a_folder_is_answered_where_there_is_room() {
    let ask = |driver: &mut Driver, room: u32| {
        driver.memory[BUFFERS as usize..][..9].copy_from_slice(&[9, 0, 0, 0, 120, 5, 6, 7, 8]);
        driver.describe(0, &[(BUFFERS, 9, false), (BUFFERS + 0x100, room, true)]);
        driver.offer(0);
        driver.notify();
        let (_, given) = driver.given(driver.used() - 1);
        driver.bytes(BUFFERS + 0x100, given as usize).to_vec()
    };
    let mut driver = Driver::new(SHARE);
    driver.start(0, 8);
    let gone = [11, 0, 0, 0, 7, 5, 6, 19, 0, 0, 0];
    assert_eq!(ask(&mut driver, 100), gone, "nobody is there: ENODEV, with the message's tag");
    assert!(driver.board.share(rows::SHARE, Box::new(Turned::default())));
    assert_eq!(ask(&mut driver, 100), [8, 7, 6, 5, 120, 0, 0, 0, 9, 1]);
    assert_eq!(ask(&mut driver, 3), [8, 7, 6]);
    let saved = driver.board.save().unwrap();
    assert_eq!(ask(&mut driver, 100)[9], 3);
    let mut copy = Driver::new(SHARE);
    copy.board.share(rows::SHARE, Box::new(Turned::default()));
    copy.board.load(&saved).unwrap();
    assert_eq!(copy.board.save().unwrap(), saved);
    driver.board.load(&saved).unwrap();
    driver.board.reset(driver.board.time());
    assert_ne!(driver.board.save().unwrap(), saved, "a reset closes what is open");
    assert!(!driver.board.share(rows::COM1, Box::new(Turned::default())));
}

/// A driver that knows no base address finds the same registers (VIRTIO 1.2, 4.1.4.9): the adapter's status, its address, its rings.
#[test]
fn registers_are_reached_through_the_configuration_space() {
    const DEVICE: u32 = NET;
    let mut driver = Driver::new(DEVICE);
    let window = |driver: &mut Driver, bar: u32, offset: u32, size: u32| {
        driver.configure(DEVICE, 0x94, bar);
        driver.configure(DEVICE, 0x98, offset);
        driver.configure(DEVICE, 0x9c, size);
        driver.board.port_out(driver.now, 0xcf8, 4, 0x8000_0000 | DEVICE << 11 | 0xa0);
    };
    let read = |driver: &mut Driver, bar, offset, size: u8| {
        window(driver, bar, offset, size.into());
        driver.board.over(&mut driver.memory).port_in(driver.now, 0xcfc, size)
    };
    // The list of capabilities leads there.
    driver.board.port_out(driver.now, 0xcf8, 4, 0x8000_0000 | DEVICE << 11 | 0x84);
    assert_eq!(driver.board.port_in(driver.now, 0xcfd, 1), 0x90);
    driver.board.port_out(driver.now, 0xcf8, 4, 0x8000_0000 | DEVICE << 11 | 0x90);
    assert_eq!(driver.board.port_in(driver.now, 0xcfc, 4), 0x0514_0009);
    // Rings, and a status that is written.
    assert_eq!(read(&mut driver, 4, 0x12, 2), 2);
    assert_eq!(read(&mut driver, 4, 0x14, 1), 0);
    window(&mut driver, 4, 0x14, 1);
    driver.board.over(&mut driver.memory).port_out(driver.now, 0xcfc, 4, 0xffff_ff01);
    assert_eq!((driver.get(0x14, 1), read(&mut driver, 4, 0x14, 1)), (1, 1));
    // Its own configuration: the address, here and in ports.
    let here: Vec<u32> = (0..6).map(|at| read(&mut driver, 4, 0x2000 + at, 1)).collect();
    let there: Vec<u32> = (0..6).map(|at| read(&mut driver, 0, 0x14 + at, 1)).collect();
    assert!(here == there && here.iter().any(|byte| *byte != 0), "{here:x?}");
    // What has no such access is left alone: the data is what was written to it.
    window(&mut driver, 2, 0, 4);
    driver.board.over(&mut driver.memory).port_out(driver.now, 0xcfc, 4, 0x1234_5678);
    assert_eq!(read(&mut driver, 2, 0, 4), 0x1234_5678);
}
