//! I/O permission.
use super::super::Ctx;
use crate::bus::Bus;
use crate::exception::Exception;

/// Checks that the running code may access `size` bytes at `port`.
///
/// # Errors
/// #GP(0).
pub fn check<B: Bus>(_ctx: &mut Ctx<'_, B>, _port: u16, _size: u8) -> Result<(), Exception> {
    Ok(())
}
