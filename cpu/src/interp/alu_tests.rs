//! The host's ALU against plain formulae, on the flags that the SDM defines.

use super::*;

const CF: u32 = 1;
const PF: u32 = 4;
const AF: u32 = 0x10;
const ZF: u32 = 0x40;
const SF: u32 = 0x80;
const OF: u32 = 0x800;

/// xorshift64*: the tests' own numbers, the same in each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d).rotate_left(32)
    }

    /// Often an edge: 0, 1, the largest, the sign bit and its neighbours.
    fn operand(&mut self, bits: u32) -> u64 {
        let sign = 1 << (bits - 1);
        let edges = [0, 1, u64::MAX, sign, sign - 1, sign + 1, 0xf, 0x10];
        let pick = self.next();
        let value = if pick & 1 == 0 { self.next() } else { edges[pick as usize >> 1 & 7] };
        value & ones(bits)
    }
}

fn flag(on: bool, bit: u32) -> u32 {
    if on { bit } else { 0 }
}

/// All ones in `bits` bits.
fn ones(bits: u32) -> u64 {
    u64::MAX >> (64 - bits)
}

/// SF, ZF and PF of a result.
fn szp(value: u64, bits: u32) -> u32 {
    flag(value == 0, ZF)
        | flag(value >> (bits - 1) & 1 != 0, SF)
        | flag((value as u8).count_ones().is_multiple_of(2), PF)
}

fn added(a: u64, b: u64, carry: u32, bits: u32) -> (u64, u32) {
    let wide = u128::from(a) + u128::from(b) + u128::from(carry);
    let r = wide as u64 & ones(bits);
    let of = (a ^ r) & (b ^ r) & (1 << (bits - 1)) != 0;
    let f = flag(wide >> bits != 0, CF) | flag((a ^ b ^ r) & 0x10 != 0, AF) | flag(of, OF);
    (r, f | szp(r, bits))
}

fn subtracted(a: u64, b: u64, borrow: u32, bits: u32) -> (u64, u32) {
    let r = a.wrapping_sub(b).wrapping_sub(u64::from(borrow)) & ones(bits);
    let of = (a ^ b) & (a ^ r) & (1 << (bits - 1)) != 0;
    let cf = u128::from(a) < u128::from(b) + u128::from(borrow);
    let f = flag(cf, CF) | flag((a ^ b ^ r) & 0x10 != 0, AF) | flag(of, OF);
    (r, f | szp(r, bits))
}

const ALL: u32 = CF | PF | AF | ZF | SF | OF;
/// Bits outside the status flags, which no operation may touch.
const OTHER: u32 = 0x0020_0602;

#[derive(Clone, Copy)]
struct Try {
    a: u64,
    b: u64,
    flags: u32,
    bits: u32,
}

impl Try {
    #[track_caller]
    fn expect(&self, got: (u64, u32), want: (u64, u32), defined: u32) {
        let Self { a, b, flags, bits } = *self;
        let what =
            format!("{bits} bits, {a:#x} and {b:#x}, flags {flags:#x}: {got:x?}, not {want:x?}");
        assert_eq!(got.0, want.0, "{what}");
        assert_eq!(got.1 & (defined | OTHER), (want.1 & defined) | OTHER, "{what}");
    }

    fn binary<O: Binary>(&self) -> (u64, u32) {
        let mut f = self.flags | OTHER;
        let r = match self.bits {
            8 => O::run::<1>(&mut f, self.a, self.b),
            16 => O::run::<2>(&mut f, self.a, self.b),
            32 => O::run::<4>(&mut f, self.a, self.b),
            _ => O::run::<8>(&mut f, self.a, self.b),
        };
        (r, f)
    }

    fn unary<O: Unary>(&self) -> (u64, u32) {
        let mut f = self.flags | OTHER;
        let r = match self.bits {
            8 => O::run::<1>(&mut f, self.a),
            16 => O::run::<2>(&mut f, self.a),
            32 => O::run::<4>(&mut f, self.a),
            _ => O::run::<8>(&mut f, self.a),
        };
        (r, f)
    }

