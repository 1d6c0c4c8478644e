//! XSAVE, XSAVEOPT, XRSTOR, those with REX.W, XGETBV and XSETBV, with the components x87, SSE and AVX. SDM volume 1, chapter 13, and volume 2 under
//! these names. Images have the standard form.
//!
//! A component counts as in use unless it is as after its initialisation; that decides what XSTATE_BV says, and what XSAVEOPT
//! leaves out.

use super::image::{Pointers, REGISTERS, WORDS, XMM, adopt_upper, vector_bytes, vectors};
use super::{gate, host_op, memory};
use crate::bus::{Access, Bus};
use crate::exception::Exception;
use crate::interp::{Ctx, Handler};
use crate::state::{FpuImage, Gpr, SegReg, xcr0};
use iced_x86::{Code, Instruction};
use std::ops::Range;

/// MXCSR and its mask.
const MXCSR: Range<usize> = 24..32;
/// x87's part of the legacy region: before and behind MXCSR.
const X87: [Range<usize>; 2] = [0..24, 32..160];
/// The header: XSTATE_BV, XCOMP_BV and what is reserved.
const HEADER: u64 = 512;
/// Its bytes that count.
const HEADER_LEN: usize = 24;
/// MXCSR after its initialisation.
const MXCSR_INIT: u32 = 0x1f80;

/// The handler of `code`, if it belongs here.
pub(super) fn lookup<B: Bus>(code: Code) -> Option<Handler<B>> {
    match code {
        Code::Xsave_mem => Some(save::<B, false, false>),
        Code::Xsave64_mem => Some(save::<B, false, true>),
        Code::Xsaveopt_mem => Some(save::<B, true, false>),
        Code::Xsaveopt64_mem => Some(save::<B, true, true>),
        Code::Xrstor_mem => Some(restore::<B, false>),
        Code::Xrstor64_mem => Some(restore::<B, true>),
        Code::Xgetbv => Some(xgetbv::<B>),
        Code::Xsetbv => Some(xsetbv::<B>),
        _ => None,
    }
}

fn xgetbv<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    gate::enabled(ctx.s)?;
    if ctx.gpr(Gpr::Ecx) != 0 {
        return Err(Exception::gp(0));
    }
    let value = ctx.s.xcr0;
    ctx.set_gpr(Gpr::Eax, value as u32);
    ctx.set_gpr(Gpr::Edx, (value >> 32) as u32);
    Ok(())
}

fn xsetbv<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    gate::enabled(ctx.s)?;
    let value = mask(ctx);
    let parts = value & xcr0::AVX == 0 || value & xcr0::SSE != 0;
    let possible = value & !ctx.unit.model.xcr0() == 0 && value & xcr0::X87 != 0 && parts;
    if ctx.s.cpl != 0 || ctx.gpr(Gpr::Ecx) != 0 || !possible {
        return Err(Exception::gp(0));
    }
    ctx.s.xcr0 = value;
    Ok(())
}

/// EDX:EAX.
fn mask<B: Bus>(ctx: &Ctx<'_, B>) -> u64 {
    u64::from(ctx.gpr(Gpr::Edx)) << 32 | u64::from(ctx.gpr(Gpr::Eax))
}

/// Where the image is; it must lie on a 64-byte boundary.
fn place<B: Bus>(
    ctx: &Ctx<'_, B>,
    i: &Instruction,
    access: Access,
) -> Result<(SegReg, u64), Exception> {
    let (seg, off) = ctx.ea(i);
    let linear = ctx.linear(seg, off, 1, access)?;
    if linear.get() & 63 == 0 { Ok((seg, off)) } else { Err(Exception::gp(0)) }
}

/// The components that are not as after their initialisation.
fn in_use<B: Bus>(ctx: &Ctx<'_, B>) -> u64 {
    let (now, init) = (&ctx.s.fpu, FpuImage::reset());
    let x87 = now.pointers() != Pointers::default()
        || X87.into_iter().any(|part| now.0[part.clone()] != init.0[part]);
    let sse = now.0[XMM].iter().any(|byte| *byte != 0);
    let avx = ctx.s.ymm_high.as_flattened().iter().any(|byte| *byte != 0);
    let all = [(x87, xcr0::X87), (sse, xcr0::SSE), (avx, xcr0::AVX)];
    all.into_iter().filter(|(used, _)| *used).fold(0, |bits, (_, bit)| bits | bit)
}

