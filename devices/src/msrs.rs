//! Model-specific registers of a processor with which nothing happens here but that they keep what is written: memory types
//! (SDM volume 3A, 11.11), machine checks (volume 3B, chapter 15) and IA32_TSC_AUX. Memory is coherent and never fails, so
//! that they change nothing; but software programs them, reads them back, and expects a fault for what is reserved.

use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};

/// IA32_MTRRCAP: eight variable ranges, fixed ones, write combining.
const MTRR_CAP: u64 = 8 | 1 << 8 | 1 << 10;
/// Fixed ranges enabled, MTRRs enabled: IA32_MTRR_DEF_TYPE.
const DEFAULT_BITS: u64 = 1 << 10 | 1 << 11;
/// Valid: a variable range's mask.
const VALID: u64 = 1 << 11;
/// A page in 36 physical address bits.
const PAGE: u64 = 0xf_ffff_f000;
/// The fixed ranges' registers.
const FIXED: [u32; 11] =
    [0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f];
/// IA32_MCG_CAP: one bank.
const MCG_CAP: u64 = 1;
/// Bits of IA32_MCG_STATUS.
const MCG_STATUS: u64 = 7;

/// The registers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Msrs {
    default_type: u64,
    fixed: [u64; FIXED.len()],
    /// Base and mask.
    variable: [[u64; 2]; 8],
    mcg_status: u64,
    /// IA32_MC0_CTL; the bank never has anything to report.
    mc0_ctl: u64,
    tsc_aux: u64,
}

/// UC, WC, WT, WP, WB.
fn is_type(value: u64) -> bool {
    matches!(value, 0 | 1 | 4..=6)
}

fn all_types(value: u64) -> bool {
    value.to_le_bytes().into_iter().all(|byte| is_type(u64::from(byte)))
}

/// Which variable register has this address: the range, and 0 for its base or 1 for its mask.
fn variable(address: u32) -> Option<(usize, usize)> {
    let n = usize::try_from(address.checked_sub(0x200)?).ok()?;
    (n < 16).then_some((n / 2, n % 2))
}

fn good_variable(part: usize, value: u64) -> bool {
    match part {
        0 => is_type(value & 0xff) && value & !(PAGE | 0xff) == 0,
        _ => value & !(PAGE | VALID) == 0,
    }
}

fn good_default(value: u64) -> bool {
    is_type(value & 0xff) && value & !(DEFAULT_BITS | 0xff) == 0
}

impl Msrs {
    /// The register at `address`, if it is here.
    pub(crate) fn read(&self, address: u32) -> Option<u64> {
        Some(match address {
            0xfe => MTRR_CAP,
            0x179 => MCG_CAP,
            0x17a => self.mcg_status,
            0x2ff => self.default_type,
            0x400 => self.mc0_ctl,
            0x401..=0x403 => 0,
            0xc000_0103 => self.tsc_aux,
            _ => match (variable(address), FIXED.iter().position(|&fixed| fixed == address)) {
                (Some((range, part)), _) => self.variable[range][part],
                (_, Some(n)) => self.fixed[n],
                _ => return None,
            },
        })
    }

    /// Writes the register at `address`. False when it is not here, only read, or `value` has a reserved bit.
    pub(crate) fn write(&mut self, address: u32, value: u64) -> bool {
        let (good, place) = match address {
            0x17a => (value & !MCG_STATUS == 0, &mut self.mcg_status),
            0x2ff => (good_default(value), &mut self.default_type),
            0x400 => (true, &mut self.mc0_ctl),
            // Status, address and miscellaneous: nothing but the zero that clears them.
            0x401..=0x403 => return value == 0,
            0xc000_0103 => (value >> 32 == 0, &mut self.tsc_aux),
            _ => match (variable(address), FIXED.iter().position(|&fixed| fixed == address)) {
                (Some((range, part)), _) => {
                    (good_variable(part, value), &mut self.variable[range][part])
                }
                (_, Some(n)) => (all_types(value), &mut self.fixed[n]),
                _ => return false,
            },
        };
        if good {
            *place = value;
        }
        good
    }

    /// Refuses what no WRMSR could have made.
    ///
    /// # Errors
    /// [`StateError::Impossible`].
    pub(crate) fn check(&self) -> Result<(), StateError> {
        let ranges = self.variable.iter();
        let ranges =
            { ranges }.all(|[base, mask]| good_variable(0, *base) && good_variable(1, *mask));
        let types = good_default(self.default_type) && self.fixed.iter().all(|&f| all_types(f));
        check(ranges && types, "memory types")?;
        check(self.mcg_status & !MCG_STATUS == 0 && self.tsc_aux >> 32 == 0, "machine checks")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_types_keep_what_they_can_hold() {
        let mut msrs = Msrs::default();
        for (address, value) in [(0x2ff, 0xc06), (0x200, 0xf_c000_0000), (0x201, 0xf_c000_0800)] {
            assert!(msrs.write(address, value));
            assert_eq!(msrs.read(address), Some(value));
        }
        assert!(msrs.write(0x26f, 0x0606_0505_0401_0006));
        for (address, bad) in
            [(0x2ff, 2), (0x2ff, 1 << 9), (0x200, 1 << 36), (0x201, 1), (0x250, 3)]
        {
            assert!(!msrs.write(address, bad), "{address:x}");
        }
        assert_eq!(
            (msrs.read(0x2ff), msrs.read(0x210), msrs.read(0xfe)),
            (Some(0xc06), None, Some(0x508))
        );
        assert!(!msrs.write(0xfe, 0) && !msrs.write(0x210, 0));
        assert!(msrs.check().is_ok());
    }

    #[test]
    fn the_bank_has_nothing_to_report() {
        let mut msrs = Msrs::default();
        assert!(msrs.write(0x400, u64::MAX) && msrs.write(0x401, 0) && !msrs.write(0x401, 1));
        assert_eq!(
            (msrs.read(0x179), msrs.read(0x401), msrs.read(0x404)),
            (Some(1), Some(0), None)
        );
    }
}
