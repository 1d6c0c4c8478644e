//! The 82540EM as a driver uses it: rings in memory, frames out and in, checksums, segments, and rings that a hostile guest
//! makes.

mod common;

use common::nic::{Nic, frame};
use ringer_devices::{Mac, NicModel};
use std::ops::{Deref, DerefMut};

const BASE: u64 = 0xfeb8_0000;
const FUNCTION: u32 = 0x8000_1800;
const CTRL: u64 = 0;
const ICR: u64 = 0xc0;
const IMS: u64 = 0xd0;
const RCTL: u64 = 0x100;
const TCTL: u64 = 0x400;
const RX: u64 = 0x2800;
const TX: u64 = 0x3800;
/// Of a ring: base, length, head, tail.
const LENGTH: u64 = 8;
const HEAD: u64 = 0x10;
const TAIL: u64 = 0x18;
const RECEIVE: u32 = 0x0400_8002;
/// Where the tests have their rings and buffers.
const RX_RING: u32 = 0x1000;
const TX_RING: u32 = 0x2000;
const BUFFERS: u32 = 0x1_0000;
const DATA: u32 = 0x4_0000;

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
        let mut bench = Bench(Nic::new(NicModel::E1000, FUNCTION, 0x10, BASE, 1 << 20));
        for (ring, base) in [(RX, RX_RING), (TX, TX_RING)] {
            bench.set(ring, base);
            bench.set(ring + LENGTH, 128);
        }
        for n in 0..8 {
            bench.put(RX_RING + 16 * n, &u64::from(BUFFERS + 0x1000 * n).to_le_bytes());
        }
        bench.set(TCTL, 0xa);
        bench.set(IMS, 0x1_fedf);
        bench
    }

    fn set(&mut self, at: u64, value: u32) {
        self.write(at, 4, value);
    }

    fn get(&mut self, at: u64) -> u32 {
        self.read(at, 4)
    }

    fn descriptor(&mut self, n: u32, address: u64, low: u32, high: u32) {
        let rest = u64::from(high) << 32 | u64::from(low);
        let bytes = [address.to_le_bytes(), rest.to_le_bytes()].concat();
        self.put(TX_RING + 16 * n, &bytes);
    }

    fn sent(&mut self) -> Vec<Vec<u8>> {
        self.out.try_iter().collect()
    }
}

#[test]
fn a_frame_in_two_pieces_goes_out_and_is_reported() {
    let mut bench = Bench::new();
    let whole = frame([0xff; 6], 200);
    bench.put(DATA, &whole[..50]);
    bench.put(DATA + 0x100, &whole[50..]);
    bench.descriptor(0, DATA.into(), 50, 0);
    bench.descriptor(1, u64::from(DATA + 0x100), 9 << 24 | 150, 0);
    bench.set(TX + TAIL, 2);
    assert_eq!(bench.sent(), [whole]);
    assert_eq!((bench.get(TX + HEAD), bench.bytes(TX_RING + 16 + 12, 1)[0]), (2, 1));
    assert!(bench.board.line(11));
    assert_eq!(bench.get(ICR) & 3, 3);
    // A short one is padded; without TCTL.EN none goes.
    bench.descriptor(2, DATA.into(), 1 << 24 | 20, 0);
    bench.set(TX + TAIL, 3);
    assert_eq!(bench.sent()[0].len(), 60);
    bench.set(TCTL, 0);
    bench.set(TX + TAIL, 4);
    assert_eq!((bench.sent().len(), bench.get(TX + HEAD)), (0, 3));
}

#[test]
fn a_frame_comes_in_where_the_ring_says_if_a_filter_lets_it() {
    let mut bench = Bench::new();
    let (mine, other) = (frame(Mac::DEFAULT.0, 100), frame([2, 0, 0, 0, 0, 9], 100));
    assert!(bench.come(&mine), "it is off, and the frame lost");
    bench.set(RCTL, RECEIVE);
    assert!(!bench.come(&mine), "no buffers");
    bench.set(RX + TAIL, 7);
    assert!(bench.come(&mine) && bench.come(&other));
    assert_eq!(bench.get(RX + HEAD), 1);
    assert_eq!(bench.bytes(BUFFERS, 100), mine);
    // Length 100, done and last, checksums not looked at.
    assert_eq!(bench.bytes(RX_RING + 8, 8), [100, 0, 0, 0, 7, 0, 0, 0]);
    assert!(bench.board.line(11) && bench.get(ICR) & 0x80 != 0);
    // With its checksum, which adds up over the whole.
    bench.set(RCTL, 0x8002);
    assert!(bench.come(&frame([0xff; 6], 20)));
    assert_eq!(bench.bytes(RX_RING + 24, 2), [64, 0]);
    // A group that the table has: bits 47 to 36 of the address are 00F0h.
    let group = frame([1, 0, 0x5e, 0, 0x01, 0x0f], 60);
    assert!(bench.come(&group));
    assert_eq!(bench.get(RX + HEAD), 2);
    bench.set(0x5200 + 4 * (0xf0 >> 5), 1 << (0xf0 & 31));
    assert!(bench.come(&group));
    assert_eq!(bench.get(RX + HEAD), 3);
    // All of unicast; small buffers make several pieces of one frame.
    bench.set(RCTL, RECEIVE | 8 | 3 << 16);
    assert!(bench.come(&frame([2, 0, 0, 0, 0, 9], 600)));
    assert_eq!(bench.get(RX + HEAD), 6);
    assert_eq!(bench.bytes(RX_RING + 3 * 16 + 8, 5), [0, 1, 0, 0, 1]);
    assert_eq!(bench.bytes(RX_RING + 5 * 16 + 8, 5), [88, 0, 0, 0, 7]);
    assert!(!bench.come(&frame(Mac::DEFAULT.0, 600)), "one buffer is left, and three are needed");
}

