//! Random instructions on random states: the handlers against the host executing the same bytes.

use super::super::arena::Arena;
use super::super::lookup;
use super::native::{Trial, run_trapping};
use super::*;
use crate::exception::Vector;
use crate::flags::Eflags;
use crate::state::Gpr;
use iced_x86::{Code, Decoder, DecoderOptions, Instruction, Mnemonic as M, OpKind, Register};

/// A small generator (xorshift); the same sequence in each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 32) % n
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.next() as u8)
    }

    /// 16 bytes: singles, doubles or an extended value of interest, or noise.
    fn vector(&mut self) -> [u8; 16] {
        const SINGLES: [f32; 12] = [
            0.0,
            -0.0,
            1.0,
            -1.5,
            3.0e-39,
            f32::MIN_POSITIVE,
            f32::MAX,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::NAN,
            2_147_483_648.0,
            0.333_333_34,
        ];
        match self.below(4) {
            0 => ps([0; 4].map(|_| self.pick(&SINGLES))),
            1 => pd([0; 2].map(|_| f64::from(self.pick(&SINGLES)) * 1.000_000_1)),
            2 => {
                let mut v = self.bytes::<16>();
                v[7] |= 0x80;
                v[8] = self.pick(&[0, 0xfe, 0xff, 0, 1, 0x3e]);
                v[9] = self.pick(&[0, 0x3f, 0x40, 0x7f, 0xbf, 0xc0, 0xff]);
                v
            }
            _ => self.bytes(),
        }
    }

    fn image(&mut self) -> FpuImage {
        let mut fx = FpuImage::reset();
        for at in (32..288).step_by(16) {
            fx.0[at..at + 16].copy_from_slice(&self.vector());
        }
        for at in (32..160).step_by(16) {
            fx.0[at + 10..at + 16].fill(0);
        }
        let fcw = 0x007f | (self.below(16) as u16) << 8;
        let fsw = self.next() as u16 & 0x7f7f;
        fx.0[0..2].copy_from_slice(&fcw.to_le_bytes());
        fx.0[2..4].copy_from_slice(&fsw.to_le_bytes());
        fx.0[4] = self.pick(&[0xff, 0xff, 0x00, 0x0f, 0xa5]);
        let mxcsr = 0x1f80 | (self.next() as u32 & 0xe07f);
        fx.0[24..28].copy_from_slice(&mxcsr.to_le_bytes());
        fx
    }
}

/// Whether the two executions of `i` can be compared: see `native`.
fn comparable_form(i: &Instruction) -> bool {
    use Code as C;
    let by_hand = matches!(
        i.mnemonic(),
        M::Maskmovq | M::Maskmovdqu | M::Fxsave | M::Fxrstor | M::Ldmxcsr | M::Clflush | M::Wait
    ) || matches!(
        i.mnemonic(),
        M::Xsave | M::Xsaveopt | M::Xrstor | M::Xgetbv | M::Xsetbv
    );
    let environment = i.memory_size().size() > 16
        || matches!(i.code(), C::Fnstenv_m14byte | C::Fldenv_m14byte | C::Fldenv_m28byte);
    let registers = (0..i.op_count()).all(|n| match i.op_kind(n) {
        OpKind::Register if i.op_register(n).is_gpr() => i.op_register(n).number() < 3,
        OpKind::Memory => i.memory_base() == Register::ESI && i.memory_displacement32() == 0,
        _ => true,
    });
    let plain = i.memory_index() == Register::None && i.memory_segment() != Register::FS;
    !by_hand && !environment && registers && plain
}

/// Executes `bytes` both ways on a random state and compares everything.
fn compare(m: &mut Machine, arena: &mut Arena, r: &mut Random, bytes: &[u8], i: &Instruction) {
    let (fx, gpr) = (r.image(), [0; 3].map(|_| r.next() as u32));
    let flags = u64::from(r.next() as u32 & Eflags::ARITH.bits());
    let mut mem = [0; 64];
    mem[..16].copy_from_slice(&r.vector());
    let mut native = Trial::new(fx, mem, gpr, flags);
    native.run(arena, bytes);

    m.s.fpu = fx;
    m.s.gpr[..3].copy_from_slice(&gpr.map(u64::from));
    m.s.set_reg32(Gpr::Esi, DATA);
    m.s.eflags = Eflags::FIXED_ONE | flags as u32;
    m.bus.load(DATA, &mem);
    m.run(bytes).unwrap_or_else(|e| panic!("{:?} {bytes:02x?}: {e:?}", i.code()));

    let what = format!("{:?} {bytes:02x?} on {:02x?}", i.code(), &fx.0[..288]);
    assert_eq!(comparable(&m.s.fpu), comparable(&native.fx), "{what}");
    assert_eq!(m.bytes::<64>(DATA), native.mem, "{what}");
    assert_eq!(m.s.gpr[..3], native.gpr.map(u64::from), "{what}");
    let arith = Eflags::ARITH.bits();
    assert_eq!(m.s.eflags & arith, native.flags as u32 & arith, "{what}");
}

/// Runs `count` comparable instructions that `generate` makes; returns how many codes were met.
fn sweep(seed: u64, count: u32, generate: fn(&mut Random) -> Vec<u8>) -> usize {
    let mut r = Random(seed);
    let mut m = Machine::with_model(CpuModel::MAX);
    let mut arena = Arena::new().unwrap();
    let mut met = std::collections::HashSet::new();
    let mut done = 0;
    while done < count {
        let mut bytes = generate(&mut r);
        let mut decoder = Decoder::new(32, &bytes, DecoderOptions::NONE);
        let i = decoder.decode();
        if i.is_invalid() || lookup::<FlatBus>(i.code()).is_none() || !comparable_form(&i) {
            continue;
        }
        bytes.truncate(i.len());
        compare(&mut m, &mut arena, &mut r, &bytes, &i);
        met.insert(i.code());
        done += 1;
    }
    met.len()
}

