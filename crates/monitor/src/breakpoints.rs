//! Breakpoints of whoever embeds the machine; the guest's own are its debug registers.
//!
//! Blocks end before an instruction at a breakpoint, and the instruction is left to the interpreter:
//! so the monitor sees each arrival, and other code runs as ever.

use crate::stop::{Breakpoint, RunEnd};
use ringer_cpu::CpuState;

/// The places, for as long as one run.
#[derive(Debug, Default)]
pub(crate) struct Breakpoints {
    places: Vec<Breakpoint>,
    /// A bit for each place, by the lowest bits of its address: most instructions are at none, and that is
    /// seen at once.
    filter: u64,
    /// Arrivals do not end the run.
    unheeded: bool,
    /// The instruction at CS:EIP has been stopped at already, or has begun (a REP with iterations
    /// left): it does not stop the run again.
    passed: bool,
}

/// Which blocks were made for other breakpoints than there are now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outdated {
    /// Those with an instruction, or their end, at one of these offsets in a page. Linear and physical
    /// addresses have it in common.
    At(Vec<u32>),
    /// Any.
    All,
}

impl Breakpoints {
    /// From now on there are those in `places`, for a run that begins at `cpu`. Which blocks must go.
    pub fn set(&mut self, places: &[Breakpoint], cpu: &CpuState) -> Outdated {
        let outdated = self.outdated_by(places);
        if self.places != places {
            self.places = places.to_vec();
            let bits = places.iter().map(|place| match place {
                Breakpoint::Linear(linear) => bit(linear.low()),
                Breakpoint::Logical { eip, .. } => bit(*eip),
            });
            self.filter = bits.fold(0, |all, bit| all | bit);
        }
        self.unheeded = false;
        self.pass(cpu);
        outdated
    }

    /// They stay, and do not end the run that begins at `cpu`.
    pub fn rest(&mut self, cpu: &CpuState) {
        self.unheeded = true;
        self.pass(cpu);
    }

    fn outdated_by(&self, places: &[Breakpoint]) -> Outdated {
        let gone = self.places.iter().filter(|place| !places.contains(place));
        let new = places.iter().filter(|place| !self.places.contains(place));
        let offset = |place: &Breakpoint| match place {
            Breakpoint::Linear(linear) => Some(linear.in_page() as u32),
            // Where its segment begins is not known here.
            Breakpoint::Logical { .. } => None,
        };
        gone.chain(new).map(offset).collect::<Option<_>>().map_or(Outdated::All, Outdated::At)
    }

    /// Whether there are any.
    #[inline]
    pub fn is_armed(&self) -> bool {
        !self.places.is_empty()
    }

    /// EIPs at which blocks of a code segment at `cs_base` end. (Those of another selector with the
    /// same base among them: the monitor looks at the selector.)
    pub fn eips(&self, cs_base: u32) -> impl Iterator<Item = u32> {
        self.places.iter().map(move |place| match place {
            Breakpoint::Linear(linear) => linear.low().wrapping_sub(cs_base),
            Breakpoint::Logical { eip, .. } => *eip,
        })
    }

    /// The instruction at CS:EIP has begun.
    #[inline]
    pub fn pass(&mut self, cpu: &CpuState) {
        if self.is_armed() {
            self.passed = self.holds(cpu);
        }
    }

    /// Something else comes before the instruction at CS:EIP.
    #[inline]
    pub fn left(&mut self) {
        self.passed = false;
    }

    /// Whether the run ends before the instruction at CS:EIP, if that comes next.
    pub fn is_due(&self, cpu: &CpuState) -> bool {
        self.is_armed() && !self.unheeded && !self.passed && self.holds(cpu)
    }

    /// How the run ends before the instruction at CS:EIP, if it does.
    #[inline]
    pub fn before(&mut self, cpu: &CpuState) -> Option<RunEnd> {
        if !self.is_armed() || std::mem::take(&mut self.passed) || !self.holds(cpu) {
            return None;
        }
        let end = RunEnd::Breakpoint { cs: cpu.cs().selector, eip: cpu.eip() };
        (!self.unheeded).then_some(end)
    }

    #[inline]
    fn holds(&self, cpu: &CpuState) -> bool {
        let linear = cpu.code_linear();
        self.filter & (bit(linear.low()) | bit(cpu.eip())) != 0
            && self.places.iter().any(|place| match *place {
                Breakpoint::Linear(at) => at == linear,
                Breakpoint::Logical { cs, eip } => cpu.cs().selector == cs && cpu.eip() == eip,
            })
    }
}

/// The bit of the filter that stands for `address`.
#[inline]
fn bit(address: u32) -> u64 {
    1 << (address & 63)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringer_cpu::Lin;

    #[test]
    fn a_change_names_the_offsets_that_it_concerns() {
        let cpu = CpuState::reset(0);
        let at = |address: u32| Breakpoint::Linear(Lin::from(address));
        let mut breakpoints = Breakpoints::default();
        assert_eq!(
            breakpoints.set(&[at(0x1234), at(0x5678)], &cpu),
            Outdated::At(vec![0x234, 0x678])
        );
        assert_eq!(breakpoints.set(&[at(0x5678), at(0x1234)], &cpu), Outdated::At(vec![]));
        assert_eq!(
            breakpoints.set(&[at(0x1234), at(0x9abc)], &cpu),
            Outdated::At(vec![0x678, 0xabc])
        );
        let logical = Breakpoint::Logical { cs: 8, eip: 0x10 };
        assert_eq!(breakpoints.set(&[at(0x1234), logical], &cpu), Outdated::All);
    }

    #[test]
    fn arrivals_are_seen_past_the_filter_and_not_when_unheeded() {
        let mut cpu = CpuState::reset(0);
        let at = |address: u32| Breakpoint::Linear(Lin::from(address));
        cpu.seg[1].base = Lin(0x1_0000);
        let mut breakpoints = Breakpoints::default();
        let places = [at(0x1_0040), Breakpoint::Logical { cs: cpu.cs().selector, eip: 0x7 }];
        breakpoints.set(&places, &cpu);
        for (eip, stops) in [(0x40, true), (0x80, false), (0x7, true), (0x47, false)] {
            cpu.set_eip(eip);
            assert_eq!(breakpoints.before(&cpu).is_some(), stops, "{eip:#x}");
        }
        breakpoints.rest(&cpu);
        cpu.set_eip(0x40);
        assert_eq!(breakpoints.before(&cpu), None);
    }
}