    fn shift<O: Shift>(&self, count: u32) -> (u64, u32) {
        let mut f = self.flags | OTHER;
        let r = match self.bits {
            8 => O::run::<1>(&mut f, self.a, count),
            16 => O::run::<2>(&mut f, self.a, count),
            32 => O::run::<4>(&mut f, self.a, count),
            _ => O::run::<8>(&mut f, self.a, count),
        };
        (r, f)
    }
}

fn each(mut check: impl FnMut(Try, &mut Random)) {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..20_000 {
        for bits in [8, 16, 32, 64] {
            let (a, b) = (random.operand(bits), random.operand(bits));
            let flags = random.next() as u32 & ALL;
            check(Try { a, b, flags, bits }, &mut random);
        }
    }
}

#[test]
fn additions_and_subtractions_set_all_six_flags() {
    each(|t, _| {
        let carry = t.flags & CF;
        t.expect(t.binary::<Add>(), added(t.a, t.b, 0, t.bits), ALL);
        t.expect(t.binary::<Adc>(), added(t.a, t.b, carry, t.bits), ALL);
        t.expect(t.binary::<Sub>(), subtracted(t.a, t.b, 0, t.bits), ALL);
        t.expect(t.binary::<Sbb>(), subtracted(t.a, t.b, carry, t.bits), ALL);
        t.expect(t.unary::<Neg>(), subtracted(0, t.a, 0, t.bits), ALL);
    });
}

#[test]
fn inc_and_dec_leave_the_carry() {
    each(|t, _| {
        let keep = |(r, f): (u64, u32)| (r, (f & !CF) | (t.flags & CF));
        t.expect(t.unary::<Inc>(), keep(added(t.a, 1, 0, t.bits)), ALL);
        t.expect(t.unary::<Dec>(), keep(subtracted(t.a, 1, 0, t.bits)), ALL);
        t.expect(t.unary::<Not>(), (!t.a & ones(t.bits), t.flags), ALL);
    });
}

#[test]
fn logic_clears_carry_and_overflow() {
    each(|t, _| {
        let of = |r| (r, szp(r, t.bits));
        t.expect(t.binary::<And>(), of(t.a & t.b), ALL & !AF);
        t.expect(t.binary::<Or>(), of(t.a | t.b), ALL & !AF);
        t.expect(t.binary::<Xor>(), of(t.a ^ t.b), ALL & !AF);
    });
}

/// One shift or rotate, a bit at a time, as the SDM's algorithms state it; OF only for one bit.
fn shifted(op: &str, t: &Try, count: u32) -> (u64, u32, u32) {
    let top = 1u64 << (t.bits - 1);
    let count = count & if t.bits == 64 { 63 } else { 31 };
    let (mut r, mut f) = (t.a, t.flags);
    for _ in 0..count {
        let (high, low) = (u64::from(r & top != 0), r & 1);
        let carry = u64::from(f & CF);
        let (next, out) = match op {
            "rol" => (r << 1 | high, high),
            "ror" => ((r >> 1) | (low * top), low),
            "rcl" => (r << 1 | carry, high),
            "rcr" => ((r >> 1) | (carry * top), low),
            "shl" => (r << 1, high),
            "shr" => (r >> 1, low),
            _ => (r >> 1 | (r & top), low),
        };
        r = next & ones(t.bits);
        f = (f & !CF) | out as u32;
    }
    if count == 0 {
        return (r, f, ALL);
    }
    let of = match op {
        "rol" | "rcl" | "shl" => (r & top != 0) != (f & CF != 0),
        "ror" | "rcr" => (r ^ r << 1) & top != 0,
        "shr" => t.a & top != 0,
        _ => false,
    };
    let of_defined = if count == 1 { OF } else { 0 };
    f = (f & !OF) | flag(of, OF);
    let rotates = op.starts_with('r');
    if rotates {
        return (r, f, ALL & !OF | of_defined);
    }
    // Shifting by the size or more leaves CF undefined for SHL and SHR.
    let cf_defined = if count < t.bits || op == "sar" { CF } else { 0 };
    f = (f & !(SF | ZF | PF)) | szp(r, t.bits);
    (r, f, SF | ZF | PF | cf_defined | of_defined)
}

