//! The registers of the 82540EM as a table: where they are, what they are after reset, which of their bits can be written.

use crate::state::{StateError, check};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Bytes of registers: what is behind reads 0.
const LEN: u32 = 0x5900;
const WORDS: usize = LEN as usize / 4;

/// Offsets (13.4 of the manual).
pub(crate) mod at {
    pub(crate) const CTRL: u32 = 0x0000;
    pub(crate) const STATUS: u32 = 0x0008;
    pub(crate) const EECD: u32 = 0x0010;
    pub(crate) const EERD: u32 = 0x0014;
    pub(crate) const MDIC: u32 = 0x0020;
    pub(crate) const VET: u32 = 0x0038;
    pub(crate) const ICR: u32 = 0x00c0;
    pub(crate) const ICS: u32 = 0x00c8;
    pub(crate) const IMS: u32 = 0x00d0;
    pub(crate) const IMC: u32 = 0x00d8;
    pub(crate) const RCTL: u32 = 0x0100;
    pub(crate) const TCTL: u32 = 0x0400;
    pub(crate) const LEDCTL: u32 = 0x0e00;
    pub(crate) const PBA: u32 = 0x1000;
    pub(crate) const RDBAL: u32 = 0x2800;
    pub(crate) const RDBAH: u32 = 0x2804;
    pub(crate) const RDLEN: u32 = 0x2808;
    pub(crate) const RDH: u32 = 0x2810;
    pub(crate) const RDT: u32 = 0x2818;
    pub(crate) const TDBAL: u32 = 0x3800;
    pub(crate) const TDBAH: u32 = 0x3804;
    pub(crate) const TDLEN: u32 = 0x3808;
    pub(crate) const TDH: u32 = 0x3810;
    pub(crate) const TDT: u32 = 0x3818;
    pub(crate) const GPRC: u32 = 0x4074;
    pub(crate) const BPRC: u32 = 0x4078;
    pub(crate) const MPRC: u32 = 0x407c;
    pub(crate) const GPTC: u32 = 0x4080;
    pub(crate) const GORCL: u32 = 0x4088;
    pub(crate) const GOTCL: u32 = 0x4090;
    pub(crate) const TORL: u32 = 0x40c0;
    pub(crate) const TOTL: u32 = 0x40c8;
    pub(crate) const TPR: u32 = 0x40d0;
    pub(crate) const TPT: u32 = 0x40d4;
    pub(crate) const MPTC: u32 = 0x40f0;
    pub(crate) const BPTC: u32 = 0x40f4;
    pub(crate) const TSCTC: u32 = 0x40f8;
    pub(crate) const RXCSUM: u32 = 0x5000;
    pub(crate) const MTA: u32 = 0x5200;
    pub(crate) const RAL0: u32 = 0x5400;
    pub(crate) const RAH0: u32 = 0x5404;
    pub(crate) const VFTA: u32 = 0x5600;
}

/// Causes of interrupts.
pub(crate) mod cause {
    /// A descriptor is written back; the ring is empty.
    pub(crate) const TXDW: u32 = 1;
    pub(crate) const TXQE: u32 = 1 << 1;
    /// The link has changed.
    pub(crate) const LSC: u32 = 1 << 2;
    /// Few descriptors are left; a frame found none; a frame has come.
    pub(crate) const RXDMT0: u32 = 1 << 4;
    pub(crate) const RXO: u32 = 1 << 6;
    pub(crate) const RXT0: u32 = 1 << 7;
    /// The PHY has been reached.
    pub(crate) const MDAC: u32 = 1 << 9;
    /// Those that there are.
    pub(crate) const ALL: u32 = 0x0001_fedf;
}

/// RAH: the address counts.
pub(crate) const RAH_AV: u32 = 1 << 31;
/// Full duplex, link up, 1000 Mbit/s.
const LINK: u32 = 0x0000_0283;
/// 48 KiB of the packet buffer are for what comes in, 16 for what goes out.
const BUFFER: u32 = 0x0010_0030;
/// The four lights show what they usually do.
const LIGHTS: u32 = 0x0706_8302;

/// Statistics, which a read clears.
pub(crate) fn is_count(offset: u32) -> bool {
    (0x4000..0x4128).contains(&offset)
}

