//! The check that privileged instructions make.

use super::super::Ctx;
use crate::bus::Bus;
use crate::exception::Exception;

/// What privileged instructions ask for: CPL 0 (real mode has it, V86 mode never).
///
/// # Errors
/// #GP(0).
pub(super) fn require_cpl0<B: Bus>(ctx: &Ctx<'_, B>) -> Result<(), Exception> {
    if ctx.s.cpl == 0 { Ok(()) } else { Err(Exception::gp(0)) }
}
