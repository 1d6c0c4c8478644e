//! The facts about the processor that change a translation.
//!
//! Two states with equal [`Mode`] run the same host code; a fact that is not here must be read from
//! the execution context at run time: segment bases (CS's too: a target table belongs to one base),
//! selectors, the limits of [`SegmentClass::Limited`]. States that translated code does not cover at
//! all (long mode, single-stepping, armed breakpoints, EIP beyond CS's limit …) have no mode: the interpreter
//! runs them.

use bitflags::bitflags;
use iced_x86::Register;
use ringer_cpu::segment::{SegAttr, Segment};
use ringer_cpu::state::{CpuState, SegReg, cr0, cr4};
use ringer_cpu::{Eflags, Lin, state};

bitflags! {
    /// The facts baked into a translation. With none of the segment bits everything is flat and
    /// 32-bit. A segment has at most one of its bits; with none of them it is flat.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub struct Mode: u64 {
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
        /// 16-bit code (CS.D clear, or V86 mode), at an IP of at most FFFFh.
        const CODE16 = 1 << 5;
        /// SS.B is clear: pushes and pops move SP only, and wrap at 64 KiB.
        const STACK16 = 1 << 6;
        /// Real mode: a load of a segment register changes its selector and base only.
        const REAL = 1 << 7;
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
        /// SS is unlimited but has a base.
        const SS_BASED = 1 << 16;
        /// SS needs checks at each access.
        const SS_OTHER = 1 << 17;
        /// ES ends at 64 KiB and may have a base.
        const ES_64K = 1 << 18;
        /// ES has another limit.
        const ES_LIMITED = 1 << 19;
        /// DS ends at 64 KiB and may have a base.
        const DS_64K = 1 << 20;
        /// DS has another limit.
        const DS_LIMITED = 1 << 21;
        /// FS ends at 64 KiB and may have a base.
        const FS_64K = 1 << 22;
        /// FS has another limit.
        const FS_LIMITED = 1 << 23;
        /// GS ends at 64 KiB and may have a base.
        const GS_64K = 1 << 24;
        /// GS has another limit.
        const GS_LIMITED = 1 << 25;
        /// SS ends at 64 KiB and may have a base.
        const SS_64K = 1 << 26;
        /// SS has another limit.
        const SS_LIMITED = 1 << 27;
        /// CS is a data segment of 64 KiB, as loads in real and V86 mode make it: it can be written
        /// too, and another load changes its selector and base only.
        const CS_64K = 1 << 28;
        /// V86 mode.
        const V86 = 1 << 29;
        /// CS has a limit that the code can run into: targets and blocks are checked.
        const CS_LIMITED = 1 << 30;
        /// ES can only be read, up to its limit.
        const ES_READ = 1 << 32;
        /// CS, of 16-bit code, is a code segment that can be read, up to its limit.
        const CS_READ = 1 << 33;
        /// SS can only be read (which no load allows).
        const SS_READ = 1 << 34;
        /// DS can only be read, up to its limit.
        const DS_READ = 1 << 35;
        /// FS can only be read, up to its limit.
        const FS_READ = 1 << 36;
        /// GS can only be read, up to its limit.
        const GS_READ = 1 << 37;
        /// CS, of 32-bit code, cannot be read.
        const CS_OPAQUE = 1 << 38;
        /// EFLAGS.AC below CPL 3, where it checks no alignment: it lifts CR4.SMAP, so data is in another window.
        const AC = 1 << 40;
        /// Others can touch the guest's memory while translated code runs: LOCK is kept, XCHG with memory is one access, and
        /// nothing is stored that the guest does not store. Never of the processor's state: whoever runs several adds it.
        const SHARED = 1 << 39;
        /// Vector instructions with a VEX prefix run: protected mode, CR4.OSXSAVE, XCR0 with SSE and AVX, not CR0.TS.
        const AVX = 1 << 41;
    }
}

/// How much work an access through a segment register is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SegmentClass {
    /// Base 0, no limit, writable: offsets are linear addresses.
    Flat,
    /// No limit, writable, with a base that is read from the context at run time.
    Based,
    /// Writable, expand-up, limit FFFFh, any base: real and V86 mode's.
    Limited64K,
    /// Writable, expand-up, any limit and base, both read from the context at run time.
    Limited,
    /// Read-only data or readable code, any limit and base, both read from the context.
    ReadOnly,
    /// Expand-down, null, not readable …: each access is checked by the interpreter.
    Other,
}

