//! The 8254 at 40h, and port 61h, which gates its channel 2 and shows its output.
//!
//! Channel 0 drives IRQ 0; channel 2, where port 61h lets it through, the speaker.

use super::byte::{data, register};
use crate::clock;
use crate::ctx::Ctx;
use crate::device::{Device, Reset};
use crate::pit::Pit;
use crate::speaker::{Sound, Speaker};
use crate::state::{StateError, check, decode, encode};
use crate::ticks::Ticks;
use serde::{Deserialize, Serialize};

const COUNTERS: usize = 0;
/// The register of control words.
const CONTROL: u8 = 3;
/// GATE of channels 0 and 1 is tied high; port 61h drives that of channel 2.
const GATES: [bool; 3] = [true, true, false];
/// Port 61h: the speaker hears channel 2.
const SPEAKER: u8 = 2;
/// Ticks between two changes of the refresh bit.
const REFRESH: u64 = 18;

/// The timer and its control port.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Timer {
    pit: Pit,
    /// Bits 3..0 of port 61h as written.
    control: u8,
    /// The nanosecond of channel 0's next rise. It changes by writes and by passing, not by reads.
    #[serde(skip)]
    due: Option<u64>,
    /// What the host was too busy for.
    #[serde(skip)]
    ticks: Ticks,
    #[serde(skip)]
    speaker: Speaker,
}

impl Timer {
    /// As at power-on.
    pub(crate) fn new() -> Self {
        let (ticks, speaker) = (Ticks::default(), Speaker::default());
        Timer { pit: Pit::new(GATES), control: 0, due: None, ticks, speaker }
    }

    /// What the speaker has done until now, before anything of that changes.
    fn sound(&mut self, now: u64) {
        let Timer { pit, control, speaker, .. } = self;
        if speaker.deadline().is_none() {
            return speaker.make(now, |_| false);
        }
        // Whoever listens leaves no trace in the timer.
        let (on, mut pit) = (*control & SPEAKER != 0, pit.clone());
        speaker.make(now, |ns| on && pit.out(2, clock::PIT.ticks(ns)));
    }

    /// What it does from now on.
    fn find_sound(&mut self, now: u64) {
        let on = self.control & SPEAKER != 0;
        let level = on && self.pit.clone().out(2, clock::PIT.ticks(now));
        self.speaker.moves(on && self.pit.next_rise(2).is_some(), level);
    }

    /// Brings channel 0 and IRQ 0 to the board's time.
    fn settle(&mut self, ctx: &mut Ctx<'_>) {
        let tick = clock::PIT.ticks(ctx.now());
        let rises = self.pit.take_rises(0, tick);
        if rises > 0 {
            let period = self.pit.period(0).map(|ticks| clock::PIT.ns_at(ticks));
            if let Some(period) = period.filter(|period| Ticks::are_kept(*period)) {
                self.ticks.came(rises, !ctx.is_requested(0), period, ctx.plane.given.so_far());
            }
            ctx.pulse(0, self.pit.out(0, tick));
            ctx.plane.stats.timer_edges += rises;
            ctx.plane.stats.timer_edges_merged += rises - 1;
        }
        match self.pit.out(0, tick) {
            true => ctx.line(0, true),
            // Nobody sees each fall in its time: none of them takes a request back.
            false => ctx.lower(0),
        }
        self.find_due();
    }

    fn find_due(&mut self) {
        self.due = self.pit.next_rise(0).map(|tick| clock::PIT.ns_at(tick));
    }

    /// Port 61h: bit 4 toggles with every memory refresh, bit 5 is channel 2's OUT.
    fn control(&mut self, tick: u64) -> u8 {
        let refresh = u8::from(tick / REFRESH % 2 == 1);
        self.control | refresh << 4 | u8::from(self.pit.out(2, tick)) << 5
    }
}

impl Device for Timer {
    fn read(&mut self, region: usize, offset: u64, _size: u8, ctx: &mut Ctx<'_>) -> u64 {
        self.sound(ctx.now());
        let tick = clock::PIT.ticks(ctx.now());
        u64::from(match region {
            COUNTERS => self.pit.read(register(offset), tick),
            _ => self.control(tick),
        })
    }

    fn write(&mut self, region: usize, offset: u64, _size: u8, value: u64, ctx: &mut Ctx<'_>) {
        self.sound(ctx.now());
        let tick = clock::PIT.ticks(ctx.now());
        if region == COUNTERS {
            self.pit.write(register(offset), tick, data(value));
            if register(offset) == CONTROL && value & 0xc0 == 0 && value & 0x30 != 0 {
                // Channel 0 is programmed anew.
                self.ticks.clear();
            }
            self.settle(ctx);
        } else {
            self.control = data(value) & 0x0f;
            self.pit.set_gate(2, tick, value & 1 != 0);
        }
        self.find_sound(ctx.now());
    }

    fn wake(&mut self, ctx: &mut Ctx<'_>) {
        self.sound(ctx.now());
        self.find_sound(ctx.now());
        self.settle(ctx);
    }

    fn deadline(&self) -> Option<u64> {
        [self.due, self.speaker.deadline()].into_iter().flatten().min()
    }

    fn connect_sound(&mut self, sound: Box<dyn Sound>, ctx: &mut Ctx<'_>) -> bool {
        self.speaker.connect(sound, ctx.now());
        self.find_sound(ctx.now());
        true
    }

    fn acknowledged(&mut self, _line: usize, ctx: &mut Ctx<'_>) {
        if self.ticks.take() {
            ctx.pulse(0, self.pit.out(0, clock::PIT.ticks(ctx.now())));
            ctx.plane.stats.timer_edges_made_up += 1;
        }
    }

    fn reset(&mut self, _kind: Reset, ctx: &mut Ctx<'_>) {
        self.sound(ctx.now());
        *self = Timer { speaker: std::mem::take(&mut self.speaker), ..Timer::new() };
        self.find_sound(ctx.now());
        // The output idles high: the line has its level before the guest can see an edge.
        self.settle(ctx);
    }

    fn save(&self, _ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        encode(self)
    }

    fn load(&mut self, _version: u32, bytes: &[u8], ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        let state: Timer = decode(bytes)?;
        check(state.control & 0xf0 == 0, "port 61h")?;
        state.pit.check(clock::PIT.ticks(ctx.now()))?;
        *self = Timer { speaker: std::mem::take(&mut self.speaker), ..state };
        self.find_due();
        self.find_sound(ctx.now());
        Ok(())
    }
}
