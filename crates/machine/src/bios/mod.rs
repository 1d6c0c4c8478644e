//! The minimal firmware under a boot sector: INT 10h, 11h, 12h, 13h, 15h, 16h, 19h, 1Ah.
//!
//! The guest sees a ROM at F000:0000 ([`rom`]). It sets up the interrupt controllers, the timer and
//! the serial port itself, then enters the boot sector. A service interrupt lands on a stub whose
//! OUT to the board's firmware port calls [`Bios::call`] on the host; the stub's IRET then returns with the flags that
//! the service left on the guest's stack. The console is the first serial port, both ways.
//!
//! Good enough for small test programs; not a PC's BIOS.

mod call;
mod disk;
mod keyboard;
mod rom;
mod system;
mod video;

use crate::firmware;
use call::Call;
pub use disk::{Disk, DiskError, SECTOR};
use keyboard::Keyboard;
pub use keyboard::PendingKey;
use ringer_cpu::CpuState;
use ringer_cpu::addr::Pa;
use ringer_mmu::{GuestMemory, MemoryError};
use ringer_monitor::BiosHook;
pub use rom::BOOT_ADDRESS;
use std::sync::Arc;

/// The firmware's state on the host's side.
#[derive(Debug)]
struct Bios {
    disk: Option<Arc<Disk>>,
    ram: u64,
    keyboard: Keyboard,
}

/// Puts the firmware's ROM into memory; returns the calls to serve. There is one disk or none. What was typed ahead is kept in `key`.
///
/// # Errors
/// When memory refuses it.
pub fn power_on(
    memory: &mut GuestMemory,
    disk: Option<&Arc<Disk>>,
    key: &PendingKey,
) -> Result<BiosHook, MemoryError> {
    let ram = memory.ram_size();
    memory.install_rom(&rom::image(disk.map_or(disk::HARD_DISK, |disk| disk.drive())))?;
    let mut bios = Bios { disk: disk.cloned(), ram, keyboard: Keyboard::new(key.clone()) };
    let handler = move |cpu: &mut CpuState,
                        memory: &mut GuestMemory,
                        put: &mut dyn FnMut(u8),
                        get: &mut dyn FnMut() -> Option<u8>| {
        bios.call(&mut Call::new(cpu, memory, put, get));
    };
    Ok(BiosHook { handler: Box::new(handler) })
}

/// Puts the firmware's tables and `sector`, what it is to enter, into memory of a machine with so many hard disks, and the
/// processor (at reset) where the ROM begins its work.
///
/// # Errors
/// When memory refuses a part.
pub fn boot(
    memory: &mut GuestMemory,
    cpu: &mut CpuState,
    sector: &[u8],
    disks: u8,
) -> Result<(), MemoryError> {
    rom::install_vectors(memory)?;
    firmware::install_data_area(memory, disks)?;
    memory.load(Pa::from(BOOT_ADDRESS), sector)?;
    rom::enter(cpu);
    Ok(())
}

impl Bios {
    /// Serves the interrupt whose stub just executed its OUT.
    fn call(&mut self, call: &mut Call<'_>) {
        let Some(vector) = rom::vector_of_stub(call.cpu) else {
            return;
        };
        match vector {
            0x10 => video::call(call),
            0x11 => system::equipment(call),
            0x12 => call.set_ax(firmware::LOW_MEMORY_KIB),
            0x13 => disk::call(call, self.disk.as_deref()),
            0x15 => system::call(call, self.ram),
            0x16 => self.keyboard.call(call),
            0x18 => system::no_boot(call),
            0x19 => system::boot(call, self.disk.as_deref()),
            0x1a => system::time(call),
            _ => {}
        }
    }
}

#[cfg(test)]
mod random_tests;
#[cfg(test)]
mod tests;
