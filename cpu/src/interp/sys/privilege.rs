//! The checks that privileged instructions make.

use super::super::Ctx;
use crate::bus::Bus;
use crate::exception::Exception;
use crate::state::cr4;

/// What privileged instructions ask for: CPL 0 (real mode has it, V86 mode never).
///
/// # Errors
/// #GP(0).
pub(super) fn require_cpl0<B: Bus>(ctx: &Ctx<'_, B>) -> Result<(), Exception> {
    if ctx.s.cpl == 0 { Ok(()) } else { Err(Exception::gp(0)) }
}

/// What instructions ask for that show a system register to anybody: CPL 0, or no CR4.UMIP (SDM volume 3A, 2.5).
///
/// # Errors
/// #GP(0).
pub(super) fn protect_system_registers<B: Bus>(ctx: &Ctx<'_, B>) -> Result<(), Exception> {
    if ctx.s.cr4 & cr4::UMIP == 0 { Ok(()) } else { require_cpl0(ctx) }
}