#[test]
fn shifts_and_rotates_of_any_count() {
    each(|t, random| {
        let count = random.next() as u32 & 0xff;
        let check = |op, (r, f): (u64, u32), count| {
            let (want, flags, defined) = shifted(op, &t, count);
            t.expect((r, f), (want, flags), defined);
        };
        check("rol", t.shift::<Rol>(count), count);
        check("ror", t.shift::<Ror>(count), count);
        check("rcl", t.shift::<Rcl>(count), count);
        check("rcr", t.shift::<Rcr>(count), count);
        check("shl", t.shift::<Shl>(count), count);
        check("shr", t.shift::<Shr>(count), count);
        check("sar", t.shift::<Sar>(count), count);
        check("rol", t.unary::<Rol1>(), 1);
        check("ror", t.unary::<Ror1>(), 1);
        check("rcl", t.unary::<Rcl1>(), 1);
        check("rcr", t.unary::<Rcr1>(), 1);
        check("shl", t.unary::<Shl1>(), 1);
        check("shr", t.unary::<Shr1>(), 1);
        check("sar", t.unary::<Sar1>(), 1);
    });
}

#[test]
fn double_shifts_take_their_bits_from_the_source() {
    each(|t, random| {
        let count = random.next() as u32 & if t.bits == 64 { 63 } else { 31 };
        if t.bits == 8 || count > t.bits || count == 0 {
            return;
        }
        let run = |f: &mut u32, left: bool| match (t.bits, left) {
            (16, true) => Shld::run::<2>(f, t.a, t.b, count),
            (16, false) => Shrd::run::<2>(f, t.a, t.b, count),
            (32, true) => Shld::run::<4>(f, t.a, t.b, count),
            (32, false) => Shrd::run::<4>(f, t.a, t.b, count),
            (_, true) => Shld::run::<8>(f, t.a, t.b, count),
            (_, false) => Shrd::run::<8>(f, t.a, t.b, count),
        };
        let (mut left, mut right) = (t.flags | OTHER, t.flags | OTHER);
        let (l, r) = (run(&mut left, true), run(&mut right, false));
        let (a, b) = (u128::from(t.a), u128::from(t.b));
        let want_l = ((a << t.bits | b) >> (t.bits - count)) as u64 & ones(t.bits);
        let want_r = ((b << t.bits | a) >> count) as u64 & ones(t.bits);
        let (out_l, out_r) = ((a >> (t.bits - count) & 1) as u32, (a >> (count - 1) & 1) as u32);
        t.expect((l, left), (want_l, szp(want_l, t.bits) | out_l), SF | ZF | PF | CF);
        t.expect((r, right), (want_r, szp(want_r, t.bits) | out_r), SF | ZF | PF | CF);
    });
}

fn signed(v: u64, bits: u32) -> i128 {
    i128::from((v << (64 - bits)) as i64 >> (64 - bits))
}

