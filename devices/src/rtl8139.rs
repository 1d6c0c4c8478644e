//! A Realtek RTL8139C Ethernet controller, by its data sheet: what comes in lies one behind the other in a ring of bytes, and
//! what goes out is named by four descriptors in registers. 100 Mbit/s in name; a frame goes out in the write that asks for it.
//!
//! There is no wake-up and no boot ROM of its own, and its timer counts at 33 MHz.

mod rings;

use crate::ctx::Ctx;
use crate::link::Mac;
use crate::microwire::Microwire;
use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};

/// Bytes of registers.
pub(crate) const LEN: u64 = 256;

/// Registers: where they begin.
mod at {
    pub(super) const IDR: u8 = 0x00;
    pub(super) const MAR: u8 = 0x08;
    pub(super) const TSD: u8 = 0x10;
    pub(super) const TSAD: u8 = 0x20;
    pub(super) const RBSTART: u8 = 0x30;
    pub(super) const CR: u8 = 0x37;
    pub(super) const CAPR: u8 = 0x38;
    pub(super) const CBR: u8 = 0x3a;
    pub(super) const IMR: u8 = 0x3c;
    pub(super) const ISR: u8 = 0x3e;
    pub(super) const TCR: u8 = 0x40;
    pub(super) const RCR: u8 = 0x44;
    pub(super) const TCTR: u8 = 0x48;
    pub(super) const MPC: u8 = 0x4c;
    pub(super) const EECR: u8 = 0x50;
    pub(super) const CONFIG: u8 = 0x51;
    pub(super) const TIMER: u8 = 0x54;
    pub(super) const MSR: u8 = 0x58;
    pub(super) const CONFIG3: u8 = 0x59;
    pub(super) const TSADS: u8 = 0x60;
    pub(super) const BMCR: u8 = 0x62;
    pub(super) const BMSR: u8 = 0x64;
    pub(super) const ANAR: u8 = 0x66;
    pub(super) const ANLPAR: u8 = 0x68;
    pub(super) const ANER: u8 = 0x6a;
    pub(super) const CSCR: u8 = 0x74;
}

/// Where registers begin, and how many bytes they have; what lies between them reads 0.
#[rustfmt::skip]
const REGISTERS: [(u8, u8); 39] = [
    (at::IDR, 1), (1, 1), (2, 1), (3, 1), (4, 1), (5, 1),
    (at::MAR, 4), (12, 4),
    (at::TSD, 4), (0x14, 4), (0x18, 4), (0x1c, 4),
    (at::TSAD, 4), (0x24, 4), (0x28, 4), (0x2c, 4),
    (at::RBSTART, 4), (at::CR, 1), (at::CAPR, 2), (at::CBR, 2), (at::IMR, 2), (at::ISR, 2),
    (at::TCR, 4), (at::RCR, 4), (at::TCTR, 4), (at::MPC, 4), (at::EECR, 1),
    (at::CONFIG, 1), (0x52, 1), (at::TIMER, 4), (at::MSR, 1), (at::CONFIG3, 1),
    (at::TSADS, 2), (at::BMCR, 2), (at::BMSR, 2), (at::ANAR, 2), (at::ANLPAR, 2), (at::ANER, 2), (at::CSCR, 2),
];

/// Command: the ring is empty, transmitter and receiver are on, reset.
const CR_EMPTY: u32 = 1;
const CR_TE: u32 = 1 << 2;
const CR_RE: u32 = 1 << 3;
const CR_RESET: u32 = 1 << 4;
/// Causes of interrupts: received, sent, no room, timer; all that there are.
const ROK: u16 = 1;
const TOK: u16 = 1 << 2;
const OVERFLOW: u16 = 1 << 4;
const TIMEOUT: u16 = 1 << 14;
const CAUSES: u16 = 0xe07f;
/// What a driver sets of TCR and RCR, and which chip it is.
const TCR_KEPT: u32 = 0x0307_07f1;
const RCR_KEPT: u32 = 0x0fff_ffbf;
const CHIP: u32 = 0x7400_0000;
/// EECR: the configuration can be written.
const UNLOCKED: u8 = 0xc0;
/// Its pins.
const EECS: u8 = 8;
const EESK: u8 = 4;
const EEDI: u8 = 2;
/// BMCR: reset, negotiate anew. BMSR: the link is up and negotiated.
const BMCR: u16 = 0x3100;
const BMCR_ACTS: u16 = 0x8200;
const BMSR: u16 = 0x782d;
const ABILITIES: u16 = 0x05e1;
/// Ticks of the timer in a microsecond.
const TICKS: u64 = 33;

/// A descriptor of what goes out: OWN, sent well.
const OWN: u32 = 1 << 13;
const SENT: u32 = 1 << 15;

