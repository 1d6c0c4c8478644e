//! A processor's state as it is stored: plain numbers, apart from the layout that translated code
//! needs, and checked when they come back.
//!
//! Invariant: [`SavedCpu::of`] and [`SavedCpu::restore`] name every field of the state (no `..`), so a
//! new field does not compile until both have it; and it is a new [`SavedCpu::VERSION`]. What
//! `restore` gives is a state that the interpreter could have come to: it may come from a file.

use crate::addr::{Lin, Pc};
use crate::flags::Eflags;
use crate::segment::{SegAttr, Segment};
use crate::state::{
    Activity, CpuState, FpuImage, Gpr, Msrs, SegReg, StringInProgress, TableReg, cr0, cr4, efer,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The state of one processor. Fields mean what those of [`CpuState`] do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct SavedCpu {
    /// The FXSAVE image: 512 bytes.
    pub fpu: Vec<u8>,
    pub ymm_high: [[u8; 16]; 16],
    pub gpr: [u64; 16],
    pub rip: u64,
    pub eflags: u32,
    pub seg: [SavedSegment; 6],
    pub ldtr: SavedSegment,
    pub tr: SavedSegment,
    pub gdtr: SavedTable,
    pub idtr: SavedTable,
    pub cr0: u64,
    pub cr2: u64,
    pub cr3: u64,
    pub cr4: u64,
    pub xcr0: u64,
    pub dr: [u64; 8],
    pub msr: SavedMsrs,
    pub cpl: u8,
    /// 0 running, 1 halted, 2 shut down.
    pub activity: u8,
    pub shadow_irq: bool,
    pub shadow_debug: bool,
    pub nmi_blocked: bool,
    pub pending_debug: u32,
    /// The bytes of the string instruction that is in progress; none: none is.
    pub string: Vec<u8>,
}

/// A segment register, LDTR or TR. Fields mean what those of [`Segment`] do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct SavedSegment {
    pub selector: u16,
    pub attr: u16,
    pub limit: u32,
    pub base: u64,
}

/// GDTR or IDTR. Fields mean what those of [`TableReg`] do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct SavedTable {
    pub base: u64,
    pub limit: u16,
}

/// The model-specific registers. Fields mean what those of [`Msrs`] do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct SavedMsrs {
    pub sysenter_cs: u64,
    pub sysenter_esp: u64,
    pub sysenter_eip: u64,
    pub apic_base: u64,
    pub efer: u64,
    pub star: u64,
    pub lstar: u64,
    pub cstar: u64,
    pub fmask: u64,
    pub kernel_gs_base: u64,
    pub pat: u64,
    pub tsc_offset: u64,
    pub misc_enable: u64,
}

/// Why a state cannot be saved or restored.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SavedCpuError {
    /// The caller has to bring the x87 unit's state home first.
    #[error("the guest's x87 state is still in the host's registers: claim it, then save")]
    FpuInHost,
    /// The FXSAVE image is not one.
    #[error("the saved FPU image has {0} bytes, where FXSAVE makes 512: the state is damaged")]
    FpuLength(usize),
    /// A register holds what no processor can bring it to.
    #[error(
        "the saved {register} is {value:#x}, which no guest can bring about: the state is damaged"
    )]
    Impossible {
        /// Which, as the SDM calls it.
        register: &'static str,
        /// What it is said to hold.
        value: u64,
    },
}

/// The bits of EFLAGS that exist, bit 1 among them (SDM volume 1, figure 3-8).
const EFLAGS_BITS: u32 = 0x003f_7fd7;
/// The bits of CR0 that exist.
const CR0_BITS: u64 = 0xe005_003f;
/// The bits of CR4 that a model has.
const CR4_BITS: u64 = 0x35_0fff;
/// The bits of IA32_EFER that exist.
const EFER_BITS: u64 = efer::SCE | efer::LME | efer::LMA | efer::NXE;
/// DR6: the bits that can change, and those that are always ones (SDM volume 3B, 17.2.3).
const DR6_BITS: u64 = 0xe00f;
const DR6_ONES: u64 = 0xffff_0ff0;
/// DR7 likewise (SDM volume 3B, 17.2.4).
const DR7_BITS: u64 = 0xffff_23ff;
const DR7_ONES: u64 = 0x400;
/// The rights that a segment register can have.
const ATTR_BITS: u16 = 0xf0ff | SegAttr::NULL.bits();
/// The bits of MXCSR that exist (SDM volume 1, 10.2.3).
const MXCSR_BITS: u32 = 0xffff;

impl SavedCpu {
    /// Goes up with every change of what is stored.
    pub const VERSION: u32 = 4;

