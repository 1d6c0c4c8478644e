//! What firmware is told, item by item.

use super::linker;
use super::smbios::{Described, Smbios};
use crate::config::{BootDevice, FirmwareConfig, PcConfig};
use ringer_cpu::Features;
use ringer_devices::Board;
use ringer_devices::addresses::COM1_BASE;
use ringer_devices::fw_cfg::{FwCfg, FwCfgError, item};

/// A row of the memory map as firmware reads it: base, length, kind.
fn e820(ram_size: u64) -> Vec<u8> {
    const RAM: u32 = 1;
    [&0u64.to_le_bytes()[..], &ram_size.to_le_bytes(), &RAM.to_le_bytes()].concat()
}

/// Tells firmware what `pc` is.
///
/// # Errors
/// When a file is there already.
pub(crate) fn tell(cfg: &mut FwCfg, pc: &PcConfig) -> Result<(), FwCfgError> {
    let FirmwareConfig { menu, menu_wait_ms, fail_wait_ms, serial_console, .. } = pc.firmware;
    cfg.set(item::NO_GRAPHIC, &u16::from(serial_console).to_le_bytes());
    cfg.set(item::PROCESSORS, &1u16.to_le_bytes());
    cfg.set(item::MAX_PROCESSORS, &1u16.to_le_bytes());
    cfg.set(item::NUMA, &0u64.to_le_bytes());
    cfg.set(item::BOOT_MENU, &u16::from(menu).to_le_bytes());
    cfg.set(item::IRQ0_OVERRIDE, &1u32.to_le_bytes());
    cfg.add("etc/e820", e820(pc.ram_size))?;
    if let Some(ms) = menu_wait_ms {
        cfg.add("etc/boot-menu-wait", ms.to_le_bytes().to_vec())?;
    }
    let fail_wait_ms = fail_wait_ms.unwrap_or(u32::MAX);
    cfg.add("etc/boot-fail-wait", fail_wait_ms.to_le_bytes().to_vec())?;
    if serial_console {
        cfg.add("etc/sercon-port", COM1_BASE.to_le_bytes().to_vec())?;
    }
    let smbios = Smbios::new(&Described { ram_size: pc.ram_size, model: pc.model }, false);
    cfg.add("etc/smbios/smbios-anchor", smbios.entry(0))?;
    cfg.add("etc/smbios/smbios-tables", smbios.tables)?;
    let apics = pc.model.features().contains(Features::APIC);
    linker::offer(cfg, &ringer_devices::acpi::tables(pc.ram_size, apics))
}

/// Bytes of the CMOS memory that say what is booted: the second and the first device, and the third.
const FIRST_DEVICES: u8 = 0x3d;
const THIRD_DEVICE: u8 = 0x38;

/// Writes the order of devices where firmware of PCs looks for it.
pub(crate) fn set_order(board: &mut Board, order: [Option<BootDevice>; 3]) {
    let [first, second, third]: [u8; 3] = order.map(|device| match device {
        None => 0,
        Some(BootDevice::Floppy) => 1,
        Some(BootDevice::Disk) => 2,
        Some(BootDevice::Cd) => 3,
        Some(BootDevice::Network) => 4,
    });
    for (index, value) in [(FIRST_DEVICES, first | second << 4), (THIRD_DEVICE, third << 4)] {
        board.port_out(0, 0x70, 1, u32::from(index));
        board.port_out(0, 0x71, 1, u32::from(value));
    }
}
