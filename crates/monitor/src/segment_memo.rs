//! What ES and DS hold, for supervisor code that loads the same selectors again: every system call
//! does. Translated code compares the selector, and the descriptor as it lies in the GDT now, with what
//! stands in the context; where all is as it was, the load changes nothing. VERW of the kernel's stack segment is answered
//! in the same way.

use crate::system_bus::SystemBus;
use ringer_cpu::addr::{Lin, Pa};
use ringer_cpu::segment::Selector;
use ringer_cpu::state::{TableReg, cr0};
use ringer_cpu::{CpuState, SegAttr, SegReg, Segment};
use ringer_translator::context::{ExecContext, Reload};

/// The registers, in the order of the context's `reloads`.
const REGISTERS: [SegReg; 2] = [SegReg::Es, SegReg::Ds];

/// The one of the context's `reloads` that is for VERW.
const VERIFIED: usize = 2;

/// What the context's `reloads` were made from.
#[derive(Debug, Default)]
pub(crate) struct SegmentMemo([Option<(Segment, TableReg)>; 3]);

impl SegmentMemo {
    /// Whether one was made from these. By reference: this is asked at each entry, and a copy costs more than the
    /// comparison.
    #[inline]
    fn holds(&self, slot: usize, segment: &Segment, gdtr: &TableReg) -> bool {
        matches!(&self.0[slot], Some((s, g)) if s == segment && g == gdtr)
    }

    /// Brings the context up to date before translated code runs. User code may go over to supervisor code on its own,
    /// so what it changed is forgotten; it is learnt again when supervisor code runs.
    #[inline]
    pub fn refresh(&mut self, context: &mut ExecContext, bus: &SystemBus) {
        let user = context.cpu.cpl != 0;
        for (slot, reg) in REGISTERS.into_iter().enumerate() {
            let cpu = &context.cpu;
            if self.holds(slot, &cpu.seg[reg as usize], &cpu.gdtr) {
                continue;
            }
            let now = (cpu.seg[reg as usize], cpu.gdtr);
            self.0[slot] = if user { None } else { Some(now) };
            let known = if user { None } else { reload_of(cpu, bus, now.0) };
            context.reloads[slot] = known.unwrap_or_default();
        }
        if !user {
            self.refresh_verified(context, bus);
        }
    }

    /// SS's segment is one that supervisor code may write, whatever SS holds later: VERW of its selector finds that as
    /// long as the descriptor is as it is.
    fn refresh_verified(&mut self, context: &mut ExecContext, bus: &SystemBus) {
        let cpu = &context.cpu;
        if !self.holds(VERIFIED, cpu.ss(), &cpu.gdtr) {
            let ss = *cpu.ss();
            self.0[VERIFIED] = Some((ss, cpu.gdtr));
            let writable = ss.attr.contains(SegAttr::WRITABLE);
            let known = if writable { reload_of(cpu, bus, ss) } else { None };
            context.reloads[VERIFIED] = known.unwrap_or_default();
        }
    }
}

/// The selector and descriptor that load `segment` at CPL 0, writing nothing.
fn reload_of(cpu: &CpuState, bus: &SystemBus, segment: Segment) -> Option<Reload> {
    let (linear, lo, hi) = descriptor_of(cpu, bus, segment)?;
    Some(Reload::new(segment.selector, linear, lo, hi))
}

/// The descriptor that loads data segment `segment` at CPL 0, writing nothing: its linear address, low and high half.
pub(crate) fn descriptor_of(
    cpu: &CpuState,
    bus: &SystemBus,
    segment: Segment,
) -> Option<(u32, u32, u32)> {
    let sel = Selector(segment.selector);
    let beyond = sel.offset() + 7 > u32::from(cpu.gdtr.limit);
    if !cpu.protected() || cpu.v86() || sel.is_null() || sel.is_local() || beyond {
        return None;
    }
    let linear = cpu.gdtr.base.low().wrapping_add(sel.offset());
    // Wherever these bytes come from: what counts is that they make this segment.
    let pa = match bus.mmu.paging().peek(&bus.memory, Lin::from(linear)) {
        Some(path) => path.pa,
        None if cpu.cr0 & cr0::PG == 0 => Pa::from(linear),
        None => return None,
    };
    let mut raw = [0; 8];
    if linear & 0xfff > 0xff8 || !bus.memory.read(pa, &mut raw) {
        return None;
    }
    let raw = u64::from_le_bytes(raw);
    let (lo, hi) = (raw as u32, (raw >> 32) as u32);
    let attr = segment.attr;
    let usable = attr.contains(SegAttr::S | SegAttr::PRESENT | SegAttr::ACCESSED);
    let data = !attr.contains(SegAttr::CODE) && attr.dpl() >= sel.rpl();
    let same = Segment::from_descriptor(segment.selector, lo, hi) == segment;
    (usable && data && same).then_some((linear, lo, hi))
}
