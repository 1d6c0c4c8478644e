//! What control transfers read from the current TSS: stacks of inner privilege levels and the
//! interrupt redirection bitmap. SDM volume 3A, 5.8.5, 7.2.1, 7.6, 20.3.

use super::super::Ctx;
use super::{descriptor::kind, io, segload};
use crate::bus::{Bus, Privilege};
use crate::exception::Exception;
use crate::segment::{Segment, Selector};

/// Whether a TSS of type `kind` is a 32-bit one.
#[must_use]
pub fn is_32(kind: u8) -> bool {
    matches!(kind, kind::TSS32 | kind::TSS32_BUSY)
}

/// The stack segment and pointer that the current TSS gives for privilege level `cpl` (0 to 2),
/// checked for use there.
///
/// # Errors
/// #TS with TR's selector (TSS too small) or the stack's; #SS(stack) when not present; #PF.
#[inline(always)]
pub fn inner_stack<B: Bus>(ctx: &mut Ctx<'_, B>, cpl: u8) -> Result<(Segment, u32), Exception> {
    let tr = ctx.s.tr;
    let level = u32::from(cpl);
    let wide = is_32(tr.attr.kind());
    let (at, last) = if wide { (level * 8 + 4, 5) } else { (level * 4 + 2, 3) };
    if at + last > tr.limit {
        return Err(Exception::ts(tr.sel().error_code()));
    }
    let lin = ctx.s.system_linear(tr.base, at);
    let (sp, selector) = if wide {
        let sp = ctx.bus.read_u32(lin, Privilege::Supervisor)?;
        (sp, ctx.bus.read_u16(ctx.s.system_linear(lin, 4u64), Privilege::Supervisor)?)
    } else {
        let sp = ctx.bus.read_u16(lin, Privilege::Supervisor)?;
        (u32::from(sp), ctx.bus.read_u16(ctx.s.system_linear(lin, 2u64), Privilege::Supervisor)?)
    };
    let segment = segload::stack(ctx, Selector(selector), cpl, Exception::ts)?;
    Ok((segment, sp))
}

/// A stack pointer in a TSS of long mode (SDM volume 3A, figure 7-11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LongStack {
    /// RSP0 to RSP2.
    Level(u8),
    /// IST1 to IST7.
    Ist(u8),
}

/// The stack pointer that the current TSS has there. It must be canonical, which the first push to it sees.
///
/// # Errors
/// #TS with TR's selector when the TSS is too small; #PF.
pub fn long_stack<B: Bus>(ctx: &mut Ctx<'_, B>, stack: LongStack) -> Result<u64, Exception> {
    let at = match stack {
        LongStack::Level(cpl) => 4 + 8 * u32::from(cpl),
        LongStack::Ist(n) => 28 + 8 * u32::from(n),
    };
    let tr = ctx.s.tr;
    if at + 7 > tr.limit {
        return Err(Exception::ts(tr.sel().error_code()));
    }
    ctx.bus.read_u64(ctx.s.system_linear(tr.base, at), Privilege::Supervisor)
}

/// Whether the interrupt redirection bitmap (the 32 bytes below the I/O map) sends INT `vector` to
/// the protected-mode handler instead of to the 8086 program's own.
///
/// # Errors
/// #GP(0) when the TSS has no such byte; #PF.
pub fn redirects<B: Bus>(ctx: &mut Ctx<'_, B>, vector: u8) -> Result<bool, Exception> {
    let tr = ctx.s.tr;
    if !is_32(tr.attr.kind()) || tr.limit < io::TSS_IO_BASE + 1 {
        return Err(Exception::gp(0));
    }
    let lin = ctx.s.system_linear(tr.base, io::TSS_IO_BASE);
    let map = u32::from(ctx.bus.read_u16(lin, Privilege::Supervisor)?);
    let at = (map + u32::from(vector >> 3)).wrapping_sub(32);
    if at > tr.limit {
        return Err(Exception::gp(0));
    }
    let byte = ctx.bus.read_u8(ctx.s.system_linear(tr.base, at), Privilege::Supervisor)?;
    Ok(byte & (1 << (vector & 7)) != 0)
}
