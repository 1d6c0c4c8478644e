//! Firmware, and where it looks for a system.

use crate::error::CliError;
use crate::firmware;
use clap::{Args, ValueEnum};
use ringer::{Bios, BootDevice, FirmwareConfig};
use std::path::PathBuf;
use std::str::FromStr;

/// Which firmware, and what it is told.
#[derive(Clone, Debug, Default, Args)]
pub struct FirmwareArgs {
    /// Run this firmware, a PC's BIOS (default where disks are given: SeaBIOS, where it is installed or
    /// scripts/fetch-guests.sh has put it)
    #[arg(long, value_name = "FILE")]
    pub bios: Option<PathBuf>,
    /// Where firmware looks for a system: letters of a (floppy), c (disk), d (CD), n (network), in order; with ,menu=on it
    /// asks, for ,splash-time=MS milliseconds
    #[arg(long, value_name = "ORDER")]
    pub boot: Option<BootSpec>,
    /// Give firmware this option ROM (may be repeated)
    #[arg(long, value_name = "FILE")]
    pub option_rom: Vec<PathBuf>,
    /// The display adapter's BIOS (default: SeaBIOS's for it, from where that is)
    #[arg(long, value_name = "FILE")]
    pub vga_rom: Option<PathBuf>,
    /// The display adapter: std has all modes of a VGA and linear ones (the default), none is a machine without one
    #[arg(long, value_name = "KIND")]
    pub vga: Option<Vga>,
}

/// `--vga`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Vga {
    /// A VGA with the display interface of Bochs.
    Std,
    /// No display adapter.
    None,
}

impl FirmwareArgs {
    /// The firmware that was named, or the usual one, with its ROMs.
    ///
    /// # Errors
    /// When the usual one is to run and is not there, or the display adapter's BIOS that belongs to it.
    pub fn bios(&self) -> Result<Bios, CliError> {
        let wanted = self.vga != Some(Vga::None);
        let usual = || if wanted { firmware::vga_bios() } else { None };
        let vga_rom = self.vga_rom.clone().or_else(usual);
        let firmware = match &self.bios {
            Some(path) => path.clone(),
            None => firmware::bios()?,
        };
        // Other firmware may have one in it, or do without.
        if self.bios.is_none() && wanted && vga_rom.is_none() {
            return Err(CliError::NoVgaBios { firmware });
        }
        let vga_roms = vga_rom.into_iter().collect();
        Ok(Bios { firmware, vga_roms, option_roms: self.option_rom.clone() })
    }

    /// What firmware is told.
    pub fn config(&self) -> FirmwareConfig {
        let spec = self.boot.unwrap_or_default();
        let usual = FirmwareConfig::default();
        FirmwareConfig {
            order: spec.order.unwrap_or(usual.order),
            menu: spec.menu,
            menu_wait_ms: spec.wait_ms,
            ..usual
        }
    }

    /// The first option that only firmware has a use for.
    pub fn named(&self) -> Option<&'static str> {
        [
            ("--bios", self.bios.is_some()),
            ("--boot", self.boot.is_some()),
            ("--option-rom", !self.option_rom.is_empty()),
            ("--vga-rom", self.vga_rom.is_some()),
        ]
        .into_iter()
        .find_map(|(option, given)| given.then_some(option))
    }

    /// The files that are read.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.bios.iter().chain(&self.option_rom).chain(&self.vga_rom)
    }
}

/// `--boot`, in the words of QEMU's `-boot`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BootSpec {
    order: Option<[Option<BootDevice>; 3]>,
    menu: bool,
    wait_ms: Option<u32>,
}

impl FromStr for BootSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut spec = Self::default();
        for (at, part) in text.split(',').enumerate() {
            match part.split_once('=') {
                Some(("order", letters)) => spec.order = Some(order(letters)?),
                None if at == 0 => spec.order = Some(order(part)?),
                Some(("menu", "on")) => spec.menu = true,
                Some(("menu", "off")) => spec.menu = false,
                Some(("splash-time", ms)) => {
                    let ms = ms.parse().map_err(|_| format!("{ms:?} is no number of milliseconds"));
                    spec.wait_ms = Some(ms?);
                }
                _ => {
                    return Err(format!(
                        "{part:?} is none of order=LETTERS, menu=on and splash-time=MS"
                    ));
                }
            }
        }
        Ok(spec)
    }
}

fn order(letters: &str) -> Result<[Option<BootDevice>; 3], String> {
    let mut order = [None; 3];
    if letters.is_empty() || letters.len() > order.len() {
        return Err(format!("{letters:?}: one to three of the letters a, c, d and n"));
    }
    for at in 0..letters.len() {
        let device = match letters.as_bytes()[at] {
            b'a' => BootDevice::Floppy,
            b'c' => BootDevice::Disk,
            b'd' => BootDevice::Cd,
            b'n' => BootDevice::Network,
            _ => {
                return Err(format!(
                    "{letters:?}: letters are a (floppy), c (disk), d (CD) and n (network)"
                ));
            }
        };
        if order.contains(&Some(device)) {
            return Err(format!("{letters:?} has a letter twice"));
        }
        order[at] = Some(device);
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringer::BootDevice::{Cd, Disk, Floppy};

    #[test]
    fn qemus_words_are_understood() {
        let spec = |text: &str| text.parse::<BootSpec>().unwrap();
        assert_eq!(spec("d").order, Some([Some(Cd), None, None]));
        assert_eq!(spec("order=cad").order, Some([Some(Disk), Some(Floppy), Some(Cd)]));
        let menu = spec("menu=on,splash-time=500");
        assert_eq!((menu.order, menu.menu, menu.wait_ms), (None, true, Some(500)));
        assert!(!spec("c,menu=off").menu);
        for bad in ["", "x", "cc", "cadn", "menu=maybe", "d,c", "splash-time=soon"] {
            assert!(bad.parse::<BootSpec>().is_err(), "{bad}");
        }
    }
}
