//! The functions that instructions are executed by.

use super::Ctx;
use crate::exception::Exception;
use iced_x86::{Code, Instruction};

/// Runs one instruction's semantics.
pub type Handler<B> = fn(&mut Ctx<'_, B>, &Instruction) -> Result<(), Exception>;

/// A family's answer to whether a code is its own.
pub(super) type Lookup<B> = fn(Code) -> Option<Handler<B>>;
