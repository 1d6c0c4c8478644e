//! The reference interpreter: the one full statement of each instruction's semantics.
//!
//! # Shape
//! - [`ctx::Ctx`] is what a handler works on: the state, the bus, the processor's unit data and the
//!   EIP that follows. A handler returns `Err(exception)` with no register changed, or `Ok(())`.
//! - A handler is found in a table indexed by iced's `Code`, filled once from the families'
//!   `lookup` functions: integer families here, system instructions in [`sys`], x87/MMX/SSE in
//!   [`fpu`]. A code without a handler raises #UD.
//! - [`Interp::execute`] runs one instruction and returns its exception undelivered (lockstep wants
//!   that); [`Interp::step`] delivers it too.

mod alu;
mod arith;
mod bcd;
mod bit_alu;
mod bits;
mod bmi;
mod branch;
pub mod ctx;
pub mod cursor;
mod data;
pub mod debug;
mod decode;
mod flagops;
pub mod fpu;
mod handler;
mod logic;
mod muldiv;
pub mod operand;
mod outcome;
mod rotate;
mod shift;
mod size;
mod stack;
mod step;
mod string;
pub mod sys;
mod table;

pub use ctx::{Ctx, Unit};
pub use cursor::StackCursor;
pub use handler::Handler;
pub use outcome::Outcome;
pub use step::Interp;
pub use table::{offers, run_as};