    /// `state` as it is to be stored.
    ///
    /// # Errors
    /// [`SavedCpuError::FpuInHost`].
    pub fn of(state: &CpuState) -> Result<Self, SavedCpuError> {
        let CpuState {
            fpu: FpuImage(fpu),
            ymm_high,
            gpr,
            rip: Pc(rip),
            eflags,
            seg,
            ldtr,
            tr,
            gdtr,
            idtr,
            cr0,
            cr2,
            cr3,
            cr4,
            xcr0,
            dr,
            msr,
            cpl,
            activity,
            shadow_irq,
            shadow_debug,
            fpu_in_host,
            nmi_blocked,
            pending_debug,
            string,
        } = *state;
        if fpu_in_host {
            return Err(SavedCpuError::FpuInHost);
        }
        Ok(Self {
            fpu: fpu.to_vec(),
            ymm_high,
            gpr,
            rip,
            eflags,
            seg: seg.map(SavedSegment::of),
            ldtr: SavedSegment::of(ldtr),
            tr: SavedSegment::of(tr),
            gdtr: SavedTable::of(gdtr),
            idtr: SavedTable::of(idtr),
            cr0,
            cr2,
            cr3,
            cr4,
            xcr0,
            dr,
            msr: SavedMsrs::of(msr),
            cpl,
            activity: activity as u8,
            shadow_irq,
            shadow_debug,
            nmi_blocked,
            pending_debug,
            string: string.bytes().map_or_else(Vec::new, <[u8]>::to_vec),
        })
    }

    /// The state that was stored; its x87 state is in the image.
    ///
    /// # Errors
    /// [`SavedCpuError::FpuLength`], and [`SavedCpuError::Impossible`] for the first register that
    /// holds what it cannot hold.
    pub fn restore(&self) -> Result<CpuState, SavedCpuError> {
        self.check_flags_and_level()?;
        self.check_control()?;
        self.check_halves()?;
        let Self {
            ref fpu,
            ymm_high,
            gpr,
            rip,
            eflags,
            ref seg,
            ldtr,
            tr,
            gdtr,
            idtr,
            cr0,
            cr2,
            cr3,
            cr4,
            xcr0,
            dr,
            msr,
            cpl,
            activity,
            shadow_irq,
            shadow_debug,
            nmi_blocked,
            pending_debug,
            ref string,
        } = *self;
        let mut restored = [Segment::default(); 6];
        for (to, from) in restored.iter_mut().zip(seg) {
            *to = from.restore()?;
        }
        Ok(CpuState {
            fpu: restore_fpu(fpu)?,
            ymm_high,
            gpr,
            rip: Pc(rip),
            eflags,
            seg: restored,
            ldtr: ldtr.restore()?,
            tr: tr.restore()?,
            gdtr: gdtr.restore(),
            idtr: idtr.restore(),
            cr0,
            cr2,
            cr3,
            cr4,
            xcr0,
            dr,
            msr: msr.restore(),
            cpl,
            activity: restore_activity(activity)?,
            shadow_irq,
            shadow_debug,
            fpu_in_host: false,
            nmi_blocked,
            pending_debug,
            string: restore_string(string)?,
        })
    }

    fn check_flags_and_level(&self) -> Result<(), SavedCpuError> {
        let eflags = u64::from(self.eflags);
        let fixed = u64::from(Eflags::FIXED_ONE);
        possible("EFLAGS", eflags, eflags & !u64::from(EFLAGS_BITS) == 0 && eflags & fixed != 0)?;
        let protected = self.cr0 & cr0::PE != 0;
        let v86 = protected && self.eflags & Eflags::VM.bits() != 0;
        let level = match self.cpl {
            0 => !v86,
            1 | 2 => protected && !v86,
            3 => protected && !(v86 && self.in_long_mode()),
            _ => false,
        };
        possible("CPL", u64::from(self.cpl), level)?;
        let pending = u64::from(self.pending_debug);
        possible("pending debug traps", pending, pending & !DR6_BITS == 0)
    }

    fn check_control(&self) -> Result<(), SavedCpuError> {
        let cr0 = self.cr0;
        let paging = cr0 & cr0::PG == 0 || cr0 & cr0::PE != 0;
        let caches = cr0 & cr0::NW == 0 || cr0 & cr0::CD != 0;
        let fixed = cr0 & !CR0_BITS == 0 && cr0 & cr0::ET != 0;
        possible("CR0", cr0, fixed && paging && caches)?;
        possible("CR4", self.cr4, self.cr4 & !CR4_BITS == 0)?;
        possible("XCR0", self.xcr0, matches!(self.xcr0, 1 | 3 | 7))?;
        let efer = self.msr.efer;
        let enabled = cr0 & cr0::PG != 0 && efer & efer::LME != 0;
        let wide = self.cr4 & cr4::PAE != 0 || !enabled;
        let active = enabled == self.in_long_mode();
        possible("IA32_EFER", efer, efer & !EFER_BITS == 0 && active && wide)?;
        let [.., dr4, dr5, dr6, dr7] = self.dr;
        possible("DR4", dr4, dr4 == 0)?;
        possible("DR5", dr5, dr5 == 0)?;
        possible("DR6", dr6, dr6 & !DR6_BITS == DR6_ONES)?;
        possible("DR7", dr7, dr7 & !DR7_BITS == DR7_ONES)
    }

