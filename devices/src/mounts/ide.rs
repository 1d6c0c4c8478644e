//! The IDE function of a PIIX3: two channels at the ports of the PC/AT, and the bus master that moves their data.

use super::byte::{data, register};
use crate::config::BoardConfig;
use crate::ctx::Ctx;
use crate::device::{Device, Reset};
use crate::ide::bus_master::BusMaster;
use crate::ide::channel::{Channel, ChannelState};
use crate::ide::drive::Drive;
use crate::medium::Medium;
use crate::state::{StateError, decode, encode};
use serde::{Deserialize, Serialize};

/// Regions of the row: the command block and the control register of each channel, the bus master.
const PRIMARY: usize = 0;
const PRIMARY_CONTROL: usize = 1;
const SECONDARY: usize = 2;
const SECONDARY_CONTROL: usize = 3;
const BUS_MASTER: usize = 4;
/// Where the regions of the channels are while they are decoded.
const BASES: [u64; 4] = [0x1f0, 0x3f6, 0x170, 0x376];
/// The high byte of IDETIM of each channel in the configuration space, and its bit that has the channel's ports decoded.
const TIMING: [u8; 2] = [0x41, 0x43];
const DECODE: u8 = 0x80;
/// Registers of the bus master for one channel.
const MASTER_LEN: u8 = 8;

/// The function.
#[derive(Debug)]
pub(crate) struct Ide {
    channels: [Channel; 2],
    masters: [BusMaster; 2],
    /// Levels of INTRQ.
    levels: [bool; 2],
}

#[derive(Serialize, Deserialize)]
struct IdeState {
    channels: [ChannelState; 2],
    masters: [BusMaster; 2],
}

/// The channel that a region of the row belongs to.
fn channel(region: usize) -> usize {
    usize::from(matches!(region, SECONDARY | SECONDARY_CONTROL))
}

/// Whether an access comes to registers of eight bits one by one: all but the data register are.
fn is_narrow(region: usize, offset: u64, size: u8) -> bool {
    matches!(region, PRIMARY | SECONDARY) && offset != 0 && size > 1
}

impl Ide {
    /// The function with the drives that `config` has, without media.
    pub(crate) fn new(config: &BoardConfig) -> Self {
        let drive = |unit: u8| {
            let kind = config.ide.get(usize::from(unit)).copied().flatten();
            kind.map(|kind| Drive::new(kind, unit))
        };
        Ide {
            channels: [Channel::new([drive(0), drive(1)]), Channel::new([drive(2), drive(3)])],
            masters: [BusMaster::default(), BusMaster::default()],
            levels: [false; 2],
        }
    }

    /// What follows an access to channel `n`: data that can be moved, and INTRQ.
    fn settle(&mut self, n: usize, ctx: &mut Ctx<'_>) {
        self.masters[n].run(&mut self.channels[n], ctx);
        let level = self.channels[n].intrq();
        if level != self.levels[n] {
            self.levels[n] = level;
            if level {
                self.masters[n].interrupted();
            }
            ctx.line(n, level);
        }
    }

    /// Has each channel's ports decoded as its timing register says.
    fn decode(&mut self, ctx: &mut Ctx<'_>) {
        for (n, register) in TIMING.into_iter().enumerate() {
            let timing = ctx.config(register);
            for region in [2 * n, 2 * n + 1] {
                ctx.remap(region, (timing & DECODE != 0).then_some(BASES[region]));
            }
        }
    }
}

impl Device for Ide {
    fn read(&mut self, region: usize, offset: u64, size: u8, ctx: &mut Ctx<'_>) -> u64 {
        let n = channel(region);
        if is_narrow(region, offset, size) {
            let bytes = (0..u64::from(size)).map(|at| match offset + at {
                offset @ 0..=7 => self.read(region, offset, 1, ctx) << (8 * at),
                _ => 0xff << (8 * at),
            });
            return bytes.fold(0, |value, byte| value | byte);
        }
        match region {
            PRIMARY | SECONDARY => {
                let value = self.channels[n].read(register(offset), size);
                self.settle(n, ctx);
                value
            }
            PRIMARY_CONTROL | SECONDARY_CONTROL => u64::from(self.channels[n].status()),
            _ => {
                let offset = register(offset);
                let master = &self.masters[usize::from((offset / MASTER_LEN) & 1)];
                let byte = |at: u8| u64::from(master.read((offset + at) % MASTER_LEN));
                (0..size.min(8)).map(|at| byte(at) << (8 * at)).sum()
            }
        }
    }

    fn write(&mut self, region: usize, offset: u64, size: u8, value: u64, ctx: &mut Ctx<'_>) {
        let mut n = channel(region);
        if is_narrow(region, offset, size) {
            for (at, byte) in (offset..8).zip(value.to_le_bytes()).take(usize::from(size)) {
                self.write(region, at, 1, u64::from(byte), ctx);
            }
            return;
        }
        match region {
            PRIMARY | SECONDARY => self.channels[n].write(register(offset), size, value),
            PRIMARY_CONTROL | SECONDARY_CONTROL => self.channels[n].set_control(data(value)),
            BUS_MASTER => {
                let offset = register(offset);
                n = usize::from((offset / MASTER_LEN) & 1);
                for (at, byte) in (0..size.min(8)).zip(value.to_le_bytes()) {
                    self.masters[n].write((offset + at) % MASTER_LEN, byte);
                }
            }
            _ => return,
        }
        self.settle(n, ctx);
    }

    fn burst_in(&mut self, region: usize, offset: u64, size: u8, buf: &mut [u8]) -> usize {
        match (region, offset) {
            (PRIMARY | SECONDARY, 0) => self.channels[channel(region)].burst_in(size, buf),
            _ => 0,
        }
    }

    fn burst_out(&mut self, region: usize, offset: u64, size: u8, data: &[u8]) -> usize {
        match (region, offset) {
            (PRIMARY | SECONDARY, 0) => self.channels[channel(region)].burst_out(size, data),
            _ => 0,
        }
    }

    fn configured(&mut self, register: u8, ctx: &mut Ctx<'_>) {
        if register == TIMING[0] & !3 {
            self.decode(ctx);
        }
    }

    fn insert(&mut self, unit: usize, medium: Option<Box<dyn Medium>>, _ctx: &mut Ctx<'_>) -> bool {
        let channel = self.channels.get_mut(unit / 2);
        let drive = channel.and_then(|channel| channel.drive(unit % 2));
        drive.is_some_and(|drive| drive.insert(medium))
    }

    fn reset(&mut self, _kind: Reset, _ctx: &mut Ctx<'_>) {
        self.channels.iter_mut().for_each(Channel::reset);
        self.masters = [BusMaster::default(), BusMaster::default()];
        self.levels = [false; 2];
    }

    fn save(&self, _ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        let [first, second] = &self.channels;
        encode(&IdeState { channels: [first.save(), second.save()], masters: self.masters.clone() })
    }

    fn load(&mut self, _version: u32, bytes: &[u8], _ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        let state: IdeState = decode(bytes)?;
        state.masters.iter().try_for_each(BusMaster::check)?;
        for (channel, state) in self.channels.iter_mut().zip(state.channels) {
            channel.load(state)?;
        }
        self.masters = state.masters;
        self.levels = [0, 1].map(|n: usize| self.channels[n].intrq());
        Ok(())
    }
}