/// Bits that a write changes. Registers that do more than keep a value are `E1000::write`'s.
fn writable(offset: u32) -> u32 {
    match offset {
        at::CTRL => !(1 << 26),
        // CTRL_EXT, FCAL, FCAH, FCT, FCTTV, TXCW, TIPG, AIT.
        0x0018 | 0x0028 | 0x0170 | 0x0178 | 0x0410 | 0x0458 => u32::MAX,
        0x002c | 0x0030 | at::VET | 0x00c4 => 0xffff,
        at::RCTL => 0x07ff_ffff,
        at::TCTL => 0x03ff_fffe,
        at::LEDCTL | at::PBA => u32::MAX,
        // FCRTL, FCRTH.
        0x2160 | 0x2168 => 0x8000_fff8,
        at::RDBAL | at::TDBAL => !15,
        at::RDBAH | at::TDBAH => u32::MAX,
        at::RDLEN | at::TDLEN => 0x000f_ff80,
        at::RDH | at::RDT | at::TDH | at::TDT => 0xffff,
        // RDTR, RXDCTL, RADV, RSRPD; TIDV, TXDCTL, TADV, TSPMT.
        0x2820 | 0x2828 | 0x282c | 0x2c00 | 0x3820 | 0x3828 | 0x382c | 0x3830 => u32::MAX,
        at::RXCSUM => 0x07ff,
        // The multicast table, addresses, the VLAN filter.
        at::MTA..0x5400 | at::VFTA..0x5800 => u32::MAX,
        at::RAL0..0x5480 if offset.is_multiple_of(8) => u32::MAX,
        at::RAL0..0x5480 => 0x8003_ffff,
        // Wake-up and manageability, which keep what they are given: WUC, WUFC, MANC.
        0x5800 | 0x5808 | 0x5820 => u32::MAX,
        _ => 0,
    }
}

/// The registers' values.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Registers(Box<[u32; WORDS]>);

impl Default for Registers {
    /// After reset.
    fn default() -> Self {
        let mut regs = Registers(Box::new([0; WORDS]));
        let values = [
            (at::CTRL, 0x0000_0201),
            (at::STATUS, LINK),
            (at::MDIC, 1 << 28),
            (0x0178, 0xc000_0000),
            (at::LEDCTL, LIGHTS),
            (at::PBA, BUFFER),
            (0x0410, 0x0060_2008),
            (at::RXCSUM, 0x0300),
        ];
        for (offset, value) in values {
            regs.set(offset, value);
        }
        regs
    }
}

impl Registers {
    /// The register at `offset`; 0 where there is none.
    pub(crate) fn get(&self, offset: u32) -> u32 {
        self.0.get(offset as usize / 4).copied().unwrap_or(0)
    }

    /// Sets it, whatever a guest could.
    pub(crate) fn set(&mut self, offset: u32, value: u32) {
        if let Some(word) = self.0.get_mut(offset as usize / 4) {
            *word = value;
        }
    }

    /// The guest writes it.
    pub(crate) fn put(&mut self, offset: u32, value: u32) {
        let mask = writable(offset);
        self.set(offset, self.get(offset) & !mask | value & mask);
    }

    /// Reads it and makes it 0.
    pub(crate) fn take(&mut self, offset: u32) -> u32 {
        let value = self.get(offset);
        self.set(offset, 0);
        value
    }

    pub(crate) fn set_bits(&mut self, offset: u32, bits: u32) {
        self.set(offset, self.get(offset) | bits);
    }

    pub(crate) fn clear_bits(&mut self, offset: u32, bits: u32) {
        self.set(offset, self.get(offset) & !bits);
    }

    /// Counts `n` more; counters stay where they end.
    pub(crate) fn count(&mut self, offset: u32, n: u32) {
        self.set(offset, self.get(offset).saturating_add(n));
    }

    /// The same for a counter of 64 bits, of which this is the low half.
    pub(crate) fn count_wide(&mut self, offset: u32, n: u32) {
        let now = u64::from(self.get(offset + 4)) << 32 | u64::from(self.get(offset));
        let now = now.saturating_add(u64::from(n));
        self.set(offset, now as u32);
        self.set(offset + 4, (now >> 32) as u32);
    }

    /// Refuses values that no guest could bring about.
    ///
    /// # Errors
    /// [`StateError::Impossible`].
    pub(crate) fn check(&self) -> Result<(), StateError> {
        let new = Registers::default();
        let holds = (0..LEN).step_by(4).all(|offset| {
            let fixed = match offset {
                at::ICR | at::IMS => !cause::ALL,
                at::EERD | at::MDIC => 0,
                _ if is_count(offset) => 0,
                // These are set at reset, and not by the table.
                at::RAL0 | at::RAH0 => !writable(offset),
                _ => !writable(offset),
            };
            self.get(offset) & fixed == new.get(offset) & fixed
        });
        check(holds, "registers of the network adapter")
    }
}

impl fmt::Debug for Registers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let there = (0..).step_by(4).zip(self.0.iter()).filter(|(_, value)| **value != 0);
        f.debug_map().entries(there).finish()
    }
}

impl Serialize for Registers {
    /// Those that are not 0.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let there = (0u16..).zip(self.0.iter()).filter(|(_, value)| **value != 0);
        there.map(|(at, value)| (at, *value)).collect::<Vec<_>>().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Registers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let there = Vec::<(u16, u32)>::deserialize(deserializer)?;
        let mut regs = Registers(Box::new([0; WORDS]));
        for (at, value) in there {
            let word = regs.0.get_mut(usize::from(at));
            *word.ok_or_else(|| serde::de::Error::custom("a register that is none"))? = value;
        }
        Ok(regs)
    }
}