#[test]
fn vlan_tags_are_taken_out_and_put_in() {
    let mut bench = Bench::new();
    bench.set(CTRL, 1 << 30);
    bench.set(0x38, 0x8100);
    bench.set(RCTL, RECEIVE);
    bench.set(RX + TAIL, 7);
    let plain = frame(Mac::DEFAULT.0, 80);
    let tagged = [&plain[..12], &[0x81, 0, 0x60, 7], &plain[12..]].concat();
    assert!(bench.come(&tagged));
    assert_eq!(bench.bytes(BUFFERS, 80), plain);
    assert_eq!(bench.bytes(RX_RING + 8, 8), [80, 0, 0, 0, 0xf, 0, 7, 0x60]);
    bench.put(DATA, &plain);
    bench.descriptor(0, DATA.into(), 0x41 << 24 | 80, 0x6007 << 16);
    bench.set(TX + TAIL, 1);
    assert_eq!(bench.sent(), [tagged]);
}

/// Ones' complement sum of words.
fn sum(bytes: &[u8]) -> u32 {
    let words =
        bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let sum: u32 = words.sum();
    (sum & 0xffff) + (sum >> 16)
}

#[test]
fn tcp_is_cut_into_segments_whose_checksums_are_right() {
    let mut bench = Bench::new();
    let mut header = frame([2, 0, 0, 0, 0, 9], 54);
    header[12..].fill(0);
    header[12] = 8;
    header[14] = 0x45;
    header[18..20].copy_from_slice(&0xfffeu16.to_be_bytes());
    header[23] = 6;
    header[26..34].copy_from_slice(&[10, 0, 2, 15, 10, 0, 2, 2]);
    header[38..42].copy_from_slice(&0xffff_ff00u32.to_be_bytes());
    header[46] = 0x50;
    header[47] = 0x19;
    // The pseudo-header without a length, as drivers sum it.
    let pseudo = sum(&[10, 0, 2, 15, 10, 0, 2, 2, 0, 6]) as u16;
    header[50..52].copy_from_slice(&pseudo.to_be_bytes());
    let payload: Vec<u8> = (0..1000).map(|n| (n * 7) as u8).collect();
    bench.put(DATA, &header);
    bench.put(DATA + 54, &payload);
    let context = 14 | 24 << 8 | 33 << 16 | 34 << 32 | 50 << 40;
    bench.descriptor(0, context, 0x27 << 24, 400 << 16 | 54 << 8);
    bench.descriptor(1, DATA.into(), 0x25 << 24 | 1 << 20 | 1054, 3 << 8);
    bench.set(TX + TAIL, 2);
    let sent = bench.sent();
    assert_eq!(sent.iter().map(Vec::len).collect::<Vec<_>>(), [454, 454, 254]);
    for (n, segment) in sent.iter().enumerate() {
        let len = segment.len();
        assert_eq!(segment[16..18], ((len - 14) as u16).to_be_bytes());
        assert_eq!(segment[18..20], 0xfffeu16.wrapping_add(n as u16).to_be_bytes());
        assert_eq!(sum(&segment[14..34]), 0xffff, "the IP header's");
        let pseudo = [10, 0, 2, 15, 10, 0, 2, 2, 0, 6, ((len - 34) >> 8) as u8, (len - 34) as u8];
        assert_eq!(sum(&[&pseudo[..], &segment[34..]].concat()), 0xffff, "TCP's");
        let number = u32::from_be_bytes(segment[38..42].try_into().unwrap());
        assert_eq!(number, 0xffff_ff00u32.wrapping_add(400 * n as u32));
        assert_eq!(segment[47], if n == 2 { 0x19 } else { 0x10 });
        assert_eq!(segment[54..], payload[400 * n..(400 * (n + 1)).min(1000)]);
    }
}

#[test]
fn a_long_ring_is_worked_on_in_bursts() {
    let mut bench = Bench::new();
    bench.set(TX + LENGTH, 0xf_ff80);
    let count = 0xf_ff80 / 16;
    // All of memory as descriptors: most name frames of no end, or none.
    bench.memory.fill(0x21);
    bench.set(TX + TAIL, count - 1);
    assert!(bench.get(TX + HEAD) < count - 1, "not all at once");
    let mut rounds = 0;
    while bench.get(TX + HEAD) != count - 1 {
        bench.now = bench.board.next_deadline().unwrap_or(bench.now + 1_000).max(bench.now + 1);
        bench.advance();
        rounds += 1;
        assert!(rounds < 10_000_000);
    }
    assert!(bench.sent().iter().all(|frame| frame.len() <= 1518));
    // Heads and tails behind the end, rings of nothing and in nothing.
    for (at, value) in
        [(TX + HEAD, 0xffff), (TX + LENGTH, 0), (TX + 4, u32::MAX), (RX + 4, u32::MAX)]
    {
        bench.set(at, value);
        bench.set(TX + TAIL, 3);
        bench.set(RCTL, RECEIVE | 0x18);
        for head in [0, 7, 0xffff] {
            bench.set(RX + HEAD, head);
            bench.set(RX + TAIL, 5);
            bench.come(&frame(Mac::DEFAULT.0, 1518));
        }
    }
}
