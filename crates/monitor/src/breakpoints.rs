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
    /// The instruction at CS:EIP has been stopped at already, or has begun (a REP with iterations
    /// left): it does not stop the run again.
    passed: bool,
}

impl Breakpoints {
    /// From now on there are those in `places`, for a run that begins at `cpu`. True when they are
    /// others than before: blocks that were made without them must go.
    pub fn set(&mut self, places: &[Breakpoint], cpu: &CpuState) -> bool {
        let changed = self.places != places;
        if changed {
            self.places = places.to_vec();
        }
        self.pass(cpu);
        changed
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

    /// How the run ends before the instruction at CS:EIP, if it does.
    #[inline]
    pub fn before(&mut self, cpu: &CpuState) -> Option<RunEnd> {
        if !self.is_armed() || std::mem::take(&mut self.passed) || !self.holds(cpu) {
            return None;
        }
        Some(RunEnd::Breakpoint { cs: cpu.cs().selector, eip: cpu.eip() })
    }

    fn holds(&self, cpu: &CpuState) -> bool {
        self.places.iter().any(|place| match *place {
            Breakpoint::Linear(linear) => cpu.linear(cpu.cs().base, cpu.rip.get()) == linear,
            Breakpoint::Logical { cs, eip } => cpu.cs().selector == cs && cpu.eip() == eip,
        })
    }
}
