//! Bit tests, scans and counts: BT BTS BTR BTC BSF BSR POPCNT, and CRC32.

use super::alu::{self, Binary};
use super::arith::{binary, compare};
use super::operand::{Place, offset_mask};
use super::size::{by_size, operand_size};
use super::{Ctx, Handler};
use crate::bus::Bus;
use crate::exception::Exception;
use crate::flags::Eflags;
use crate::state::SegReg;
use iced_x86::{Code, Instruction, Mnemonic as M, OpCodeOperandKind, OpKind};

/// The handler of `code`, if it belongs here.
pub(super) fn lookup<B: Bus>(code: Code) -> Option<Handler<B>> {
    let size = operand_size(code, 0);
    let immediate = code.op_code().op_kind(1) == OpCodeOperandKind::imm8;
    match (code.mnemonic(), immediate) {
        (M::Bsf, _) => by_size!(size, scan, alu::Bsf),
        (M::Bsr, _) => by_size!(size, scan, alu::Bsr),
        (M::Popcnt, _) => by_size!(size, binary, Popcnt),
        (M::Crc32, _) => by_size!(operand_size(code, 1), crc32),
        (M::Bt, true) => by_size!(size, compare, alu::Bt),
        (M::Bts, true) => by_size!(size, binary, alu::Bts),
        (M::Btr, true) => by_size!(size, binary, alu::Btr),
        (M::Btc, true) => by_size!(size, binary, alu::Btc),
        (M::Bt, false) => by_size!(size, test_far),
        (M::Bts, false) => by_size!(size, change_far, alu::Bts),
        (M::Btr, false) => by_size!(size, change_far, alu::Btr),
        (M::Btc, false) => by_size!(size, change_far, alu::Btc),
        _ => None,
    }
}

/// Of a zero source the destination stays, the upper half of a register too, which any other write of 32 bits clears. (The SDM
/// calls it undefined. So do AMD's processors it.)
fn scan<B: Bus, O: Binary, const N: u32>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(), Exception> {
    let source = ctx.read_op(i, 1, N)?;
    let old = ctx.reg(i.op0_register(), N);
    let result = O::run::<N>(&mut ctx.s.eflags, old, source);
    if source != 0 {
        ctx.set_reg(i.op0_register(), N, result);
    }
    Ok(())
}

/// Where the bit `offset` (signed) from `i`'s memory operand lies: the operand-sized unit around it.
fn unit_of<B: Bus, const N: u32>(ctx: &Ctx<'_, B>, i: &Instruction, offset: u64) -> (SegReg, u64) {
    let (seg, off) = ctx.ea(i);
    let bits = 8 * N;
    let signed = (offset << (64 - bits)) as i64 >> (64 - bits);
    let off = off.wrapping_add(((signed >> bits.ilog2()) as u64).wrapping_mul(u64::from(N)));
    (seg, off & offset_mask(i))
}

/// POPCNT: ZF says that the source is zero, the other arithmetic flags are clear.
struct Popcnt;

impl Binary for Popcnt {
    fn run<const N: u32>(eflags: &mut u32, _: u64, source: u64) -> u64 {
        *eflags &= !Eflags::ARITH.bits();
        if source == 0 {
            *eflags |= Eflags::ZF.bits();
        }
        u64::from(source.count_ones())
    }
}

/// CRC32 accumulates over the polynomial 11EDC6F41h, bits reflected; no flag changes.
fn crc32<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let source: u64 = ctx.read_op(i, 1, N)?;
    let start = ctx.reg(i.op0_register(), 4) as u32;
    let step = |crc: u32| crc >> 1 ^ if crc & 1 != 0 { POLYNOMIAL } else { 0 };
    let byte =
        |crc: u32, k: u32| (0..8).fold(crc ^ (source >> (8 * k)) as u8 as u32, |crc, _| step(crc));
    let crc = (0..N).fold(start, byte);
    ctx.set_reg(i.op0_register(), 4, u64::from(crc));
    Ok(())
}

fn test_far<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let offset = ctx.reg(i.op1_register(), N);
    let value = if i.op0_kind() == OpKind::Register {
        ctx.reg(i.op0_register(), N)
    } else {
        let (seg, off) = unit_of::<B, N>(ctx, i, offset);
        ctx.read_sized(seg, off, N)?
    };
    alu::Bt::run::<N>(&mut ctx.s.eflags, value, offset);
    Ok(())
}

fn change_far<B: Bus, O: Binary, const N: u32>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(), Exception> {
    let offset = ctx.reg(i.op1_register(), N);
    let (place, value) = if i.op0_kind() == OpKind::Register {
        let r = i.op0_register();
        (Place::Reg(r), ctx.reg(r, N))
    } else {
        let (seg, off) = unit_of::<B, N>(ctx, i, offset);
        ctx.open_at(seg, off, N)?
    };
    let mut flags = ctx.s.eflags;
    let result = O::run::<N>(&mut flags, value, offset);
    ctx.close(place, N, result)?;
    ctx.s.eflags = flags;
    Ok(())
}
