//! Descriptors of the guest's tables, as the processor would load them.

use crate::memory::word;
use ringer_cpu::{CpuState, Lin, SegAttr, SegReg, Segment, Selector};
use ringer_mmu::{GuestMemory, Paging};

/// The two halves of the descriptor that `selector` names.
pub fn find(
    cpu: &CpuState,
    selector: Selector,
    memory: &GuestMemory,
    paging: &Paging,
) -> Option<(u32, u32)> {
    let (base, limit) = match selector.is_local() {
        true => (cpu.ldtr.base, cpu.ldtr.limit),
        false => (cpu.gdtr.base, u32::from(cpu.gdtr.limit)),
    };
    if selector.offset() + 7 > limit {
        return None;
    }
    let at = base.low().wrapping_add(selector.offset());
    Some((word(memory, paging, at)?, word(memory, paging, at.wrapping_add(4))?))
}

/// Loads `selector` into `which`, as the running mode does. `None`, with nothing changed: it could not be loaded.
pub fn load(
    cpu: &mut CpuState,
    which: SegReg,
    selector: u16,
    memory: &GuestMemory,
    paging: &Paging,
) -> Option<()> {
    let wanted = Selector(selector);
    let segment = if !cpu.protected() || cpu.v86() {
        Segment::real(selector, if cpu.v86() { 3 } else { 0 })
    } else if wanted.is_null() {
        let data = !matches!(which, SegReg::Cs | SegReg::Ss);
        data.then_some(Segment { selector, attr: SegAttr::NULL, base: Lin(0), limit: 0 })?
    } else {
        let (lo, hi) = find(cpu, wanted, memory, paging)?;
        let segment = Segment::from_descriptor(selector, lo, hi);
        let code = segment.attr.contains(SegAttr::CODE);
        let present = segment.attr.contains(SegAttr::PRESENT | SegAttr::S);
        let fits = match which {
            SegReg::Cs => code,
            SegReg::Ss => !code && segment.attr.contains(SegAttr::WRITABLE),
            _ => !code || segment.attr.contains(SegAttr::WRITABLE),
        };
        (present && fits).then_some(segment)?
    };
    if which == SegReg::Cs && cpu.protected() && !cpu.v86() {
        cpu.cpl = wanted.rpl();
    }
    cpu.seg[which as usize] = segment;
    Some(())
}
