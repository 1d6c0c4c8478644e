//! Loads of segment registers: MOV Sreg, POP Sreg, LDS LES LFS LGS LSS, and the checks that far
//! returns and task switches share with them. SDM volume 3A, 3.4.3 and 5.5 to 5.7; volume 2, MOV.
//!
//! In real mode a load changes selector and base only: limit and access rights stay what they were,
//! so a 4 GiB limit loaded in protected mode outlives the switch back ("unreal mode").

use super::super::operand::{mask, seg_of};
use super::super::{Ctx, Handler};
use super::descriptor::{self, Descriptor, null_segment};
use crate::addr::Lin;
use crate::bus::Bus;
use crate::exception::Exception;
use crate::segment::{SegAttr, Segment, Selector};
use crate::state::SegReg;
use iced_x86::{Code, Instruction, OpKind};

/// The handler of `code`, if it belongs here.
pub(super) fn lookup<B: Bus>(code: Code) -> Option<Handler<B>> {
    use Code as C;
    match code {
        C::Mov_rm16_Sreg => Some(mov_from::<B, 2>),
        C::Mov_r32m16_Sreg => Some(mov_from::<B, 4>),
        C::Mov_r64m16_Sreg => Some(mov_from::<B, 8>),
        C::Mov_Sreg_rm16 | C::Mov_Sreg_r32m16 | C::Mov_Sreg_r64m16 => Some(mov_to::<B>),
        C::Popw_ES | C::Popw_SS | C::Popw_DS | C::Popw_FS | C::Popw_GS => Some(pop::<B, 2>),
        C::Popd_ES | C::Popd_SS | C::Popd_DS | C::Popd_FS | C::Popd_GS => Some(pop::<B, 4>),
        C::Popq_FS | C::Popq_GS => Some(pop::<B, 8>),
        C::Les_r16_m1616 => Some(load_far::<B, 2, { SegReg::Es as usize }>),
        C::Les_r32_m1632 => Some(load_far::<B, 4, { SegReg::Es as usize }>),
        C::Lds_r16_m1616 => Some(load_far::<B, 2, { SegReg::Ds as usize }>),
        C::Lds_r32_m1632 => Some(load_far::<B, 4, { SegReg::Ds as usize }>),
        C::Lss_r16_m1616 => Some(load_far::<B, 2, { SegReg::Ss as usize }>),
        C::Lss_r32_m1632 => Some(load_far::<B, 4, { SegReg::Ss as usize }>),
        C::Lss_r64_m1664 => Some(load_far::<B, 8, { SegReg::Ss as usize }>),
        C::Lfs_r16_m1616 => Some(load_far::<B, 2, { SegReg::Fs as usize }>),
        C::Lfs_r32_m1632 => Some(load_far::<B, 4, { SegReg::Fs as usize }>),
        C::Lfs_r64_m1664 => Some(load_far::<B, 8, { SegReg::Fs as usize }>),
        C::Lgs_r16_m1616 => Some(load_far::<B, 2, { SegReg::Gs as usize }>),
        C::Lgs_r32_m1632 => Some(load_far::<B, 4, { SegReg::Gs as usize }>),
        C::Lgs_r64_m1664 => Some(load_far::<B, 8, { SegReg::Gs as usize }>),
        _ => None,
    }
}

/// What `seg` holds after a load of `selector` by the running code. Accessed bits are set; nothing
/// is committed.
///
/// # Errors
/// #GP, #NP, #SS with the selector; #PF.
pub fn load<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    seg: SegReg,
    selector: u16,
) -> Result<Segment, Exception> {
    if !ctx.s.protected() {
        return Ok(real_mode(&ctx.s.seg[seg as usize], selector));
    }
    if ctx.s.v86() {
        return Ok(Segment::real(selector, 3));
    }
    let sel = Selector(selector);
    let cpl = ctx.s.cpl;
    if seg == SegReg::Ss && sel.is_null() && null_stack_allowed(ctx.s.in_64_bit_mode(), sel, cpl) {
        return Ok(null_segment(selector));
    }
    if seg == SegReg::Ss { stack(ctx, sel, cpl, Exception::gp) } else { data(ctx, sel, cpl) }
}

/// A real-mode load over `old`. A register that a null selector left unusable gets the rights and
/// limit of reset.
#[must_use]
pub fn real_mode(old: &Segment, selector: u16) -> Segment {
    let usable = SegAttr::PRESENT | SegAttr::S;
    if old.attr.contains(SegAttr::NULL) || !old.attr.contains(usable) {
        return Segment::real(selector, 0);
    }
    Segment { selector, base: Lin(u64::from(selector) << 4), ..*old }
}

/// A real-mode load of CS: as the others, and the segment can be written and has DPL 0.
#[must_use]
pub fn real_mode_cs(old: &Segment, selector: u16) -> Segment {
    let kept = old.attr & (SegAttr::DB | SegAttr::G | SegAttr::AVL);
    let fresh = Segment::real(selector, 0);
    Segment { attr: fresh.attr | kept, limit: old.limit, ..fresh }
}

/// Whether SS may be the null selector `sel` for code at `cpl` that runs in 64-bit mode or not (SDM volume 3A, 5.7).
#[must_use]
pub fn null_stack_allowed(is_64_bit: bool, sel: Selector, cpl: u8) -> bool {
    is_64_bit && cpl != 3 && sel.rpl() == cpl
}