/// ModRM: two registers, or `[esi]` with a register.
fn modrm(r: &mut Random) -> u8 {
    let byte = r.next() as u8;
    if byte & 1 == 0 || r.below(4) == 0 { byte | 0xc0 } else { byte & 0x38 | 6 }
}

#[test]
fn random_vector_instructions() {
    let met = sweep(0x1234_5678_9abc_def1, 20_000, |r| {
        let mut bytes = Vec::new();
        let prefix = r.pick(&[0, 0x66, 0xf2, 0xf3]);
        if prefix != 0 {
            bytes.push(prefix);
        }
        bytes.extend([0x0f, 0x10 + r.below(0xf0) as u8, modrm(r), r.next() as u8]);
        bytes
    });
    assert!(met > 250, "{met}");
}

#[test]
fn random_x87_instructions() {
    let met = sweep(0x0fed_cba9_8765_4321, 10_000, |r| vec![0xd8 | r.next() as u8 & 7, modrm(r)]);
    assert!(met > 120, "{met}");
}

/// SSE arithmetic, comparisons and conversions.
fn sse_arithmetic(r: &mut Random) -> Vec<u8> {
    let prefix: &[u8] = r.pick(&[&[], &[0x66], &[0xf2], &[0xf3]]);
    let opcode = r.pick(&[
        0x2a, 0x2c, 0x2d, 0x2e, 0x2f, 0x51, 0x51, 0x58, 0x59, 0x59, 0x5a, 0x5b, 0x5c, 0x5d, 0x5e,
        0x5e, 0x5f, 0xc2, 0xe6,
    ]);
    [prefix, &[0x0f, opcode, modrm(r), r.below(8) as u8]].concat()
}

/// Operands that overflow, underflow (exactly and not) and lose precision often.
fn extreme(r: &mut Random) -> [u8; 16] {
    if r.below(3) == 0 {
        return r.vector();
    }
    const SINGLES: [u32; 10] = [
        0x3f80_0000,
        0x3f00_0000,
        0x4040_0000,
        0x0080_0000,
        0x0080_0001,
        0x7f7f_ffff,
        0x2000_0000,
        0x1f80_0003,
        0x0000_0100,
        0x6000_0000,
    ];
    const DOUBLES: [u64; 8] = [
        0x3ff0_0000_0000_0000,
        0x3fe0_0000_0000_0000,
        0x4008_0000_0000_0000,
        0x0010_0000_0000_0000,
        0x0010_0000_0000_0001,
        0x7fef_ffff_ffff_ffff,
        0x3800_0000_0000_0000,
        0x1ff8_0000_0000_0003,
    ];
    if r.below(2) == 0 {
        ps([0; 4].map(|_| f32::from_bits(r.pick(&SINGLES))))
    } else {
        pd([0; 2].map(|_| f64::from_bits(r.pick(&DOUBLES))))
    }
}

#[test]
fn unmasked_simd_exceptions_are_the_hosts() {
    let mut r = Random(0x5eed_0f00_d00d_f00d);
    let mut m = Machine::new();
    let mut arena = Arena::new().unwrap();
    let (mut done, mut raised) = (0, 0);
    while done < 20_000 {
        let mut bytes = sse_arithmetic(&mut r);
        let i = Decoder::new(32, &bytes, DecoderOptions::NONE).decode();
        if i.is_invalid() || lookup::<FlatBus>(i.code()).is_none() || !comparable_form(&i) {
            continue;
        }
        bytes.truncate(i.len());
        let mut fx = r.image();
        for n in 0..8 {
            fx.0[160 + 16 * n..][..16].copy_from_slice(&extreme(&mut r));
        }
        let mxcsr = r.next() as u32 & 0xffff;
        fx.0[24..28].copy_from_slice(&mxcsr.to_le_bytes());
        let mut mem = [0; 64];
        mem[..16].copy_from_slice(&extreme(&mut r));
        let mut native = Trial::new(fx, mem, [0; 3], 0);
        let trapped = run_trapping(&mut native, &mut arena, &bytes);

        (m.s.fpu, m.s.gpr[Gpr::Esi as usize], m.s.eflags) =
            (fx, u64::from(DATA), Eflags::FIXED_ONE);
        m.s.gpr[..3].fill(0);
        m.bus.load(DATA, &mem);
        let outcome = m.one(&bytes);
        let what = format!("{:?} {bytes:02x?}, MXCSR {mxcsr:#x}", i.code());
        if let Some(trapped) = trapped {
            assert_eq!(outcome.err().map(|e| e.vector), Some(Vector::Xm), "{what}");
            let (ours, hosts) = (m.s.fpu.mxcsr(), trapped);
            assert_eq!(ours, hosts, "{what}: {ours:#x}, {hosts:#x}");
            m.s.fpu.0[24..28].copy_from_slice(&mxcsr.to_le_bytes());
            if (0..i.op_count()).any(|n| i.op_register(n).is_mm()) {
                // MMX state is entered before the computation: TOP 0, all tags valid.
                assert_eq!((m.s.fpu.fsw() >> 11 & 7, m.s.fpu.0[4]), (0, 0xff), "{what}");
                m.s.fpu.0[..160].copy_from_slice(&fx.0[..160]);
            }
            assert_eq!(comparable(&m.s.fpu), comparable(&fx), "{what}");
            raised += 1;
        } else {
            assert_eq!(outcome, Ok(Outcome::Retired), "{what}");
            assert_eq!(comparable(&m.s.fpu), comparable(&native.fx), "{what}");
        }
        done += 1;
    }
    assert!(raised > 5_000, "{raised}");
}
