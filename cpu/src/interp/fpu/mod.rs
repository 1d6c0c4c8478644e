//! x87, MMX and SSE: executed by the host's own unit on the guest's saved state.

/// Executes instructions on the host's FPU.
#[derive(Debug)]
pub struct HostUnit {}

impl HostUnit {
    /// A unit that holds no state yet.
    #[must_use]
    pub fn new() -> Self {
        Self {}
    }
}

/// The handler of `code`, if it belongs here.
pub(super) fn lookup<B: crate::Bus>(_code: iced_x86::Code) -> Option<super::Handler<B>> {
    None
}
