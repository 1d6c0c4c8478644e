//! The instructions that change the mode: SYSENTER, SYSEXIT, CLAC, STAC, and supervisor code's loads of FS; and RDTSC and writes of
//! interrupt masks. The block ends with them, in a stub that knows what they did last time (`crate::runtime::transfer`).

use super::emitter::{Emitter, Refused, Step};
use crate::context::TransferKind;
use crate::mode::Mode;
use crate::options::TranslatorOptions;
use crate::pic_masks::PicMasks;
use crate::slots as at;
use crate::translation::Terminator;
use dynasmrt::{DynasmApi, dynasm};
use iced_x86::Instruction;

impl Emitter {
    /// Flat 32-bit protected-mode code, whose stack is too.
    fn may_transfer(&self) -> Result<(), Refused> {
        let other = Mode::REAL | Mode::V86 | Mode::CODE16 | Mode::STACK16 | Mode::CS_LIMITED;
        let allowed = self.opts.contains(TranslatorOptions::INLINE_TRANSFER);
        if allowed && !self.mode.intersects(other) { Ok(()) } else { Err(Refused) }
    }

    /// The same for an instruction after which nobody would look for an interrupt.
    fn may_transfer_unshadowed(&self) -> Result<(), Refused> {
        if self.shadow { Err(Refused) } else { self.may_transfer() }
    }

    pub(super) fn sysenter(&mut self, i: &Instruction) -> Result<Step, Refused> {
        self.may_transfer_unshadowed()?;
        Ok(self.transfer(i, TransferKind::Sysenter))
    }

    /// Behind an STI, too: the stub looks for interrupts.
    pub(super) fn sysexit(&mut self, i: &Instruction) -> Result<Step, Refused> {
        self.may_transfer()?;
        Ok(self.transfer(i, TransferKind::Sysexit))
    }

    /// CLAC and STAC: nothing, where AC is so already; else what comes is in another window.
    pub(super) fn change_ac(&mut self, i: &Instruction, on: bool) -> Result<Step, Refused> {
        if !self.mode.contains(Mode::CPL0) {
            return Err(Refused);
        }
        if self.mode.contains(Mode::AC) == on {
            return Ok(Step::Next);
        }
        self.may_transfer_unshadowed()?;
        dynasm!(self.asm ; .arch x64 ; mov r10d, i.next_ip32() as i32);
        self.ends_in_eip();
        Ok(self.transfer(i, if on { TransferKind::SetAc } else { TransferKind::ClearAc }))
    }

    /// What comes next is looked up, so the stub serves any block.
    pub(super) fn time_stamp(&mut self, i: &Instruction) -> Result<Step, Refused> {
        self.may_transfer_unshadowed()?;
        dynasm!(self.asm ; .arch x64 ; mov r10d, i.next_ip32() as i32);
        self.ends_in_eip();
        Ok(self.transfer(i, TransferKind::Rdtsc))
    }

    /// A write of an interrupt controller's mask; any other port is the interpreter's.
    pub(super) fn port_out(&mut self, i: &Instruction) -> Result<Step, Refused> {
        let chip = PicMasks::at(i.immediate8()).ok_or(Refused)?;
        if !self.mode.contains(Mode::CPL0) {
            return Err(Refused);
        }
        self.may_transfer_unshadowed()?;
        dynasm!(self.asm ; .arch x64
            ; mov r9d, chip as i32
            ; mov r10d, i.next_ip32() as i32
        );
        self.ends_in_eip();
        Ok(self.transfer(i, TransferKind::PicMask))
    }

    /// Whether a load of FS can end the block.
    pub(super) fn may_load_fs(&self) -> Result<(), Refused> {
        self.may_read_descriptors()?;
        self.may_transfer_unshadowed()
    }

    /// FS gets the selector in r8d (its low word), and ESP grows by `size`.
    pub(super) fn load_fs(&mut self, i: &Instruction, size: u32) -> Step {
        dynasm!(self.asm ; .arch x64
            ; movzx r8d, r8w
            ; mov r9d, size as i32
            ; mov r10d, i.next_ip32() as i32
        );
        self.ends_in_eip();
        self.transfer(i, TransferKind::LoadFs)
    }

    fn transfer(&mut self, i: &Instruction, kind: TransferKind) -> Step {
        let counters = TranslatorOptions::COUNT | TranslatorOptions::BUDGET;
        let counted = i32::from(self.opts.intersects(counters));
        dynasm!(self.asm ; .arch x64
            ; mov r11d, counted
            ; mov DWORD [r15 + at::EIP], i.ip32() as i32
        );
        self.ends_in_eip();
        let on = usize::from(self.opts.contains(TranslatorOptions::INDIRECT));
        self.jmp_host(self.stubs.transfer[kind as usize][on]);
        Step::End(Terminator::Indirect)
    }
}