    fn in_long_mode(&self) -> bool {
        self.msr.efer & efer::LMA != 0
    }

    /// Outside long mode upper halves are zero; in compatibility mode those of RIP and of the first eight general registers.
    fn check_halves(&self) -> Result<(), SavedCpuError> {
        let narrow = |register, value: u64| possible(register, value, value >> 32 == 0);
        let all = |register, values: &[u64]| values.iter().try_for_each(|v| narrow(register, *v));
        let cs = self.seg[SegReg::Cs as usize].attr;
        if self.in_long_mode() && cs & SegAttr::L.bits() != 0 {
            return Ok(());
        }
        all("general register", &self.gpr[..Gpr::R8 as usize])?;
        narrow("RIP", self.rip)?;
        if self.in_long_mode() {
            return Ok(());
        }
        all("general register", &self.gpr)?;
        all("debug register", &self.dr)?;
        narrow("CR2", self.cr2)?;
        narrow("CR3", self.cr3)?;
        narrow("GDTR base", self.gdtr.base)?;
        narrow("IDTR base", self.idtr.base)?;
        let segments = self.seg.iter().chain([&self.ldtr, &self.tr]);
        segments.map(|s| s.base).try_for_each(|base| narrow("segment base", base))
    }
}

fn possible(register: &'static str, value: u64, so: bool) -> Result<(), SavedCpuError> {
    if so { Ok(()) } else { Err(SavedCpuError::Impossible { register, value }) }
}

fn restore_fpu(bytes: &[u8]) -> Result<FpuImage, SavedCpuError> {
    let bytes = bytes.try_into().map_err(|_| SavedCpuError::FpuLength(bytes.len()))?;
    let image = FpuImage(bytes);
    let mxcsr = image.mxcsr();
    possible("MXCSR", u64::from(mxcsr), mxcsr & !MXCSR_BITS == 0)?;
    Ok(image)
}

fn restore_string(bytes: &[u8]) -> Result<StringInProgress, SavedCpuError> {
    let mut string = StringInProgress::NONE;
    let len = bytes.len();
    possible("string instruction's length", len as u64, len <= string.bytes.len())?;
    string.bytes[..len].copy_from_slice(bytes);
    string.len = len as u8;
    Ok(string)
}

fn restore_activity(number: u8) -> Result<Activity, SavedCpuError> {
    let all = [Activity::Running, Activity::Halted, Activity::Shutdown];
    let found = all.into_iter().find(|a| *a as u8 == number);
    found.ok_or(SavedCpuError::Impossible { register: "activity", value: u64::from(number) })
}

impl SavedSegment {
    fn of(segment: Segment) -> Self {
        let Segment { selector, attr, limit, base: Lin(base) } = segment;
        Self { selector, attr: attr.bits(), limit, base }
    }

    fn restore(&self) -> Result<Segment, SavedCpuError> {
        let Self { selector, attr, limit, base } = *self;
        possible("segment's rights", u64::from(attr), attr & !ATTR_BITS == 0)?;
        Ok(Segment { selector, attr: SegAttr::from_bits_retain(attr), limit, base: Lin(base) })
    }
}

impl SavedTable {
    fn of(table: TableReg) -> Self {
        let TableReg { base: Lin(base), limit } = table;
        Self { base, limit }
    }

    fn restore(self) -> TableReg {
        let Self { base, limit } = self;
        TableReg { base: Lin(base), limit }
    }
}

impl SavedMsrs {
    #[rustfmt::skip]
    fn of(msrs: Msrs) -> Self {
        let Msrs {
            sysenter_cs, sysenter_esp, sysenter_eip, apic_base, efer, star, lstar, cstar, fmask,
            kernel_gs_base, pat, tsc_offset, misc_enable,
        } = msrs;
        Self {
            sysenter_cs, sysenter_esp, sysenter_eip, apic_base, efer, star, lstar, cstar, fmask,
            kernel_gs_base, pat, tsc_offset, misc_enable,
        }
    }

    #[rustfmt::skip]
    fn restore(self) -> Msrs {
        let Self {
            sysenter_cs, sysenter_esp, sysenter_eip, apic_base, efer, star, lstar, cstar, fmask,
            kernel_gs_base, pat, tsc_offset, misc_enable,
        } = self;
        Msrs {
            sysenter_cs, sysenter_esp, sysenter_eip, apic_base, efer, star, lstar, cstar, fmask,
            kernel_gs_base, pat, tsc_offset, misc_enable,
        }
    }
}

#[cfg(test)]
#[path = "saved_tests.rs"]
mod tests;
