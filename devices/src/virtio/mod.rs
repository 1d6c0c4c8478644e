//! Virtio devices (Virtual I/O Device (VIRTIO) 1.2), as both old drivers and new ones find them on PCI.
//!
//! The problem: a driver describes buffers in rings that lie in guest memory, and the device takes them from there. Nothing in
//! those rings can be trusted, and what the device writes may be code that has been translated.
//!
//! - [`memory`]: guest memory as the crate that knows the rings wants it, with a bitmap that tells of writes;
//! - [`queue`]: a ring of requests, checked; [`chain`]: a request's buffers;
//! - [`transport`]: the registers that all devices have; [`msix`]: their messages;
//! - [`backend`]: what one device has of its own; [`block`]: a disk, [`rng`]: random numbers, [`console`], [`balloon`]: memory
//!   given back, [`net`]: a network adapter, [`share`]: a folder of the host's.
//!
//! What one access does is bounded: a request has as many descriptors as its ring has entries, at most, and of what it moves
//! [`BUDGET`] counts; what is left over then is served when time goes on. A driver that breaks the rules of the rings gets
//! DEVICE_NEEDS_RESET, and nothing more until it resets the device.

pub(crate) mod backend;
pub(crate) mod balloon;
pub(crate) mod block;
pub(crate) mod chain;
pub(crate) mod console;
mod memory;
pub(crate) mod msix;
pub(crate) mod net;
pub(crate) mod queue;
pub(crate) mod rng;
pub(crate) mod share;
pub(crate) mod transport;
pub(crate) mod window;

/// Bytes that one access moves before the rest has to wait.
pub(crate) const BUDGET: u64 = 64 << 20;

/// Bits of the features that no kind of device has of its own.
pub(crate) mod feature {
    /// Requests may be framed in any way (old drivers only; for new ones that is so anyway).
    const ANY_LAYOUT: u64 = 1 << 27;
    /// Tables of descriptors outside the ring.
    const INDIRECT: u64 = 1 << 28;
    /// Interrupts and notifications by index.
    pub(crate) const EVENT_INDEX: u64 = 1 << 29;
    /// The driver is no old one.
    pub(crate) const VERSION_1: u64 = 1 << 32;
    /// What every device here offers.
    pub(crate) const ALWAYS: u64 = ANY_LAYOUT | INDIRECT | EVENT_INDEX | VERSION_1;
}
