//! Vector instructions with a VEX prefix that the host's unit cannot be left with, because their accesses are by elements: masked
//! moves and gathers. SDM volume 2, VMASKMOV, VPMASKMOV, VGATHERxxx, VPGATHERxx.
//!
//! An element that the mask does not select is not accessed. None of these checks alignment.

use super::image::XMM;
use super::{gate, maskmov, memory, simd};
use crate::bus::{Access, Bus};
use crate::exception::Exception;
use crate::interp::operand::{offset_mask, seg_of};
use crate::interp::{Ctx, Handler, debug};
use crate::state::{CpuState, SegReg};
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
    let (n, mut bytes) = (r.number() & 7, [0; 32]);
    bytes[..16].copy_from_slice(&s.fpu.0[XMM.start + 16 * n..][..16]);
    bytes[16..].copy_from_slice(&s.ymm_high[n]);
    bytes
}

fn set_register(s: &mut CpuState, r: Register, bytes: &[u8; 32]) {
    let n = r.number() & 7;
    s.fpu.0[XMM.start + 16 * n..][..16].copy_from_slice(&bytes[..16]);
    s.ymm_high[n].copy_from_slice(&bytes[16..]);
}

/// Whether the element at `at` of `len` bytes is selected: by its highest bit.
fn selected(mask: &[u8; 32], at: usize, len: usize) -> bool {
    mask[at + len - 1] & 0x80 != 0
}

fn read<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    seg: SegReg,
    off: u64,
    element: &mut [u8],
) -> Result<(), Exception> {
    let len = element.len() as u32;
    let lin = ctx.linear(seg, off, len, Access::Read)?;
    let who = ctx.who();
    ctx.bus.read(lin, element, who)?;
    debug::note_data(ctx.s, lin, len, false);
    Ok(())
}

/// A load of the selected elements, the others zero, or a store of them: all are checked before the first is written.
fn masked<B: Bus, const N: usize>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    gate::avx(ctx.s)?;
    super::claim(ctx.s);
    let mask = register(ctx.s, i.op1_register());
    let len = i.memory_size().size();
    let (seg, off) = ctx.ea(i);
    let wrap = offset_mask(i);
    let at = |k: usize| off.wrapping_add(k as u64) & wrap;
    let elements = (0..len).step_by(N).filter(|k| selected(&mask, *k, N));
    if i.op0_kind() == OpKind::Register {
        let mut out = [0; 32];
        for k in elements {
            read(ctx, seg, at(k), &mut out[k..k + N])?;
        }
        set_register(ctx.s, i.op0_register(), &out);
        return Ok(());
    }
    let data = register(ctx.s, i.op2_register());
    let who = ctx.who();
    for k in elements.clone() {
        let lin = ctx.linear(seg, at(k), N as u32, Access::Write)?;
        ctx.bus.probe(lin, N as u32, Access::Write, who)?;
    }
    for k in elements {
        let lin = ctx.linear(seg, at(k), N as u32, Access::Write)?;
        ctx.bus.write(lin, &data[k..k + N], who)?;
        debug::note_data(ctx.s, lin, N as u32, true);
    }
    Ok(())
}

/// A load of the selected elements of `N` bytes from addresses with indexes of `I` bytes. An element that is loaded is not selected
/// any more, so that after a fault, which keeps the elements before and everything else as it was, the rest can be loaded.
fn gather<B: Bus, const I: usize, const N: usize>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(), Exception> {
    gate::avx(ctx.s)?;
    super::claim(ctx.s);
    let [to, index, by] = [i.op0_register(), i.memory_index(), i.op2_register()];
    let [a, b, c] = [to, index, by].map(|r| r.number() & 7);
    if a == b || b == c || a == c {
        return Err(Exception::ud());
    }
    let indexes = register(ctx.s, index);
    let (mut out, mut mask) = (register(ctx.s, to), register(ctx.s, by));
    let bytes = |r: Register| if r.is_ymm() { 32 } else { 16 };
    let count = (bytes(to) / N).min(bytes(index) / I);
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
    let seg = seg_of(i.memory_segment());
    let base = if i.memory_base() == Register::None { 0 } else { ctx.reg(i.memory_base(), 4) };
    for n in 0..count {
        let element = n * N..(n + 1) * N;
        if !selected(mask, n * N, N) {
            mask[element].fill(0);
            continue;
        }
        // Of a long index the low half is all that an address of 32 bits has.
        let low: [u8; 4] = std::array::from_fn(|k| indexes[n * I + k]);
        let off = u32::from_le_bytes(low)
            .wrapping_mul(i.memory_index_scale())
            .wrapping_add(base as u32)
            .wrapping_add(i.memory_displacement32());
        read(ctx, seg, u64::from(off), &mut out[element.clone()])?;
        mask[element].fill(0);
    }
    Ok(())
}
