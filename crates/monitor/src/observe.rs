//! What a profile is told of the exits of translated code. Nothing here runs without one, and nothing of
//! it changes what happens next.

use crate::callouts::row;
use crate::code::Code;
use crate::profile::Row;
use crate::recorder::sites::{CalloutInfo, Origin};
use crate::recording::{FaultKind, Spot};
use crate::vcpu::{Chassis, Vcpu};
use crate::why::why;
use iced_x86::Instruction;
use ringer_cpu::{Bus, Lin, Pc};
use ringer_translator::Mode;
use ringer_translator::context::{COUNTED, ExitReason, NO_LOOKUP};
use ringer_translator::listing::guest_lines;

impl Vcpu {
    /// The instruction at `eip`, as the processor is.
    pub fn spot_of(&self, eip: u32) -> Spot {
        let cpu = &self.context.cpu;
        let linear = cpu.linear(cpu.cs().base, u64::from(eip)).low();
        Spot { linear, user: cpu.cpl == 3 }
    }

    /// Translated code came to the dispatcher by itself.
    pub fn record_exit(&self, chassis: &mut Chassis) {
        let Some(recorder) = &mut chassis.bus.io.recorder else { return };
        let cache = &chassis.code.cache;
        let reason = self.context.exit_reason;
        if reason == ExitReason::Link as u32 {
            if let Some(id) = cache.block_of(self.context.exit_arg) {
                recorder.blocks.left_unlinked(id);
            }
        } else if reason == ExitReason::Miss as u32 {
            let number = self.context.lookup_site;
            let known = number != NO_LOOKUP && (number as usize) < COUNTED - 1;
            recorder.sites.missed(known.then_some(number));
            if let Some((id, _)) = cache.lookup(number).filter(|_| known) {
                recorder.blocks.left_by_lookup(id);
            }
        }
    }

    /// The host code at `fault_rip` trapped.
    pub fn record_fault(&self, chassis: &mut Chassis, kind: FaultKind) {
        let Some(recorder) = &mut chassis.bus.io.recorder else { return };
        let cache = &chassis.code.cache;
        let Some((id, off)) = cache.locate(self.context.fault_rip) else { return };
        let block = cache.block(id);
        let eip = block.entry_at(off).map_or(block.key.eip, |(_, entry)| entry.eip);
        recorder.blocks.faulted(id, kind);
        let spot = recorder.blocks.spot(cache, id, eip);
        recorder.sites.fault(spot, kind, Origin::of(block, eip));
    }

    /// The row of the callout at hand, which is counted.
    pub fn callout_row(&mut self, chassis: &mut Chassis) -> Row {
        let Chassis { bus, code } = chassis;
        let i = self.interp.decode(&self.context.cpu, bus);
        let Some(mut recorder) = bus.io.recorder.take() else {
            return i.map_or(Row::CalloutOther, |i| row(&i));
        };
        let booked = match i {
            Ok(i) => {
                let spot = self.spot_of(self.context.cpu.eip());
                recorder.sites.callout(spot, &i, || {
                    let mut bytes = [0; 16];
                    let linear = Lin::from(spot.linear);
                    let len = bus.fetch(linear, &mut bytes, self.privilege()).unwrap_or_default();
                    info(code, &i, &bytes[..len.min(15)], linear, self.mode())
                })
            }
            Err(_) => {
                recorder.sites.unreadable_callout();
                Row::CalloutOther
            }
        };
        bus.io.recorder = Some(recorder);
        booked
    }
}

fn info(
    code: &mut Code,
    i: &Instruction,
    bytes: &[u8],
    linear: Lin,
    mode: Option<Mode>,
) -> CalloutInfo {
    let row = row(i);
    let facts = code.facts(i, bytes, linear, mode);
    let mut lines = guest_lines(bytes, Pc(i.ip()), mode.unwrap_or_default(), 1);
    let text = lines.pop().map(|line| line.text).unwrap_or_default();
    CalloutInfo { text, row, why: why(i, row, &facts) }
}
