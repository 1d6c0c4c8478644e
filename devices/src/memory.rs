//! The one door through which a device reaches guest memory.
//!
//! The machine supplies it with each access to the board. Whoever implements it checks bounds, and notes
//! which pages of code and of saved RAM a write changes, in this one place.

use thiserror::Error;

/// Why a transfer did not take place. A device reports it as its data sheet has it (a master abort).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DmaError {
    /// No memory there, or the range leaves it.
    #[error("no memory at {pa:#x}, {len} bytes")]
    NoMemory {
        /// Physical address of the transfer.
        pa: u64,
        /// Its bytes.
        len: usize,
    },
    /// The device's row has no DMA, or its function's bus-master bit is off.
    #[error("the device may not master the bus")]
    NotMaster,
}

/// What a chipset's attribute registers make of memory behind ROMs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shadow {
    /// First physical address, a multiple of 4 KiB.
    pub pa: u64,
    /// Bytes, a multiple of 4 KiB.
    pub len: u64,
    /// Reads see the RAM; else the ROM before it, or devices.
    pub read: bool,
    /// Writes reach the RAM; else the ROM before it, or devices.
    pub write: bool,
}

/// Guest memory as devices see it: by physical address, past the processor's translation and A20 gate.
pub trait Dma {
    /// Reads `buf.len()` bytes at physical address `pa`.
    ///
    /// # Errors
    /// [`DmaError::NoMemory`] if not all of them are memory; `buf` is undefined then.
    fn dma_read(&mut self, pa: u64, buf: &mut [u8]) -> Result<(), DmaError>;

    /// Writes `data` at physical address `pa`. Code translated from there is no longer run.
    ///
    /// # Errors
    /// [`DmaError::NoMemory`] if not all of it is writable memory; nothing is written then.
    fn dma_write(&mut self, pa: u64, data: &[u8]) -> Result<(), DmaError>;
}

/// No memory at all: every transfer is a master abort.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMemory;

impl Dma for NoMemory {
    fn dma_read(&mut self, pa: u64, buf: &mut [u8]) -> Result<(), DmaError> {
        Err(DmaError::NoMemory { pa, len: buf.len() })
    }

    fn dma_write(&mut self, pa: u64, data: &[u8]) -> Result<(), DmaError> {
        Err(DmaError::NoMemory { pa, len: data.len() })
    }
}

/// Memory from address 0 on, for tests of devices without a machine.
impl Dma for Vec<u8> {
    fn dma_read(&mut self, pa: u64, buf: &mut [u8]) -> Result<(), DmaError> {
        let error = DmaError::NoMemory { pa, len: buf.len() };
        let start = usize::try_from(pa).map_err(|_| error)?;
        let end = start.checked_add(buf.len()).ok_or(error)?;
        buf.copy_from_slice(self.get(start..end).ok_or(error)?);
        Ok(())
    }

    fn dma_write(&mut self, pa: u64, data: &[u8]) -> Result<(), DmaError> {
        let error = DmaError::NoMemory { pa, len: data.len() };
        let start = usize::try_from(pa).map_err(|_| error)?;
        let end = start.checked_add(data.len()).ok_or(error)?;
        self.get_mut(start..end).ok_or(error)?.copy_from_slice(data);
        Ok(())
    }
}
