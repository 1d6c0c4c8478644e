//! What running an instruction came to.

use crate::exception::Vector;

/// What one call of [`Interp::step`](crate::Interp::step) came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// One instruction retired.
    Retired,
    /// A REP instruction made progress and has iterations left; EIP still points at it.
    Partial,
    /// An exception was delivered to the guest (the instruction did not retire).
    Delivered(Vector),
    /// HLT retired, or the processor is halted already.
    Halted,
    /// A triple fault: the processor is shut down.
    Shutdown,
}
