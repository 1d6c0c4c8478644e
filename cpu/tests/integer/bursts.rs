//! INS, OUTS, MOVS and STOS of many items: at once or one by one, nobody can tell.

use crate::machine::Machine;
use ringer_cpu::testing::Stream;
use ringer_cpu::{Exception, Gpr, Outcome};

const PORT: u16 = 0x1f0;

/// Numbers, the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// A REP as a case has it.
fn case(numbers: &mut Numbers) -> Machine {
    let forms: [&[u8]; 12] = [
        &[0xf3, 0xa4],
        &[0xf3, 0x66, 0xa5],
        &[0xf3, 0xa5],
        &[0xf3, 0xaa],
        &[0xf3, 0x66, 0xab],
        &[0xf3, 0xab],
        &[0xf3, 0x6c],
        &[0xf3, 0x66, 0x6d],
        &[0xf3, 0x6d],
        &[0xf3, 0x6e],
        &[0xf3, 0x66, 0x6f],
        &[0xf3, 0x6f],
    ];
    let mut code = forms[numbers.below(12) as usize].to_vec();
    if numbers.below(4) == 0 {
        code.insert(0, 0x67);
    }
    let mut m = if numbers.below(4) == 0 { Machine::real(&code) } else { Machine::flat(&code) };
    for at in 0x2000..0x2_0000_u32 {
        m.bus.load(at, &[(at * 7 + (at >> 8)) as u8]);
    }
    let near = [0x2000, 0x2ffe, 0x3ffd, 0xff00, 0xfff1][numbers.below(5) as usize];
    let at = near + numbers.below(64) as u32;
    let count = [0, 1, 3, 255, 256, 1024, 1025, 3000][numbers.below(8) as usize];
    m.set(Gpr::Edx, 0xabcd_0000 | u32::from(PORT));
    // Near enough to overlap now and then.
    let to = at + [0, 0, 1, 4, 40, 900, 0x1000][numbers.below(7) as usize];
    m.set(Gpr::Eax, 0x8765_4321)
        .set(Gpr::Esi, at)
        .set(Gpr::Edi, to)
        .set(Gpr::Ecx, count + numbers.below(7) as u32);
    m.s.eflags |= [0, 0, 0, 0x400, 0x100][numbers.below(5) as usize];
    if numbers.below(3) == 0 {
        let hole = at + numbers.below(9000) as u32;
        m.bus.absent.push(hole..hole + 1);
    }
    if numbers.below(8) == 0 {
        // A data breakpoint of one byte, on any access.
        m.s.dr[0] = u64::from(at + numbers.below(600) as u32);
        m.s.dr[7] = 0xf_0001;
        m.s.dr[7] &= !0xc_0000;
    }
    m
}

/// Runs passes until the instruction retires or faults: how each ended, and the state then.
fn play(mut m: Machine, burst: u32) -> (Vec<String>, Machine, u32) {
    m.bus.stream = Some(Stream { port: PORT, burst, ..Stream::default() });
    let mut told = Vec::new();
    loop {
        let end: Result<Outcome, Exception> = m.run();
        told.push(format!("{end:?} {:?} {:x} {:x?}", m.s.gpr, m.s.eip(), m.s.pending_debug));
        if end != Ok(Outcome::Partial) {
            break;
        }
    }
    let moved = m.bus.stream.as_mut().map_or(0, |stream| {
        stream.burst = 0;
        std::mem::take(&mut stream.moved)
    });
    (told, m, moved)
}

#[test]
fn at_once_or_one_by_one_ends_alike() {
    let mut total = 0;
    for seed in 0..320 {
        let one = play(case(&mut Numbers(seed)), 0);
        assert_eq!(one.2, 0);
        for burst in [1, 5, 255, u32::MAX] {
            let many = play(case(&mut Numbers(seed)), burst);
            assert_eq!(many.0, one.0, "seed {seed}");
            assert_eq!(many.1.s.eflags, one.1.s.eflags, "seed {seed}");
            assert!(many.1.bus.mem == one.1.bus.mem, "seed {seed}: memory");
            assert_eq!(many.1.bus.port_writes, one.1.bus.port_writes, "seed {seed}");
            assert_eq!(many.1.bus.stream, one.1.bus.stream, "seed {seed}");
            total += many.2;
        }
    }
    assert!(total > 50_000, "{total} items moved at once");
}

#[test]
fn all_but_the_last_item_of_a_pass_and_those_that_straddle_pages_can_move_at_once() {
    let mut m = Machine::flat(&[0xf3, 0x66, 0x6d]);
    m.set(Gpr::Edx, PORT.into()).set(Gpr::Edi, 0x2fff).set(Gpr::Ecx, 256);
    let (told, m, moved) = play(m, u32::MAX);
    assert_eq!((told.len(), moved, m.get(Gpr::Edi)), (1, 254, 0x31ff));
    let mut m = Machine::flat(&[0xf3, 0x66, 0x6d]);
    m.set(Gpr::Edx, PORT.into()).set(Gpr::Edi, 0x2000).set(Gpr::Ecx, 256);
    m.s.eflags |= 0x400;
    assert_eq!(play(m, u32::MAX).2, 0, "downwards");
}
