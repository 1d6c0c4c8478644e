//! The RTL8139 as a driver uses it: frames out by four descriptors, frames in by a ring of bytes that has an end, and registers
//! that a hostile guest sets.

mod common;

use common::Random;
use common::nic::{Nic, frame};
use ringer_devices::{Mac, NicModel};
use std::ops::{Deref, DerefMut};

const BASE: u64 = 0xfeba_0000;
const FUNCTION: u32 = 0x8000_2000;
const TSD: u64 = 0x10;
const TSAD: u64 = 0x20;
const RBSTART: u64 = 0x30;
const CR: u64 = 0x37;
const CAPR: u64 = 0x38;
const CBR: u64 = 0x3a;
const IMR: u64 = 0x3c;
const ISR: u64 = 0x3e;
const RCR: u64 = 0x44;
/// Where the tests have the ring and what goes out.
const RING: u32 = 0x1_0000;
const DATA: u32 = 0x4_0000;
/// What matches and broadcast, a frame may lie across the end, 8 KiB.
const RECEIVE: u32 = 0x8a;

struct Bench(Nic);

impl Deref for Bench {
    type Target = Nic;

    fn deref(&self) -> &Nic {
        &self.0
    }
}

impl DerefMut for Bench {
    fn deref_mut(&mut self) -> &mut Nic {
        &mut self.0
    }
}

impl Bench {
    fn new() -> Self {
        let mut bench = Bench(Nic::new(NicModel::Rtl8139, FUNCTION, 0x14, BASE, 1 << 19));
        bench.set(RBSTART, 4, RING);
        bench.set(CR, 1, 0xc);
        bench.set(RCR, 4, RECEIVE);
        bench.set(IMR, 2, 0xffff);
        bench
    }

    fn set(&mut self, at: u64, size: u8, value: u32) {
        self.write(at, size, value);
    }

    fn get(&mut self, at: u64, size: u8) -> u32 {
        self.read(at, size)
    }

    fn ring(&self, at: u32, len: usize) -> &[u8] {
        let at = (RING + at) as usize;
        &self.memory[at..at + len]
    }
}

#[test]
fn four_frames_go_out_one_after_the_other() {
    let mut bench = Bench::new();
    for n in 0..4 {
        let sent = frame([0xff; 6], 100 + n);
        bench.memory[DATA as usize..][..sent.len()].copy_from_slice(&sent);
        bench.set(TSAD + 4 * n as u64, 4, DATA);
        bench.set(TSD + 4 * n as u64, 4, sent.len() as u32);
        assert_eq!(bench.out.try_recv().ok(), Some(sent));
        assert_eq!(bench.get(TSD + 4 * n as u64, 4), 0xa000 | (100 + n as u32));
    }
    assert!(bench.board.line(11));
    assert_eq!(bench.get(ISR, 2), 4);
    bench.set(ISR, 2, 4);
    assert!(!bench.board.line(11));
}

#[test]
fn frames_lie_one_behind_the_other_and_a_full_ring_takes_none() {
    let mut bench = Bench::new();
    let (mine, other) = (frame(Mac::DEFAULT.0, 101), frame([2, 0, 0, 0, 0, 9], 101));
    assert!(bench.come(&mine) && bench.come(&other) && bench.come(&frame([0xff; 6], 20)));
    assert_eq!(bench.get(CR, 1), 0xc, "the ring is not empty");
    assert_eq!(bench.ring(0, 4), [1, 0x40, 105, 0]);
    assert_eq!(bench.ring(4, 101), mine);
    // The next one at a multiple of four, padded, with its checksum.
    assert_eq!(bench.ring(112, 4), [1, 0x20, 64, 0]);
    assert_eq!(bench.get(CBR, 2), 180);
    assert!(bench.get(ISR, 2) & 1 != 0 && bench.board.line(11));
    bench.set(CAPR, 2, 180 - 16);
    assert_eq!(bench.get(CR, 1), 0xd, "it is");
    // Full, with something left; and across the end, contiguously.
    let large = frame(Mac::DEFAULT.0, 1514);
    let mut taken = 0;
    while bench.come(&large) {
        taken += 1;
        assert!(taken < 10);
    }
    assert_eq!((taken, bench.get(CBR, 2)), (5, 180 + 5 * 1524));
    bench.set(ISR, 2, 0xffff);
    assert!(!bench.come(&large));
    assert_eq!(
        bench.get(ISR, 2),
        1,
        "there is something to read; no overflow, for the frame waits"
    );
    bench.set(CAPR, 2, (180 + 2 * 1524 - 16) as u32);
    let at = 180 + 5 * 1524;
    assert!(bench.come(&large));
    assert_eq!(bench.ring(at + 4, 1514), large, "behind the ring's end");
    // Without the bit for that it goes on at the ring's begin.
    let mut bench = Bench::new();
    bench.set(RCR, 4, RECEIVE & !0x80);
    (0..5).for_each(|_| assert!(bench.come(&large)));
    bench.set(CAPR, 2, 3 * 1524 - 16);
    assert!(bench.come(&large));
    let first = 8192 - (5 * 1524 + 4);
    assert_eq!(bench.ring(5 * 1524 + 4, first as usize), &large[..first as usize]);
    assert_eq!(bench.ring(0, 100), &large[first as usize..first as usize + 100]);
}

