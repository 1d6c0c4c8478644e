//! Vector instructions with a VEX prefix that the host's unit cannot be left with, because their accesses are by elements: masked
//! moves and gathers. SDM volume 2, VMASKMOV, VPMASKMOV, VGATHERxxx, VPGATHERxx.
//!
//! An element that the mask does not select is not accessed. None of these checks alignment.

use super::image::XMM;
use super::{gate, loose, maskmov, memory, simd};
use crate::bus::Bus;
use crate::exception::Exception;
use crate::interp::operand::{mask, offset_mask};
use crate::interp::{Ctx, Handler};
use crate::state::CpuState;
use iced_x86::{Code, Instruction, Mnemonic as M, OpKind, Register};

/// The handler of `code`, which has a VEX prefix.
pub(super) fn lookup<B: Bus>(code: Code) -> Option<Handler<B>> {
    Some(by_hand(code).unwrap_or(simd::avx::<B>))
}

/// The same of those that the host's unit does not do.
pub(super) fn by_hand<B: Bus>(code: Code) -> Option<Handler<B>> {
    Some(match code.mnemonic() {
        M::Vldmxcsr => ldmxcsr::<B>,
        M::Vstmxcsr => stmxcsr::<B>,
        M::Vmaskmovdqu => maskmovdqu::<B>,
        M::Vmaskmovps | M::Vpmaskmovd => masked::<B, 4>,
        M::Vmaskmovpd | M::Vpmaskmovq => masked::<B, 8>,
        M::Vgatherdps | M::Vpgatherdd => gather::<B, 4, 4>,
        M::Vgatherdpd | M::Vpgatherdq => gather::<B, 4, 8>,
        M::Vgatherqps | M::Vpgatherqd => gather::<B, 8, 4>,
        M::Vgatherqpd | M::Vpgatherqq => gather::<B, 8, 8>,
        _ => return None,
    })
}

fn ldmxcsr<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    gate::avx(ctx.s)?;
    memory::load_mxcsr(ctx, i)
}

fn stmxcsr<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    gate::avx(ctx.s)?;
    memory::store_mxcsr(ctx, i)
}

fn maskmovdqu<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    gate::avx(ctx.s)?;
    maskmov::selected_bytes(ctx, i)
}

/// An XMM or YMM register; of an XMM register the upper half too.
fn register(s: &CpuState, r: Register) -> [u8; 32] {
    let (n, mut bytes) = (r.number() & 15, [0; 32]);
    bytes[..16].copy_from_slice(&s.fpu.0[XMM.start + 16 * n..][..16]);
    bytes[16..].copy_from_slice(&s.ymm_high[n]);
    bytes
}

fn set_register(s: &mut CpuState, r: Register, bytes: &[u8; 32]) {
    let n = r.number() & 15;
    s.fpu.0[XMM.start + 16 * n..][..16].copy_from_slice(&bytes[..16]);
    s.ymm_high[n].copy_from_slice(&bytes[16..]);
}

/// Whether the element at `at` of `len` bytes is selected: by its highest bit.
fn selected(mask: &[u8; 32], at: usize, len: usize) -> bool {
    mask[at + len - 1] & 0x80 != 0
}

/// A load of the selected elements, the others zero, or a store of them: all are checked before the first is written.
fn masked<B: Bus, const N: usize>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    gate::avx(ctx.s)?;
    super::claim(ctx.s);
    let chosen = register(ctx.s, i.op1_register());
    let len = i.memory_size().size();
    let (seg, off) = ctx.ea(i);
    // (In 64-bit mode only the address of the first byte is cut to the address size.)
    let wrap = if ctx.s.in_64_bit_mode() { u64::MAX } else { offset_mask(i) };
    let at = |k: usize| off.wrapping_add(k as u64) & wrap;
    let elements = (0..len).step_by(N).filter(|k| selected(&chosen, *k, N));
    if i.op0_kind() == OpKind::Register {
        let mut out = [0; 32];
        for k in elements {
            loose::read(ctx, seg, at(k), &mut out[k..k + N])?;
        }
        set_register(ctx.s, i.op0_register(), &out);
        return Ok(());
    }
    let data = register(ctx.s, i.op2_register());
    for k in elements.clone() {
        loose::probe_write(ctx, seg, at(k), N as u32)?;
    }
    for k in elements {
        loose::write(ctx, seg, at(k), &data[k..k + N])?;
    }
    Ok(())
}

/// A load of the selected elements of `N` bytes from addresses with indexes of `I` bytes. An element that is loaded is not selected
/// any more, so that after a fault, which keeps the elements before, the rest can be loaded; the mask of each of these is all ones
/// then, as the SDM has it.
fn gather<B: Bus, const I: usize, const N: usize>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(), Exception> {
    gate::avx(ctx.s)?;
    super::claim(ctx.s);
    let [to, index, by] = [i.op0_register(), i.memory_index(), i.op2_register()];
    let [a, b, c] = [to, index, by].map(|r| r.number() & 15);
    if a == b || b == c || a == c {
        return Err(Exception::ud());
    }
    let indexes = register(ctx.s, index);
    let (mut out, mut mask) = (register(ctx.s, to), register(ctx.s, by));
    let bytes = |r: Register| if r.is_ymm() { 32 } else { 16 };
    let count = (bytes(to) / N).min(bytes(index) / I);
    let width = bytes(to).max(bytes(index));
    for at in (0..mask.len()).step_by(N) {
        let ones = if at < width && selected(&mask, at, N) { 0xff } else { 0 };
        mask[at..at + N].fill(ones);
    }
    let result = elements::<B, I, N>(ctx, i, &indexes, count, &mut out, &mut mask);
    if result.is_ok() {
        out[count * N..].fill(0);
        mask.fill(0);
    }
    set_register(ctx.s, to, &out);
    set_register(ctx.s, by, &mask);
    result
}

fn elements<B: Bus, const I: usize, const N: usize>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
    indexes: &[u8; 32],
    count: usize,
    out: &mut [u8; 32],
    mask: &mut [u8; 32],
) -> Result<(), Exception> {
    let seg = ctx.data_segment(i);
    let (base, wrap) = base(ctx, i);
    for n in 0..count {
        let element = n * N..(n + 1) * N;
        if mask[element.start] == 0 {
            continue;
        }
        let off = signed(&indexes[n * I..(n + 1) * I])
            .wrapping_mul(u64::from(i.memory_index_scale()))
            .wrapping_add(base)
            .wrapping_add(i.memory_displacement64());
        loose::read(ctx, seg, off & wrap, &mut out[element.clone()])?;
        mask[element].fill(0);
    }
    Ok(())
}

/// The base of a gather's addresses, and the bits that they have.
fn base<B: Bus>(ctx: &Ctx<'_, B>, i: &Instruction) -> (u64, u64) {
    match i.memory_base() {
        Register::None => (0, mask(i.memory_displ_size().clamp(4, 8))),
        base => (ctx.reg(base, base.size() as u32), mask(base.size() as u32)),
    }
}

/// An index of four or eight bytes.
fn signed(index: &[u8]) -> u64 {
    let sign = if index.last().is_some_and(|high| high & 0x80 != 0) { 0xff } else { 0 };
    u64::from_le_bytes(std::array::from_fn(|k| index.get(k).copied().unwrap_or(sign)))
}
