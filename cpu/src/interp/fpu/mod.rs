//! x87, MMX and SSE: executed by the host's own unit on the guest's saved state.

/// Executes instructions on the host's FPU.
#[derive(Debug)]
pub struct HostUnit {}
