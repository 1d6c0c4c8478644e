//! A channel: two devices that share a cable, of which the device register selects one.
//!
//! Both take what is written to the command block; the selected one answers and obeys. Device 0 answers for a device 1 that is
//! not there, with a status of 0 (ATA-6, 9.16.1); without any device the terminators make every register read 0.

use super::drive::{Drive, DriveState};
use super::front::{BSY, DEV};
use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};

/// Bits of the device control register.
const NIEN: u8 = 0x02;
const SRST: u8 = 0x04;
const HOB: u8 = 0x80;

const DATA: u8 = 0;
const DEVICE: u8 = 6;
const STATUS: u8 = 7;
/// EXECUTE DEVICE DIAGNOSTIC, which both devices obey.
const DIAGNOSTIC: u8 = 0x90;

/// A channel.
#[derive(Debug, Default)]
pub(crate) struct Channel {
    drives: [Option<Drive>; 2],
    /// Which device is selected.
    selected: usize,
    /// The device control register.
    control: u8,
}

/// What of a channel is saved.
#[derive(Serialize, Deserialize)]
pub(crate) struct ChannelState {
    drives: [Option<DriveState>; 2],
    selected: u8,
    control: u8,
}

impl Channel {
    /// A channel with these devices.
    pub(crate) fn new(drives: [Option<Drive>; 2]) -> Self {
        Channel { drives, selected: 0, control: 0 }
    }

    /// Device 0 or 1.
    pub(crate) fn drive(&mut self, number: usize) -> Option<&mut Drive> {
        self.drives.get_mut(number).and_then(Option::as_mut)
    }

    fn current(&mut self) -> Option<&mut Drive> {
        self.drive(self.selected)
    }

    /// The level of INTRQ, which only the selected device drives, and nobody while nIEN is set.
    pub(crate) fn intrq(&self) -> bool {
        let drive = self.drives.get(self.selected).and_then(Option::as_ref);
        self.control & NIEN == 0 && drive.is_some_and(|drive| drive.front().intrq)
    }

    /// The device whose DMA command waits for the bus master.
    pub(super) fn dma(&mut self) -> Option<&mut Drive> {
        self.current().filter(|drive| drive.dma().is_some())
    }

    /// Reads register `offset` (0..=7) of the command block.
    pub(crate) fn read(&mut self, offset: u8, size: u8) -> u64 {
        match offset {
            DATA => self.take(size),
            STATUS => {
                if let Some(drive) = self.current() {
                    drive.front_mut().intrq = false;
                }
                u64::from(self.status())
            }
            offset => {
                let before = self.control & HOB != 0;
                // Device 0 answers for device 1.
                let number = if self.drives[self.selected].is_some() { self.selected } else { 0 };
                let select = u8::try_from(self.selected).unwrap_or_default() * DEV;
                let drive = self.drives[number].as_ref();
                u64::from(drive.map_or(0, |drive| {
                    let value = drive.front().regs.read(offset, before);
                    if offset == DEVICE { value & !DEV | select } else { value }
                }))
            }
        }
    }

    /// The status of the selected device, which the alternate status register shows too.
    pub(crate) fn status(&self) -> u8 {
        let drive = self.drives[self.selected].as_ref();
        match drive {
            Some(_) if self.control & SRST != 0 => BSY,
            Some(drive) => drive.front().regs.status,
            None => 0,
        }
    }

    /// Writes register `offset` (0..=7) of the command block.
    pub(crate) fn write(&mut self, offset: u8, size: u8, value: u64) {
        let [byte, ..] = value.to_le_bytes();
        if offset == DATA {
            return self.put(size, value);
        }
        self.control &= !HOB;
        if offset == STATUS {
            return self.command(byte);
        }
        if offset == DEVICE {
            self.selected = usize::from(byte & DEV != 0);
        }
        for drive in self.drives.iter_mut().flatten() {
            drive.regs().write(offset, byte);
        }
    }

    /// Writes the device control register.
    pub(crate) fn set_control(&mut self, value: u8) {
        let before = std::mem::replace(&mut self.control, value);
        // The devices come back when the bit does.
        if before & SRST != 0 && value & SRST == 0 {
            self.restart(false);
        }
    }

    /// The reset line.
    pub(crate) fn reset(&mut self) {
        self.control = 0;
        self.restart(true);
    }

    fn restart(&mut self, hard: bool) {
        self.selected = 0;
        self.drives.iter_mut().flatten().for_each(|drive| drive.reset(hard));
    }

    fn command(&mut self, code: u8) {
        if self.control & SRST != 0 {
            return;
        }
        if code == DIAGNOSTIC {
            self.restart(false);
            let first = self.drives.iter_mut().flatten().next();
            if let Some(drive) = first {
                drive.front_mut().intrq = true;
            }
            return;
        }
        if let Some(drive) = self.current() {
            drive.command(code);
        }
    }

    fn take(&mut self, size: u8) -> u64 {
        let Some(drive) = self.current() else { return 0 };
        let (value, done) = drive.front_mut().take(size);
        if done {
            drive.block_moved();
        }
        value
    }

    fn put(&mut self, size: u8, value: u64) {
        let Some(drive) = self.current() else { return };
        if drive.front_mut().put(size, value) {
            drive.block_moved();
        }
    }

    /// Fills `buf` from the data register as far as only data moves: how many bytes.
    pub(crate) fn burst_in(&mut self, size: u8, buf: &mut [u8]) -> usize {
        self.current().map_or(0, |drive| drive.front_mut().burst_in(size, buf))
    }

    /// Writes the beginning of `data` to the data register as far as only data moves: how many bytes.
    pub(crate) fn burst_out(&mut self, size: u8, data: &[u8]) -> usize {
        self.current().map_or(0, |drive| drive.front_mut().burst_out(size, data))
    }

    pub(crate) fn save(&self) -> ChannelState {
        let [first, second] = &self.drives;
        ChannelState {
            drives: [first, second].map(|drive| drive.as_ref().map(Drive::save)),
            selected: u8::from(self.selected != 0),
            control: self.control,
        }
    }

    /// Takes over a state.
    ///
    /// # Errors
    /// [`StateError::Impossible`].
    pub(crate) fn load(&mut self, state: ChannelState) -> Result<(), StateError> {
        check(state.selected < 2, "selected drive")?;
        self.selected = usize::from(state.selected);
        self.control = state.control;
        for (drive, state) in self.drives.iter_mut().zip(state.drives) {
            match (drive, state) {
                (Some(drive), Some(state)) => drive.load(state)?,
                (None, None) => {}
                _ => return check(false, "number of drives"),
            }
        }
        Ok(())
    }
}