#[test]
fn frames_that_wait_are_worth_offering_once_half_of_the_ring_is_read() {
    let mut bench = Bench::new();
    let large = frame(Mac::DEFAULT.0, 1514);
    assert!(bench.board.takes_frames());
    while bench.come(&large) {}
    assert!(!bench.board.takes_frames());
    for read in 1..=5 {
        bench.set(CAPR, 2, read * 1524 - 16);
        // Two of five are less than half of 8 KiB.
        assert_eq!(bench.board.takes_frames(), read >= 3, "{read} are read");
    }
    while bench.come(&large) {}
    assert!(!bench.board.takes_frames());
    bench.set(CR, 1, 4);
    assert!(bench.board.takes_frames(), "who does not receive has no room to wait for");
}

#[test]
fn a_driver_that_listens_again_hears_of_frames_that_it_left() {
    let mut bench = Bench::new();
    let large = frame(Mac::DEFAULT.0, 1514);
    assert!(bench.come(&large) && bench.come(&large));
    // As Linux's: masks what has come, acknowledges it, reads one, and lets it in again.
    bench.set(IMR, 2, 0xffae);
    bench.set(ISR, 2, 1);
    bench.set(CAPR, 2, 1524 - 16);
    assert!(!bench.board.line(11));
    bench.set(IMR, 2, 0xffff);
    assert!(bench.board.line(11) && bench.get(ISR, 2) & 1 != 0);
    // Masks that let in what they did before tell nothing new, and an empty ring has nothing to tell.
    bench.set(ISR, 2, 1);
    bench.set(IMR, 2, 0xffff);
    assert!(!bench.board.line(11));
    bench.set(CAPR, 2, 2 * 1524 - 16);
    bench.set(IMR, 2, 0xffae);
    bench.set(IMR, 2, 0xffff);
    assert!(!bench.board.line(11));
}

#[test]
fn groups_come_by_the_table() {
    let mut bench = Bench::new();
    bench.set(RCR, 4, RECEIVE | 4);
    let group = frame([1, 0, 0x5e, 0, 0, 1], 60);
    assert!(bench.come(&group));
    assert_eq!(bench.get(CBR, 2), 0);
    bench.set(8, 4, u32::MAX);
    bench.set(12, 4, u32::MAX);
    assert!(bench.come(&group));
    assert_eq!(bench.ring(0, 2), [1, 0x80]);
}

#[test]
fn anything_is_written_and_no_frame_and_no_harm_comes_of_it() {
    for seed in 0..200 {
        let (mut bench, mut random) = (Bench::new(), Random::new(seed));
        for _ in 0..500 {
            let size = [1, 2, 4][random.below(3) as usize];
            match random.below(4) {
                0 => drop(bench.come(&frame([0xff; 6], 14 + random.below(1500) as usize))),
                1 => drop(bench.get(random.below(256), size)),
                _ => bench.set(random.below(256), size, random.next() as u32),
            }
            bench.now += random.below(100_000);
            bench.advance();
        }
        assert!(bench.out.try_iter().all(|frame| (14..=1518).contains(&frame.len())));
        let saved = bench.board.save().unwrap();
        let mut copy = Bench::new();
        copy.board.load(&saved).unwrap();
        assert!(copy.board.save().unwrap() == saved);
    }
}
