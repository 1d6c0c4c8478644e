//! MASKMOVQ and MASKMOVDQU: the bytes of a register that a mask selects go to DS:(E)DI or RDI.
//! SDM volume 2, MASKMOVQ and MASKMOVDQU.
//!
//! Only selected bytes are accessed: others raise no fault and no breakpoint. All selected bytes are
//! checked before the first is written.

use super::gate::{self, Wait};
use super::image::{REGISTERS, XMM, adopt};
use super::simd;
use crate::bus::Bus;
use crate::exception::Exception;
use crate::interp::Ctx;
use crate::state::{FpuImage, Gpr};
use iced_x86::{Instruction, OpKind, Register};

/// MASKMOVQ.
///
/// # Errors
/// #UD, #NM, #MF, and those of the bytes written.
pub(super) fn mmx<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    gate::mmx(ctx.s)?;
    let Wait::Go(hidden) = gate::pending(ctx)? else { return Ok(()) };
    simd::enter_mmx(ctx, hidden)?;
    let fx = ctx.unit.host.frame().fx;
    let register = |n| bytes::<8>(&fx, REGISTERS.start, i.op_register(n));
    store(ctx, i, &register(1), &register(2))?;
    adopt(ctx.s, &fx);
    if hidden != 0 {
        ctx.s.fpu.flag(hidden);
    }
    Ok(())
}

/// MASKMOVDQU.
///
/// # Errors
/// #UD, #NM, and those of the bytes written.
pub(super) fn sse<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    gate::sse(ctx.s)?;
    selected_bytes(ctx, i)
}

/// MASKMOVDQU and VMASKMOVDQU, where they are enabled.
///
/// # Errors
/// Those of the bytes written.
pub(super) fn selected_bytes<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(), Exception> {
    super::claim(ctx.s);
    let register = |n| bytes::<16>(&ctx.s.fpu, XMM.start, i.op_register(n));
    let (data, mask) = (register(1), register(2));
    store(ctx, i, &data, &mask)
}

/// The low `N` bytes of an MMX or XMM register.
fn bytes<const N: usize>(fx: &FpuImage, first: usize, r: Register) -> [u8; N] {
    let at = first + 16 * (r.number() & 15);
    std::array::from_fn(|k| fx.0[at + k])
}

fn store<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
    data: &[u8],
    mask: &[u8],
) -> Result<(), Exception> {
    let seg = ctx.data_segment(i);
    let wrap = match i.op0_kind() {
        OpKind::MemorySegDI => 0xffff,
        OpKind::MemorySegEDI => 0xffff_ffff,
        _ => u64::MAX,
    };
    let at = ctx.s.gpr[Gpr::Edi as usize] & wrap;
    // (In 64-bit mode only the address of the first byte is cut to the address size.)
    let wrap = if ctx.s.in_64_bit_mode() { u64::MAX } else { wrap };
    let selected = || (0u64..).zip(data.iter().zip(mask)).filter(|(_, (_, m))| **m & 0x80 != 0);
    for (k, _) in selected() {
        ctx.probe_write(seg, at.wrapping_add(k) & wrap, 1)?;
    }
    for (k, (value, _)) in selected() {
        ctx.write_u8(seg, at.wrapping_add(k) & wrap, *value)?;
    }
    Ok(())
}
