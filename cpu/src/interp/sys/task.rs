//! The hardware task switch. SDM volume 3A, 7.2 and 7.3.
//!
//! Everything of the old task and of the two TSSs is checked first; an exception up to there
//! belongs to the old task, which is unchanged. Then the switch commits: old state saved, TR, CR3,
//! EIP, EFLAGS, registers and selectors of the new task loaded. What fails afterwards (descriptors
//! of LDTR and the segments, EIP's limit, the error code's push) is an exception of the *new* task,
//! at its first instruction; segments that were not reached are unusable.

use super::super::{Ctx, StackCursor};
use super::descriptor::{self, Descriptor, kind, null_segment};
use super::{segload, transfer, tss};
use crate::addr::{Lin, Pc};
use crate::bus::{Access, Bus, PagingChange, PagingRegs, Privilege};
use crate::exception::Exception;
use crate::flags::Eflags;
use crate::segment::{Segment, Selector};
use crate::state::{SegReg, cr0, cr4};

/// DR6.BT: the new task's TSS had its T bit set.
pub const DR6_BT: u32 = 1 << 15;

/// DR7's local enables (L0 to L3, LE), which a task switch clears.
const DR7_LOCAL: u64 = 0x155;

/// What causes a task switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SwitchCause {
    /// JMP: the old task ends.
    Jmp,
    /// CALL: the new task is nested in the old one.
    Call,
    /// An interrupt or exception through a task gate, with its error code and the flags to save;
    /// nested as CALL.
    Interrupt {
        /// Pushed on the new task's stack.
        error: Option<u32>,
        /// EFLAGS to save for the old task (RF set for faults).
        eflags: u32,
    },
    /// IRET with NT set: back to the task that the back link names.
    Iret,
}

/// The selectors of a TSS in the order of its fields.
const ORDER: [SegReg; 6] = [SegReg::Es, SegReg::Cs, SegReg::Ss, SegReg::Ds, SegReg::Fs, SegReg::Gs];

/// A task's state as its TSS holds it.
#[derive(Clone, Copy, Debug, Default)]
struct Image {
    cr3: Option<u32>,
    eip: u32,
    eflags: u32,
    gpr: [u32; 8],
    /// In the order of [`ORDER`].
    selectors: [u16; 6],
    ldt: u16,
    trap: bool,
}

/// The TSS `sel` for a task gate: in the GDT, available, present.
///
/// # Errors
/// #GP(selector), #NP(selector), #PF.
pub fn available<B: Bus>(ctx: &mut Ctx<'_, B>, sel: Selector) -> Result<Descriptor, Exception> {
    let code = sel.error_code();
    if sel.is_local() || sel.is_null() {
        return Err(Exception::gp(code));
    }
    let d = descriptor::fetch(ctx, sel, Exception::gp)?;
    if !matches!(d.system_kind(), Some(kind::TSS16 | kind::TSS32)) {
        return Err(Exception::gp(code));
    }
    if d.present() { Ok(d) } else { Err(Exception::np(code)) }
}

/// IRET with NT set.
///
/// # Errors
/// #TS, #NP with the back link's selector; as [`switch`].
pub fn iret<B: Bus>(ctx: &mut Ctx<'_, B>) -> Result<(), Exception> {
    let sel = Selector(ctx.bus.read_u16(ctx.s.tr.base, Privilege::Supervisor)?);
    let code = sel.error_code();
    if sel.is_local() || sel.is_null() {
        return Err(Exception::ts(code));
    }
    let d = descriptor::fetch(ctx, sel, Exception::ts)?;
    if !matches!(d.system_kind(), Some(kind::TSS16_BUSY | kind::TSS32_BUSY)) {
        return Err(Exception::ts(code));
    }
    if !d.present() {
        return Err(Exception::np(code));
    }
    switch(ctx, sel, d, SwitchCause::Iret)
}

/// Switches to the task of `sel`, whose descriptor `d` has the right type and is present.
///
/// # Errors
/// Those of the old task before the switch, those of the new one after it; see the module.
pub fn switch<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    sel: Selector,
    mut d: Descriptor,
    cause: SwitchCause,
) -> Result<(), Exception> {
    let wide = tss::is_32(d.attr().kind());
    if d.limit() < if wide { 0x67 } else { 0x2b } {
        return Err(Exception::ts(sel.error_code()));
    }
    let nests = matches!(cause, SwitchCause::Call | SwitchCause::Interrupt { .. });
    let mut old = old_descriptor(ctx)?;
    probe(ctx, &d, &old, nests)?;
    let mut new = read_image(ctx, d.base(), wide)?;
    let paging = new_paging(ctx, &new)?;

    save(ctx, saved_flags(ctx.s.eflags, &cause))?;
    if nests {
        let link = ctx.s.tr.selector.to_le_bytes();
        ctx.bus.write(d.base(), &link, Privilege::Supervisor)?;
        new.eflags |= Eflags::NT.bits();
    } else {
        old.clear_busy(ctx)?;
    }
    d.mark_busy(ctx)?;
    ctx.s.tr = d.segment(sel);
    commit(ctx, &new, paging, wide);
    load_segments(ctx, &new)?;
    if let SwitchCause::Interrupt { error: Some(error), .. } = cause {
        let mut stack = StackCursor::current(ctx.s);
        stack.push(ctx, if wide { 4 } else { 2 }, error)?;
        stack.commit(ctx)?;
    }
    transfer::check_target(ctx, ctx.s.cs(), Pc::from(new.eip))
}

