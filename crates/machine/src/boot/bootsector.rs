//! A raw boot sector, or a disk image that starts with one, over the minimal firmware in
//! [`crate::bios`].

use super::error::LoadError;
use crate::bios::{self, Disk, PendingKey};
use crate::firmware;
use ringer_cpu::CpuState;
use ringer_input::{Input, InputError};
use ringer_mmu::GuestMemory;
use ringer_monitor::BiosHook;
use std::path::Path;
use std::sync::Arc;

/// A disk to boot from.
#[derive(Debug)]
pub struct BootSector {
    disk: Arc<Disk>,
    key: PendingKey,
}

impl BootSector {
    /// Opens the disk image at `path`.
    ///
    /// # Errors
    /// When it cannot be read, has no whole sector or no boot signature, or is no regular file.
    pub fn open(path: &Path) -> Result<Self, LoadError> {
        let input = Input::open(path)?;
        let file = match input.length() {
            // Sectors are read as the guest asks for them, again and again.
            None => {
                return Err(InputError::Device { path: path.to_owned(), kind: "pipe" }.into());
            }
            Some(0) => return Err(LoadError::Empty(path.to_owned())),
            Some(_) => input.into_file(),
        };
        let disk = Disk::new(file);
        let disk = disk.map_err(|source| LoadError::Disk { path: path.to_owned(), source })?;
        Ok(Self { disk: Arc::new(disk), key: PendingKey::default() })
    }

    /// The key that the firmware has taken from the console and not given to the guest yet.
    #[must_use]
    pub fn key(&self) -> &PendingKey {
        &self.key
    }

    pub(super) fn power_on(&self, memory: &mut GuestMemory) -> Result<BiosHook, LoadError> {
        Ok(bios::power_on(memory, Some(&self.disk), &self.key)?)
    }

    pub(super) fn boot(
        &self,
        memory: &mut GuestMemory,
        cpu: &mut CpuState,
    ) -> Result<(), LoadError> {
        firmware::install_acpi(memory, cpu)?;
        bios::boot(memory, cpu, self.disk.boot_sector(), 1)?;
        if self.disk.drive() == 0 {
            firmware::install_floppy(memory)?;
        }
        Ok(())
    }
}