impl SegmentClass {
    /// The class of `s`. `moving`: real and V86 mode, where a load changes the base without changing
    /// the class, so that base 0 is nothing special.
    fn of(s: &Segment, moving: bool) -> Self {
        use SegAttr as A;
        let kind = s.attr & (A::PRESENT | A::S | A::NULL | A::CODE | A::EXPAND_DOWN | A::WRITABLE);
        let usable = A::PRESENT | A::S;
        if kind != usable | A::WRITABLE {
            // For code, the one bit says readable, and the other conforming.
            let readable_code = usable | A::CODE | A::WRITABLE;
            let readable = kind == usable || kind - A::EXPAND_DOWN == readable_code;
            return if readable { SegmentClass::ReadOnly } else { SegmentClass::Other };
        }
        match s.limit {
            u32::MAX if s.base == Lin(0) && !moving => SegmentClass::Flat,
            u32::MAX => SegmentClass::Based,
            LAST_16 => SegmentClass::Limited64K,
            _ => SegmentClass::Limited,
        }
    }

    /// The class in V86 mode, where every load makes the segment anew: only what such a load makes
    /// is known to stay as it is.
    fn of_v86(s: &Segment) -> Self {
        let fresh = Segment::real(s.selector, 3);
        if s.attr == fresh.attr && s.limit == fresh.limit {
            SegmentClass::Limited64K
        } else {
            SegmentClass::Other
        }
    }
}

/// Breakpoint enables of DR7, local and global.
const DR7_ENABLES: u64 = 0xff;
/// The last offset of a 64 KiB segment, and the largest IP.
const LAST_16: u32 = 0xffff;

/// The bits of a segment register for the classes but [`SegmentClass::Flat`], in [`CLASSES`]' order.
struct Bits([Mode; 5]);

/// The classes that have a bit.
const CLASSES: [SegmentClass; 5] = [
    SegmentClass::Based,
    SegmentClass::Limited64K,
    SegmentClass::Limited,
    SegmentClass::ReadOnly,
    SegmentClass::Other,
];

impl Bits {
    /// Of a register other than CS.
    fn of(reg: SegReg) -> Option<Self> {
        use Mode as M;
        Some(Self(match reg {
            SegReg::Es => [M::ES_BASED, M::ES_64K, M::ES_LIMITED, M::ES_READ, M::ES_OTHER],
            SegReg::Ss => [M::SS_BASED, M::SS_64K, M::SS_LIMITED, M::SS_READ, M::SS_OTHER],
            SegReg::Ds => [M::DS_BASED, M::DS_64K, M::DS_LIMITED, M::DS_READ, M::DS_OTHER],
            SegReg::Fs => [M::FS_BASED, M::FS_64K, M::FS_LIMITED, M::FS_READ, M::FS_OTHER],
            SegReg::Gs => [M::GS_BASED, M::GS_64K, M::GS_LIMITED, M::GS_READ, M::GS_OTHER],
            SegReg::Cs => return None,
        }))
    }

    fn for_class(&self, class: SegmentClass) -> Mode {
        let at = CLASSES.iter().position(|c| *c == class);
        at.map_or(Mode::empty(), |at| self.0[at])
    }
}

impl Mode {
    /// The mode of `s`, or `None` when only the interpreter can run it: single-stepping, an armed
    /// breakpoint, active alignment checking, EIP beyond CS's limit, 16-bit code beyond IP FFFFh.
    #[must_use]
    pub fn of(s: &CpuState) -> Option<Mode> {
        if !translatable(s) {
            return None;
        }
        let (real, v86) = (!s.protected(), s.v86());
        let mut mode = Mode::empty();
        mode.set(Mode::USER, s.cpl == 3);
        mode.set(Mode::CPL0, s.cpl == 0);
        mode.set(Mode::IOPL_OK, s.cpl <= s.flags().iopl());
        mode.set(Mode::AC, s.cpl != 3 && s.flags().contains(Eflags::AC));
        let fpu_off = s.cr0 & (cr0::EM | cr0::TS) != 0;
        mode.set(Mode::FPU_OFF, fpu_off);
        mode.set(Mode::SSE_OFF, fpu_off || s.cr4 & cr4::OSFXSR == 0);
        let avx_off = real || v86 || s.cr0 & cr0::TS != 0 || !s.avx_enabled();
        mode.set(Mode::AVX, !avx_off);
        mode.set(Mode::CODE16, is_16(s));
        mode.set(Mode::STACK16, !s.ss().is_32());
        mode.set(Mode::REAL, real);
        mode.set(Mode::V86, v86);
        let class_of = |reg: SegReg| {
            let segment = &s.seg[reg as usize];
            if v86 { SegmentClass::of_v86(segment) } else { SegmentClass::of(segment, real) }
        };
        for reg in SegReg::ALL {
            let Some(bits) = Bits::of(reg) else { continue };
            let class = class_of(reg);
            if class != SegmentClass::Flat {
                mode |= bits.for_class(class);
            }
        }
        let cs = class_of(SegReg::Cs);
        mode.set(Mode::CS_64K, cs == SegmentClass::Limited64K && (v86 || is_fresh(s.cs())));
        // Constants beside the code: what can be read nearly always has no bit.
        mode.set(Mode::CS_READ, cs == SegmentClass::ReadOnly && is_16(s));
        mode.set(Mode::CS_OPAQUE, cs != SegmentClass::ReadOnly && !is_16(s));
        mode.set(Mode::CS_LIMITED, s.cs().limit < mode.last_eip());
        Some(mode)
    }

