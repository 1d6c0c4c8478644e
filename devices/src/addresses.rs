//! The fixed addresses and interrupt lines of a PC that more than one file names.

/// First port of COM1.
pub const COM1_BASE: u16 = 0x3f8;
/// First port of the ACPI power-management block.
pub const PM_BASE: u16 = 0x600;
/// First port of the configuration device.
pub const FW_CFG_BASE: u16 = 0x510;
/// The reset control register, which hides inside the PCI address register.
pub const RESET_CONTROL: u16 = 0xcf9;
/// The control port of advanced power management, whose OUT is a firmware call.
pub const FIRMWARE_PORT: u16 = 0xb2;
/// The ACPI system control interrupt.
pub const IRQ_SCI: u8 = 9;
/// Where the local APIC is after reset.
pub const LOCAL_APIC_BASE: u64 = 0xfee0_0000;
/// Where the I/O APIC is.
pub const IO_APIC_BASE: u64 = 0xfec0_0000;
/// Where the high precision event timers are.
pub const HPET_BASE: u64 = 0xfed0_0000;
