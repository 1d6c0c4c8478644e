//! MXCSR.PE beside an unmasked #O or #U.
//!
//! Where #O or #U is unmasked, a result out of range is rounded as if the exponent had no bounds, and
//! PE tells whether *that* was inexact (SDM volume 1, 4.9.1.4 and 4.9.1.5). A run with the
//! exceptions masked flags PE for every such result. The x87 unit gives the answer: with its
//! precision control set to the format's, it rounds to the same significand with a 15-bit exponent,
//! which no operation on doubles leaves.

use iced_x86::{Instruction, Mnemonic as M, Register};
use std::arch::asm;

const OVERFLOW: u32 = 0x08;
const UNDERFLOW: u32 = 0x10;
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
}

/// What an instruction computes in each lane.
#[derive(Clone, Copy)]
struct Shape {
    operation: Operation,
    /// The operands are singles.
    single_in: bool,
    /// The results are singles.
    single_out: bool,
    lanes: usize,
}

fn shape(i: &Instruction) -> Option<Shape> {
    use Operation::{Add, Divide, Multiply, Narrow, Subtract};
    let (operation, single_in, lanes) = match i.mnemonic() {
        M::Addps => (Add, true, 4),
        M::Addss => (Add, true, 1),
        M::Addpd => (Add, false, 2),
        M::Addsd => (Add, false, 1),
        M::Subps => (Subtract, true, 4),
        M::Subss => (Subtract, true, 1),
        M::Subpd => (Subtract, false, 2),
        M::Subsd => (Subtract, false, 1),
        M::Mulps => (Multiply, true, 4),
        M::Mulss => (Multiply, true, 1),
        M::Mulpd => (Multiply, false, 2),
        M::Mulsd => (Multiply, false, 1),
        M::Divps => (Divide, true, 4),
        M::Divss => (Divide, true, 1),
        M::Divpd => (Divide, false, 2),
        M::Divsd => (Divide, false, 1),
        M::Cvtpd2ps => (Narrow, false, 2),
        M::Cvtsd2ss => (Narrow, false, 1),
        _ => return None,
    };
    let single_out = single_in || matches!(operation, Narrow);
    Some(Shape { operation, single_in, single_out, lanes })
}

/// Whether `i` flags PE, given its destination's and its source's 16 bytes before it and MXCSR,
/// which has #O or #U unmasked. `None`: `i` has no results that can be out of range.
pub(super) fn flagged(i: &Instruction, a: &[u8; 16], b: &[u8; 16], mxcsr: u32) -> Option<bool> {
    let shape = shape(i)?;
    let same = i.op1_register() == i.op0_register() && i.op1_register() != Register::None;
    let b = if same { a } else { b };
    Some((0..shape.lanes).any(|n| lane(shape, operand(shape, a, n), operand(shape, b, n), mxcsr)))
}

/// Lane `n` as a double, which every single is too.
fn operand(shape: Shape, bytes: &[u8; 16], n: usize) -> f64 {
    if shape.single_in {
        let at = 4 * n;
        let bits = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        f64::from(f32::from_le_bytes(bits))
    } else {
        f64::from_le_bytes(std::array::from_fn(|k| bytes[8 * n + k]))
    }
}

/// Whether one lane flags PE.
fn lane(shape: Shape, a: f64, b: f64, mxcsr: u32) -> bool {
    let flush = |x: f64| {
        let least = if shape.single_in { f64::from(f32::MIN_POSITIVE) } else { f64::MIN_POSITIVE };
        if mxcsr & DAZ != 0 && x.abs() < least { 0.0_f64.copysign(x) } else { x }
    };
    let (a, b) = (flush(a), flush(b));
    if !b.is_finite() || (!a.is_finite() && !matches!(shape.operation, Operation::Narrow)) {
        return false;
    }
    let precision = if shape.single_out { SINGLE } else { DOUBLE };
    let control = MASKED | precision | ((mxcsr >> 13 & 3) << 10) as u16;
    let (result, status) = unbounded(shape.operation, a, b, control);
    let inexact = status & INEXACT != 0;
    let exponent = i32::from(u16::from_le_bytes([result[8], result[9]]) & 0x7fff) - 0x3fff;
    let (least, most) = if shape.single_out { (-126, 127) } else { (-1022, 1023) };
    let finite = exponent < 0x4000;
    let zero = result[..8] == [0; 8];
    if finite && exponent > most {
        inexact || mxcsr >> 7 & OVERFLOW != 0
    } else if !zero && exponent < least && mxcsr >> 7 & UNDERFLOW != 0 {
        inexact || mxcsr & FZ != 0 || !fits(shape.single_out, &result)
    } else {
        inexact
    }
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
        Operation::Narrow => run!("fld1 # {a}", "fmul qword ptr [{b}]"),
    }
    (out, status)
}