    /// For flat 32-bit supervisor code: the mode that says nothing of GS, so that each access through it is the
    /// interpreter's. Any other mode as it is.
    #[must_use]
    pub fn without_gs(self) -> Mode {
        let own = Mode::REAL | Mode::V86 | Mode::CODE16 | Mode::CS_LIMITED;
        if !self.contains(Mode::CPL0) || self.intersects(own) {
            return self;
        }
        let known = Mode::GS_BASED | Mode::GS_64K | Mode::GS_LIMITED | Mode::GS_READ;
        (self - known) | Mode::GS_OTHER
    }

    /// The class of segment register `reg` (one of iced's ES to GS).
    #[must_use]
    pub fn class(self, reg: Register) -> SegmentClass {
        let Some(reg) = SegReg::named(reg) else { return SegmentClass::Other };
        let Some(bits) = Bits::of(reg) else { return self.class_of_cs() };
        CLASSES
            .into_iter()
            .find(|class| self.contains(bits.for_class(*class)))
            .unwrap_or(SegmentClass::Flat)
    }

    fn class_of_cs(self) -> SegmentClass {
        if self.contains(Mode::CS_64K) {
            SegmentClass::Limited64K
        } else if self.contains(Mode::CS_READ) || !self.intersects(Mode::CODE16 | Mode::CS_OPAQUE) {
            SegmentClass::ReadOnly
        } else {
            SegmentClass::Other
        }
    }

    /// 16 or 32: how the code's bytes are decoded.
    #[must_use]
    pub fn bitness(self) -> u32 {
        if self.contains(Mode::CODE16) { 16 } else { 32 }
    }

    /// The bits that an instruction pointer, and a linear address, has in this mode: sums are cut to them.
    #[must_use]
    pub const fn address_mask(self) -> u64 {
        u32::MAX as u64
    }

    /// The last EIP that translated code of this mode may reach.
    #[must_use]
    pub fn last_eip(self) -> u32 {
        if self.contains(Mode::CODE16) { LAST_16 } else { u32::MAX }
    }
}

/// Whether a load of CS in real mode would leave its rights as they are.
fn is_fresh(cs: &Segment) -> bool {
    let kept = SegAttr::DB | SegAttr::G | SegAttr::AVL;
    cs.attr - kept == Segment::real(0, 0).attr
}

fn is_16(s: &CpuState) -> bool {
    !s.cs().is_32() || s.v86()
}

/// Whether EIP is where code of its size can run.
fn code_fits(s: &CpuState) -> bool {
    s.eip() <= s.cs().limit && (!is_16(s) || s.eip() <= LAST_16)
}

