//! The way in.

use super::report::{Refusal, Subject, Verified};
use super::scheme::Scheme;
use super::walk::Walk;
use iced_x86::InstructionInfoFactory;
use std::fmt;

/// Verifies blocks; owns the decoder's buffers.
pub struct Verifier {
    scheme: &'static Scheme,
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
    /// A verifier of 16- and 32-bit guests' blocks.
    #[must_use]
    pub fn new() -> Self {
        Self::of(Scheme::IA32)
    }

    /// A verifier of 16- and 32-bit guests' blocks with the PROFILE option.
    #[must_use]
    pub fn counting() -> Self {
        Self::of(Scheme::IA32_COUNTING)
    }

    /// A verifier of blocks of `scheme`.
    #[must_use]
    pub fn of(scheme: &'static Scheme) -> Self {
        Self { scheme, info: InstructionInfoFactory::new() }
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
        Walk::new(self.scheme, subject, entry, &mut self.info).run()
    }
}
