//! Chips as devices: which register an access reaches, which line a pin drives.
//!
//! A chip (`pit`, `uart`, ...) knows neither ports nor lines; its mounting here does, and nothing else.

pub(crate) mod ahci;
pub(crate) mod apm;
mod byte;
pub(crate) mod coprocessor;
pub(crate) mod debug_console;
pub(crate) mod debug_exit;
pub(crate) mod dma;
pub(crate) mod e1000;
pub(crate) mod fast_a20;
pub(crate) mod floppy;
pub(crate) mod fw_cfg;
pub(crate) mod hpet;
pub(crate) mod ide;
pub(crate) mod io_apic;
pub(crate) mod keyboard;
pub(crate) mod local_apic;
pub(crate) mod pci_host;
pub(crate) mod pic;
pub(crate) mod pm;
pub(crate) mod post;
pub(crate) mod processor;
pub(crate) mod reset_control;
pub(crate) mod rtc;
pub(crate) mod rtl8139;
pub(crate) mod serial;
pub(crate) mod test_device;
pub(crate) mod timer;
pub(crate) mod vga;
pub(crate) mod virtio;