/// The controller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rtl8139 {
    mac: Mac,
    idr: [u8; 6],
    mar: [u32; 2],
    tsd: [u32; 4],
    tsad: [u32; 4],
    rbstart: u32,
    /// Transmitter and receiver are on.
    command: u32,
    capr: u16,
    cbr: u16,
    imr: u16,
    isr: u16,
    tcr: u32,
    rcr: u32,
    missed: u32,
    eecr: u8,
    config: [u8; 3],
    bmcr: u16,
    anar: u16,
    /// When the timer was 0; when it interrupts, in ticks, if it does; when that is, unless it has been.
    timer_began: u64,
    timer: u32,
    timer_due: Option<u64>,
    eeprom: Microwire,
}

impl Rtl8139 {
    /// A controller of this address, at `now`.
    pub(crate) fn new(mac: Mac) -> Self {
        Rtl8139 {
            mac,
            idr: mac.0,
            mar: [0; 2],
            tsd: [OWN; 4],
            tsad: [0; 4],
            rbstart: 0,
            command: 0,
            capr: 0xfff0,
            cbr: 0,
            imr: 0,
            isr: 0,
            tcr: 0,
            rcr: 0,
            missed: 0,
            eecr: 0,
            config: [0x0c, 0, 1],
            bmcr: BMCR,
            anar: ABILITIES,
            timer_began: 0,
            timer: 0,
            timer_due: None,
            eeprom: Microwire::default(),
        }
    }

    /// The reset line.
    pub(crate) fn reset(&mut self, now: u64) {
        *self = Rtl8139 { timer_began: now, ..Rtl8139::new(self.mac) };
    }

    /// The level of the interrupt pin.
    pub(crate) fn interrupt(&self) -> bool {
        self.isr & self.imr != 0
    }

