//! The bus master of a PIIX3: three registers for each channel, and the walk through a table of regions of memory (290550, 2.7
//! and 3.6; "Programming Interface for Bus Master IDE Controller", 1.0).
//!
//! A transfer takes place whole in the write that starts it, or in the command that comes after. It ends in one of these ways
//! (290550, 3.6.4), which the status register shows:
//!
//! | regions and data | active | interrupt |
//! | --- | --- | --- |
//! | end together | 0 | 1 |
//! | regions are left | 1 | 1 |
//! | data is left: the device waits for a driver that gives up | 0 | 0 |
//! | the device failed | 1 | 1 |
//! | memory that is none | 0, and the error bit | 0 |

use super::channel::Channel;
use super::drive::Drive;
use crate::ctx::Ctx;
use crate::memory::DmaError;
use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};

/// Bits of the command register.
const START: u8 = 0x01;
const TO_MEMORY: u8 = 0x08;
/// Bits of the status register.
const ACTIVE: u8 = 0x01;
const ERROR: u8 = 0x02;
const INTERRUPT: u8 = 0x04;
/// Drivers note there what they found the devices capable of.
const CAPABLE: u8 = 0x60;

/// The table lies within 64 KiB: so many entries of eight bytes.
const TABLE: u32 = 1 << 16;
const ENTRY: u32 = 8;
/// Bytes that are moved at a time.
const PIECE: usize = 1 << 16;

/// Guest memory, as the bus master reaches it.
pub(crate) trait Memory {
    /// Reads it.
    ///
    /// # Errors
    /// [`DmaError`].
    fn read(&mut self, pa: u64, buf: &mut [u8]) -> Result<(), DmaError>;

    /// Writes it.
    ///
    /// # Errors
    /// [`DmaError`].
    fn write(&mut self, pa: u64, data: &[u8]) -> Result<(), DmaError>;
}

impl Memory for Ctx<'_> {
    fn read(&mut self, pa: u64, buf: &mut [u8]) -> Result<(), DmaError> {
        self.dma_read(pa, buf)
    }

    fn write(&mut self, pa: u64, data: &[u8]) -> Result<(), DmaError> {
        self.dma_write(pa, data)
    }
}

/// The registers of one channel.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct BusMaster {
    command: u8,
    status: u8,
    /// Address of the table.
    table: u32,
    /// How far into the table the transfer at work has come.
    entry: u32,
    /// What is left of the region there: its address, its bytes, and whether it is the last.
    region: Option<(u32, u32, bool)>,
}

/// How a walk through the table ended.
enum End {
    /// The device has moved all, and the last region is full too, or not.
    Moved { regions_left: bool },
    /// The regions are used up.
    RegionsOver,
    /// The device ended the command by itself.
    Failed,
}

impl BusMaster {
    /// Refuses what it could not be.
    ///
    /// # Errors
    /// [`StateError::Impossible`].
    pub(crate) fn check(&self) -> Result<(), StateError> {
        let region = self.region.is_none_or(|(_, bytes, _)| bytes <= 1 << 16);
        check(self.table & 3 == 0 && self.entry <= TABLE && region, "bus master")
    }

    /// Reads register `offset` (0..=7).
    pub(crate) fn read(&self, offset: u8) -> u8 {
        match offset {
            0 => self.command,
            2 => self.status,
            4..=7 => self.table.to_le_bytes()[usize::from(offset - 4)],
            _ => 0,
        }
    }

    /// Writes register `offset` (0..=7). True: a transfer may begin.
    pub(crate) fn write(&mut self, offset: u8, value: u8) -> bool {
        match offset {
            0 => return self.set_command(value),
            2 => {
                let clear = value & (ERROR | INTERRUPT);
                self.status = self.status & !clear & !CAPABLE | value & CAPABLE;
            }
            4..=7 => {
                let mut bytes = self.table.to_le_bytes();
                bytes[usize::from(offset - 4)] = value;
                self.table = u32::from_le_bytes(bytes) & !3;
            }
            _ => {}
        }
        false
    }

    fn set_command(&mut self, value: u8) -> bool {
        let started = value & START != 0 && self.command & START == 0;
        self.command = value & (START | TO_MEMORY);
        if started {
            self.status |= ACTIVE;
            (self.entry, self.region) = (0, None);
        }
        if value & START == 0 {
            self.status &= !ACTIVE;
        }
        started
    }

    /// INTRQ of the channel rose: by then all data is in memory.
    pub(crate) fn interrupted(&mut self) {
        self.status |= INTERRUPT;
    }

    /// Moves what the channel's device and memory have to move, if both are ready.
    pub(crate) fn run(&mut self, channel: &mut Channel, memory: &mut dyn Memory) {
        if self.status & ACTIVE == 0 || self.command & START == 0 {
            return;
        }
        let Some(drive) = channel.dma() else { return };
        if drive.dma() != Some(self.command & TO_MEMORY != 0) {
            // The bus master waits for a request that does not come in this direction.
            return;
        }
        match self.walk(drive, memory) {
            Ok(End::Moved { regions_left }) => {
                drive.dma_done();
                if !regions_left {
                    self.status &= !ACTIVE;
                }
            }
            Ok(End::RegionsOver) => self.status &= !ACTIVE,
            Ok(End::Failed) => {}
            Err(_) => self.status = self.status & !ACTIVE | ERROR,
        }
    }

    fn walk(&mut self, drive: &mut Drive, memory: &mut dyn Memory) -> Result<End, DmaError> {
        let to_memory = self.command & TO_MEMORY != 0;
        let mut buf = vec![0; PIECE];
        loop {
            let left = drive.dma_left();
            let (address, bytes, last) = match self.region {
                Some(region) => region,
                None if left == 0 => return Ok(End::Moved { regions_left: true }),
                None => match self.next_region(memory)? {
                    Some(region) => region,
                    None => return Ok(End::RegionsOver),
                },
            };
            let now = left.min(usize::try_from(bytes).unwrap_or(PIECE)).min(PIECE);
            let piece = &mut buf[..now];
            let pa = u64::from(address);
            let moved = match to_memory {
                true => drive.dma_in(piece) && memory.write(pa, piece).map(|()| true)?,
                false => {
                    memory.read(pa, piece)?;
                    drive.dma_out(piece)
                }
            };
            if !moved {
                return Ok(End::Failed);
            }
            let now = u32::try_from(now).unwrap_or(bytes);
            let rest = bytes - now;
            self.region = (rest > 0).then_some((address.wrapping_add(now), rest, last));
            if drive.dma_left() == 0 {
                return Ok(End::Moved { regions_left: rest > 0 || !last });
            }
            if rest == 0 && last {
                self.entry = TABLE;
            }
        }
    }

    /// The next region of the table, if there is one: its address, bytes, and whether it is the last.
    fn next_region(
        &mut self,
        memory: &mut dyn Memory,
    ) -> Result<Option<(u32, u32, bool)>, DmaError> {
        // The table does not cross a boundary of 64 KiB: it ends there.
        if self.entry >= TABLE - (self.table & (TABLE - 1)) {
            return Ok(None);
        }
        let mut entry = [0; ENTRY as usize];
        memory.read(u64::from(self.table) + u64::from(self.entry), &mut entry)?;
        self.entry += ENTRY;
        let [a, b, c, d, low, high, _, flags] = entry;
        let bytes = match u32::from(u16::from_le_bytes([low & !1, high])) {
            0 => 1 << 16,
            bytes => bytes,
        };
        Ok(Some((u32::from_le_bytes([a & !1, b, c, d]), bytes, flags & 0x80 != 0)))
    }
}
