//! MXCSR.PE beside an unmasked #O or #U.
//!
//! Where #O or #U is unmasked, a result out of range is rounded as if the exponent had no bounds, and
//! PE tells whether *that* was inexact (SDM volume 1, 4.9.1.4 and 4.9.1.5). A run with the
//! exceptions masked flags PE for every such result. The x87 unit gives the answer: with its
//! precision control set to the format's, it rounds to the same significand with a 15-bit exponent,
//! which no operation on doubles leaves.

use super::fused;
use iced_x86::{Instruction, Mnemonic};
use std::arch::asm;

const OVERFLOW: u32 = 0x08;
const UNDERFLOW: u32 = 0x10;
const PRECISION: u32 = 0x20;
const DAZ: u32 = 1 << 6;
const FZ: u32 = 1 << 15;
/// #P in the x87 status word.
const INEXACT: u16 = 1 << 5;
/// Precision control: 24 and 53 bits.
const SINGLE: u16 = 0x000;
const DOUBLE: u16 = 0x200;
/// All x87 exceptions masked.
const MASKED: u16 = 0x7f;

#[derive(Clone, Copy)]
enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    /// The second operand as it is.
    Narrow,
    /// The product of the first two, negated or not, and the third, likewise.
    Fused([bool; 2]),
}

/// The formats of operands and results.
#[derive(Clone, Copy)]
struct Format {
    /// The operands are singles.
    single_in: bool,
    /// The results are singles.
    single_out: bool,
}

/// What is computed for one result.
type Lane = (Operation, [f64; 3]);

/// The bytes of an instruction's operands, by number; an XMM register has 16.
pub(super) type Operands = [[u8; 32]; 3];

/// Whether `i` flags PE, given its operands before it and MXCSR, which has #O or #U unmasked. `None`: `i` has no results that
/// can be out of range.
pub(super) fn flagged(i: &Instruction, operands: &Operands, mxcsr: u32) -> Option<bool> {
    let name = format!("{:?}", i.mnemonic()).to_lowercase();
    let vex = name.starts_with('v');
    let name = name.strip_prefix('v').unwrap_or(&name);
    let (stem, kind) = name.split_at(name.len().checked_sub(2)?);
    let single_in = match name {
        "cvtpd2ps" | "cvtsd2ss" => false,
        _ => kind.ends_with('s'),
    };
    let format = Format { single_in, single_out: kind.ends_with('s') };
    let source = Sources { i, operands, format, vex, scalar: kind.starts_with('s') };
    let lanes = source.lanes(stem)?;
    if stem == "dp" {
        return Some(sum_of_products(format, &lanes, i.immediate8(), mxcsr));
    }
    Some(lanes.iter().any(|lane| outcome(format, lane, mxcsr).inexact))
}

/// Where a computation's inputs are.
struct Sources<'a> {
    i: &'a Instruction,
    operands: &'a Operands,
    format: Format,
    vex: bool,
    scalar: bool,
}

impl Sources<'_> {
    fn lanes(&self, stem: &str) -> Option<Vec<Lane>> {
        use Operation::{Add, Divide, Multiply, Narrow, Subtract};
        // With a VEX prefix the destination is an operand of its own.
        let (a, b) = if self.vex { (1, 2) } else { (0, 1) };
        let each = |n: usize, operation| (operation, [self.at(a, n), self.at(b, n), 0.0]);
        let all = 0..self.count();
        let fused = |n: usize, signs| (Operation::Fused(signs), self.fused(stem, n));
        let pairs = |operation| {
            let of =
                |k: usize, n: usize| (operation, [self.at(k, 2 * n), self.at(k, 2 * n + 1), 0.0]);
            (0..self.count() / 2).flat_map(|n| [of(a, n), of(b, n)]).collect()
        };
        Some(match stem {
            "add" => all.map(|n| each(n, Add)).collect(),
            "sub" => all.map(|n| each(n, Subtract)).collect(),
            "mul" | "dp" => all.map(|n| each(n, Multiply)).collect(),
            "div" => all.map(|n| each(n, Divide)).collect(),
            "addsub" => all.map(|n| each(n, if n % 2 == 0 { Subtract } else { Add })).collect(),
            "hadd" => pairs(Add),
            "hsub" => pairs(Subtract),
            "cvtpd2" => all.map(|n| (Narrow, [0.0, self.at(1, n), 0.0])).collect(),
            "cvtsd2" => vec![(Narrow, [0.0, self.at(b, 0), 0.0])],
            _ => {
                let kind = stem.get(..stem.len().checked_sub(3)?)?;
                let signs = |n: usize| match kind {
                    "fmadd" => Some([false, false]),
                    "fmsub" => Some([false, true]),
                    "fnmadd" => Some([true, false]),
                    "fnmsub" => Some([true, true]),
                    "fmaddsub" => Some([false, n.is_multiple_of(2)]),
                    "fmsubadd" => Some([false, !n.is_multiple_of(2)]),
                    _ => None,
                };
                signs(0)?;
                all.filter_map(|n| signs(n).map(|signs| fused(n, signs))).collect()
            }
        })
    }

    /// How many results there are.
    fn count(&self) -> usize {
        let i = self.i;
        let wide =
            (0..i.op_count()).any(|k| i.op_register(k).is_ymm()) || i.memory_size().size() == 32;
        let bytes = if wide { 32 } else { 16 };
        if self.scalar { 1 } else { bytes / if self.format.single_in { 4 } else { 8 } }
    }

    /// The two factors and the summand, by the digits in the mnemonic.
    fn fused(&self, stem: &str, n: usize) -> [f64; 3] {
        let order = match &stem[stem.len() - 3..] {
            "132" => [0, 2, 1],
            "213" => [1, 0, 2],
            _ => [1, 2, 0],
        };
        order.map(|k| self.at(k, n))
    }

    /// Number `n` of operand `k` as a double, which every single is too.
    fn at(&self, k: usize, n: usize) -> f64 {
        let bytes = &self.operands[k];
        if self.format.single_in {
            f64::from(f32::from_le_bytes(std::array::from_fn(|b| bytes[4 * n + b])))
        } else {
            f64::from_le_bytes(std::array::from_fn(|b| bytes[8 * n + b]))
        }
    }
}

