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

    /// Nobody needs the whole pages of RAM among these `len` bytes any more: they are zeros, and may go back to the host.
    fn dma_give_back(&mut self, _pa: u64, _len: u64) {}

    /// The memory of devices' own, if the machine has any.
    fn device_ram(&mut self) -> Option<&mut dyn DeviceRam> {
        None
    }
}

/// Memory of a device's own, that of a display adapter, which the machine keeps beside the guest's, so that the processor
/// reaches pieces of it as it reaches RAM. All bytes are 0 at power-on.
///
/// Bytes behind its end read 0, and writes to them are lost.
pub trait DeviceRam {
    /// Bytes.
    fn size(&self) -> u64;

    /// Reads `buf.len()` bytes from `offset` on.
    fn read(&mut self, offset: u64, buf: &mut [u8]);

    /// Writes `data` from `offset` on. Code translated from there is no longer run.
    fn write(&mut self, offset: u64, data: &[u8]);

    /// Makes `len` bytes from `offset` on 0; pages of 4 KiB go back to the host.
    fn clear(&mut self, offset: u64, len: u64);

    /// From now on these pieces are memory to the processor, and no others: accesses to what no piece covers come to the
    /// device. A piece is made of whole pages of 4 KiB, or it is none; where there is other memory that is what shows, and
    /// where pieces overlap, or show the same bytes, the first of them.
    fn show(&mut self, pieces: &[Shown]);

    /// Whether any of `len` bytes from `offset` on was written, by whomever, since the last call that named it.
    fn take_dirty(&mut self, offset: u64, len: u64) -> bool;
}

/// A piece of a device's memory that the processor reaches at a physical address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Physical address of its first byte.
    pub pa: u64,
    /// Bytes.
    pub len: u64,
    /// Offset of its first byte in the device's memory.
    pub offset: u64,
}

/// A device's memory that is not there.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRam;

impl DeviceRam for NoRam {
    fn size(&self) -> u64 {
        0
    }

    fn read(&mut self, _offset: u64, buf: &mut [u8]) {
        buf.fill(0);
    }

    fn write(&mut self, _offset: u64, _data: &[u8]) {}

    fn clear(&mut self, _offset: u64, _len: u64) {}

    fn show(&mut self, _pieces: &[Shown]) {}

    fn take_dirty(&mut self, _offset: u64, _len: u64) -> bool {
        false
    }
}

/// RAM from address 0 on, and memory of devices: for tests without a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestMemory {
    /// RAM.
    pub ram: Vec<u8>,
    /// The memory of devices.
    pub device: Vec<u8>,
    /// What of that was written, by pages of 4 KiB.
    dirty: Vec<bool>,
    /// What is shown.
    pub shown: Vec<Shown>,
}

impl TestMemory {
    /// `ram` bytes of RAM, `device` bytes of a device's.
    #[must_use]
    pub fn new(ram: usize, device: usize) -> Self {
        let dirty = vec![false; device.div_ceil(1 << 12)];
        TestMemory { ram: vec![0; ram], device: vec![0; device], dirty, shown: Vec::new() }
    }

    fn range(&self, offset: u64, len: u64) -> std::ops::Range<usize> {
        let end = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(self.device.len());
        end(offset)..end(offset.saturating_add(len))
    }
}

impl Dma for TestMemory {
    fn dma_read(&mut self, pa: u64, buf: &mut [u8]) -> Result<(), DmaError> {
        self.ram.dma_read(pa, buf)
    }

    fn dma_write(&mut self, pa: u64, data: &[u8]) -> Result<(), DmaError> {
        self.ram.dma_write(pa, data)
    }

    fn device_ram(&mut self) -> Option<&mut dyn DeviceRam> {
        Some(self)
    }
}

impl DeviceRam for TestMemory {
    fn size(&self) -> u64 {
        self.device.len() as u64
    }

    fn read(&mut self, offset: u64, buf: &mut [u8]) {
        let there = self.range(offset, buf.len() as u64);
        buf.fill(0);
        buf[..there.len()].copy_from_slice(&self.device[there]);
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        let there = self.range(offset, data.len() as u64);
        for page in there.clone().map(|at| at >> 12) {
            self.dirty[page] = true;
        }
        let len = there.len();
        self.device[there].copy_from_slice(&data[..len]);
    }

    fn clear(&mut self, offset: u64, len: u64) {
        let there = self.range(offset, len);
        self.device[there.clone()].fill(0);
        self.dirty[there.start >> 12..there.end.div_ceil(1 << 12)].fill(true);
    }

    fn show(&mut self, pieces: &[Shown]) {
        self.shown = pieces.to_vec();
    }

    fn take_dirty(&mut self, offset: u64, len: u64) -> bool {
        let there = self.range(offset, len);
        let pages = &mut self.dirty[there.start >> 12..there.end.div_ceil(1 << 12)];
        let dirty = pages.contains(&true);
        pages.fill(false);
        dirty
    }
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
