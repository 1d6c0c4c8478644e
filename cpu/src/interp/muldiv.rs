//! MUL IMUL DIV IDIV.

use super::alu::{self, Binary, Divide, Multiply};
use super::size::{by_size, operand_size};
use super::{Ctx, Handler};
use crate::bus::Bus;
use crate::exception::Exception;
use crate::state::Gpr;
use iced_x86::{Code, Instruction, Mnemonic as M};

/// The handler of `code`, if it belongs here.
pub(super) fn lookup<B: Bus>(code: Code) -> Option<Handler<B>> {
    let size = operand_size(code, 0);
    match (code.mnemonic(), code.op_code().op_count()) {
        (M::Mul, _) => by_size!(size, multiply, alu::MulWide),
        (M::Imul, 1) => by_size!(size, multiply, alu::ImulWide),
        (M::Imul, 2) => by_size!(size, imul_two),
        (M::Imul, 3) => by_size!(size, imul_three),
        (M::Div, _) => by_size!(size, divide, alu::Div),
        (M::Idiv, _) => by_size!(size, divide, alu::Idiv),
        _ => None,
    }
}

/// The halves of the double-size accumulator: AX is AH:AL, then DX:AX, EDX:EAX, RDX:RAX.
fn accumulator<B: Bus, const N: u32>(ctx: &Ctx<'_, B>) -> (u64, u64) {
    if N == 1 {
        let ax = ctx.gpr_low(Gpr::Eax, 2);
        (ax & 0xff, ax >> 8)
    } else {
        (ctx.gpr_low(Gpr::Eax, N), ctx.gpr_low(Gpr::Edx, N))
    }
}

/// Sets the halves of the double-size accumulator.
fn set_accumulator<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, lo: u64, hi: u64) {
    if N == 1 {
        ctx.set_gpr_low(Gpr::Eax, 2, hi << 8 | lo);
    } else {
        ctx.set_gpr_low(Gpr::Eax, N, lo);
        ctx.set_gpr_low(Gpr::Edx, N, hi);
    }
}

fn multiply<B: Bus, O: Multiply, const N: u32>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(), Exception> {
    let b = ctx.read_op(i, 0, N)?;
    let (a, _) = accumulator::<B, N>(ctx);
    let (lo, hi) = O::run::<N>(&mut ctx.s.eflags, a, b);
    set_accumulator::<B, N>(ctx, lo, hi);
    Ok(())
}

fn imul_two<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    imul_of::<B, N>(ctx, i, 0, 1)
}

fn imul_three<B: Bus, const N: u32>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(), Exception> {
    imul_of::<B, N>(ctx, i, 1, 2)
}

fn imul_of<B: Bus, const N: u32>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
    first: u32,
    second: u32,
) -> Result<(), Exception> {
    let a = ctx.read_op(i, first, N)?;
    let b = ctx.read_op(i, second, N)?;
    let product = alu::Imul::run::<N>(&mut ctx.s.eflags, a, b);
    ctx.set_reg(i.op0_register(), N, product);
    Ok(())
}

/// #DE comes before any change.
fn divide<B: Bus, O: Divide, const N: u32>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(), Exception> {
    let d = ctx.read_op(i, 0, N)?;
    let (lo, hi) = accumulator::<B, N>(ctx);
    let (q, r) = O::run::<N>(&mut ctx.s.eflags, lo, hi, d).ok_or(Exception::de())?;
    set_accumulator::<B, N>(ctx, q, r);
    Ok(())
}
