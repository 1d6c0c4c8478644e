//! The list of the peer's faults.

mod media;
mod memory;
mod system;
mod x87;

use super::Fault;

/// The list.
pub fn faults() -> impl Iterator<Item = &'static Fault> {
    [memory::LIST, system::LIST, x87::LIST, media::LIST].into_iter().flatten()
}
