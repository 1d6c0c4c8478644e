//! The facts about the processor that change a translation.
//!
//! Two states with equal [`Mode`] run the same host code; a fact that is not here must be read from
//! the execution context at run time. States that translated code does not cover at all (16-bit
//! code, V86, single-stepping, armed breakpoints …) have no mode: the interpreter runs them.

use bitflags::bitflags;
use iced_x86::Register;
use ringer_cpu::segment::{SegAttr, Segment};
use ringer_cpu::state::{CpuState, SegReg, cr0, cr4};
use ringer_cpu::{Eflags, state};

bitflags! {
    /// The facts baked into a translation. CS and SS are always flat and 32-bit.
    ///
    /// A data segment with neither its `BASED` nor its `OTHER` bit is flat.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub struct Mode: u32 {
        /// CPL 3.
        const USER = 1 << 0;
        /// CPL 0.
        const CPL0 = 1 << 1;
        /// CPL <= IOPL: CLI, STI and POPF may change IF.
        const IOPL_OK = 1 << 2;
        /// CR0.EM or CR0.TS: x87 and MMX instructions trap.
        const FPU_OFF = 1 << 3;
        /// CR0.EM, CR0.TS or not CR4.OSFXSR: SSE instructions trap.
        const SSE_OFF = 1 << 4;
        /// ES is unlimited but has a base.
        const ES_BASED = 1 << 8;
        /// ES needs checks at each access.
        const ES_OTHER = 1 << 9;
        /// DS is unlimited but has a base.
        const DS_BASED = 1 << 10;
        /// DS needs checks at each access.
        const DS_OTHER = 1 << 11;
        /// FS is unlimited but has a base.
        const FS_BASED = 1 << 12;
        /// FS needs checks at each access.
        const FS_OTHER = 1 << 13;
        /// GS is unlimited but has a base.
        const GS_BASED = 1 << 14;
        /// GS needs checks at each access.
        const GS_OTHER = 1 << 15;
    }
}

/// How much work an access through a segment register is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SegmentClass {
    /// Base 0, no limit, writable: offsets are linear addresses.
    Flat,
    /// No limit, writable, with a base that is read from the context at run time.
    Based,
    /// Limited, read-only, expand-down, null …: each access is checked by the interpreter.
    Other,
}

impl SegmentClass {
    fn of(s: &Segment) -> Self {
        // A code segment in a data segment register can be read but not written.
        if !s.is_unlimited() || s.attr.contains(SegAttr::CODE) {
            SegmentClass::Other
        } else if s.base == 0 {
            SegmentClass::Flat
        } else {
            SegmentClass::Based
        }
    }
}

/// Breakpoint enables of DR7, local and global.
const DR7_ENABLES: u32 = 0xff;

impl Mode {
    /// The mode of `s`, or `None` when only the interpreter can run it: real or V86 mode, 16-bit or
    /// non-flat CS or SS, single-stepping, an armed breakpoint, active alignment checking.
    #[must_use]
    pub fn of(s: &CpuState) -> Option<Mode> {
        if !translatable(s) {
            return None;
        }
        let mut mode = Mode::empty();
        mode.set(Mode::USER, s.cpl == 3);
        mode.set(Mode::CPL0, s.cpl == 0);
        mode.set(Mode::IOPL_OK, s.cpl <= s.flags().iopl());
        let fpu_off = s.cr0 & (cr0::EM | cr0::TS) != 0;
        mode.set(Mode::FPU_OFF, fpu_off);
        mode.set(Mode::SSE_OFF, fpu_off || s.cr4 & cr4::OSFXSR == 0);
        let data = [
            (SegReg::Es, Mode::ES_BASED, Mode::ES_OTHER),
            (SegReg::Ds, Mode::DS_BASED, Mode::DS_OTHER),
            (SegReg::Fs, Mode::FS_BASED, Mode::FS_OTHER),
            (SegReg::Gs, Mode::GS_BASED, Mode::GS_OTHER),
        ];
        for (reg, based, other) in data {
            let class = SegmentClass::of(&s.seg[reg as usize]);
            mode.set(based, class == SegmentClass::Based);
            mode.set(other, class == SegmentClass::Other);
        }
        Some(mode)
    }