    /// When the timer interrupts.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.timer_due
    }

    /// That time may have come.
    pub(crate) fn wake(&mut self, now: u64) {
        if self.timer_due.is_some_and(|due| due <= now) {
            self.timer_due = None;
            self.isr |= TIMEOUT;
        }
    }

    /// Reads `size` bytes at `offset`.
    pub(crate) fn read(&self, offset: u8, size: u8, now: u64) -> u32 {
        let (mut value, mut at) = (0, 0);
        while at < size {
            let offset = offset.wrapping_add(at);
            let of = REGISTERS.iter().find(|(first, len)| (*first..first + len).contains(&offset));
            let (part, len) = of.map_or((0, 1), |(first, len)| {
                let skip = offset - first;
                (self.register(*first, now) >> (skip * 8), (len - skip).min(size - at))
            });
            value |= u64::from(part) << (at * 8);
            at += len;
            value &= (1 << (at * 8)) - 1;
        }
        value as u32
    }

    /// The register that begins at `first`.
    fn register(&self, first: u8, now: u64) -> u32 {
        let nth = |base: u8| usize::from((first - base) / 4) & 3;
        match first {
            0..=5 => u32::from(self.idr[usize::from(first)]),
            at::MAR | 12 => self.mar[nth(at::MAR) & 1],
            at::TSD..at::TSAD => self.tsd[nth(at::TSD)],
            at::TSAD..at::RBSTART => self.tsad[nth(at::TSAD)],
            at::RBSTART => self.rbstart,
            at::CR => self.command | if self.is_empty() { CR_EMPTY } else { 0 },
            at::CAPR => self.capr.into(),
            at::CBR => self.cbr.into(),
            at::IMR => self.imr.into(),
            at::ISR => self.isr.into(),
            at::TCR => self.tcr | CHIP,
            at::RCR => self.rcr,
            at::TCTR => self.ticks(now),
            at::MPC => self.missed,
            at::EECR => u32::from(self.eecr) | u32::from(self.eeprom.level()),
            at::CONFIG => self.config[0].into(),
            0x52 => self.config[1].into(),
            at::CONFIG3 => self.config[2].into(),
            at::TIMER => self.timer,
            at::TSADS => (0..4)
                .map(|n| (self.tsd[n] >> 13 & 1) << n | (self.tsd[n] >> 15 & 1) << (n + 12))
                .sum(),
            at::BMCR => self.bmcr.into(),
            at::BMSR => BMSR.into(),
            at::ANAR => self.anar.into(),
            at::ANLPAR => ABILITIES.into(),
            at::ANER => 1,
            at::CSCR => 0x0308,
            _ => 0,
        }
    }

    /// Writes `size` bytes of `value` at `offset`: register by register, bytes that are not written being as they were.
    pub(crate) fn write(&mut self, offset: u8, size: u8, value: u32, ctx: &mut Ctx<'_>) {
        let last = offset.saturating_add(size - 1);
        let bytes = value.to_le_bytes();
        for (first, len) in REGISTERS {
            if first > last || first + (len - 1) < offset {
                continue;
            }
            // Where ones clear, zeros are what is not written.
            let before = if first == at::ISR { 0 } else { self.register(first, ctx.now()) };
            let mut new = before.to_le_bytes();
            for at in offset.max(first)..=last.min(first + (len - 1)) {
                new[usize::from(at - first)] = bytes[usize::from(at - offset)];
            }
            self.set(first, u32::from_le_bytes(new), ctx);
        }
    }

    fn set(&mut self, first: u8, value: u32, ctx: &mut Ctx<'_>) {
        let [low, high, ..] = value.to_le_bytes();
        let word = u16::from_le_bytes([low, high]);
        let unlocked = self.eecr & UNLOCKED == UNLOCKED;
        let nth = |base: u8| usize::from((first - base) / 4) & 3;
        match first {
            0..=5 if unlocked => self.idr[usize::from(first)] = low,
            at::MAR | 12 => self.mar[nth(at::MAR) & 1] = value,
            at::TSD..at::TSAD => self.send(nth(at::TSD), value, ctx),
            at::TSAD..at::RBSTART => self.tsad[nth(at::TSAD)] = value,
            at::RBSTART => self.rbstart = value & !3,
            at::CR => self.command(value, ctx.now()),
            at::CAPR => self.capr = word,
            at::IMR => self.unmask(word & CAUSES),
            at::ISR => self.isr &= !word,
            at::TCR => self.tcr = value & TCR_KEPT,
            at::RCR => self.rcr = value & RCR_KEPT,
            at::TCTR => {
                self.timer_began = ctx.now();
                self.arm(ctx.now());
            }
            at::MPC => self.missed = 0,
            at::EECR => self.eeprom(low),
            at::CONFIG if unlocked => self.config[0] = low,
            0x52 if unlocked => self.config[1] = low,
            at::CONFIG3 if unlocked => self.config[2] = low,
            at::TIMER => {
                self.timer = value;
                self.arm(ctx.now());
            }
            at::BMCR => self.bmcr = if word & 0x8000 != 0 { BMCR } else { word & !BMCR_ACTS },
            at::ANAR => self.anar = word,
            _ => {}
        }
    }

    fn command(&mut self, value: u32, now: u64) {
        if value & CR_RESET != 0 {
            // Address, configuration and EEPROM stay; the timer begins anew.
            let Rtl8139 { mac, idr, config, eecr, .. } = *self;
            let eeprom = self.eeprom.clone();
            let began = Rtl8139 { idr, config, eecr, eeprom, ..Rtl8139::new(mac) };
            *self = Rtl8139 { timer_began: now, ..began };
            return;
        }
        if value & CR_RE != 0 && self.command & CR_RE == 0 {
            (self.capr, self.cbr) = (0xfff0, 0);
        }
        self.command = value & (CR_RE | CR_TE);
    }

    /// The pins of the EEPROM.
    fn eeprom(&mut self, value: u8) {
        let before = self.eecr;
        self.eecr = value & !1;
        let programs = value & UNLOCKED == 0x80;
        if !programs || value & EECS == 0 {
            self.eeprom.deselect();
        } else if !before & value & EESK != 0 {
            let mac = self.mac.0;
            self.eeprom.clock(value & EEDI != 0, |word| match word {
                // The sign that there is one; PCI's identifiers; the address.
                0 => 0x8129,
                1 => 0x10ec,
                2 => 0x8139,
                7..=9 => {
                    let at = usize::from(word - 7) * 2;
                    u16::from_le_bytes([mac[at], mac[at + 1]])
                }
                _ => 0,
            });
        }
    }

    fn ticks(&self, now: u64) -> u32 {
        let ns = u128::from(now.saturating_sub(self.timer_began));
        (ns * u128::from(TICKS) / 1000) as u32
    }

    /// Finds when the timer will have counted to where it interrupts.
    fn arm(&mut self, now: u64) {
        let left = self.timer.wrapping_sub(self.ticks(now));
        let wait = (u64::from(left) * 1000).div_ceil(TICKS).max(1);
        self.timer_due = (self.timer != 0).then(|| now.saturating_add(wait));
    }

    /// Refuses what no controller of this address could be.
    ///
    /// # Errors
    /// [`StateError::Impossible`].
    pub(crate) fn check(&self, mac: Mac) -> Result<(), StateError> {
        check(self.mac == mac, "address of the network adapter")?;
        let bits = self.command & !(CR_RE | CR_TE) == 0
            && (self.imr | self.isr) & !CAUSES == 0
            && self.tcr & !TCR_KEPT == 0
            && self.rcr & !RCR_KEPT == 0
            && self.rbstart & 3 == 0
            && self.eecr & 1 == 0
            && self.cbr & 3 == 0;
        check(bits, "registers of the network adapter")?;
        self.eeprom.check()
    }
}
