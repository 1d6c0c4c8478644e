//! The way in.

use super::report::{Refusal, Subject, Verified};
use super::walk::Walk;
use iced_x86::InstructionInfoFactory;
use std::fmt;

/// Verifies blocks; owns the decoder's buffers.
pub struct Verifier {
    info: InstructionInfoFactory,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

impl Default for Verifier {
    fn default() -> Self {
        Self::new()
    }
}

impl Verifier {
    /// A verifier.
    #[must_use]
    pub fn new() -> Self {
        Self { info: InstructionInfoFactory::new() }
    }

    /// Verifies one block; `entry` says of a host address whether a block begins there.
    ///
    /// # Errors
    /// The first instruction, in the order of addresses, that breaks a rule.
    pub fn check(
        &mut self,
        subject: &Subject<'_>,
        entry: &dyn Fn(u64) -> bool,
    ) -> Result<Verified, Refusal> {
        Walk::new(subject, entry, &mut self.info).run()
    }
}
