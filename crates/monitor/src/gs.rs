//! Whether supervisor code uses GS.
//!
//! A kernel that does not (Linux of today, which keeps its own data behind FS) runs with whatever the user's GS is: null
//! for one process, a thread's segment for the next. As facts of the mode these would be two translations of the whole
//! kernel and two target tables in each window. So supervisor code is translated as if nothing were known of GS: an
//! access through it is the interpreter's then, which is right whatever GS holds, and slow. When a sample of the
//! callouts shows that there are many such accesses, GS counts again.

use iced_x86::{Instruction, OpKind, Register};
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

    /// Makes GS count from now on.
    #[cfg(feature = "testing")]
    pub fn always(&mut self) {
        self.seen = ENOUGH;
    }

    /// `mode` without what it says of GS, if that is not worth knowing.
    pub fn simplify(&self, mode: Mode) -> Mode {
        if self.counts() { mode } else { mode.without_gs() }
    }

    /// Whether the callout that comes is one to look at.
    pub fn wants(&mut self, supervisor: bool) -> bool {
        if !supervisor || self.counts() {
            return false;
        }
        self.callouts += 1;
        self.callouts.is_multiple_of(SAMPLE)
    }

    /// Looks at the instruction of a callout. True: from now on GS counts, and all modes are others.
    pub fn look_at(&mut self, i: &Instruction) -> bool {
        let memory = (0..i.op_count()).any(|k| i.op_kind(k) == OpKind::Memory);
        if !memory || i.memory_segment() != Register::GS {
            return false;
        }
        self.seen += 1;
        self.counts()
    }
}
