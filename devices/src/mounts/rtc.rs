//! The real-time clock and CMOS memory at 70h, with IRQ 8.

use super::byte::{data, register};
use crate::config::BoardConfig;
use crate::ctx::Ctx;
use crate::device::{Device, Reset};
use crate::floppy::format::FloppyDrive;
use crate::rtc::Rtc;
use crate::state::{StateError, decode, encode};
use crate::ticks::Ticks;

/// The clock on its battery.
#[derive(Debug)]
pub(crate) struct RtcPorts {
    rtc: Rtc,
    /// Periodic ticks that the host was too busy for.
    ticks: Ticks,
}

impl RtcPorts {
    /// A clock that shows the configured date at time 0, and the CMOS as firmware leaves it.
    pub(crate) fn new(config: &BoardConfig) -> Self {
        let mut rtc = Rtc::new(config.rtc_epoch_s);
        fill_cmos(&mut rtc, config);
        RtcPorts { rtc, ticks: Ticks::default() }
    }

    fn lines(&self, ctx: &mut Ctx<'_>) {
        ctx.line(0, self.rtc.irq());
    }

    /// Brings the chip and IRQ 8 to the board's time.
    fn settle(&mut self, ctx: &mut Ctx<'_>) {
        let (taken, before) = (!self.rtc.is_periodic(), self.rtc.periods());
        self.rtc.sync(ctx.now());
        match self.rtc.interrupt_period() {
            Some(period) => {
                let ticks = self.rtc.periods() - before;
                self.ticks.came(ticks, taken, period, ctx.plane.given.so_far());
            }
            None => self.ticks.clear(),
        }
        self.lines(ctx);
    }
}

impl Device for RtcPorts {
    fn read(&mut self, _region: usize, offset: u64, _size: u8, ctx: &mut Ctx<'_>) -> u64 {
        self.settle(ctx);
        let periodic = self.rtc.is_periodic();
        let value = self.rtc.read(register(offset), ctx.now());
        self.lines(ctx);
        // The read of register C takes the tick.
        if periodic && !self.rtc.is_periodic() && self.ticks.take() {
            self.rtc.tick();
            self.lines(ctx);
        }
        u64::from(value)
    }

    fn write(&mut self, _region: usize, offset: u64, _size: u8, value: u64, ctx: &mut Ctx<'_>) {
        self.settle(ctx);
        let period = self.rtc.interrupt_period();
        self.rtc.write(register(offset), ctx.now(), data(value));
        if self.rtc.interrupt_period() != period {
            self.ticks.clear();
        }
        self.lines(ctx);
    }

    fn wake(&mut self, ctx: &mut Ctx<'_>) {
        self.settle(ctx);
    }

    fn deadline(&self) -> Option<u64> {
        self.rtc.deadline()
    }

    /// The battery keeps time and memory over either kind.
    fn reset(&mut self, _kind: Reset, ctx: &mut Ctx<'_>) {
        self.rtc.reset();
        self.settle(ctx);
    }

    fn save(&self, _ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        encode(&self.rtc)
    }

    fn load(&mut self, _version: u32, bytes: &[u8], ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        let state: Rtc = decode(bytes)?;
        state.check(ctx.now())?;
        *self = RtcPorts { rtc: state, ticks: Ticks::default() };
        Ok(())
    }
}

/// Fills the CMOS as firmware would have: the processor has a coprocessor, these are the floppy drives, and so much
/// memory.
fn fill_cmos(rtc: &mut Rtc, config: &BoardConfig) {
    let ram_size = config.ram_size;
    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;
    let low = ram_size.min(640 * KIB) / KIB;
    let extended = (ram_size.saturating_sub(MIB) / KIB).min(0xffff);
    let above_16m = (ram_size.saturating_sub(16 * MIB) / (64 * KIB)).min(0xffff);
    let [first, second] = config.floppies.map(|drive| drive.map_or(0, FloppyDrive::cmos_type));
    rtc.set_ram(0x10, first << 4 | second);
    // One drive in bit 0 and bits 7 and 6, two there.
    let drives = match (first, second) {
        (0, 0) => 0x00,
        (_, 0) | (0, _) => 0x01,
        _ => 0x41,
    };
    rtc.set_ram(0x14, 0x02 | drives);
    for (index, word) in [(0x15, low), (0x17, extended), (0x30, extended), (0x34, above_16m)] {
        let [low, high, ..] = word.to_le_bytes();
        rtc.set_ram(index, low);
        rtc.set_ram(index + 1, high);
    }
    let sum = (0x10..=0x2d).fold(0u16, |sum, index| sum + u16::from(rtc.ram(index)));
    let [low, high] = sum.to_be_bytes();
    rtc.set_ram(0x2e, low);
    rtc.set_ram(0x2f, high);
}
