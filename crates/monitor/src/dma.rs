//! Guest memory as devices see it.

use ringer_cpu::addr::Pa;
use ringer_devices::memory::{DeviceRam, Dma, DmaError, Shown};
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

    fn dma_give_back(&mut self, pa: u64, len: u64) {
        self.0.give_back_ram(Pa(pa), len);
    }

    fn device_ram(&mut self) -> Option<&mut dyn DeviceRam> {
        Some(self)
    }
}

impl DeviceRam for Door<'_> {
    fn size(&self) -> u64 {
        self.0.device_size()
    }

    fn read(&mut self, offset: u64, buf: &mut [u8]) {
        self.0.device_read(offset, buf);
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        self.0.device_write(offset, data);
    }

    fn clear(&mut self, offset: u64, len: u64) {
        self.0.device_clear(offset, len);
    }

    fn show(&mut self, pieces: &[Shown]) {
        self.0.show_device(pieces.iter().map(|piece| (piece.pa, piece.len, piece.offset)));
    }

    fn take_dirty(&mut self, offset: u64, len: u64) -> bool {
        self.0.take_device_dirty(offset, len)
    }
}