/// DPPS and DPPD: the products that the immediate selects, then sums of two by two. What raises an unmasked exception is the
/// last that is done.
fn sum_of_products(format: Format, products: &[Lane], selected: u8, mxcsr: u32) -> bool {
    let width = if format.single_in { 4 } else { 2 };
    products.chunks(width).any(|part| {
        let mut terms = Vec::new();
        let (mut inexact, mut ended) = (false, false);
        for (n, lane) in part.iter().enumerate() {
            let used = selected >> (4 + n) & 1 != 0;
            let out = if used { outcome(format, lane, mxcsr) } else { Outcome::ZERO };
            (inexact, ended) = (inexact | out.inexact, ended | out.raises);
            terms.push(out.value);
        }
        while !ended && terms.len() > 1 {
            let sums: Vec<Outcome> = terms
                .chunks(2)
                .map(|pair| outcome(format, &(Operation::Add, [pair[0], pair[1], 0.0]), mxcsr))
                .collect();
            inexact |= sums.iter().any(|out| out.inexact);
            ended = sums.iter().any(|out| out.raises);
            terms = sums.iter().map(|out| out.value).collect();
        }
        inexact
    })
}

/// What one computation comes to.
struct Outcome {
    /// It flags PE.
    inexact: bool,
    /// It raises an unmasked #O or #U.
    raises: bool,
    /// The result, if it is in range.
    value: f64,
}

impl Outcome {
    const ZERO: Self = Self { inexact: false, raises: false, value: 0.0 };
}

fn outcome(format: Format, (operation, operands): &Lane, mxcsr: u32) -> Outcome {
    let least = if format.single_in { f64::from(f32::MIN_POSITIVE) } else { f64::MIN_POSITIVE };
    let flush = |x: f64| if mxcsr & DAZ != 0 && x.abs() < least { 0.0_f64.copysign(x) } else { x };
    let [a, b, c] = operands.map(flush);
    let counts = match operation {
        Operation::Narrow => b.is_finite(),
        _ => a.is_finite() && b.is_finite() && c.is_finite(),
    };
    if !counts {
        return Outcome { value: f64::NAN, ..Outcome::ZERO };
    }
    let (result, inexact) = match *operation {
        Operation::Fused(signs) => {
            let precision = if format.single_out { 24 } else { 53 };
            fused::rounded([a, b, c], signs, precision, mxcsr >> 13 & 3)
        }
        _ => {
            let precision = if format.single_out { SINGLE } else { DOUBLE };
            let control = MASKED | precision | ((mxcsr >> 13 & 3) << 10) as u16;
            let (result, status) = unbounded(*operation, a, b, control);
            (result, status & INEXACT != 0)
        }
    };
    let exponent = i32::from(u16::from_le_bytes([result[8], result[9]]) & 0x7fff) - 0x3fff;
    let (least, most) = if format.single_out { (-126, 127) } else { (-1022, 1023) };
    let finite = exponent < 0x4000;
    let zero = result[..8] == [0; 8];
    let unmasked = |exception| mxcsr >> 7 & exception == 0;
    let value = to_double(&result);
    if finite && exponent > most {
        let raises = unmasked(OVERFLOW);
        Outcome { inexact: inexact || !raises, raises, value }
    } else if !zero && exponent < least {
        let raises = unmasked(UNDERFLOW);
        let denormal = || mxcsr & FZ != 0 || !fits(format.single_out, &result);
        Outcome { inexact: inexact || (!raises && denormal()), raises, value }
    } else {
        Outcome { inexact, raises: false, value }
    }
}