#[test]
fn multiplications_tell_overflow_in_carry() {
    each(|t, _| {
        let run = |signed: bool| {
            let mut f = t.flags | OTHER;
            let (a, b) = (t.a, t.b);
            let (lo, hi) = match (t.bits, signed) {
                (8, false) => MulWide::run::<1>(&mut f, a, b),
                (16, false) => MulWide::run::<2>(&mut f, a, b),
                (32, false) => MulWide::run::<4>(&mut f, a, b),
                (_, false) => MulWide::run::<8>(&mut f, a, b),
                (8, true) => ImulWide::run::<1>(&mut f, a, b),
                (16, true) => ImulWide::run::<2>(&mut f, a, b),
                (32, true) => ImulWide::run::<4>(&mut f, a, b),
                (_, true) => ImulWide::run::<8>(&mut f, a, b),
            };
            (u128::from(hi) << t.bits | u128::from(lo), f)
        };
        let double = u128::MAX >> (128 - 2 * t.bits);
        let product = u128::from(t.a) * u128::from(t.b);
        let (got, f) = run(false);
        assert_eq!(got, product);
        assert_eq!(f & (CF | OF), flag(product >> t.bits != 0, CF | OF));
        let wide = signed(t.a, t.bits) * signed(t.b, t.bits);
        let fits = wide == signed(wide as u64, t.bits);
        let (got, f) = run(true);
        assert_eq!(got, wide as u128 & double);
        assert_eq!(f & (CF | OF), flag(!fits, CF | OF));
        if t.bits > 8 {
            let cut = wide as u64 & ones(t.bits);
            t.expect(t.binary::<Imul>(), (cut, flag(!fits, CF | OF)), CF | OF);
        }
    });
}

#[test]
fn divisions_refuse_exactly_what_raises_de() {
    each(|t, random| {
        let high = if random.next() & 1 == 0 { random.operand(t.bits) } else { t.a % t.b.max(1) };
        let (lo, hi, d) = (t.a, high, t.b);
        let wide = u128::from(hi) << t.bits | u128::from(lo);
        let ones = ones(t.bits);
        let mut f = t.flags | OTHER;
        let got = match t.bits {
            8 => Div::run::<1>(&mut f, lo, hi, d),
            16 => Div::run::<2>(&mut f, lo, hi, d),
            32 => Div::run::<4>(&mut f, lo, hi, d),
            _ => Div::run::<8>(&mut f, lo, hi, d),
        };
        let want = wide.checked_div(u128::from(d)).filter(|&q| q <= u128::from(ones));
        assert_eq!(got, want.map(|q| (q as u64, (wide % u128::from(d)) as u64)));
        let got = match t.bits {
            8 => Idiv::run::<1>(&mut f, lo, hi, d),
            16 => Idiv::run::<2>(&mut f, lo, hi, d),
            32 => Idiv::run::<4>(&mut f, lo, hi, d),
            _ => Idiv::run::<8>(&mut f, lo, hi, d),
        };
        let unused = 128 - 2 * t.bits;
        let dividend = (wide << unused) as i128 >> unused;
        let divisor = signed(d, t.bits);
        let want = dividend
            .checked_div(divisor)
            .filter(|&q| q == signed(q as u64, t.bits))
            .map(|q| (q as u64 & ones, (dividend % divisor) as u64 & ones));
        assert_eq!(got, want, "{dividend} / {divisor}");
        assert_eq!(f & OTHER, OTHER);
    });
}

#[test]
fn bit_operations_and_scans() {
    each(|t, _| {
        if t.bits == 8 {
            return;
        }
        let bit = 1u64 << (t.b % u64::from(t.bits));
        let cf = flag(t.a & bit != 0, CF);
        t.expect(t.binary::<Bt>(), (t.a, cf), CF);
        t.expect(t.binary::<Bts>(), (t.a | bit, cf), CF);
        t.expect(t.binary::<Btr>(), (t.a & !bit, cf), CF);
        t.expect(t.binary::<Btc>(), (t.a ^ bit, cf), CF);
        let zf = flag(t.b == 0, ZF);
        let (low, high) = match t.b {
            0 => (t.a, t.a),
            b => (u64::from(b.trailing_zeros()), u64::from(b.ilog2())),
        };
        t.expect(t.binary::<Bsf>(), (low, zf), ZF);
        t.expect(t.binary::<Bsr>(), (high, zf), ZF);
    });
}