/// The stack segment `sel` for code that runs at `cpl`. `invalid` is #GP for loads and returns, #TS
/// for stacks that come from a TSS.
///
/// # Errors
/// `invalid` (with 0 for a null selector), #SS(selector) when not present, #PF.
#[inline(always)]
pub fn stack<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    sel: Selector,
    cpl: u8,
    invalid: fn(u32) -> Exception,
) -> Result<Segment, Exception> {
    if sel.is_null() {
        return Err(invalid(0));
    }
    let mut d = descriptor::fetch(ctx, sel, invalid)?;
    if sel.rpl() != cpl || d.dpl() != cpl || !d.is_writable_data() {
        return Err(invalid(sel.error_code()));
    }
    if !d.present() {
        return Err(Exception::ss(sel.error_code()));
    }
    d.mark_accessed(ctx)?;
    Ok(d.segment(sel))
}

/// The data segment `sel` (DS, ES, FS, GS) for code that runs at `cpl`.
fn data<B: Bus>(ctx: &mut Ctx<'_, B>, sel: Selector, cpl: u8) -> Result<Segment, Exception> {
    checked_data(ctx, sel, cpl, Exception::gp)
}

/// The data segment `sel` for code at `cpl`; `invalid` is #GP for loads, #TS in a task switch.
///
/// # Errors
/// `invalid`, #NP(selector), #PF.
pub fn checked_data<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    sel: Selector,
    cpl: u8,
    invalid: fn(u32) -> Exception,
) -> Result<Segment, Exception> {
    if sel.is_null() {
        return Ok(null_segment(sel.0));
    }
    let mut d = descriptor::fetch(ctx, sel, invalid)?;
    if !d.is_readable() || !reachable(&d, sel, cpl) {
        return Err(invalid(sel.error_code()));
    }
    if !d.present() {
        return Err(Exception::np(sel.error_code()));
    }
    d.mark_accessed(ctx)?;
    Ok(d.segment(sel))
}

/// The privilege rule of data accesses: conforming code is open to all, everything else asks for a
/// DPL of at least RPL and CPL.
#[must_use]
pub fn reachable(d: &Descriptor, sel: Selector, cpl: u8) -> bool {
    d.is_conforming() || d.dpl() >= cpl.max(sel.rpl())
}

/// After a return to the outer `cpl`: data segments that it may not use become null, and a null selector
/// loses its RPL (SDM volume 3A, 5.8.6, and volume 2, IRET: `SegmentSelector == NULL OR`). Long mode's bases
/// have a life apart from selectors: they stay.
pub fn null_inner_data<B: Bus>(ctx: &mut Ctx<'_, B>, cpl: u8) {
    let long = ctx.s.in_long_mode();
    for seg in [SegReg::Es, SegReg::Ds, SegReg::Fs, SegReg::Gs] {
        let d = &mut ctx.s.seg[seg as usize];
        let conforming = d.attr.contains(SegAttr::CODE | SegAttr::EXPAND_DOWN);
        if d.attr.contains(SegAttr::NULL) || !conforming && d.attr.dpl() < cpl {
            let base = if long { d.base } else { Lin(0) };
            *d = Segment { base, ..null_segment(0) };
        }
    }
}

fn mov_from<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let selector = u32::from(ctx.s.seg[seg_of(i.op1_register()) as usize].selector);
    // Memory always gets a word, whatever the operand size.
    let size = if i.op0_kind() == OpKind::Memory { 2 } else { N };
    ctx.write_op(i, 0, size, selector)
}

fn mov_to<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let seg = seg_of(i.op0_register());
    if seg == SegReg::Cs {
        return Err(Exception::ud());
    }
    let selector = ctx.read_op(i, 1, 2)? as u16;
    commit(ctx, seg, selector)?;
    if seg == SegReg::Ss {
        ctx.set_shadow_ss();
    }
    Ok(())
}

fn commit<B: Bus>(ctx: &mut Ctx<'_, B>, seg: SegReg, selector: u16) -> Result<(), Exception> {
    ctx.s.seg[seg as usize] = load(ctx, seg, selector)?;
    Ok(())
}

/// The stack pointer moves by the old SS's rule.
fn pop<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let seg = seg_of(i.op0_register());
    let selector = ctx.peek(0, N)? as u16;
    let segment = load(ctx, seg, selector)?;
    ctx.release(N);
    ctx.s.seg[seg as usize] = segment;
    if seg == SegReg::Ss {
        ctx.set_shadow_ss();
    }
    Ok(())
}

/// Reads a far pointer with an offset of `size` bytes from `i`'s memory operand.
///
/// # Errors
/// As [`Ctx::read_mem`].
pub fn read_far<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
    size: u32,
) -> Result<(u16, u64), Exception> {
    let (seg, off) = ctx.ea(i);
    let mut raw = [0; 16];
    ctx.read_mem(seg, off, &mut raw[..size as usize + 2])?;
    let raw = u128::from_le_bytes(raw);
    Ok(((raw >> (8 * size)) as u16, raw as u64 & mask(size)))
}

/// No shadow: LSS loads the stack pointer itself.
fn load_far<B: Bus, const N: u32, const SEG: usize>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(), Exception> {
    let (selector, offset) = read_far(ctx, i, N)?;
    commit(ctx, SegReg::ALL[SEG], selector)?;
    ctx.set_reg(i.op0_register(), N, offset);
    Ok(())
}
