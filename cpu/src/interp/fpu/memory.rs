//! What moves state or orders memory without computing: FXSAVE, FXRSTOR, MXCSR, MOVNTI, the fences,
//! PREFETCHh and CLFLUSH. SDM volume 2, under these names.

use super::image::{adopt, vector_bytes};
use super::{gate, host, host_op, maskmov};
use crate::bus::{Access, Bus};
use crate::exception::Exception;
use crate::interp::{Ctx, Handler};
use crate::model::Features;
use crate::state::FpuImage;
use iced_x86::{Code, Instruction, Mnemonic as M};

/// Bytes of the image.
const IMAGE_LEN: u32 = 512;
/// MXCSR bits without denormals-are-zero, which came with SSE2.
const MXCSR_SSE: u32 = 0xffbf;

/// The handler of `code`, if it belongs here.
pub(super) fn lookup<B: Bus>(code: Code) -> Option<Handler<B>> {
    Some(match code.mnemonic() {
        M::Fxsave => fxsave::<B, false>,
        M::Fxsave64 => fxsave::<B, true>,
        M::Fxrstor => fxrstor::<B, false>,
        M::Fxrstor64 => fxrstor::<B, true>,
        M::Ldmxcsr => ldmxcsr::<B>,
        M::Stmxcsr => stmxcsr::<B>,
        M::Maskmovq => maskmov::mmx::<B>,
        M::Maskmovdqu => maskmov::sse::<B>,
        M::Movnti => movnti::<B>,
        M::Clflush => clflush::<B>,
        // Memory is accessed in program order here, and a hint needs no answer.
        M::Sfence | M::Lfence | M::Mfence => nothing::<B>,
        M::Prefetchnta | M::Prefetcht0 | M::Prefetcht1 | M::Prefetcht2 => nothing::<B>,
        _ => return None,
    })
}

fn nothing<B: Bus>(_: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    Ok(())
}

/// MXCSR bits that the model has.
pub(super) fn mxcsr_mask<B: Bus>(ctx: &Ctx<'_, B>) -> u32 {
    if ctx.unit.features.contains(Features::SSE2) { host::MXCSR_BITS } else { MXCSR_SSE }
}

/// FXSAVE, and with REX.W FXSAVE64. Of what lies behind the vector registers nothing is written.
fn fxsave<B: Bus, const WIDE: bool>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(), Exception> {
    gate::x87(ctx.s)?;
    super::claim(ctx.s);
    let (seg, off) = ctx.ea(i);
    check_aligned(ctx, i, Access::Write)?;
    ctx.probe_write(seg, off, IMAGE_LEN)?;
    let mut image = if WIDE { ctx.s.fpu.to_wide() } else { ctx.s.fpu };
    if ctx.unit.features.contains(Features::SSE) {
        image.set_mxcsr_mask(mxcsr_mask(ctx));
    }
    ctx.write_mem(seg, off, &image.0[..vector_bytes(ctx.s).end])
}

/// FXRSTOR, and with REX.W FXRSTOR64. The host loads the image and saves it again, which brings reserved bits and FSW.ES to
/// what a processor has.
fn fxrstor<B: Bus, const WIDE: bool>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(), Exception> {
    gate::x87(ctx.s)?;
    super::claim(ctx.s);
    let (seg, off) = ctx.ea(i);
    check_aligned(ctx, i, Access::Read)?;
    let mut image = FpuImage([0; IMAGE_LEN as usize]);
    ctx.read_mem(seg, off, &mut image.0)?;
    if image.mxcsr() & !mxcsr_mask(ctx) != 0 {
        return Err(Exception::gp(0));
    }
    let image = if WIDE { FpuImage::from_wide(&image) } else { FpuImage::from_narrow(&image) };
    let before = ctx.s.fpu.unmasked();
    let host = &mut ctx.unit.host;
    host.prepare(&host_op::plain(Code::Nopd)).ok_or(Exception::ud())?;
    host.load(&image, 0);
    host.run();
    adopt(ctx.s, &host.frame().fx);
    let mut pointers = image.pointers();
    pointers.fop &= 0x7ff;
    ctx.s.fpu.set_pointers(&pointers);
    gate::settle_ferr(ctx, before);
    Ok(())
}

/// The image must lie on a 16-byte boundary.
fn check_aligned<B: Bus>(
    ctx: &Ctx<'_, B>,
    i: &Instruction,
    access: Access,
) -> Result<(), Exception> {
    let (seg, off) = ctx.ea(i);
    let linear = ctx.linear(seg, off, IMAGE_LEN, access)?;
    if linear.get() & 15 == 0 { Ok(()) } else { Err(Exception::gp(0)) }
}

fn ldmxcsr<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    gate::sse(ctx.s)?;
    load_mxcsr(ctx, i)
}

/// LDMXCSR and VLDMXCSR, where they are enabled.
///
/// # Errors
/// #GP(0) for a bit that does not exist, and those of the operand.
pub(super) fn load_mxcsr<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    super::claim(ctx.s);
    let (seg, off) = ctx.ea(i);
    let value = ctx.read_u32(seg, off)?;
    if value & !mxcsr_mask(ctx) != 0 {
        return Err(Exception::gp(0));
    }
    ctx.s.fpu.set_mxcsr(value);
    Ok(())
}

fn stmxcsr<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    gate::sse(ctx.s)?;
    store_mxcsr(ctx, i)
}

/// STMXCSR and VSTMXCSR, where they are enabled.
///
/// # Errors
/// Those of the operand.
pub(super) fn store_mxcsr<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    super::claim(ctx.s);
    let (seg, off) = ctx.ea(i);
    ctx.write_u32(seg, off, ctx.s.fpu.mxcsr())
}

/// MOVNTI is a plain store: it belongs to SSE2 but touches no register of it.
fn movnti<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let size = i.op1_register().size() as u32;
    let value = ctx.reg(i.op1_register(), size);
    let (seg, off) = ctx.ea(i);
    ctx.write_sized(seg, off, size, value)
}

/// CLFLUSH faults as a byte load would; there is no cache to flush.
fn clflush<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let (seg, off) = ctx.ea(i);
    let linear = ctx.linear(seg, off, 1, Access::Read)?;
    let who = ctx.who();
    ctx.bus.probe(linear, 1, Access::Read, who)
}