/// The current task's descriptor in the GDT. (TR was loaded from there; the guest may have moved
/// the table since, so the limit is not asked.)
fn old_descriptor<B: Bus>(ctx: &mut Ctx<'_, B>) -> Result<Descriptor, Exception> {
    let lin = ctx.s.linear(ctx.s.gdtr.base, ctx.s.tr.sel().offset());
    Descriptor::read(ctx, lin)
}

/// The part of a TSS that a switch saves: offset and length.
fn saved_part(wide: bool) -> (u32, u32) {
    if wide { (0x20, 0x40) } else { (0x0e, 0x1c) }
}

/// Checks every write that the switch will make.
fn probe<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    new: &Descriptor,
    old: &Descriptor,
    nests: bool,
) -> Result<(), Exception> {
    let tr = ctx.s.tr;
    let (at, len) = saved_part(tss::is_32(tr.attr.kind()));
    if at + len - 1 > tr.limit {
        return Err(Exception::ts(tr.sel().error_code()));
    }
    ctx.bus.probe(ctx.s.linear(tr.base, at), len, Access::Write, Privilege::Supervisor)?;
    if nests {
        ctx.bus.probe(new.base(), 2, Access::Write, Privilege::Supervisor)?;
    } else {
        old.probe_type(ctx)?;
    }
    new.probe_type(ctx)
}

fn dword(bytes: &[u8], at: usize) -> u32 {
    let mut b = [0; 4];
    b.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(b)
}

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn read_image<B: Bus>(ctx: &mut Ctx<'_, B>, base: Lin, wide: bool) -> Result<Image, Exception> {
    let mut raw = [0; 0x68];
    let len = if wide { 0x68 } else { 0x2c };
    ctx.bus.read(base, &mut raw[..len], Privilege::Supervisor)?;
    let mut image = Image::default();
    if wide {
        image.cr3 = Some(dword(&raw, 0x1c));
        image.eip = dword(&raw, 0x20);
        image.eflags = dword(&raw, 0x24);
        image.gpr = std::array::from_fn(|n| dword(&raw, 0x28 + 4 * n));
        image.selectors = std::array::from_fn(|n| word(&raw, 0x48 + 4 * n));
        image.ldt = word(&raw, 0x60);
        image.trap = raw[0x64] & 1 != 0;
    } else {
        image.eip = u32::from(word(&raw, 0x0e));
        image.eflags = u32::from(word(&raw, 0x10));
        // The high words are undefined; the P6 family leaves ones there.
        image.gpr = std::array::from_fn(|n| 0xffff_0000 | u32::from(word(&raw, 0x12 + 2 * n)));
        for n in 0..4 {
            image.selectors[n] = word(&raw, 0x22 + 2 * n);
        }
        image.ldt = word(&raw, 0x2a);
    }
    Ok(image)
}

/// The paging registers of the new task if it brings a CR3, its PDPTEs loaded.
fn new_paging<B: Bus>(ctx: &mut Ctx<'_, B>, new: &Image) -> Result<Option<PagingRegs>, Exception> {
    let Some(cr3) = new.cr3.filter(|_| ctx.s.cr0 & cr0::PG != 0) else {
        return Ok(None);
    };
    let s = &ctx.s;
    let regs = PagingRegs { cr0: s.cr0, cr3: u64::from(cr3), cr4: s.cr4, efer: s.msr.efer };
    if regs.cr4 & cr4::PAE != 0 {
        ctx.bus.load_pdptes(&regs)?;
    }
    Ok(Some(regs))
}

/// EFLAGS as the old task keeps it. RF was the switching instruction's, which is through: it comes back to the next one, as
/// from an INT n (SDM volume 3B, 17.3.1.1).
fn saved_flags(eflags: u32, cause: &SwitchCause) -> u32 {
    match cause {
        SwitchCause::Interrupt { eflags, .. } => *eflags,
        SwitchCause::Iret => eflags & !(Eflags::NT | Eflags::RF).bits(),
        SwitchCause::Jmp | SwitchCause::Call => eflags & !Eflags::RF.bits(),
    }
}

