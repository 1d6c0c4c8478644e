//! A flat binary: bytes that are put into memory as they are, and entered without any firmware between.
//!
//! The entry state is the least that a program can run in. Interrupts are off, the general registers are
//! zero but for the stack pointer, and memory that the image does not cover is zero too.

use super::error::{FlatError, LoadError};
use crate::firmware::{self, FlatEntry, LOW_MEMORY_END};
use ringer_cpu::addr::Pa;
use ringer_cpu::state::cr0;
use ringer_cpu::{CpuState, Gpr, SegReg, Segment};
use ringer_mmu::GuestMemory;
use std::sync::Arc;

/// Where the descriptor table is: in the page of ROM below the reset vector, out of every program's way.
const GDT: u32 = 0xf_f000;
/// Selector of the code segment; the data segments have the next one, 10h.
const CODE: u16 = 8;
/// The stack pointer at the entry in real mode: below the place of a boot sector.
const REAL_STACK: u32 = 0x7c00;
/// Ends of what segment 0 reaches in real mode.
const REAL_END: u32 = 0x1_0000;

/// The mode that a flat binary is entered in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FlatMode {
    /// Protected mode without paging (SDM volume 3A, 3.2.1): flat 32-bit segments, CS 08h and the others
    /// 10h, in a descriptor table in ROM; ESP at the end of conventional memory, 9FC00h.
    #[default]
    Protected,
    /// Real mode: all segment registers 0, SP 7C00h. The entry lies below 64 KiB.
    Real,
}

/// A flat binary.
#[derive(Clone, Debug)]
pub struct Flat {
    /// The bytes.
    pub image: Arc<[u8]>,
    /// The physical address of the first of them.
    pub load: u32,
    /// The physical address of the first instruction.
    pub entry: u32,
    /// The mode it is entered in.
    pub mode: FlatMode,
}

impl Flat {
    /// `image` at `load`, entered at its first byte in 32-bit protected mode.
    #[must_use]
    pub fn new(image: impl Into<Arc<[u8]>>, load: u32) -> Self {
        Self { image: image.into(), load, entry: load, mode: FlatMode::Protected }
    }

    /// The same, entered in real mode.
    #[must_use]
    pub fn real(image: impl Into<Arc<[u8]>>, load: u32) -> Self {
        Self { mode: FlatMode::Real, ..Self::new(image, load) }
    }

    pub(super) fn check(&self) -> Result<(), LoadError> {
        if self.image.is_empty() {
            return Err(FlatError::Empty.into());
        }
        if self.mode == FlatMode::Real && self.entry >= REAL_END {
            return Err(FlatError::RealEntry { entry: self.entry }.into());
        }
        Ok(())
    }

    pub(super) fn boot(
        &self,
        memory: &mut GuestMemory,
        cpu: &mut CpuState,
    ) -> Result<(), LoadError> {
        memory.load(Pa::from(self.load), &self.image)?;
        match self.mode {
            FlatMode::Protected => {
                let (eip, esp) = (self.entry, LOW_MEMORY_END);
                firmware::enter_flat(memory, cpu, FlatEntry { gdt: GDT, code: CODE, eip, esp })?;
            }
            FlatMode::Real => enter_real(cpu, self.entry),
        }
        Ok(())
    }
}

/// Real mode, as the reset leaves it but for CS and SP.
fn enter_real(cpu: &mut CpuState, ip: u32) {
    cpu.cr0 = cr0::ET;
    cpu.gpr = [0; 16];
    cpu.seg[SegReg::Cs as usize] = Segment::real(0, 0);
    cpu.set_reg32(Gpr::Esp, REAL_STACK);
    cpu.set_eip(ip);
}
