//! Accesses that are not checked for alignment: by the elements of masked moves and gathers, and of conversions between single and half
//! precision (SDM volume 2, 2.4: exception types 6, 11 and 12).

use crate::bus::{Access, Bus};
use crate::exception::Exception;
use crate::interp::{Ctx, debug};
use crate::state::SegReg;

/// Reads `bytes` at `seg:off`.
///
/// # Errors
/// #GP, #SS, #PF.
pub(super) fn read<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    seg: SegReg,
    off: u64,
    bytes: &mut [u8],
) -> Result<(), Exception> {
    let len = bytes.len() as u32;
    let lin = ctx.linear(seg, off, len, Access::Read)?;
    let who = ctx.who();
    ctx.bus.read(lin, bytes, who)?;
    debug::note_data(ctx.s, lin, len, false);
    Ok(())
}

/// Looks whether `len` bytes at `seg:off` can be written.
///
/// # Errors
/// #GP, #SS, #PF.
pub(super) fn probe_write<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    seg: SegReg,
    off: u64,
    len: u32,
) -> Result<(), Exception> {
    let lin = ctx.linear(seg, off, len, Access::Write)?;
    let who = ctx.who();
    ctx.bus.probe(lin, len, Access::Write, who)
}

/// Writes `bytes` at `seg:off`.
///
/// # Errors
/// #GP, #SS, #PF.
pub(super) fn write<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    seg: SegReg,
    off: u64,
    bytes: &[u8],
) -> Result<(), Exception> {
    let len = bytes.len() as u32;
    let lin = ctx.linear(seg, off, len, Access::Write)?;
    let who = ctx.who();
    ctx.bus.write(lin, bytes, who)?;
    debug::note_data(ctx.s, lin, len, true);
    Ok(())
}