fn translatable(s: &CpuState) -> bool {
    let flags = s.flags();
    let checks_alignment = s.cpl == 3 && s.cr0 & state::cr0::AM != 0 && flags.contains(Eflags::AC);
    !s.in_long_mode()
        && code_fits(s)
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
        Segment { selector: 8, attr, base: Lin(0), limit: u32::MAX }
    }

    fn flat() -> CpuState {
        let mut s = CpuState::reset(0);
        s.cr0 = cr0::PE;
        s.seg = [flat_segment(false); 6];
        s.seg[SegReg::Cs as usize] = flat_segment(true);
        s
    }

    #[test]
    fn each_fact_has_a_bit_of_its_own() {
        let mut before = Mode::empty();
        for (name, flag) in Mode::all().iter_names() {
            assert!(flag.bits().is_power_of_two() && !before.intersects(flag), "{name}");
            before |= flag;
        }
    }

    #[test]
    fn flat_supervisor_code_has_a_plain_mode() {
        let mode = Mode::of(&flat()).unwrap();
        assert_eq!(mode, Mode::CPL0 | Mode::IOPL_OK | Mode::SSE_OFF);
    }

    #[test]
    fn supervisor_code_can_do_without_gs_and_no_other() {
        let mut s = flat();
        let plain = Mode::of(&s).unwrap();
        s.seg[SegReg::Gs as usize].base = Lin(0x1000);
        let based = Mode::of(&s).unwrap();
        assert_ne!(plain, based);
        assert_eq!(plain.without_gs(), based.without_gs());
        assert_eq!(plain.without_gs().class(Register::GS), SegmentClass::Other);
        s.cpl = 3;
        let user = Mode::of(&s).unwrap();
        assert_eq!(user.without_gs(), user);
        s.cpl = 0;
        s.cr0 = 0;
        let real = Mode::of(&s).unwrap();
        assert_eq!(real.without_gs(), real);
    }

    #[test]
    fn the_alignment_flag_is_in_the_modes_of_the_supervisor() {
        let mut s = flat();
        let plain = Mode::of(&s).unwrap();
        s.eflags |= Eflags::AC.bits();
        assert_eq!(Mode::of(&s).unwrap(), plain | Mode::AC);
        s.cpl = 3;
        assert!(!Mode::of(&s).unwrap().contains(Mode::AC));
    }

    #[test]
    fn states_that_need_the_interpreter_have_no_mode() {
        let changes: [fn(&mut CpuState); 5] = [
            |s| s.eflags |= Eflags::TF.bits(),
            |s| s.dr[7] |= 2,
            |s| {
                s.set_eip(0x1_0000);
                s.seg[SegReg::Cs as usize].limit = 0xffff;
            },
            |s| {
                s.seg[SegReg::Cs as usize].attr.remove(SegAttr::DB);
                s.set_eip(0x1_0000);
            },
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
        s.seg[SegReg::Fs as usize].base = Lin(0x1000);
        s.seg[SegReg::Gs as usize].attr |= SegAttr::NULL;
        s.seg[SegReg::Es as usize] = flat_segment(true);
        let mode = Mode::of(&s).unwrap();
        assert_eq!(mode.class(Register::FS), SegmentClass::Based);
        assert_eq!(mode.class(Register::GS), SegmentClass::Other);
        assert_eq!(mode.class(Register::ES), SegmentClass::ReadOnly);
        assert_eq!(mode.class(Register::DS), SegmentClass::Flat);
        assert_eq!(mode.class(Register::SS), SegmentClass::Flat);
        assert_eq!(mode.class(Register::CS), SegmentClass::ReadOnly);
        s.seg[SegReg::Cs as usize].attr.remove(SegAttr::WRITABLE);
        let unreadable = Mode::of(&s).unwrap();
        assert_eq!(unreadable.class(Register::CS), SegmentClass::Other);
        s.seg[SegReg::Es as usize] = Segment { limit: 0xffff, ..flat_segment(false) };
        s.seg[SegReg::Ss as usize] = Segment { limit: 0xfff, ..flat_segment(false) };
        s.seg[SegReg::Ss as usize].attr.remove(SegAttr::DB);
        let mode = Mode::of(&s).unwrap();
        assert_eq!(mode.class(Register::ES), SegmentClass::Limited64K);
        assert_eq!(mode.class(Register::SS), SegmentClass::Limited);
        assert!(mode.contains(Mode::STACK16) && !mode.contains(Mode::CODE16));
    }

    #[test]
    fn a_code_segment_s_limit_counts_when_the_code_can_run_into_it() {
        let limited = |wide, limit| {
            let mut s = flat();
            let cs = &mut s.seg[SegReg::Cs as usize];
            cs.attr.set(SegAttr::DB, wide);
            cs.limit = limit;
            let mode = Mode::of(&s).unwrap();
            assert_eq!(mode.class(Register::CS), SegmentClass::ReadOnly);
            mode.contains(Mode::CS_LIMITED)
        };
        assert!(limited(true, 0x0fff_ffff) && limited(false, 0xfffe));
        assert!(!limited(false, 0xffff) && !limited(false, u32::MAX));
    }

    #[test]
    fn real_and_v86_segments_are_of_one_class_whatever_their_base() {
        let real = Mode::of(&CpuState::reset(0)).unwrap();
        for reg in [Register::ES, Register::CS, Register::SS, Register::DS, Register::FS] {
            assert_eq!(real.class(reg), SegmentClass::Limited64K, "{reg:?}");
        }
        assert!(real.contains(Mode::REAL | Mode::CODE16 | Mode::STACK16));
        let mut s = CpuState::reset(0);
        s.seg[SegReg::Ds as usize].limit = u32::MAX;
        assert_eq!(Mode::of(&s).unwrap().class(Register::DS), SegmentClass::Based, "unreal mode");
        s.cr0 = cr0::PE;
        s.eflags |= Eflags::VM.bits();
        s.cpl = 3;
        s.seg = [Segment::real(0x1000, 3); 6];
        s.seg[SegReg::Gs as usize].limit = 0xfff;
        let v86 = Mode::of(&s).unwrap();
        assert!(
            v86.contains(Mode::V86 | Mode::CODE16 | Mode::STACK16) && !v86.contains(Mode::REAL)
        );
        assert_eq!(v86.class(Register::SS), SegmentClass::Limited64K);
        assert_eq!(v86.class(Register::GS), SegmentClass::Other);
    }
}