/// Saves the old task.
fn save<B: Bus>(ctx: &mut Ctx<'_, B>, eflags: u32) -> Result<(), Exception> {
    let tr = ctx.s.tr;
    let wide = tss::is_32(tr.attr.kind());
    let (at, len) = saved_part(wide);
    let mut raw = [0; 0x40];
    let fields = [ctx.next_rip.low(), eflags].into_iter().chain(ctx.s.gpr32());
    let selectors = ORDER.map(|seg| ctx.s.seg[seg as usize].selector);
    if wide {
        // The words above the selectors stay as they are.
        let lin = ctx.s.linear(tr.base, at);
        ctx.bus.read(lin, &mut raw, Privilege::Supervisor)?;
        for (field, bytes) in fields.zip(raw.chunks_exact_mut(4)) {
            bytes.copy_from_slice(&field.to_le_bytes());
        }
        for (selector, bytes) in selectors.iter().zip(raw[0x28..].chunks_exact_mut(4)) {
            bytes[..2].copy_from_slice(&selector.to_le_bytes());
        }
    } else {
        let words = fields.map(|f| f as u16).chain(selectors.into_iter().take(4));
        for (field, bytes) in words.zip(raw.chunks_exact_mut(2)) {
            bytes.copy_from_slice(&field.to_le_bytes());
        }
    }
    let lin = ctx.s.linear(tr.base, at);
    ctx.bus.write(lin, &raw[..len as usize], Privilege::Supervisor)
}

/// The point of no return: all that needs no descriptor.
fn commit<B: Bus>(ctx: &mut Ctx<'_, B>, new: &Image, paging: Option<PagingRegs>, wide: bool) {
    if let Some(regs) = paging {
        ctx.s.cr3 = regs.cr3;
        ctx.bus.paging_changed(&regs, PagingChange::Cr3);
    }
    let s = &mut *ctx.s;
    s.cr0 |= cr0::TS;
    s.dr[7] &= !DR7_LOCAL;
    s.set_eip(new.eip);
    s.eflags = (new.eflags & 0x003f_7fd5) | Eflags::FIXED_ONE;
    if !wide {
        s.eflags &= 0xffff;
    }
    s.set_gpr32(new.gpr);
    s.ldtr = null_segment(new.ldt);
    for (seg, selector) in ORDER.into_iter().zip(new.selectors) {
        s.seg[seg as usize] = null_segment(selector);
    }
    s.cpl = if s.v86() { 3 } else { s.cs().sel().rpl() };
    if new.trap {
        s.pending_debug |= DR6_BT;
    }
    ctx.next_rip = Pc::from(new.eip);
    ctx.keep_rf = true;
    ctx.no_trap = true;
}

/// Loads the hidden parts in the new task's context.
fn load_segments<B: Bus>(ctx: &mut Ctx<'_, B>, new: &Image) -> Result<(), Exception> {
    ctx.s.ldtr = load_ldt(ctx, Selector(new.ldt))?;
    let cpl = ctx.s.cpl;
    if ctx.s.v86() {
        for (seg, selector) in ORDER.into_iter().zip(new.selectors) {
            ctx.s.seg[seg as usize] = Segment::real(selector, 3);
        }
        return Ok(());
    }
    let [es, cs, ss, ds, fs, gs] = new.selectors.map(Selector);
    ctx.s.seg[SegReg::Cs as usize] = load_cs(ctx, cs)?;
    ctx.s.seg[SegReg::Ss as usize] = segload::stack(ctx, ss, cpl, Exception::ts)?;
    let data = [(SegReg::Ds, ds), (SegReg::Es, es), (SegReg::Fs, fs), (SegReg::Gs, gs)];
    for (seg, sel) in data {
        ctx.s.seg[seg as usize] = segload::checked_data(ctx, sel, cpl, Exception::ts)?;
    }
    Ok(())
}

fn load_ldt<B: Bus>(ctx: &mut Ctx<'_, B>, sel: Selector) -> Result<Segment, Exception> {
    if sel.is_null() {
        return Ok(null_segment(sel.0));
    }
    let invalid = Exception::ts(sel.error_code());
    if sel.is_local() {
        return Err(invalid);
    }
    let d = descriptor::fetch(ctx, sel, Exception::ts)?;
    if d.system_kind() == Some(kind::LDT) && d.present() {
        Ok(d.segment(sel))
    } else {
        Err(invalid)
    }
}

fn load_cs<B: Bus>(ctx: &mut Ctx<'_, B>, sel: Selector) -> Result<Segment, Exception> {
    if sel.is_null() {
        return Err(Exception::ts(0));
    }
    let mut d = descriptor::fetch(ctx, sel, Exception::ts)?;
    let dpl_ok = if d.is_conforming() { d.dpl() <= sel.rpl() } else { d.dpl() == sel.rpl() };
    if !d.is_code() || !dpl_ok {
        return Err(Exception::ts(sel.error_code()));
    }
    if !d.present() {
        return Err(Exception::np(sel.error_code()));
    }
    d.mark_accessed(ctx)?;
    Ok(d.segment(sel))
}
