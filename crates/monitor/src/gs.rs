//! Whether supervisor code uses GS.
//!
//! A kernel that does not (Linux of today, which keeps its own data behind FS) runs with whatever the user's GS is: null
//! for one process, a thread's segment for the next. As facts of the mode these would be two translations of the whole
//! kernel and two target tables in each window. So supervisor code is translated as if nothing were known of GS: an
//! access through it is the interpreter's then, which is right whatever GS holds, and slow. When a sample of the
//! callouts shows that there are many such accesses, GS counts again.

use crate::run::Monitor;
use iced_x86::{OpKind, Register};
use ringer_translator::Mode;

/// One callout of supervisor code in so many is looked at.
const SAMPLE: u32 = 32;
/// Accesses through GS in the sample that make it count.
const ENOUGH: u32 = 16;

/// The sample.
#[derive(Debug, Default)]
pub(crate) struct GsUse {
    callouts: u32,
    seen: u32,
}

impl GsUse {
    fn counts(&self) -> bool {
        self.seen >= ENOUGH
    }

    /// `mode` without what it says of GS, if that is not worth knowing.
    pub fn simplify(&self, mode: Mode) -> Mode {
        if self.counts() { mode } else { mode.without_gs() }
    }

    /// Whether the callout that comes is one to look at.
    fn wants(&mut self, supervisor: bool) -> bool {
        if !supervisor || self.counts() {
            return false;
        }
        self.callouts += 1;
        self.callouts.is_multiple_of(SAMPLE)
    }
}

impl Monitor {
    /// The mode of translated code here and now; `None`: only the interpreter can go on.
    pub(crate) fn mode(&self) -> Option<Mode> {
        let cpu = &self.context.cpu;
        let mode = if cpu.shadow_irq { None } else { Mode::of(cpu) };
        mode.map(|mode| self.bt.gs_use.simplify(mode))
    }

    /// Looks at the instruction of a callout, now and then.
    pub(crate) fn sample_gs(&mut self) {
        if !self.bt.gs_use.wants(self.context.cpu.cpl == 0) {
            return;
        }
        let Ok(i) = self.interp.decode(&self.context.cpu, &mut self.bus) else { return };
        let memory = (0..i.op_count()).any(|k| i.op_kind(k) == OpKind::Memory);
        if memory && i.memory_segment() == Register::GS {
            self.bt.gs_use.seen += 1;
            if self.bt.gs_use.counts() {
                self.bt.selections.forget();
            }
        }
    }
}