    /// The class of segment register `reg` (one of iced's ES to GS). CS counts as
    /// [`SegmentClass::Other`]: it can be read but never written.
    #[must_use]
    pub fn class(self, reg: Register) -> SegmentClass {
        let (based, other) = match reg {
            Register::SS => return SegmentClass::Flat,
            Register::ES => (Mode::ES_BASED, Mode::ES_OTHER),
            Register::DS => (Mode::DS_BASED, Mode::DS_OTHER),
            Register::FS => (Mode::FS_BASED, Mode::FS_OTHER),
            Register::GS => (Mode::GS_BASED, Mode::GS_OTHER),
            _ => return SegmentClass::Other,
        };
        if self.contains(other) {
            SegmentClass::Other
        } else if self.contains(based) {
            SegmentClass::Based
        } else {
            SegmentClass::Flat
        }
    }
}

fn translatable(s: &CpuState) -> bool {
    let flags = s.flags();
    let checks_alignment = s.cpl == 3 && s.cr0 & state::cr0::AM != 0 && flags.contains(Eflags::AC);
    let (cs, ss) = (s.cs(), s.ss());
    s.protected()
        && !s.v86()
        && cs.is_32()
        && cs.is_flat()
        && ss.is_32()
        && SegmentClass::of(ss) == SegmentClass::Flat
        && !flags.contains(Eflags::TF)
        && s.dr[7] & DR7_ENABLES == 0
        && !checks_alignment
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat_segment(code: bool) -> Segment {
        let mut attr = SegAttr::PRESENT | SegAttr::S | SegAttr::WRITABLE | SegAttr::DB;
        attr.set(SegAttr::CODE, code);
        Segment { selector: 8, attr, base: 0, limit: u32::MAX }
    }

    fn flat() -> CpuState {
        let mut s = CpuState::reset(0);
        s.cr0 = cr0::PE;
        s.seg = [flat_segment(false); 6];
        s.seg[SegReg::Cs as usize] = flat_segment(true);
        s
    }

    #[test]
    fn flat_supervisor_code_has_a_plain_mode() {
        let mode = Mode::of(&flat()).unwrap();
        assert_eq!(mode, Mode::CPL0 | Mode::IOPL_OK | Mode::SSE_OFF);
    }

    #[test]
    fn states_that_need_the_interpreter_have_no_mode() {
        let changes: [fn(&mut CpuState); 9] = [
            |s| s.cr0 = 0,
            |s| s.eflags |= Eflags::VM.bits(),
            |s| s.eflags |= Eflags::TF.bits(),
            |s| s.dr[7] |= 2,
            |s| s.seg[SegReg::Cs as usize].attr.remove(SegAttr::DB),
            |s| s.seg[SegReg::Ss as usize].attr.remove(SegAttr::DB),
            |s| s.seg[SegReg::Ss as usize].limit = 0xffff,
            |s| s.seg[SegReg::Cs as usize].base = 16,
            |s| {
                s.cpl = 3;
                s.cr0 |= cr0::AM;
                s.eflags |= Eflags::AC.bits();
            },
        ];
        for change in changes {
            let mut s = flat();
            change(&mut s);
            assert_eq!(Mode::of(&s), None);
        }
    }

    #[test]
    fn segment_classes_follow_base_limit_and_type() {
        let mut s = flat();
        s.seg[SegReg::Fs as usize].base = 0x1000;
        s.seg[SegReg::Gs as usize].attr |= SegAttr::NULL;
        s.seg[SegReg::Es as usize] = flat_segment(true);
        let mode = Mode::of(&s).unwrap();
        assert_eq!(mode.class(Register::FS), SegmentClass::Based);
        assert_eq!(mode.class(Register::GS), SegmentClass::Other);
        assert_eq!(mode.class(Register::ES), SegmentClass::Other);
        assert_eq!(mode.class(Register::DS), SegmentClass::Flat);
        assert_eq!(mode.class(Register::SS), SegmentClass::Flat);
        assert_eq!(mode.class(Register::CS), SegmentClass::Other);
    }
}