/// XSAVE, and XSAVEOPT, which leaves out what is not in use.
fn save<B: Bus, const OPT: bool, const WIDE: bool>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(), Exception> {
    gate::xsave(ctx.s)?;
    super::claim(ctx.s);
    let wanted = mask(ctx) & ctx.s.xcr0;
    let (seg, off) = place(ctx, i, Access::Write)?;
    let mut used = in_use(ctx);
    if ctx.s.fpu.mxcsr() != MXCSR_INIT {
        used |= xcr0::SSE;
    }
    let written = if OPT { wanted & used } else { wanted };
    let mut image = if WIDE { ctx.s.fpu.to_wide() } else { ctx.s.fpu };
    image.set_mxcsr_mask(memory::mxcsr_mask(ctx));
    let mut parts: Vec<Range<usize>> = Vec::new();
    if written & xcr0::X87 != 0 {
        parts.extend(X87);
    }
    if wanted & (xcr0::SSE | xcr0::AVX) != 0 && (!OPT || written & !xcr0::X87 != 0) {
        parts.push(MXCSR);
    }
    if written & xcr0::SSE != 0 {
        parts.push(vector_bytes(ctx.s));
    }
    for part in &parts {
        ctx.probe_write(seg, off.wrapping_add(part.start as u64), part.len() as u32)?;
    }
    let upper = off.wrapping_add(u64::from(xcr0::AVX_AT));
    let upper_len = 16 * vectors(ctx.s);
    if written & xcr0::AVX != 0 {
        ctx.probe_write(seg, upper, upper_len as u32)?;
    }
    let header = off.wrapping_add(HEADER);
    ctx.probe_write(seg, header, 8)?;
    let before = ctx.read_u64(seg, header)?;
    for part in parts {
        ctx.write_mem(seg, off.wrapping_add(part.start as u64), &image.0[part])?;
    }
    if written & xcr0::AVX != 0 {
        let upper_halves = ctx.s.ymm_high;
        ctx.write_mem(seg, upper, &upper_halves.as_flattened()[..upper_len])?;
    }
    let bits = before & !wanted | used & wanted;
    ctx.write_mem(seg, header, &bits.to_le_bytes())
}

fn restore<B: Bus, const WIDE: bool>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(), Exception> {
    gate::xsave(ctx.s)?;
    super::claim(ctx.s);
    let wanted = mask(ctx) & ctx.s.xcr0;
    let (seg, off) = place(ctx, i, Access::Read)?;
    let mut header = [0; HEADER_LEN];
    ctx.read_mem(seg, off.wrapping_add(HEADER), &mut header)?;
    let (bits, rest) = header.split_at(8);
    let bits = u64::from_le_bytes(std::array::from_fn(|k| bits[k]));
    if bits & !ctx.s.xcr0 != 0 || rest.iter().any(|byte| *byte != 0) {
        return Err(Exception::gp(0));
    }
    let loaded = wanted & bits;
    let mut image = FpuImage::reset();
    let mut read = |ctx: &mut Ctx<'_, B>, part: Range<usize>| {
        ctx.read_mem(seg, off.wrapping_add(part.start as u64), &mut image.0[part])
    };
    if loaded & xcr0::X87 != 0 {
        X87.into_iter().try_for_each(|part| read(ctx, part))?;
    }
    if wanted & (xcr0::SSE | xcr0::AVX) != 0 {
        read(ctx, MXCSR)?;
    }
    if loaded & xcr0::SSE != 0 {
        let part = vector_bytes(ctx.s);
        read(ctx, part)?;
    }
    let mut upper = [[0; 16]; 16];
    if loaded & xcr0::AVX != 0 {
        let len = 16 * vectors(ctx.s);
        let at = off.wrapping_add(u64::from(xcr0::AVX_AT));
        ctx.read_mem(seg, at, &mut upper.as_flattened_mut()[..len])?;
    }
    if image.mxcsr() & !memory::mxcsr_mask(ctx) != 0 {
        return Err(Exception::gp(0));
    }
    let image = if WIDE { FpuImage::from_wide(&image) } else { image };
    commit(ctx, wanted, &image, &upper)
}

/// Makes the `wanted` components those of `image` and `upper`.
fn commit<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    wanted: u64,
    image: &FpuImage,
    upper: &[[u8; 16]; 16],
) -> Result<(), Exception> {
    if wanted & xcr0::X87 != 0 {
        // The host brings reserved bits and FSW.ES to what a processor has.
        let before = ctx.s.fpu.unmasked();
        let mut x87 = *image;
        x87.set_mxcsr(MXCSR_INIT);
        let host = &mut ctx.unit.host;
        host.prepare(&host_op::plain(Code::Nopd)).ok_or(Exception::ud())?;
        host.load(&x87, 0);
        host.run();
        let now = &host.frame().fx;
        for part in [WORDS, REGISTERS] {
            ctx.s.fpu.0[part.clone()].copy_from_slice(&now.0[part]);
        }
        let pointers = image.pointers();
        ctx.s.fpu.set_pointers(&Pointers { fop: pointers.fop & 0x7ff, ..pointers });
        gate::settle_ferr(ctx, before);
    }
    if wanted & (xcr0::SSE | xcr0::AVX) != 0 {
        ctx.s.fpu.set_mxcsr(image.mxcsr());
    }
    if wanted & xcr0::SSE != 0 {
        let part = vector_bytes(ctx.s);
        ctx.s.fpu.0[part.clone()].copy_from_slice(&image.0[part]);
    }
    if wanted & xcr0::AVX != 0 {
        adopt_upper(ctx.s, upper);
    }
    Ok(())
}
