//! The processor's registers, as whoever embeds a machine reads and sets them.

use crate::error::Error;
use ringer_cpu::addr::{Lin, Pc};
use ringer_cpu::{
    Activity, CpuState, Eflags, Gpr, SavedCpu, SavedCpuError, SegAttr, SegReg, Segment,
};
use std::ops::{Index, IndexMut};

/// A segment register with its hidden part (SDM volume 3A, 3.4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentRegister {
    /// The selector.
    pub selector: u16,
    /// The linear address of offset 0.
    pub base: u64,
    /// The last offset, in bytes.
    pub limit: u32,
    /// Bits 8 to 23 of the descriptor's second doubleword: type, S, DPL, P, and from bit 12 on AVL, L, D/B
    /// and G. Bits 8 to 11, which are the limit's there, are 0, but for bit 8 of a null segment.
    pub attributes: u16,
}

/// The registers of the processor. Those outside of it (x87, SSE, descriptor tables, debug registers,
/// MSRs) stay as they are when these are set.
///
/// General registers and segment registers are found by name: `registers[Gpr::Eax]`,
/// `registers[SegReg::Cs]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registers {
    /// General registers in encoding order; the upper halves are 0 outside long mode.
    pub general: [u64; 16],
    /// Offset of the next instruction in CS.
    pub rip: u64,
    /// EFLAGS; bit 1 is always set.
    pub rflags: u64,
    /// ES, CS, SS, DS, FS, GS.
    pub segments: [SegmentRegister; 6],
    /// CR0.
    pub cr0: u64,
    /// CR2, the linear address of the last page fault.
    pub cr2: u64,
    /// CR3.
    pub cr3: u64,
    /// CR4.
    pub cr4: u64,
    /// The current privilege level, 0 to 3.
    pub cpl: u8,
    /// The processor has executed HLT and waits for an interrupt. To set it false wakes the processor.
    pub halted: bool,
}

impl Registers {
    pub(crate) fn of(cpu: &CpuState) -> Self {
        Self {
            general: cpu.gpr,
            rip: cpu.rip.get(),
            rflags: u64::from(cpu.eflags),
            segments: cpu.seg.map(|segment| SegmentRegister {
                selector: segment.selector,
                base: segment.base.get(),
                limit: segment.limit,
                attributes: segment.attr.bits(),
            }),
            cr0: cpu.cr0,
            cr2: cpu.cr2,
            cr3: cpu.cr3,
            cr4: cpu.cr4,
            cpl: cpu.cpl,
            halted: cpu.activity == Activity::Halted,
        }
    }

    /// `before` with these registers.
    pub(crate) fn put_into(&self, before: &CpuState) -> Result<CpuState, Error> {
        let eflags = u32::try_from(self.rflags).map_err(|_| refused("EFLAGS", self.rflags))?;
        let mut cpu = CpuState {
            gpr: self.general,
            rip: Pc(self.rip),
            eflags: eflags | Eflags::FIXED_ONE,
            seg: self.segments.map(|segment| Segment {
                selector: segment.selector,
                base: Lin(segment.base),
                limit: segment.limit,
                attr: SegAttr::from_bits_retain(segment.attributes),
            }),
            cr0: self.cr0,
            cr2: self.cr2,
            cr3: self.cr3,
            cr4: self.cr4,
            cpl: self.cpl,
            ..*before
        };
        let other = (cpu.rip, cpu.eflags) != (before.rip, before.eflags);
        if other {
            // Interrupts were held back for the instruction that would have come next.
            (cpu.shadow_irq, cpu.shadow_debug) = (false, false);
        }
        match (self.halted, cpu.activity) {
            (true, Activity::Running) => cpu.activity = Activity::Halted,
            (false, Activity::Halted) => cpu.activity = Activity::Running,
            _ => {}
        }
        let saved = SavedCpu::of(&cpu).and_then(|saved| saved.restore());
        saved.map(|_| cpu).map_err(|e| match e {
            SavedCpuError::Impossible { register, value } => refused(register, value),
            // Between two runs the x87 state is in the image, which is of its length.
            _ => refused("the x87 state", 0),
        })
    }

    /// The linear address of the next instruction: CS's base plus RIP.
    #[must_use]
    pub fn linear_rip(&self) -> u64 {
        (self[SegReg::Cs].base.wrapping_add(self.rip)) & u64::from(u32::MAX)
    }
}

fn refused(register: &'static str, value: u64) -> Error {
    Error::Register { register, value }
}

impl Index<Gpr> for Registers {
    type Output = u64;

    fn index(&self, register: Gpr) -> &u64 {
        &self.general[register as usize]
    }
}

impl IndexMut<Gpr> for Registers {
    fn index_mut(&mut self, register: Gpr) -> &mut u64 {
        &mut self.general[register as usize]
    }
}

impl Index<SegReg> for Registers {
    type Output = SegmentRegister;

    fn index(&self, register: SegReg) -> &SegmentRegister {
        &self.segments[register as usize]
    }
}

impl IndexMut<SegReg> for Registers {
    fn index_mut(&mut self, register: SegReg) -> &mut SegmentRegister {
        &mut self.segments[register as usize]
    }
}
