//! What the processor meets outside plain memory: devices, and those who want to know of writes.

use crate::ram::GuestMemory;
use crate::watch::WatchHit;
use ringer_cpu::addr::{Lin, Pa};

/// What lies behind physical addresses that are not plain memory, and who wants to know of writes.
pub trait PhysIo {
    /// A read of 1, 2, 4 or 8 bytes, aligned to its size, from no memory. A device that reaches `memory` finds it there,
    /// but when a page walk reads.
    fn mmio_read(&mut self, memory: Option<&mut GuestMemory>, pa: Pa, size: u8) -> u64;

    /// A write of 1, 2, 4 or 8 bytes, aligned to its size, to no memory. The device there may master
    /// the bus and so reach `memory`.
    fn mmio_write(&mut self, memory: &mut GuestMemory, pa: Pa, size: u8, value: u64);

    /// Called before `len` bytes at `pa`, all in one page that translated code was made from, are
    /// written.
    fn code_write(&mut self, pa: Pa, len: u32);

    /// Called before a walk for `lin` sets accessed or dirty flags in the entry at memfd offset `offset`, of which
    /// `old` is the low half.
    fn flags_set(&mut self, lin: Lin, offset: u64, old: u32) {
        let _ = (lin, offset, old);
    }

    /// Called after an access to watched bytes ([`crate::Mmu::watch`]).
    fn watched(&mut self, hit: WatchHit) {
        let _ = hit;
    }

    /// With the journal on: called before RAM at memfd offset `offset` is overwritten; `old` are the
    /// bytes that were there.
    fn ram_write(&mut self, offset: u64, old: &[u8]) {
        let _ = (offset, old);
    }
}
