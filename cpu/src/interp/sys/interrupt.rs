//! Delivery of exceptions and interrupts.
use super::super::{Ctx, Outcome};
use crate::bus::Bus;
use crate::exception::Exception;

/// Delivers `exception`.
pub fn deliver<B: Bus>(_ctx: &mut Ctx<'_, B>, exception: Exception) -> Outcome {
    Outcome::Delivered(exception.vector)
}

/// Delivers an external interrupt.
pub fn external<B: Bus>(_ctx: &mut Ctx<'_, B>, _vector: u8) -> Outcome {
    Outcome::Retired
}