/// The flags #O, #U and #P of VCVTPS2PH, whose source is operand 1, given MXCSR with #O or #U unmasked. (It pays no attention
/// to FZ, so that a run with that set tells nothing.) `None`: `i` is another instruction.
pub(super) fn half(i: &Instruction, operands: &Operands, mxcsr: u32) -> Option<u32> {
    if i.mnemonic() != Mnemonic::Vcvtps2ph {
        return None;
    }
    let count = if i.op1_register().is_ymm() { 8 } else { 4 };
    let by_mxcsr = i.immediate8() & 4 != 0;
    let control = if by_mxcsr { mxcsr >> 13 & 3 } else { u32::from(i.immediate8() & 3) };
    let flags = operands[1].chunks(4).take(count).map(|bytes| {
        let x = f32::from_le_bytes(std::array::from_fn(|k| bytes[k]));
        half_flags(x, control, mxcsr)
    });
    Some(flags.fold(0, |all, flags| all | flags))
}

/// The same of one number.
fn half_flags(x: f32, control: u32, mxcsr: u32) -> u32 {
    let flushed = mxcsr & DAZ != 0 && x.is_subnormal();
    if !x.is_finite() || x == 0.0 || flushed {
        return 0;
    }
    let (result, inexact) = fused::rounded([f64::from(x), 1.0, 0.0], [false, false], 11, control);
    let masked = |exception| mxcsr >> 7 & exception != 0;
    let size = to_double(&result).abs();
    let precision = |so: bool| if so { PRECISION } else { 0 };
    if size > 65504.0 {
        OVERFLOW | precision(inexact || masked(OVERFLOW))
    } else if size >= 2.0_f64.powi(-14) {
        precision(inexact)
    } else if masked(UNDERFLOW) {
        // A multiple of the least denormal is exact.
        let denormal = f64::from(x) * 2.0_f64.powi(24);
        if denormal.fract() == 0.0 { 0 } else { UNDERFLOW | PRECISION }
    } else {
        UNDERFLOW | precision(inexact)
    }
}

/// A number of the x87 unit that is a double.
fn to_double(number: &[u8; 10]) -> f64 {
    let mut out = 0.0_f64;
    // SAFETY: the x87 unit is empty before and after, as the ABI wants it; the pointers are to live
    // locals of ten and eight bytes.
    unsafe {
        asm!(
            "fld tbyte ptr [{number}]",
            "fstp qword ptr [{out}]",
            "fninit",
            number = in(reg) number,
            out = in(reg) &raw mut out,
            out("st(0)") _, out("st(1)") _, out("st(2)") _, out("st(3)") _,
            out("st(4)") _, out("st(5)") _, out("st(6)") _, out("st(7)") _,
            options(nostack),
        );
    }
    out
}

/// Whether a tiny number is a denormal of the format as it is.
fn fits(single: bool, number: &[u8; 10]) -> bool {
    let mut out = [0u8; 8];
    let status: u16;
    // SAFETY: the x87 unit is empty before and after, as the ABI wants it; the pointers are to live
    // locals of ten and eight bytes.
    unsafe {
        asm!(
            "fld tbyte ptr [{number}]",
            "test {single}, {single}",
            "jz 2f",
            "fstp dword ptr [{out}]",
            "jmp 3f",
            "2: fstp qword ptr [{out}]",
            "3: fnstsw ax",
            "fninit",
            number = in(reg) number,
            single = in(reg) u64::from(single),
            out = in(reg) &raw mut out,
            out("ax") status,
            out("st(0)") _, out("st(1)") _, out("st(2)") _, out("st(3)") _,
            out("st(4)") _, out("st(5)") _, out("st(6)") _, out("st(7)") _,
            options(nostack),
        );
    }
    status & INEXACT == 0
}

/// The result of `operation` rounded to the precision of `control`, and the status word.
fn unbounded(operation: Operation, a: f64, b: f64, control: u16) -> ([u8; 10], u16) {
    let mut out = [0u8; 10];
    let status: u16;
    macro_rules! run {
        ($first:literal, $second:literal) => {
            // SAFETY: the x87 unit is empty before and after, as the ABI wants it; the pointers are
            // to live locals.
            unsafe {
                asm!(
                    "fninit",
                    "fldcw word ptr [{control}]",
                    $first,
                    "fnclex",
                    $second,
                    "fnstsw ax",
                    "fstp tbyte ptr [{out}]",
                    "fninit",
                    control = in(reg) &raw const control,
                    a = in(reg) &raw const a,
                    b = in(reg) &raw const b,
                    out = in(reg) &raw mut out,
                    out("ax") status,
                    out("st(0)") _, out("st(1)") _, out("st(2)") _, out("st(3)") _,
                    out("st(4)") _, out("st(5)") _, out("st(6)") _, out("st(7)") _,
                    options(nostack),
                )
            }
        };
    }
    match operation {
        Operation::Add => run!("fld qword ptr [{a}]", "fadd qword ptr [{b}]"),
        Operation::Subtract => run!("fld qword ptr [{a}]", "fsub qword ptr [{b}]"),
        Operation::Multiply => run!("fld qword ptr [{a}]", "fmul qword ptr [{b}]"),
        Operation::Divide => run!("fld qword ptr [{a}]", "fdiv qword ptr [{b}]"),
        // The first operand does not matter: one times the second rounds it.
        Operation::Narrow | Operation::Fused(_) => run!("fld1 # {a}", "fmul qword ptr [{b}]"),
    }
    (out, status)
}
