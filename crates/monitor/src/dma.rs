//! Guest memory as devices see it.

use ringer_cpu::addr::Pa;
use ringer_devices::memory::{Dma, DmaError};
use ringer_mmu::GuestMemory;

/// The door to guest memory: a write to pages with translated code is noted there, and taken note of
/// after the access (see [`GuestMemory::take_code_writes`]).
#[derive(Debug)]
pub struct Door<'a>(pub &'a mut GuestMemory);

impl Dma for Door<'_> {
    fn dma_read(&mut self, pa: u64, buf: &mut [u8]) -> Result<(), DmaError> {
        let done = self.0.read(Pa(pa), buf);
        done.then_some(()).ok_or(DmaError::NoMemory { pa, len: buf.len() })
    }

    fn dma_write(&mut self, pa: u64, data: &[u8]) -> Result<(), DmaError> {
        let done = self.0.dma_write(Pa(pa), data);
        done.then_some(()).ok_or(DmaError::NoMemory { pa, len: data.len() })
    }
}
