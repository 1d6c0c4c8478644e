//! What must hold before an instruction runs: the unit is there, and no x87 exception waits.
//! SDM volume 3A, 2.5 (CR0.EM, MP, TS, NE), table 9-3, and volume 1, 8.7.

use crate::bus::Bus;
use crate::exception::{Exception, Vector};
use crate::interp::Ctx;
use crate::state::{CpuState, cr0, cr4};

/// x87 instructions except WAIT, and FXSAVE and FXRSTOR: #NM under EM or TS.
///
/// # Errors
/// #NM.
pub(super) fn x87(s: &CpuState) -> Result<(), Exception> {
    if s.cr0 & (cr0::EM | cr0::TS) != 0 { Err(Exception::nm()) } else { Ok(()) }
}

/// WAIT: #NM when both MP and TS are set.
///
/// # Errors
/// #NM.
pub(super) fn wait(s: &CpuState) -> Result<(), Exception> {
    let both = cr0::MP | cr0::TS;
    if s.cr0 & both == both { Err(Exception::nm()) } else { Ok(()) }
}

/// MMX instructions, those on MMX registers that came with SSE and SSE2 included.
///
/// # Errors
/// #UD under EM, #NM under TS.
pub(super) fn mmx(s: &CpuState) -> Result<(), Exception> {
    if s.cr0 & cr0::EM != 0 {
        Err(Exception::ud())
    } else if s.cr0 & cr0::TS != 0 {
        Err(Exception::nm())
    } else {
        Ok(())
    }
}

/// Instructions on XMM registers or MXCSR.
///
/// # Errors
/// #UD under EM or without CR4.OSFXSR, #NM under TS.
pub(super) fn sse(s: &CpuState) -> Result<(), Exception> {
    if s.cr4 & cr4::OSFXSR == 0 { Err(Exception::ud()) } else { mmx(s) }
}

/// XSAVE, XRSTOR and their like.
///
/// # Errors
/// #UD without CR4.OSXSAVE, #NM under TS.
pub(super) fn xsave(s: &CpuState) -> Result<(), Exception> {
    enabled(s)?;
    if s.cr0 & cr0::TS != 0 { Err(Exception::nm()) } else { Ok(()) }
}

/// XGETBV and XSETBV.
///
/// # Errors
/// #UD without CR4.OSXSAVE.
pub(super) fn enabled(s: &CpuState) -> Result<(), Exception> {
    if s.cr4 & cr4::OSXSAVE == 0 { Err(Exception::ud()) } else { Ok(()) }
}

/// Vector instructions with a VEX prefix (SDM volume 2, 2.4: CR0.EM does not matter to them).
///
/// # Errors
/// #UD in real and V86 mode and where XCR0 has not enabled them, #NM under TS.
pub(super) fn avx(s: &CpuState) -> Result<(), Exception> {
    if !s.protected() || s.v86() || !s.avx_enabled() { Err(Exception::ud()) } else { xsave(s) }
}

/// What a waiting instruction is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// Go on. These exception flags, unmasked though they are, are ignored (IGNNE#) and must be
    /// hidden from the host; mostly none.
    Go(u16),
    /// Stop at this instruction until an interrupt comes.
    Freeze,
}

/// Looks for a pending unmasked x87 exception, as every waiting x87 instruction and every MMX
/// instruction does first. With CR0.NE it is #MF. Without, the error is reported the way of the PC:
/// FERR# goes active, and the processor stands still at this instruction until the interrupt that
/// the board makes of it (IRQ 13) is taken: the instruction is left as `partial`, so that it is tried
/// again, and nothing but an interrupt makes progress. While the board holds IGNNE#, the error is
/// ignored.
///
/// # Errors
/// #MF.
pub(super) fn pending<B: Bus>(ctx: &mut Ctx<'_, B>) -> Result<Wait, Exception> {
    super::claim(ctx.s);
    let flags = ctx.s.fpu.unmasked();
    if flags == 0 {
        return Ok(Wait::Go(0));
    }
    if ctx.s.cr0 & cr0::NE != 0 {
        return Err(Exception::plain(Vector::Mf));
    }
    if ctx.bus.ignne() {
        return Ok(Wait::Go(flags));
    }
    ctx.bus.ferr(true);
    ctx.partial = true;
    Ok(Wait::Freeze)
}

/// Drops FERR# if the exception that was pending before (`before`: its flags) is gone.
pub(super) fn settle_ferr<B: Bus>(ctx: &mut Ctx<'_, B>, before: u16) {
    if before != 0 && ctx.s.cr0 & cr0::NE == 0 && ctx.s.fpu.unmasked() == 0 {
        ctx.bus.ferr(false);
    }
}
