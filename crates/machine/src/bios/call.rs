//! One firmware call: the caller's registers, the flags that IRET will restore, its memory.

use ringer_cpu::addr::Pa;
use ringer_cpu::{CpuState, Eflags, Gpr, SegReg};
use ringer_mmu::GuestMemory;

/// A call in progress.
pub struct Call<'a> {
    /// The processor, in the stub, after its OUT.
    pub cpu: &'a mut CpuState,
    /// Guest memory.
    pub memory: &'a mut GuestMemory,
    put: &'a mut dyn FnMut(u8),
    get: &'a mut dyn FnMut() -> Option<u8>,
}

impl<'a> Call<'a> {
    pub fn new(
        cpu: &'a mut CpuState,
        memory: &'a mut GuestMemory,
        put: &'a mut dyn FnMut(u8),
        get: &'a mut dyn FnMut() -> Option<u8>,
    ) -> Self {
        Self { cpu, memory, put, get }
    }

    /// Prints a byte on the console.
    pub fn put(&mut self, byte: u8) {
        (self.put)(byte);
    }

    /// A byte typed at the console.
    pub fn get(&mut self) -> Option<u8> {
        (self.get)()
    }

    pub fn reg(&self, r: Gpr) -> u32 {
        self.cpu.reg32(r)
    }

    pub fn set_reg(&mut self, r: Gpr, value: u32) {
        self.cpu.set_reg32(r, value);
    }

    /// The low word of a register.
    pub fn word(&self, r: Gpr) -> u16 {
        self.reg(r) as u16
    }

    pub fn set_word(&mut self, r: Gpr, value: u16) {
        self.set_reg(r, (self.reg(r) & 0xffff_0000) | u32::from(value));
    }

    /// Bits 0 to 7 of a register.
    pub fn low(&self, r: Gpr) -> u8 {
        self.reg(r) as u8
    }

    pub fn set_low(&mut self, r: Gpr, value: u8) {
        self.set_reg(r, (self.reg(r) & !0xff) | u32::from(value));
    }

    /// Bits 8 to 15 of a register.
    pub fn high(&self, r: Gpr) -> u8 {
        (self.reg(r) >> 8) as u8
    }

    pub fn set_high(&mut self, r: Gpr, value: u8) {
        self.set_reg(r, (self.reg(r) & !0xff00) | (u32::from(value) << 8));
    }

    pub fn set_ax(&mut self, value: u16) {
        self.set_word(Gpr::Eax, value);
    }

    /// The physical address of a real-mode pointer.
    pub fn pointer(&self, seg: SegReg, offset: u16) -> u64 {
        self.cpu.linear(self.cpu.seg[seg as usize].base, offset).get()
    }

    /// Sets or clears a flag in the image on the stack: IP, CS, FLAGS from the top.
    pub fn set_flag(&mut self, flag: Eflags, on: bool) {
        let at = self.pointer(SegReg::Ss, self.word(Gpr::Esp).wrapping_add(4));
        let mut image = [0; 2];
        // Where nothing is mapped there is no flag to change, as on a PC.
        if !self.memory.read(Pa(at), &mut image) {
            return;
        }
        let bits = u16::from_le_bytes(image);
        let mask = flag.bits() as u16;
        let new = if on { bits | mask } else { bits & !mask };
        self.memory.dma_write(Pa(at), &new.to_le_bytes());
    }

    pub fn set_carry(&mut self, on: bool) {
        self.set_flag(Eflags::CF, on);
    }

    /// Continues at this offset of the ROM instead of the stub's IRET.
    pub fn continue_at(&mut self, offset: u16) {
        self.cpu.set_eip(u32::from(offset));
    }
}
