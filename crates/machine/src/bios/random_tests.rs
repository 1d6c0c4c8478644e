//! Services with random registers, segments, stacks and memory: none panics, none goes on for long, and none gives the
//! console more than a call can ask for.

use super::rom;
use super::tests::Bench;
use ringer_cpu::{Gpr, SegReg, Segment};
use std::time::{Duration, Instant};

/// Calls of a run: a second or so.
const CALLS: u64 = 60_000;
/// Of the long one.
const MANY: u64 = 20_000_000;
/// The most that a call prints: a string of FFFFh characters.
const PRINTED: usize = 0xffff;
/// A call that takes longer hangs.
const LONG: Duration = Duration::from_secs(2);

const VECTORS: [u8; 9] = [0x10, 0x11, 0x12, 0x13, 0x15, 0x16, 0x18, 0x19, 0x1a];
/// Function numbers that mean something, among others.
const FUNCTIONS: [u32; 22] = [
    0x00, 0x01, 0x02, 0x03, 0x04, 0x08, 0x09, 0x0a, 0x0e, 0x0f, 0x10, 0x11, 0x12, 0x13, 0x15, 0x24,
    0x41, 0x42, 0x43, 0x48, 0x88, 0xe8,
];
const SEGMENTS: [u16; 8] = [0, 0x40, 0x07c0, 0x2000, 0x9fff, 0xa000, 0xf000, 0xffff];

/// SplitMix64.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        ((self.bits() >> 32) * n) >> 32
    }

    fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize]
    }

    fn word(&mut self) -> u32 {
        match self.below(4) {
            0 => self.pick(&[0, 1, 0x80, 0xff, 0xffff, 0x1_0000, u32::MAX, 0x534d_4150, 0x55aa]),
            1 => self.below(64) as u32,
            _ => self.bits() as u32,
        }
    }
}

fn call_at_random(seed: u64, calls: u64) {
    let mut random = Random(seed);
    let mut bench = Bench::new(3000);
    for n in 0..calls {
        let vector = random.pick(&VECTORS);
        for reg in [Gpr::Eax, Gpr::Ebx, Gpr::Ecx, Gpr::Edx, Gpr::Ebp, Gpr::Esi, Gpr::Edi, Gpr::Esp]
        {
            let value = random.word();
            bench.set(reg, value);
        }
        if random.below(8) > 0 {
            let ax = (random.word() & 0xff) | (random.pick(&FUNCTIONS) << 8);
            bench.set(Gpr::Eax, ax);
        }
        if random.below(2) == 0 {
            // The drive that is there, and a place on it.
            let (head, cylinder) = (random.below(18) as u32, random.below(4) as u32);
            bench.set(Gpr::Edx, (head << 8) | 0x80);
            bench.set(Gpr::Ecx, (cylinder << 8) | random.below(70) as u32);
        }
        for reg in [SegReg::Es, SegReg::Ss, SegReg::Ds] {
            let any = random.bits() as u16;
            let selector = if random.below(3) == 0 { any } else { random.pick(&SEGMENTS) };
            bench.cpu.seg[reg as usize] = Segment::real(selector, 0);
        }
        if random.below(16) == 0 {
            bench.typed.push(random.bits() as u8);
        }
        bench.forget_printed();
        let began = Instant::now();
        bench.call(vector);
        let place = format!("seed {seed}, call {n}, INT {vector:02x}h");
        assert!(began.elapsed() < LONG, "{place} takes {:?}", began.elapsed());
        assert!(bench.printed() <= PRINTED, "{place} prints {} bytes", bench.printed());
        // It goes on in its stub, elsewhere in the ROM, or in the boot sector.
        let at = (bench.cpu.cs().base.get(), bench.cpu.eip());
        let inside = at.0 == 0xf_0000 && at.1 < 0x1_0000;
        assert!(inside || at == (0, rom::BOOT_ADDRESS), "{place} goes on at {at:x?}");
    }
}

#[test]
fn services_with_random_registers_come_back() {
    call_at_random(0x5eed_2026, CALLS);
}

#[test]
#[ignore = "minutes"]
fn services_with_random_registers_come_back_for_long() {
    call_at_random(1, MANY);
}
